"""The places that the contract of a Backend is run against; a new backend is one more of them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import ClassVar, Protocol
from uuid import uuid4

import pytest

from mics_iac.core.place import BucketKind, HttpPlace
from mics_iac.store.backend import Backend, DamagedLock, damaged_id
from mics_iac.store.bucket import open_bucket
from mics_iac.store.file import FileBackend
from mics_iac.store.http import HttpBackend
from mics_iac.store.memory import MemoryBackend, MemoryPlace
from mics_iac.store.objects import ObjectBackend
from mics_iac.store.stateserver import Access, StateServer
from tests.servers.faults import Fault
from tests.servers.processes import Distant
from tests.servers.state_http import state_server
from tests.servers.state_rules import Flavour
from tests.servers.stores import STORES, the_bucket
from tests.store.stand import SetClock, TimedDisk


class Place(Protocol):
    """One place where a state may be kept, and a clock by which its leases end."""

    clock: SetClock
    many: ClassVar[int] = 1000
    """How many groups a test of many records: in a bucket each is an object."""

    def client(self) -> Backend:
        """A new client, as another process would make it."""
        ...

    def damage_lock(self, data: bytes) -> None:
        """Leave a lock there whose record is these bytes, and which nobody holds."""
        ...


class Trouble(Protocol):
    """What goes wrong with the requests to a server."""

    def add(self, *faults: Fault) -> None:
        """Put these in force too."""
        ...

    def struck(self) -> list[tuple[Fault, int]]:
        """Each in force, and how often it struck."""
        ...

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        ...


class DistantPlace(Place, Protocol):
    """One that is asked over a network, where `faults` says what goes wrong with the requests."""

    @property
    def faults(self) -> Trouble:
        """What goes wrong from now on."""
        ...


class Given:
    """What a place is made of: a folder of its own, what ends with the test, and the servers that outlive it."""

    def __init__(self, request: pytest.FixtureRequest, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.stack = stack
        self._request = request

    def server(self, kind: str) -> Distant:
        """The server of this kind of bucket."""
        server: Distant = self._request.getfixturevalue(f"{kind}_server")
        return server

    def setenv(self, environ: Mapping[str, str]) -> None:
        """What stands in the environment of this process, until the test is over."""
        patch: pytest.MonkeyPatch = self._request.getfixturevalue("monkeypatch")
        for name, text in environ.items():
            patch.setenv(name, text)


class InMemory(Place):
    """The place of the backend `memory`."""

    def __init__(self, given: Given) -> None:
        self.clock = SetClock()
        self._place = MemoryPlace()

    def client(self) -> Backend:
        return MemoryBackend(clock=self.clock, place=self._place)

    def damage_lock(self, data: bytes) -> None:
        self._place.lock = DamagedLock(damaged_id(data), data.decode(errors="replace"), int(self.clock.now() * 1000))


class InFolder(Place):
    """The place of the backend `file`."""

    def __init__(self, given: Given) -> None:
        self.clock = SetClock()
        self._folder = given.folder

    def client(self) -> Backend:
        return FileBackend(self._folder / "imports.state.json", clock=self.clock, disk=TimedDisk(self.clock))

    def damage_lock(self, data: bytes) -> None:
        path = self._folder / "imports.state.lock"
        path.write_bytes(data)
        os.utime(path, (self.clock.now(), self.clock.now()))


class AtServer(Place):
    """The place of the backend `http`: a server of the protocol, in this process, with our clock."""

    flavour: Flavour = "strict"

    def __init__(self, given: Given) -> None:
        self.clock = SetClock()
        # Where many want the same lock at once, some real time must pass for one to let go of it.
        self.clock.on_sleep = lambda: time.sleep(0.002)
        self._server = given.stack.enter_context(state_server(self.flavour, now=self.clock.now))
        address = self._server.address("imports")
        self._place = HttpPlace(address, **self._lock_of(address))

    @property
    def faults(self) -> Trouble:
        return self._server.faults

    def _lock_of(self, address: str) -> dict[str, str]:
        return {}

    def client(self) -> Backend:
        return HttpBackend(StateServer(self._place, Access()), clock=self.clock)

    def damage_lock(self, data: bytes) -> None:
        self._server.documents.set_lock(self._server.path("imports"), {"torn": data.decode(errors="replace")})


class AtGitLab(AtServer):
    """The same with GitLab's ways."""

    flavour: Flavour = "gitlab"

    def _lock_of(self, address: str) -> dict[str, str]:
        return {"lock_address": f"{address}/lock", "lock_method": "POST", "unlock_method": "DELETE"}

    def damage_lock(self, data: bytes) -> None:
        pytest.skip("GitLab keeps a lock's id, and gives nothing else back")


class ServerClock(SetClock):
    """A clock that a server follows; where somebody waits for another thread, some real time passes too."""

    def __init__(self, server: Distant) -> None:
        super().__init__()
        self._server = server
        self.on_sleep = lambda: time.sleep(0.002)
        server.set_clock(at=self.wall)

    def advance(self, seconds: float) -> None:
        super().advance(seconds)
        self._server.set_clock(at=self.wall)


class ServerTrouble:
    """What goes wrong with a server that is a process of its own."""

    def __init__(self, server: Distant) -> None:
        self.add = server.break_
        self.struck = server.struck
        self.clear = server.clear


class InBucket(Place):
    """The place of the backend `s3`: a folder of its own in the one bucket of the server."""

    kind: BucketKind = "s3"

    def __init__(self, given: Given) -> None:
        server, store = given.server(self.kind), STORES[self.kind]
        given.setenv(store.environ(server.url))
        self.faults: Trouble = ServerTrouble(server)
        self.clock: SetClock = ServerClock(server)
        self._place = store.place(server.url, the_bucket(self.kind, server.url))
        self._folder = uuid4().hex[:12]

    def client(self) -> Backend:
        bucket = open_bucket(self._place, os.environ)
        return ObjectBackend(bucket, folder=self._folder, name="imports.state.json", clock=self.clock)

    def damage_lock(self, data: bytes) -> None:
        open_bucket(self._place, os.environ).put(f"{self._folder}/imports.state.lock", data)


class InContainer(InBucket):
    """The same with Azure's blobs."""

    kind: BucketKind = "az"
    many = 200


class InGoogleBucket(InBucket):
    """The same with Google Cloud Storage."""

    kind: BucketKind = "gs"
    many = 200


DISTANT: dict[str, Callable[[Given], DistantPlace]] = {
    "az": InContainer,
    "gitlab": AtGitLab,
    "gs": InGoogleBucket,
    "http": AtServer,
    "s3": InBucket,
}

PLACES: dict[str, Callable[[Given], Place]] = {"file": InFolder, "memory": InMemory, **DISTANT}
