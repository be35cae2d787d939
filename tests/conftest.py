"""What all tests share: the switch that rewrites golden files, and the servers that backends are run against.

A server is started when the first test asks for it, one for each process that runs tests.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import settings

from mics_iac import __version__
from tests.servers.azurite import MISSING, find_azurite
from tests.servers.processes import Distant, running

# No test may depend on how fast the machine is.
settings.register_profile("here", deadline=None)
settings.load_profile("here")

GOLDEN = Path(__file__).parent / "golden"


class Golden(Protocol):
    def __call__(self, name: str, text: str) -> None: ...


# Whose tests start whole commands: they mostly wait, for processes and for a platform that takes its time.
WAITING = {"bench", "cli", "docs"}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where workers share the tests: the slow ones first, and those that wait spread among those that compute.

    Else a worker would be left with the slow ones when the others are done, and all would wait at the same time.
    """
    if not hasattr(config, "workerinput"):
        return
    here = Path(__file__).parent
    streams: dict[tuple[bool, bool], list[pytest.Item]] = {}
    for item in items:
        slow = item.get_closest_marker("slow") is not None
        streams.setdefault((not slow, item.path.relative_to(here).parts[0] in WAITING), []).append(item)
    # Each stream is spread evenly over all tests of its speed, in the order that it has.
    moments = {
        item: (quick, number / len(stream))
        for (quick, _), stream in streams.items()
        for number, item in enumerate(stream)
    }
    items.sort(key=moments.__getitem__)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite tests/golden with what comes out now")


@pytest.fixture
def golden(pytestconfig: pytest.Config) -> Golden:
    """Compares a text, apart from our version in it, with a file of tests/golden; writes that file when asked to."""
    version = f'"mics_iac_version": "{__version__}"'

    def compare(name: str, text: str) -> None:
        text = text.replace(version, '"mics_iac_version": "VERSION"')
        path = GOLDEN / name
        if pytestconfig.getoption("--update-golden"):
            path.write_text(text, encoding="utf-8", newline="\n")
        assert path.is_file(), f"no golden file {name}: run pytest with --update-golden, and read what it wrote"
        assert text == path.read_text(encoding="utf-8")

    return compare


@pytest.fixture(scope="session")
def s3_process() -> Iterator[Distant]:
    with running("s3") as server:
        yield server


@pytest.fixture
def s3_server(s3_process: Distant) -> Iterator[Distant]:
    """S3, as moto imitates it; what a test told it is over with the test, what it keeps is not."""
    yield s3_process
    s3_process.mend()


@pytest.fixture(scope="session")
def az_process() -> Iterator[Distant]:
    if find_azurite(os.environ) is None:
        # Where all is to be checked, a check that was not made is a failure.
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(MISSING)
    with running("azurite") as server:
        yield server


@pytest.fixture
def az_server(az_process: Distant) -> Iterator[Distant]:
    """Azure's blobs, as Azurite imitates them, in the same way."""
    yield az_process
    az_process.mend()


@pytest.fixture(scope="session")
def gs_process() -> Iterator[Distant]:
    with running("gcs") as server:
        yield server


@pytest.fixture
def gs_server(gs_process: Distant) -> Iterator[Distant]:
    """Google Cloud Storage, as we imitate it, in the same way."""
    yield gs_process
    gs_process.mend()
