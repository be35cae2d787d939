"""State, journals and lock as files of one folder, which may be shared over a network.

Beside `imports.state.json` stand `imports.state.backup.<number>`, the last states that it replaced;
`imports.state.journal.<name>`, one for each run that is not folded yet; and `imports.state.lock` while a run holds it.
Knows nothing of what the bytes mean.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
from pathlib import Path

from mics_iac.core.clock import Clock
from mics_iac.errors import StateConflict
from mics_iac.store.backend import NAME, Blob, Busy, Holder, LockInfo, Snapshot
from mics_iac.store.disk import Disk
from mics_iac.store.fault import told
from mics_iac.store.filelock import FileLock
from mics_iac.store.files import opened, read_file, status_at, write_all
from mics_iac.store.filestate import FileState


class FileBackend:
    """The backend `file`: a state at `path`. A link there is followed, so that all its names share one lock."""

    distant = False

    def __init__(self, path: Path, *, clock: Clock, disk: Disk | None = None) -> None:
        self._disk = disk if disk is not None else Disk()
        self._given = path
        self._path = self._disk.real_path(path)
        self._folder = self._path.parent
        stem = self._path.name.removesuffix(".json")
        self._lock_path = self._folder / f"{stem}.lock"
        self._journal_prefix = f"{stem}.journal."
        self._journal_name = re.compile(re.escape(self._journal_prefix) + f"({NAME})")
        self._lock = FileLock(self._lock_path, clock=clock, disk=self._disk)
        self._state = FileState(self._path, given=path, disk=self._disk, is_lost=self._lock.is_lost)
        self._lengths: dict[str, int] = {}
        self._guard = threading.Lock()

    def describe(self) -> str:
        """See Backend."""
        return str(self._given)

    def describe_lock(self) -> str:
        """See Backend."""
        return str(self._lock_path)

    def read(self) -> Snapshot | None:
        """See Backend."""
        with self._guard, told("read the state", self._given):
            return self._state.read()

    def write(self, data: bytes, *, expected: str | None) -> str:
        """See Backend."""
        with self._guard, told("write the state", self._given):
            return self._state.write(data, expected=expected)

    def backups(self) -> list[Blob]:
        """See Backend."""
        with self._guard, told("read the backups of the state", self._given):
            found = [(path, read_file(self._disk, path)) for path in self._state.backups()]
        return [Blob(path.name.rpartition(".")[2], str(path), data) for path, data in found if data is not None]

    def journals(self) -> list[Blob]:
        """See Backend."""
        with self._guard, told("read the journals of the state", self._given):
            names = [match[1] for name in self._names() if (match := self._journal_name.fullmatch(name))]
            found = [(name, self._read_journal(name)) for name in sorted(names)]
        # One that vanished since it was listed was dropped by a save.
        return [Blob(name, str(self._journal_path(name)), data) for name, data in found if data is not None]

    def _read_journal(self, name: str) -> bytes | None:
        path = self._journal_path(name)
        with told("read a journal of the state", path):
            return read_file(self._disk, path)

    def append(self, name: str, data: bytes) -> None:
        """See Backend."""
        path = self._journal_path(name)
        with self._guard, told("write the journal", path):
            length = self._lengths.get(name)
            if length is None:
                self._begin_journal(path, data)
            else:
                self._continue_journal(path, data, length)
            self._lengths[name] = (length or 0) + len(data)

    def drop(self, names: list[str]) -> None:
        """See Backend."""
        if not names:
            return
        with self._guard, told("remove a journal of the state", self._given):
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    self._disk.unlink(self._journal_path(name))
            self._disk.sync_folder(self._folder)

    def set_aside(self, name: str) -> str:
        """See Backend."""
        path = self._journal_path(name)
        aside = path.with_name(f"{path.name}.{self._disk.token()}.damaged")
        with self._guard, told("set a journal of the state aside", path):
            self._disk.rename(path, aside)
            self._disk.sync_folder(self._folder)
        return str(aside)

    def lock(self, claim: LockInfo, *, lease: float) -> LockInfo | Busy:
        """See Backend. Makes the folder of the state if it is not there."""
        with self._guard, told("take the lock", self._lock_path):
            self._state.refuse_dangling()
            self._make_folder(self._folder)
            taken = self._lock.take(claim, lease=lease)
            if isinstance(taken, LockInfo):
                # The lock is ours: nobody is at work on these.
                self._state.clean()
        return taken

    def renew(self, info: LockInfo, *, lease: float) -> LockInfo:
        """See Backend."""
        with self._guard, told("renew the lock", self._lock_path):
            return self._lock.renew(info, lease=lease)

    def check(self, info: LockInfo) -> None:
        """See Backend."""
        with self._guard, told("look at the lock", self._lock_path):
            self._lock.check(info)

    def unlock(self, lock_id: str) -> None:
        """See Backend."""
        with self._guard, told("let the lock go", self._lock_path):
            self._lock.release(lock_id)

    def holder(self) -> Holder | None:
        """See Backend."""
        with self._guard, told("read the lock", self._lock_path):
            return self._lock.holder()

    def break_lock(self, lock_id: str) -> bool:
        """See Backend."""
        with self._guard, told("break the lock", self._lock_path):
            return self._lock.break_(lock_id)

    def _journal_path(self, name: str) -> Path:
        return self._folder / (self._journal_prefix + name)

    def _begin_journal(self, path: Path, data: bytes) -> None:
        try:
            with opened(self._disk, path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL) as fd:
                try:
                    write_all(self._disk, fd, data)
                    self._disk.sync_folder(self._folder)
                except OSError:
                    with contextlib.suppress(OSError):
                        self._disk.unlink(path)
                    raise
        except FileExistsError as error:
            raise _not_ours(path) from error

    def _continue_journal(self, path: Path, data: bytes, length: int) -> None:
        try:
            with opened(self._disk, path, os.O_WRONLY | os.O_APPEND) as fd:
                if self._disk.status(fd).st_size != length:
                    raise _not_ours(path)
                try:
                    write_all(self._disk, fd, data)
                except OSError:
                    # Nothing may ever follow a torn line.
                    with contextlib.suppress(OSError):
                        self._disk.truncate(fd, length)
                    raise
        except FileNotFoundError as error:
            raise _not_ours(path) from error

    def _names(self) -> list[str]:
        try:
            return self._disk.names(self._folder)
        except FileNotFoundError:
            return []

    def _make_folder(self, folder: Path) -> None:
        """Make the folder of the state, and those above it, so that they survive a loss of power."""
        if status_at(self._disk, folder) is not None:
            return
        self._make_folder(folder.parent)
        with contextlib.suppress(FileExistsError):
            self._disk.make_folder(folder)
        self._disk.sync_folder(folder.parent)


def _not_ours(path: Path) -> StateConflict:
    return StateConflict(
        f"{path} is not as this run left it: another run had the state meanwhile",
        remedy="see that no other run is going on, then run again: nothing is sent twice",
    )
