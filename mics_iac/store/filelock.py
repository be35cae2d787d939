"""The lock of a state that is a file: a record beside it, made once by one run and never handed on.

Whoever makes the file has the lock. The maker also takes the kernel's lock on it, which ends with the process however
it ends; so who can get that lock knows that no process of this kernel has ours. A lock is ended by moving its file
aside in one step, looking at what was moved, and putting it back if that is not what was judged.

The dangers, and what is done about each:

* The file may be another one between looking and acting: every step compares inodes, before and after.
* On a network folder the kernel's lock may be missing or unknown to other machines: then only its lease ends a lock,
  unless the record names a process of this machine that is gone.
* The record is written after the file was made: an empty one belongs to a maker at work, for `MARGIN` seconds.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from mics_iac.core.clock import Clock
from mics_iac.store.backend import (
    LEASE,
    Busy,
    DamagedLock,
    Holder,
    LockInfo,
    Process,
    damaged_id,
    is_past,
    lost,
    milliseconds,
    other_id,
    visible,
)
from mics_iac.store.disk import Disk
from mics_iac.store.files import close, status_at, try_lock
from mics_iac.store.process import is_gone, same_machine

_LONGEST = 65536
# Every pass of `take` either answers or finds that another contender was faster.
_PASSES = 20
_TRIES = 1000


@dataclass(frozen=True, slots=True)
class _Record:
    """What stands in a lock file."""

    data: bytes
    holder: Holder


class FileLock:
    """One client's view of one lock file. Raises OSError; not thread-safe: `store/file` translates and guards."""

    def __init__(self, path: Path, *, clock: Clock, disk: Disk) -> None:
        self._path = path
        self._clock = clock
        self._disk = disk
        self._held: tuple[str, int] | None = None
        self._leftover = re.compile(re.escape(path.name) + r"\.[0-9a-f]{16}\.gone")

    def take(self, claim: LockInfo, *, lease: float) -> LockInfo | Busy:
        """See Backend.lock."""
        claim = msgspec.structs.replace(claim, after=None)
        for _ in range(_PASSES):
            info = self._make(claim, lease)
            if info is not None:
                return info
            found = self._judge(claim.process)
            if isinstance(found, Busy):
                return found
            claim = msgspec.structs.replace(claim, after=found)
        return Busy(None)

    def renew(self, info: LockInfo, *, lease: float) -> LockInfo:
        """See Backend.renew."""
        self.check(info)
        assert self._held is not None
        renewed = msgspec.structs.replace(info, expires=milliseconds(self._clock.now() + lease))
        # Written in place: if the lock was taken over this instant, the bytes go to a file without a name.
        self._fill(self._held[1], renewed)
        if self.is_lost():
            raise lost(info, self.holder())
        return renewed

    def check(self, info: LockInfo) -> None:
        """See Backend.check."""
        if self._held is None or self._held[0] != info.id or self.is_lost():
            raise lost(info, self.holder())

    def release(self, lock_id: str) -> None:
        """See Backend.unlock."""
        if self._held is None or self._held[0] != lock_id:
            return
        fd = self._held[1]
        self._held = None
        try:
            self._move_away(fd)
        finally:
            close(self._disk, fd)

    def is_lost(self) -> bool:
        """Whether this client took the lock and no longer has it."""
        return self._held is not None and not self._stands(self._held[1])

    def holder(self) -> Holder | None:
        """See Backend.holder."""
        fd = self._open()
        if fd is None:
            return None
        try:
            return self._read(fd).holder
        finally:
            close(self._disk, fd)

    def break_(self, lock_id: str) -> bool:
        """See Backend.break_lock."""
        fd = self._open()
        if fd is None:
            return False
        try:
            holder = self._read(fd).holder
            if holder.id != lock_id:
                raise other_id(lock_id, holder)
            return self._move_away(fd)
        finally:
            close(self._disk, fd)

    def _make(self, claim: LockInfo, lease: float) -> LockInfo | None:
        """Make the file; None if there is one, or if ours was taken away before it was filled."""
        try:
            fd = self._disk.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW)
        except FileExistsError:
            return None
        try:
            try_lock(self._disk, fd)
            now = self._clock.now()
            info = msgspec.structs.replace(claim, created=milliseconds(now), expires=milliseconds(now + lease))
            self._fill(fd, info)
            stands = self._stands(fd)
        except BaseException:
            with contextlib.suppress(OSError):
                self._move_away(fd)
            close(self._disk, fd)
            raise
        if not stands:
            close(self._disk, fd)
            return None
        self._held = (info.id, fd)
        self._clean()
        return info

    def _judge(self, ours: Process) -> Busy | str | None:
        """Who has the lock. If nobody has any more, so that it is worth trying again: the id of the one that ended now.

        None if it was let go, or if another contender was faster.
        """
        fd = self._open()
        if fd is None:
            return None
        try:
            # An empty file's maker is about to ask for the kernel's lock: it must not meet us there.
            locked = bool(self._read(fd).data) and try_lock(self._disk, fd) is True
            if not self._stands(fd):
                return None
            record = self._read(fd)
            if not self._is_dead(record.holder, ours, locked=locked):
                return Busy(record.holder)
            return record.holder.id if self._move_away(fd, record.data) else None
        finally:
            close(self._disk, fd)

    def _is_dead(self, holder: Holder, ours: Process, *, locked: bool) -> bool:
        if is_past(holder, now=self._clock.now()):
            return True
        if not isinstance(holder, LockInfo):
            return False
        return (locked and same_machine(holder.process, ours)) or is_gone(holder.process, ours=ours)

    def _open(self) -> int | None:
        try:
            return self._disk.open(self._path, os.O_RDWR | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        except PermissionError:
            # Another user's: enough to see who has it.
            return self._disk.open(self._path, os.O_RDONLY | os.O_NOFOLLOW)

    def _stands(self, fd: int) -> bool:
        """Whether the lock file is the one that is open here."""
        found = status_at(self._disk, self._path)
        return found is not None and os.path.samestat(found, self._disk.status(fd))

    def _fill(self, fd: int, info: LockInfo) -> None:
        data = msgspec.json.encode(info) + b"\n"
        if self._disk.write_at(fd, data, 0) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._disk.truncate(fd, len(data))

    def _read(self, fd: int) -> _Record:
        """What stands in the file; looked at again where it makes no sense, since it may just be being written."""
        for _ in range(3):
            data = self._disk.read(fd, _LONGEST, 0)
            with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                return _Record(data, msgspec.json.decode(data, type=LockInfo))
        data = self._disk.read(fd, _LONGEST, 0)
        expires = milliseconds(self._disk.status(fd).st_mtime + (LEASE if data else 0))
        return _Record(data, DamagedLock(damaged_id(data), visible(data.decode(errors="replace")), expires))

    def _move_away(self, fd: int, judged: bytes | None = None) -> bool:
        """End the lock whose file is open here, if it still is that one and its record still is `judged` (if given)."""
        with self._alone_in_folder():
            if not self._stands(fd):
                return False
            aside = self._path.with_name(f"{self._path.name}.{self._disk.token()}.gone")
            try:
                self._disk.rename(self._path, aside)
            except FileNotFoundError:
                return False
            found = status_at(self._disk, aside)
            moved = found is not None and os.path.samestat(found, self._disk.status(fd))
            if moved and judged is not None:
                moved = self._disk.read(fd, _LONGEST, 0) == judged
            if not moved:
                # Somebody's living lock. If it cannot be put back, its holder finds at his next fence that it is lost.
                with contextlib.suppress(OSError):
                    self._disk.link(aside, self._path)
            with contextlib.suppress(FileNotFoundError):
                self._disk.unlink(aside)
            return moved

    def _clean(self) -> None:
        """Remove what was moved aside by those who died before they could."""
        with contextlib.suppress(OSError), self._alone_in_folder() as alone:
            for name in self._disk.names(self._path.parent) if alone else ():
                if self._leftover.fullmatch(name):
                    self._disk.unlink(self._path.with_name(name))

    @contextlib.contextmanager
    def _alone_in_folder(self) -> Iterator[bool]:
        """Where the kernel can: nobody else of this machine is moving a lock of this folder meanwhile.

        Nobody keeps it for more than a few calls. Who does not get it goes on without: then the looks before and after
        each step are all that there is.
        """
        fd = self._disk.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            alone = try_lock(self._disk, fd)
            for _ in range(_TRIES):
                if alone is not False:
                    break
                self._disk.give_way()
                alone = try_lock(self._disk, fd)
            yield alone is True
        finally:
            close(self._disk, fd)
