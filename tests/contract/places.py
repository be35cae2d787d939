"""The places that the contract of a Backend is run against; a new backend is one more of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from mics_iac.store.backend import Backend, DamagedLock, damaged_id
from mics_iac.store.file import FileBackend
from mics_iac.store.memory import MemoryBackend, MemoryPlace
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


class InMemory:
    """The place of the backend `memory`."""

    def __init__(self, folder: Path) -> None:
        self.clock = SetClock()
        self._place = MemoryPlace()

    def client(self) -> Backend:
        return MemoryBackend(clock=self.clock, place=self._place)

    def damage_lock(self, data: bytes) -> None:
        self._place.lock = DamagedLock(damaged_id(data), data.decode(errors="replace"), int(self.clock.now() * 1000))


class InFolder:
    """The place of the backend `file`."""

    def __init__(self, folder: Path) -> None:
        self.clock = SetClock()
        self._folder = folder

    def client(self) -> Backend:
        return FileBackend(self._folder / "imports.state.json", clock=self.clock, disk=TimedDisk(self.clock))

    def damage_lock(self, data: bytes) -> None:
        path = self._folder / "imports.state.lock"
        path.write_bytes(data)
        os.utime(path, (self.clock.now(), self.clock.now()))


PLACES: dict[str, Callable[[Path], Place]] = {"memory": InMemory, "file": InFolder}
