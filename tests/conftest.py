"""What all tests share: the switch that rewrites golden files."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import settings

from mics_iac import __version__

# No test may depend on how fast the machine is.
settings.register_profile("here", deadline=None)
settings.load_profile("here")

GOLDEN = Path(__file__).parent / "golden"


class Golden(Protocol):
    def __call__(self, name: str, text: str) -> None: ...


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
