"""The lock of a state in a bucket: one object beside it, only ever replaced under the condition of its version.

It is never removed: there is no removing under a condition, so a lock that was let go is an object that says so. Who
has it is who put the present version. When a lease ends is told by the store alone: the time at which the record was
put, which is the store's, and the length that stands in it.

A store that ignores conditions would let everybody win; the first run that finds no lock object proves that this one
does not (`_prove`).
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from mics_iac.core.clock import Clock
from mics_iac.errors import StoreFailed
from mics_iac.store.backend import (
    LEASE,
    Busy,
    DamagedLock,
    Holder,
    LockInfo,
    damaged_id,
    is_past,
    lost,
    milliseconds,
    other_id,
    visible,
)
from mics_iac.store.bucket import Changed, Stored
from mics_iac.store.process import is_gone
from mics_iac.store.steady import Steady

# Every pass either answers or finds that somebody else was faster.
_PASSES = 20


class _Record(msgspec.Struct, frozen=True):
    """What stands in the lock object. `lease` is milliseconds from the moment at which it was put.

    `token` names one holding of the lock and `beat` counts what was put for it, so that no two records are alike. Where
    nobody holds it, `broken` is the id of the lock that was taken away, None of one that was let go.
    """

    token: str
    beat: int
    lease: int
    lock: LockInfo | None
    broken: str | None = None


@dataclass(frozen=True, slots=True)
class _Mine:
    """The lock as this client put it last."""

    record: _Record
    version: str


class ObjectLock:
    """One client's view of one lock object. Safe for threads; raises StoreFailed and Locked.

    `token` gives names that nobody else chooses; `stem` is how all keys of this state begin.
    """

    def __init__(self, bucket: Steady, *, stem: str, clock: Clock, token: Callable[[], str]) -> None:
        self._bucket = bucket
        self.key = f"{stem}.lock"
        self._time = f"{stem}.clock"
        self._clock = clock
        self._token = token
        self._mine: _Mine | None = None
        self._guard = threading.Lock()
        # The store's time as last told (epoch seconds), the local moment at which it was, and the lock as it stood.
        self._told: tuple[float, float, str] | None = None

    def take(self, claim: LockInfo, *, lease: float) -> LockInfo | Busy:
        """See Backend.lock."""
        with self._guard:
            for _ in range(_PASSES):
                found = self._bucket.get(self.key)
                holder = _holder(found)
                if found is None:
                    self._prove()
                elif holder is not None and not self._is_dead(holder, found.version, claim):
                    return Busy(holder)
                claim = msgspec.structs.replace(claim, after=holder.id if holder is not None else _broken(found))
                with contextlib.suppress(Changed):
                    return self._put(claim, lease=lease, expected=found.version if found is not None else None)
            return Busy(None)

    def renew(self, info: LockInfo, *, lease: float) -> LockInfo:
        """See Backend.renew."""
        with self._guard:
            mine = self._mine
            if mine is None or mine.record.lock is None or mine.record.lock.id != info.id:
                raise lost(info, self.holder())
            put = self._replace(mine, lock=mine.record.lock, lease=lease)
            if put is None:
                raise lost(info, self.holder())
            self._mine = put
            return self._timed(mine.record.lock, lease)

    def check(self, info: LockInfo) -> None:
        """See Backend.check. A read: some stores take no more than one put a second of one object."""
        with self._guard:
            mine = self._mine
            if mine is None or mine.record.lock is None or mine.record.lock.id != info.id:
                raise lost(info, self.holder())
            found = self._bucket.get(self.key)
            if found is None or not _is_of(found, mine.record.token):
                raise lost(info, _holder(found))
            self._mine = _Mine(mine.record, found.version)

    def release(self, lock_id: str) -> None:
        """See Backend.unlock."""
        with self._guard:
            mine = self._mine
            if mine is not None and mine.record.lock is not None and mine.record.lock.id == lock_id:
                self._mine = None
                self._replace(mine, lock=None, lease=0)

    def holder(self) -> Holder | None:
        """See Backend.holder."""
        return _holder(self._bucket.get(self.key))

    def break_(self, lock_id: str) -> bool:
        """See Backend.break_lock."""
        for _ in range(_PASSES):
            found = self._bucket.get(self.key)
            holder = _holder(found)
            if found is None or holder is None:
                return False
            if holder.id != lock_id:
                raise other_id(lock_id, holder)
            with contextlib.suppress(Changed):
                free = _Record(self._token(), 0, 0, None, broken=lock_id)
                self._bucket.put(self.key, _encode(free), expected=found.version)
                return True
        raise StoreFailed(
            f"the lock changes faster than it can be broken: {self._bucket.where}", remedy="its holder lives: let it be"
        )

    def _put(self, claim: LockInfo, *, lease: float, expected: str | None) -> LockInfo:
        # Written in the local time, since the store's is not known before: it is shown to people, nothing hangs on it.
        created = msgspec.structs.replace(claim, created=milliseconds(self._clock.now()), expires=0)
        record = _Record(self._token(), 0, milliseconds(lease), created)
        self._mine = _Mine(record, self._bucket.put(self.key, _encode(record), expected=expected))
        return self._timed(created, lease)

    def _replace(self, mine: _Mine, *, lock: LockInfo | None, lease: float) -> _Mine | None:
        """Put the next record of a lock that is ours; None if it is not ours any more."""
        for beat in range(mine.record.beat + 1, mine.record.beat + 1 + _PASSES):
            record = _Record(mine.record.token, beat, milliseconds(lease), lock)
            try:
                return _Mine(record, self._bucket.put(self.key, _encode(record), expected=mine.version))
            except Changed:
                found = self._bucket.get(self.key)
                if found is None or not _is_of(found, mine.record.token):
                    return None
                # An earlier put of ours, which had counted as lost, has arrived after all.
                mine = _Mine(mine.record, found.version)
        return None

    def _is_dead(self, holder: Holder, version: str, claim: LockInfo) -> bool:
        if isinstance(holder, LockInfo) and is_gone(holder.process, ours=claim.process):
            return True
        if self._told is not None and self._told[2] == version:
            # Who waits asks for the time again only when the lease may be over: some stores take no more than one put a
            # second of one object, and many may wait.
            told, moment, _ = self._told
            if not is_past(holder, now=told + self._clock.monotonic() - moment):
                return False
        moment = self._clock.monotonic()
        now = self._bucket.now(self._time, mark=self._token())
        self._told = (now, moment, version)
        return is_past(holder, now=now)

    def _prove(self) -> None:
        """Refuse a store that puts an object whatever the condition.

        Others may try at the same moment, or ask for the time: whatever is put there is unlike all that was before.
        """
        key, mark = self._time, self._token()
        with contextlib.suppress(Changed):  # it is there already
            self._bucket.put(key, f"1 {mark}\n".encode(), expected=None)
        found = self._bucket.get(key)
        if found is None:
            raise StoreFailed(
                f"what was just put cannot be found: {self._bucket.where}",
                remedy="see that it is one store, and that these credentials may read what they write",
            )
        with contextlib.suppress(Changed):  # somebody else was faster: then it is another version by now, too
            self._bucket.put(key, f"2 {mark}\n".encode(), expected=found.version)
        for expected in (None, found.version):
            try:
                self._bucket.put(key, f"3 {mark} after {expected}\n".encode(), expected=expected)
            except Changed:
                continue
            raise StoreFailed(
                f"{self._bucket.where} puts an object whatever the condition, so that it cannot keep two runs apart",
                remedy="keep the state in a store that can (S3, Google Cloud Storage and Azure Blob Storage do)",
            )

    def _timed(self, lock: LockInfo, lease: float) -> LockInfo:
        return msgspec.structs.replace(lock, expires=milliseconds(self._clock.now() + lease))


def _encode(record: _Record) -> bytes:
    return msgspec.json.encode(record) + b"\n"


def _decode(found: Stored) -> _Record | None:
    with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return msgspec.json.decode(found.data, type=_Record)
    return None


def _is_of(found: Stored, token: str) -> bool:
    record = _decode(found)
    return record is not None and record.token == token


def _broken(found: Stored | None) -> str | None:
    """The id of the lock that was taken away from its holder, who may not know it yet; None where nobody's was."""
    record = _decode(found) if found is not None else None
    return record.broken if record is not None else None


def _holder(found: Stored | None) -> Holder | None:
    if found is None:
        return None
    record = _decode(found)
    if record is None:
        text = visible(found.data.decode(errors="replace"))
        return DamagedLock(damaged_id(found.data), text, milliseconds(found.modified + LEASE))
    if record.lock is None:
        return None
    return msgspec.structs.replace(record.lock, expires=milliseconds(found.modified) + record.lease)
