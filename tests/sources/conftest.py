"""Places of remote files for the tests of this room."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mics_iac.core.place import BucketKind
from tests.servers.files import Files, file_server
from tests.servers.processes import Distant
from tests.servers.server import Server
from tests.sources.far import Far, bucket, environment, web


@pytest.fixture
def web_server() -> Iterator[tuple[Server, Files]]:
    with file_server() as both:
        yield both


def a_bucket(request: pytest.FixtureRequest, kind: BucketKind) -> Far:
    server: Distant = request.getfixturevalue(f"{kind}_server")
    patch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
    for name, text in environment(kind, server).items():
        patch.setenv(name, text)
    made = bucket(kind, server)
    server.forget()
    return made


@pytest.fixture(params=["s3", "gs", "az"])
def stored(request: pytest.FixtureRequest) -> Far:
    """A folder in a bucket of each kind."""
    return a_bucket(request, request.param)


@pytest.fixture(params=["s3", "gs", "az", "https"])
def far(request: pytest.FixtureRequest) -> Far:
    """Any place of remote files."""
    if request.param == "https":
        return web(*request.getfixturevalue("web_server"))
    return a_bucket(request, request.param)


@pytest.fixture
def s3(request: pytest.FixtureRequest) -> Far:
    return a_bucket(request, "s3")


@pytest.fixture
def gs(request: pytest.FixtureRequest) -> Far:
    return a_bucket(request, "gs")
