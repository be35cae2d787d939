"""Where a run keeps what it did when the place of its state can no longer be reached: files on this machine's disk.

One file a run, a whole journal of its own, in a folder of the project. The next run from the same folder that gets at
the state takes it in and removes it. Without it nothing is loaded twice either: the platform is asked then.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Sequence
from pathlib import Path

from mics_iac.core.journal import Entry, RunBegun, encode_entries, salvage_journal
from mics_iac.errors import StoreFailed
from mics_iac.store.disk import Disk
from mics_iac.store.files import opened, read_file, write_all


class Shelter:
    """The files in one folder, which is made with the first of them. Safe for threads; never raises."""

    def __init__(self, folder: Path, *, disk: Disk | None = None) -> None:
        self._folder = folder
        self._disk = disk if disk is not None else Disk()
        self._guard = threading.Lock()
        self._crcs: dict[Path, int] = {}

    def keep(self, begun: RunBegun, entries: Sequence[Entry]) -> Path | None:
        """Add entries to the file of this run and return where it is; None where the disk fails as well."""
        path = self._folder / f"{begun.lineage}.{begun.run}.journal"
        if not re.fullmatch(r"[\w.-]+", path.name):
            return None
        with self._guard, contextlib.suppress(OSError):
            crc = self._crcs.get(path)
            data, crc = encode_entries(entries if crc is not None else [begun, *entries], crc=crc or 0)
            self._folder.mkdir(parents=True, exist_ok=True)
            with opened(self._disk, path, os.O_WRONLY | os.O_CREAT | os.O_APPEND) as fd:
                write_all(self._disk, fd, data)
            self._crcs[path] = crc
            self._disk.sync_folder(self._folder)
            return path
        return None

    def kept(self, lineage: str | None) -> dict[Path, list[Entry]]:
        """What runs of this state kept, by file, as far as it can be read."""
        if lineage is None:
            return {}
        with contextlib.suppress(OSError, StoreFailed):
            names = [
                n for n in self._disk.names(self._folder) if n.startswith(f"{lineage}.") and n.endswith(".journal")
            ]
            return {path: self._read(path, lineage) for path in (self._folder / name for name in sorted(names))}
        return {}

    def clear(self, paths: Sequence[Path]) -> None:
        """Remove files whose entries were taken in."""
        for path in paths:
            with contextlib.suppress(OSError):
                self._disk.unlink(path)

    def _read(self, path: Path, lineage: str) -> list[Entry]:
        journal = salvage_journal(read_file(self._disk, path) or b"", name=str(path))
        begun = journal.entries[0] if journal.entries else None
        ours = isinstance(begun, RunBegun) and begun.lineage == lineage
        return list(journal.entries[1:]) if ours else []
