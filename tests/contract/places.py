"""The places that the contract of a Backend is run against; a new backend is one more of them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest

from mics_iac.core.place import HttpPlace
from mics_iac.store.backend import Backend, DamagedLock, damaged_id
from mics_iac.store.file import FileBackend
from mics_iac.store.http import HttpBackend
from mics_iac.store.memory import MemoryBackend, MemoryPlace
from mics_iac.store.stateserver import Access, StateServer
from tests.servers.faults import Faults
from tests.servers.state_http import state_server
from tests.servers.state_rules import Flavour
from tests.store.stand import SetClock, TimedDisk


class Place(Protocol):
    """One place where a state may be kept, and a clock by which its leases end."""

    clock: SetClock

    def client(self) -> Backend:
        """A new client, as another process would make it."""
        ...

    def damage_lock(self, data: bytes) -> None:
        """Leave a lock there whose record is these bytes, and which nobody holds."""
        ...


class DistantPlace(Place, Protocol):
    """One that is asked over a network, where `faults` says what goes wrong with the requests."""

    @property
    def faults(self) -> Faults:
        """What goes wrong from now on."""
        ...


class InMemory:
    """The place of the backend `memory`."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.clock = SetClock()
        self._place = MemoryPlace()

    def client(self) -> Backend:
        return MemoryBackend(clock=self.clock, place=self._place)

    def damage_lock(self, data: bytes) -> None:
        self._place.lock = DamagedLock(damaged_id(data), data.decode(errors="replace"), int(self.clock.now() * 1000))


class InFolder:
    """The place of the backend `file`."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.clock = SetClock()
        self._folder = folder

    def client(self) -> Backend:
        return FileBackend(self._folder / "imports.state.json", clock=self.clock, disk=TimedDisk(self.clock))

    def damage_lock(self, data: bytes) -> None:
        path = self._folder / "imports.state.lock"
        path.write_bytes(data)
        os.utime(path, (self.clock.now(), self.clock.now()))


class AtServer:
    """The place of the backend `http`: a server of the protocol, in this process, with our clock."""

    flavour: Flavour = "strict"

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.clock = SetClock()
        # Where many want the same lock at once, some real time must pass for one to let go of it.
        self.clock.on_sleep = lambda: time.sleep(0.002)
        self._server = stack.enter_context(state_server(self.flavour, now=self.clock.now))
        address = self._server.address("imports")
        self._place = HttpPlace(address, **self._lock_of(address))

    @property
    def faults(self) -> Faults:
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


DISTANT: dict[str, Callable[[Path, ExitStack], DistantPlace]] = {"http": AtServer, "gitlab": AtGitLab}

PLACES: dict[str, Callable[[Path, ExitStack], Place]] = {"memory": InMemory, "file": InFolder, **DISTANT}
