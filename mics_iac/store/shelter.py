"""Where a run keeps what it did when the place of its state can no longer be reached: files on this machine's disk.

One file a run, a whole journal of its own, in a folder of the project. The next run from the same folder that gets at
the state takes it in and removes it; one that cannot be read to its end stays, under another name. Without them nothing
is loaded twice either: the platform is asked then.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mics_iac.core.journal import Entry, RunBegun, encode_entries, salvage_journal
from mics_iac.core.wording import visible
from mics_iac.errors import StoreFailed
from mics_iac.store.disk import Disk
from mics_iac.store.files import opened, read_file, status_at, write_all


@dataclass(frozen=True, slots=True)
class Kept:
    """What one run kept, as far as it can be read.

    `length` is how many bytes were read, None where the file could not be. `fault` is why that is not all of it, None
    if it is.
    """

    path: Path
    entries: tuple[Entry, ...] = ()
    length: int | None = None
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class _End:
    """Where a file of ours ends, and where its chain of checksums stands there."""

    length: int = 0
    crc: int = 0


class Shelter:
    """The files in one folder, both for their owner alone; never raises. Safe for threads."""

    def __init__(self, folder: Path, *, disk: Disk | None = None) -> None:
        self._folder = folder
        self._disk = disk if disk is not None else Disk()
        self._guard = threading.Lock()
        self._ends: dict[Path, _End] = {}

    def keep(self, begun: RunBegun, entries: Sequence[Entry]) -> Path | None:
        """Add entries to the file of this run and return where it is; None where the disk fails as well."""
        path = self._folder / f"{begun.lineage}.{begun.run}.journal"
        if not re.fullmatch(r"[\w.-]+", path.name):
            return None
        with self._guard, contextlib.suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with opened(self._disk, path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) as fd:
                self._append(fd, path, begun, entries)
            self._disk.sync_folder(self._folder)
            return path
        return None

    def _append(self, fd: int, path: Path, begun: RunBegun, entries: Sequence[Entry]) -> None:
        length = self._disk.status(fd).st_size
        # An empty one is new: there was none, or another run took it in and removed it meanwhile.
        end = self._ends.get(path) if length else _End()
        if end is None or length < end.length:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        # Set before it is written, so that what a failed write leaves is known to be ours.
        self._ends[path] = end
        if length > end.length:
            self._disk.truncate(fd, end.length)
        data, crc = encode_entries(entries if end.length else [begun, *entries], crc=end.crc)
        try:
            write_all(self._disk, fd, data)
        except OSError:
            # Nothing may ever follow a torn line.
            with contextlib.suppress(OSError):
                self._disk.truncate(fd, end.length)
            raise
        self._ends[path] = _End(end.length + len(data), crc)

    def kept(self, lineage: str | None) -> list[Kept]:
        """What runs of this state kept, each file as far as it can be read."""
        if lineage is None:
            return []
        names: list[str] = []
        with contextlib.suppress(OSError):
            names = [
                n for n in self._disk.names(self._folder) if n.startswith(f"{lineage}.") and n.endswith(".journal")
            ]
        read = [self._read(self._folder / name, lineage) for name in sorted(names)]
        return [one for one in read if one is not None]

    def clear(self, kept: Sequence[Kept]) -> Iterator[str]:
        """Remove files whose entries were taken in; yields what is to be said of those that must stay.

        Of one that cannot be read to its end the rest may still tell a person something, or a newer version. One that
        grew since it was read is left for the next run.
        """
        for one in kept:
            try:
                if one.length is None:
                    yield f"what a run kept here could not be read: {one.fault}"
                elif one.fault is not None:
                    aside = self._aside(one.path)
                    yield f"what a run kept here was taken in as far as it can be read ({one.fault}); it is {aside} now"
                elif self._disk.status_of(one.path).st_size == one.length:
                    self._disk.unlink(one.path)
            except FileNotFoundError:
                continue
            except OSError as error:
                yield f"{one.path} was taken in and could not be removed: {error.strerror or error}"

    def _aside(self, path: Path) -> Path:
        aside = path.with_name(f"{path.name}.damaged")
        if status_at(self._disk, aside) is not None:
            aside = path.with_name(f"{path.name}.{self._disk.token()}.damaged")
        self._disk.rename(path, aside)
        self._disk.sync_folder(self._folder)
        return aside

    def _read(self, path: Path, lineage: str) -> Kept | None:
        """None where it is gone since its folder was read."""
        try:
            data = read_file(self._disk, path)
        except OSError as error:
            return Kept(path, fault=f"{path}: {error.strerror or error}")
        except StoreFailed as error:
            return Kept(path, fault=error.message)
        if data is None:
            return None
        journal = salvage_journal(data, name=str(path))
        begun = journal.entries[0] if journal.entries else None
        fault = journal.damage.message if journal.damage is not None else None
        if isinstance(begun, RunBegun) and begun.lineage != lineage:
            return Kept(path, (), len(data), f"{path} is of another state, of lineage {visible(begun.lineage)}")
        if fault is None and journal.torn:
            fault = f"{path}: its last line is torn"
        return Kept(path, journal.entries[1:], len(data), fault)
