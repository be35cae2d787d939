"""The port to the place where state, journals and lock live, and the values that cross it.

One contract, run by every implementation (`tests/contract/`). A backend stores bytes and decides who holds the lock;
it must not know what a state or an entry is: that is `store/held`'s business.

What every backend promises:

* `write` and `append` are durable when they return. A reader sees a write whole or not at all; of an append he may see
  a torn end, while it runs or when its writer died in it.
* The time of a lease is the backend's time (its clock, or its server's), never the caller's.
* Whatever goes wrong below is raised as StoreFailed, with what to do.
* Calls may come from several threads of one process; one client holds one lock at a time.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import msgspec

from mics_iac.errors import Locked

LEASE = 600.0
"""Seconds that a lock lasts without being renewed. Ten minutes: a holder renews it every third of that, so it survives
a suspended machine or a slow network for minutes, and one that died on another machine blocks no longer than that."""

MARGIN = 60.0
"""Seconds past its end before a lease may be taken over: what two machines' clocks may differ by."""

RING = 5
"""How many backups of the state are kept."""

NAME = r"[0-9]{8,}-[0-9]{4,}"
"""What the name of a journal looks like: the serial it goes on from and its ordinal; their order is that of names."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The bytes of the state, and the opaque token of this very version of them."""

    data: bytes
    version: str


@dataclass(frozen=True, slots=True)
class Blob:
    """The bytes of one run's journal, or of one backup. `where` is how messages call it: a file, or an address."""

    name: str
    where: str
    data: bytes


class Process(msgspec.Struct, frozen=True):
    """Which process of which machine. None where the system does not tell; then nobody can be known to be dead.

    `boot_id` names one start of one kernel, `pid_namespace` one numbering of its processes (a container has its own),
    `started` the moment that the process began, in the kernel's ticks.
    """

    host: str
    pid: int
    boot_id: str | None = None
    pid_namespace: str | None = None
    started: int | None = None


class LockInfo(msgspec.Struct, frozen=True):
    """Who holds the lock, and why. Times are epoch milliseconds, stamped by the backend.

    `by_hand`: a person took it, and nothing renews it; its `process` is `nobody`, which is never known to be dead.
    `after` is the id of the lock that it took over, from a holder who had not let it go; None where it was free, and
    where that makes no difference: the place takes no write of one whose lock is not there any more.
    Fields that a newer version added are passed over: a lock must stay readable to all.
    """

    id: str
    who: str
    operation: str
    process: Process
    reason: str | None = None
    run_url: str | None = None
    created: int = 0
    expires: int = 0
    by_hand: bool = False
    after: str | None = None


@dataclass(frozen=True, slots=True)
class DamagedLock:
    """A lock whose record cannot be read: it holds until `expires` (epoch milliseconds) and can be broken by `id`.

    `text` is what stands in the record, shortened, with control characters made visible.
    """

    id: str
    text: str
    expires: int


Holder = LockInfo | DamagedLock


@dataclass(frozen=True, slots=True)
class Busy:
    """The answer to `lock` when somebody else holds it; `holder` is None if he vanished while we looked."""

    holder: Holder | None


class Backend(Protocol):
    """Where one environment's state, journals and lock live."""

    @property
    def distant(self) -> bool:
        """Whether every call crosses a network, so that it pays to have much under way at once."""
        ...

    def describe(self) -> str:
        """Where the state is, as messages call it."""
        ...

    def describe_lock(self) -> str:
        """Where the lock is, as messages call it: what a person would look at or remove."""
        ...

    def read(self) -> Snapshot | None:
        """The state, None where there is none yet."""
        ...

    def write(self, data: bytes, *, expected: str | None) -> str:
        """Replace the state if its version is still `expected` (None: there must be none); return the new version.

        The one that is replaced is kept as a backup, if that can be done: failing to keep it fails no write.
        Raises StateConflict when it is not the expected one.
        """
        ...

    def backups(self) -> list[Blob]:
        """The states that the last `RING` writes replaced, newest first. One that could not be kept is missing."""
        ...

    def journals(self) -> list[Blob]:
        """Every journal, in the order of their names."""
        ...

    def append(self, name: str, data: bytes) -> None:
        """Add a group of lines to the journal of this name, which the first append makes.

        A name belongs to the client that made it: raises StateConflict when another client made it before. What is
        appended after the journal was dropped is never read: raises StateConflict where that is noticed, as it always
        is when this client dropped it. A failed append leaves the journal as it was.
        """
        ...

    def drop(self, names: list[str]) -> None:
        """Remove these journals; one that is not there is passed over."""
        ...

    def set_aside(self, name: str) -> str:
        """Take a journal out of the way but keep its bytes, and say where a person finds them."""
        ...

    def lock(self, claim: LockInfo, *, lease: float) -> LockInfo | Busy:
        """Take the lock for `lease` seconds if nobody has it, or if its holder is known dead or is past his lease.

        Never waits. Returns the claim with the backend's times in it, and `after` where the lock was taken over; or
        who has it.
        """
        ...

    def renew(self, info: LockInfo, *, lease: float) -> LockInfo:
        """Make the lock last `lease` seconds from now. Raises Locked if it is no longer ours, whoever has it now."""
        ...

    def check(self, info: LockInfo) -> None:
        """Return if the lock is ours at this moment; changes nothing. Raises Locked if not, whoever has it now."""
        ...

    def unlock(self, lock_id: str) -> None:
        """Let the lock go; nothing happens if it is no longer ours."""
        ...

    def holder(self) -> Holder | None:
        """Who has the lock, None if nobody has. The one shown may have died, or be past his lease."""
        ...

    def break_lock(self, lock_id: str) -> bool:
        """Take the lock of this id away from whoever has it. False if there is no lock.

        Raises Locked, naming the holder, if the lock has another id. Needs no lock itself.
        """
        ...


def milliseconds(seconds: float) -> int:
    """Epoch milliseconds of epoch seconds."""
    return int(seconds * 1000)


def version_of(data: bytes) -> str:
    """The version of a state where the place has none of its own: the digest of its bytes."""
    return hashlib.sha256(data).hexdigest()


def damaged_id(data: bytes) -> str:
    """The id by which a lock whose record is these unreadable bytes can be broken."""
    return f"damaged-{hashlib.sha256(data).hexdigest()[:12]}"


def is_past(holder: Holder, *, now: float) -> bool:
    """Whether a lease ended so long ago (epoch seconds `now`, the backend's) that it may be taken over."""
    return milliseconds(now - MARGIN) > holder.expires


def lost(info: LockInfo, holder: Holder | None) -> Locked:
    """The error of a holder who finds that the lock is no longer his."""
    now = f"now it is held by\n{describe_holder(holder)}" if holder is not None else "nobody holds it now"
    return Locked(
        f"this run lost the lock {info.id}: it was broken, or taken over after its lease; {now}",
        remedy="nothing more was sent or saved; what was done is in the journal or is found again: run again",
    )


def other_id(lock_id: str, holder: Holder) -> Locked:
    """The error of one who would break a lock that is not there."""
    return Locked(
        f"the lock is not {visible(lock_id)}:\n{describe_holder(holder)}",
        remedy="name the id of the lock that is there",
    )


def describe_holder(holder: Holder | None) -> str:
    """The block of lines that tells a person who has the lock."""
    match holder:
        case None:
            return "  it is being taken or let go right now"
        case DamagedLock():
            return _block({"id": holder.id, "damaged": holder.text or "(empty)", "until": moment(holder.expires)})
        case LockInfo():
            process = f", process {holder.process.pid}" if holder.process.pid else ""
            ends = "taken by hand" if holder.by_hand else "renewed while it runs"
            return _block(
                {
                    "id": holder.id,
                    "who": holder.who,
                    "operation": holder.operation,
                    "reason": holder.reason,
                    "since": moment(holder.created),
                    "until": f"{moment(holder.expires)} ({ends})",
                    "where": f"{holder.process.host}{process}" if holder.process.host else None,
                    "run": holder.run_url,
                    "after": f"{holder.after}, which was not let go" if holder.after is not None else None,
                }
            )


def _block(rows: dict[str, str | None]) -> str:
    return "\n".join(f"  {name + ':':<10} {visible(text)}" for name, text in rows.items() if text)


def moment(epoch_ms: int) -> str:
    """A time for people, in UTC; a number that is no time is shown as it is."""
    try:
        return datetime.fromtimestamp(epoch_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return str(epoch_ms)


def visible(text: str) -> str:
    """Text from outside with its control characters made visible and its length bounded."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[:500])
    return shown + ("…" if len(text) > 500 else "")
