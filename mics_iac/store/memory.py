"""A backend that keeps everything in this process and forgets it at the end: for trials and for tests.

A real one, held to the same contract as the others.
"""

from __future__ import annotations

import threading
from collections import deque

import msgspec

from mics_iac.core.clock import Clock
from mics_iac.errors import StateConflict
from mics_iac.store.backend import (
    RING,
    Blob,
    Busy,
    Holder,
    LockInfo,
    Snapshot,
    is_past,
    lost,
    milliseconds,
    other_id,
)


class MemoryPlace:
    """What several clients share: the state, the journals and the lock."""

    def __init__(self) -> None:
        self.guard = threading.Lock()
        self.state: Snapshot | None = None
        self.writes = 0
        self.backups: deque[bytes] = deque(maxlen=RING)
        self.aside: dict[str, bytes] = {}
        self.journals: dict[str, bytes] = {}
        self.lock: Holder | None = None


class MemoryBackend:
    """One client of a place in memory, its own if none is given."""

    distant = False

    def __init__(self, *, clock: Clock, place: MemoryPlace | None = None) -> None:
        self._clock = clock
        self._place = place if place is not None else MemoryPlace()
        self._lengths: dict[str, int] = {}

    def describe(self) -> str:
        """See Backend."""
        return "the state in memory"

    def describe_lock(self) -> str:
        """See Backend."""
        return "the lock in memory"

    def read(self) -> Snapshot | None:
        """See Backend."""
        with self._place.guard:
            return self._place.state

    def write(self, data: bytes, *, expected: str | None) -> str:
        """See Backend."""
        with self._place.guard:
            found = self._place.state.version if self._place.state is not None else None
            if found != expected:
                raise StateConflict(f"{self.describe()} was written by somebody else")
            if self._place.state is not None:
                self._place.backups.appendleft(self._place.state.data)
            self._place.writes += 1
            self._place.state = Snapshot(data, str(self._place.writes))
            return self._place.state.version

    def backups(self) -> list[Blob]:
        """See Backend."""
        with self._place.guard:
            return [Blob(str(n), f"backup {n}", data) for n, data in enumerate(self._place.backups, start=1)]

    def journals(self) -> list[Blob]:
        """See Backend."""
        with self._place.guard:
            return [Blob(name, f"journal {name}", data) for name, data in sorted(self._place.journals.items())]

    def append(self, name: str, data: bytes) -> None:
        """See Backend."""
        with self._place.guard:
            present = self._place.journals.get(name)
            if (len(present) if present is not None else None) != self._lengths.get(name):
                raise StateConflict(f"journal {name} is not as this run left it: another run had the lock meanwhile")
            self._place.journals[name] = (present or b"") + data
            self._lengths[name] = len(self._place.journals[name])

    def drop(self, names: list[str]) -> None:
        """See Backend."""
        with self._place.guard:
            for name in names:
                self._place.journals.pop(name, None)

    def set_aside(self, name: str) -> str:
        """See Backend."""
        with self._place.guard:
            self._place.aside[name] = self._place.journals.pop(name)
            return f"set aside: journal {name}"

    def lock(self, claim: LockInfo, *, lease: float) -> LockInfo | Busy:
        """See Backend."""
        with self._place.guard:
            now = self._clock.now()
            holder = self._place.lock
            if holder is not None and not is_past(holder, now=now):
                return Busy(holder)
            info = msgspec.structs.replace(
                claim,
                created=milliseconds(now),
                expires=milliseconds(now + lease),
                after=holder.id if holder is not None else None,
            )
            self._place.lock = info
            return info

    def renew(self, info: LockInfo, *, lease: float) -> LockInfo:
        """See Backend."""
        with self._place.guard:
            holder = self._place.lock
            if holder is None or holder.id != info.id:
                raise lost(info, holder)
            renewed = msgspec.structs.replace(info, expires=milliseconds(self._clock.now() + lease))
            self._place.lock = renewed
            return renewed

    def check(self, info: LockInfo) -> None:
        """See Backend."""
        with self._place.guard:
            if self._place.lock is None or self._place.lock.id != info.id:
                raise lost(info, self._place.lock)

    def unlock(self, lock_id: str) -> None:
        """See Backend."""
        with self._place.guard:
            if self._place.lock is not None and self._place.lock.id == lock_id:
                self._place.lock = None

    def holder(self) -> Holder | None:
        """See Backend."""
        with self._place.guard:
            return self._place.lock

    def break_lock(self, lock_id: str) -> bool:
        """See Backend."""
        with self._place.guard:
            holder = self._place.lock
            if holder is None:
                return False
            if holder.id != lock_id:
                raise other_id(lock_id, holder)
            self._place.lock = None
            return True
