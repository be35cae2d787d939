"""A state in a file: read it, and replace it whole if it is still the one that was read.

Raises OSError where the disk fails: `store/file` translates. Knows nothing of journals, and of the lock only how to ask
whether it was lost.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from mics_iac.errors import StateConflict, StoreFailed
from mics_iac.store.backend import RING, Snapshot, version_of
from mics_iac.store.disk import Disk
from mics_iac.store.files import opened, read_all, read_file, status_at, try_lock, write_all

# What file systems without second names for a file answer.
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK}


class FileState:
    """The state at `path`, which `given` (the path as the user wrote it) leads to."""

    def __init__(self, path: Path, *, given: Path, disk: Disk, is_lost: Callable[[], bool]) -> None:
        self._path = path
        self._given = given
        self._disk = disk
        self._is_lost = is_lost
        self._leftover = re.compile(re.escape(path.name) + r"\.[0-9a-f]{16}\.tmp")
        self._backup_prefix = path.name.removesuffix(".json") + ".backup."
        self._backup = re.compile(re.escape(self._backup_prefix) + r"[0-9]{8,}")

    def read(self) -> Snapshot | None:
        """See Backend."""
        self.refuse_dangling()
        data = read_file(self._disk, self._path)
        return Snapshot(data, version_of(data)) if data is not None else None

    def write(self, data: bytes, *, expected: str | None) -> str:
        """See Backend."""
        self.refuse_dangling()
        if expected is None:
            self._write_first(data)
        else:
            self._write_next(data, expected)
        self._disk.sync_folder(self._path.parent)
        return version_of(data)

    def backups(self) -> list[Path]:
        """The states that were replaced, newest first: their names are numbered as they were made."""
        try:
            names = [name for name in self._disk.names(self._path.parent) if self._backup.fullmatch(name)]
        except FileNotFoundError:
            return []
        return [self._path.with_name(name) for name in sorted(names, key=_number, reverse=True)]

    def refuse_dangling(self) -> None:
        """A link that leads nowhere is a mistake: a file made in its place would be another than the user means."""
        target = self._disk.link_target(self._given)
        if target is not None and status_at(self._disk, self._path) is None:
            raise StoreFailed(
                f"{self._given} is a link to {target}, which is not there",
                remedy="bring the file back that it points to, or remove the link",
            )

    def clean(self) -> None:
        """Remove the bytes that writers who died had put aside."""
        with contextlib.suppress(OSError):
            for name in self._disk.names(self._path.parent):
                if self._leftover.fullmatch(name):
                    self._disk.unlink(self._path.with_name(name))

    def _write_first(self, data: bytes) -> None:
        self._last_look(None)
        with self._aside(data, mode=None) as aside:
            self._last_look(None)
            try:
                # Unlike a rename, this fails if there is a state by now.
                self._disk.link(aside, self._path)
            except FileExistsError as error:
                raise self._conflict() from error
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                self._disk.rename(aside, self._path)

    def _write_next(self, data: bytes, expected: str) -> None:
        try:
            with opened(self._disk, self._path, os.O_RDONLY) as fd:
                status = self._disk.status(fd)
                # Of two writers on one machine, one has the kernel's lock on the former state until it is replaced.
                if try_lock(self._disk, fd) is False or version_of(read_all(self._disk, fd)) != expected:
                    raise self._conflict()
                with self._aside(data, mode=status.st_mode) as aside:
                    self._keep(fd, status)
                    self._last_look(status)
                    self._disk.rename(aside, self._path)
        except FileNotFoundError as error:
            raise self._conflict() from error

    def _keep(self, fd: int, former: os.stat_result) -> None:
        """Give the state that is about to be replaced a second name, as the newest backup of a ring.

        A backup is a help, not a promise: one that cannot be kept must not keep the new state from being saved.
        """
        with contextlib.suppress(OSError):
            backups = self.backups()
            newest = status_at(self._disk, backups[0]) if backups else None
            if newest is not None and os.path.samestat(newest, former):
                return  # kept by a writer who died before he replaced the state
            number = 1 + (_number(backups[0].name) if backups else 0)
            self._copy(fd, former, self._path.with_name(f"{self._backup_prefix}{number:08d}"))
            for old in backups[RING - 1 :]:
                self._disk.unlink(old)

    def _copy(self, fd: int, former: os.stat_result, backup: Path) -> None:
        try:
            self._disk.link(self._path, backup)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            with self._aside(read_all(self._disk, fd), mode=former.st_mode) as copy:
                self._disk.rename(copy, backup)

    @contextlib.contextmanager
    def _aside(self, data: bytes, *, mode: int | None) -> Iterator[Path]:
        """The bytes in a durable file beside the state, which is removed if it did not become the state."""
        aside = self._path.with_name(f"{self._path.name}.{self._disk.token()}.tmp")
        try:
            with opened(self._disk, aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as fd:
                if mode is not None:
                    self._disk.set_mode(fd, mode)
                write_all(self._disk, fd, data)
            yield aside
        finally:
            with contextlib.suppress(OSError):
                self._disk.unlink(aside)

    def _last_look(self, former: os.stat_result | None) -> None:
        """Refuse if the state is not what it was, or the lock was lost, while the bytes were written aside.

        That takes time, in which this process may have been stopped past its lease. Where a network folder has no
        kernel locks, the instant between this look and the rename is what is left.
        """
        if self._is_lost() or _signature(status_at(self._disk, self._path)) != _signature(former):
            raise self._conflict()

    def _conflict(self) -> StateConflict:
        return StateConflict(
            f"{self._given} was changed by somebody else while this run held it",
            remedy="see who did (another run, git, an editor); what this run did is in its journal: run again",
        )


def _number(name: str) -> int:
    return int(name.rpartition(".")[2])


def _signature(status: os.stat_result | None) -> tuple[int, ...] | None:
    """What changes when a file is replaced or written."""
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns) if status is not None else None
