"""Places of remote files, each with a server on the loopback that has them: what a test needs to put and to ask."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import obstore

from mics_iac.core.manifest import Place, SourceSpec
from mics_iac.core.place import BucketKind
from mics_iac.errors import Problem
from mics_iac.sources.raw import Raw
from mics_iac.sources.remote import RemoteSource
from mics_iac.sources.source import Found
from tests.clocks import SteppingClock
from tests.servers import azurite
from tests.servers.faults import Fault, Seen
from tests.servers.files import Files
from tests.servers.processes import Distant
from tests.servers.server import Server
from tests.servers.stores import STORES, the_bucket
from tests.servers.test_objects import KINDS

PLACE = Place("imports.yaml", 7, 11)
CANARY = "hunter2canary"


def nothing_in_the_way(_: str) -> tuple[str | None, str | None]:
    """No proxy, and no certificates of one's own."""
    return None, None


@dataclass
class Far:
    """One place: a folder of its own in a bucket, or at a web server."""

    kind: str
    root: str
    """What the addresses of its files begin with; ends with a slash."""
    put: Callable[[str, bytes], object]
    remove: Callable[[str], object]
    break_: Callable[[Fault], None]
    struck: Callable[[], list[tuple[Fault, int]]]
    seen: Callable[[], list[Seen]]
    clock: SteppingClock
    source: RemoteSource

    def find(self, path: str, *, allow_empty: bool = False) -> tuple[list[Found], list[Problem]]:
        return self.source.find(SourceSpec(self.root + path, allow_empty, False, PLACE))

    def found(self, path: str) -> Found:
        """The one file of that path."""
        (one,), problems = self.find(path)
        assert not problems
        return one

    def names(self, pattern: str) -> list[str]:
        """The files that a pattern finds, behind the root."""
        found, problems = self.find(pattern)
        assert not problems
        return [one.path.removeprefix(self.root) for one in found]

    def told(self, path: str) -> list[str]:
        """The codes and texts of what is wrong with a path, where nothing is found."""
        found, problems = self.find(path)
        assert not found
        assert all((p.file, p.line, p.column) == ("imports.yaml", 7, 11) for p in problems)
        return [f"{p.code} {p.message}" for p in problems]

    def read(self, found: Found, *, start: int = 0, end: int | None = None, size: int = 1 << 16) -> bytes:
        return drained(self.source.open_raw(found.path, seal=found.seal, start=start, end=end), size=size)


def drained(raw: Raw, *, size: int = 1 << 16) -> bytes:
    """All the bytes; the reader is closed, whatever happens."""
    blocks: list[bytes] = []
    try:
        while block := raw.read(size):
            assert len(block) <= size
            blocks.append(block)
    finally:
        raw.close()
    return b"".join(blocks)


def environment(kind: BucketKind, server: Distant) -> dict[str, str]:
    """What leads to the server and opens it."""
    endpoint = {
        "s3": {"AWS_ENDPOINT_URL": server.url, "AWS_REGION": "eu-west-3"},
        "gs": {"GOOGLE_BASE_URL": server.url},
        "az": {"AZURE_STORAGE_ENDPOINT": azurite.endpoint(server.url)},
    }
    return {**STORES[kind].environ(server.url), **endpoint[kind]}


def bucket(kind: BucketKind, server: Distant) -> Far:
    """A new folder in the bucket of one kind; its environment must be that of the process already."""
    name, folder, clock = the_bucket(kind, server.url), uuid4().hex[:12], SteppingClock()
    store: Any = KINDS[kind].store(server.url, name)
    account = f"{azurite.ACCOUNT}/" if kind == "az" else ""
    return Far(
        kind,
        f"{kind}://{account}{name}/{folder}/",
        lambda key, data: obstore.put(store, f"{folder}/{key}", data, use_multipart=False),
        lambda key: obstore.delete(store, f"{folder}/{key}"),
        server.break_,
        server.struck,
        server.seen,
        clock,
        RemoteSource(os.environ, clock=clock, way=nothing_in_the_way, chance=lambda: 0.5),
    )


def web(server: Server, files: Files, environ: dict[str, str] | None = None) -> Far:
    """A web server."""
    clock = SteppingClock()
    return Far(
        "https",
        f"{server.url}/files/",
        lambda key, data: files.put(f"/files/{key}", data),
        lambda key: files.kept.pop(f"/files/{key}"),
        server.faults.add,
        server.faults.struck,
        server.log.all,
        clock,
        RemoteSource(environ or {}, clock=clock, way=nothing_in_the_way, chance=lambda: 0.5),
    )
