"""The stored bytes of files on this machine.

Files are hostile: a path may be a pipe that never ends by now, or change while it is read. Every file is opened once,
checked on its descriptor, and read from there.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from mics_iac.errors import SourceFailed
from mics_iac.sources.planned import changed


@dataclass(frozen=True, slots=True)
class LocalFiles:
    """Files below `root`, or wherever a path leads from there: what may be read was decided when it was found."""

    root: Path

    def open_raw(
        self,
        path: str,
        *,
        seal: str | None = None,  # noqa: ARG002 - a file has none
        start: int = 0,
        end: int | None = None,
    ) -> LocalRaw:
        """See `Stored.open_raw`."""
        try:
            # Without O_NONBLOCK the opening of a pipe that took the file's place would wait for ever.
            descriptor = os.open(self.root / path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise SourceFailed(f"{path} cannot be opened: {error.strerror}", remedy="plan again") from error
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode):
            os.close(descriptor)
            raise changed(path, "it is not a regular file any more")
        if start:
            os.lseek(descriptor, start, os.SEEK_SET)
        return LocalRaw(descriptor, path, info, start=start, end=end)


class LocalRaw:
    """A range of a file's bytes, by a descriptor that is surely a regular file's; no buffer of its own."""

    def __init__(self, descriptor: int, path: str, info: os.stat_result, *, start: int, end: int | None) -> None:
        self._descriptor = descriptor
        self._path = path
        self._info = info
        self._at = start
        self._end = end

    @property
    def size(self) -> int:
        """Bytes of the whole file when it was opened."""
        return self._info.st_size

    def read(self, size: int, /) -> bytes:
        """See `Raw`; a file that is read to its end must be the one that it was at the beginning."""
        if self._end is not None:
            size = min(size, self._end - self._at)
        try:
            block = os.read(self._descriptor, size) if size > 0 else b""
        except OSError as error:
            raise SourceFailed(f"{self._path} cannot be read: {error.strerror}") from error
        self._at += len(block)
        if not block:
            self._check_end()
        return block

    def _check_end(self) -> None:
        if self._end is not None:
            if self._at < self._end:
                raise changed(self._path, f"it ends at byte {self._at:,}")
            return
        now = os.fstat(self._descriptor)
        before = self._info
        if (before.st_size, before.st_mtime_ns) != (now.st_size, now.st_mtime_ns) or self._at != now.st_size:
            raise SourceFailed(
                f"{self._path} changed while it was read", remedy="let it be written to its end, then run again"
            )

    def close(self) -> None:
        """Close the file; may be called again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
