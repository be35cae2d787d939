"""Parts that are no slice of a file, made one at a time: decompressed, fetched, or with records left out.

A part is written into a temporary file that has no name, so that nothing of it stays behind however the process ends,
and is compared with the plan before its first byte is sent. One stream is kept open a source, so that parts which are
taken in order cost one pass over it.
"""

from __future__ import annotations

import hashlib
import tempfile
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from mics_iac.core.content import Slice
from mics_iac.documents.check import Sieve
from mics_iac.errors import SourceFailed
from mics_iac.sources.cutting import Filter, behind
from mics_iac.sources.flow import Flow
from mics_iac.sources.planned import changed, check
from mics_iac.sources.raw import Stored

# Streams that stay open while nobody takes a part from them, and parts that are kept in case they are asked for again:
# an upload whose connection failed begins anew.
_OPEN = 4
_KEPT = 2


class Spool:
    """Temporary files below `folder`, which is made when the first one is. Safe for threads."""

    def __init__(self, stored: Stored, folder: Path) -> None:
        self._stored = stored
        self._folder = folder
        self._lock = threading.Lock()
        self._flows: OrderedDict[tuple[str, str | None], _Lent] = OrderedDict()
        self._kept: OrderedDict[Slice, IO[bytes]] = OrderedDict()
        weakref.finalize(self, _let_go, self._kept)

    def open(self, part: Slice) -> SpooledReader:
        """The part, ready to be sent; SourceFailed where it is not what was planned, or the disk is full."""
        with self._lock:
            file = self._kept.pop(part, None)
        if file is None:
            with self._flow(part) as flow, flow.lock:
                file = self._write(flow, part)
                if part.whole or flow.ended():
                    flow.close()
        return SpooledReader(file, part, done=self._keep)

    def close(self) -> None:
        """Let go of everything that nobody reads from; may be called again, and the spool used after it."""
        with self._lock:
            self._close_idle(0)
            _let_go(self._kept)
        with suppress(OSError):
            self._folder.rmdir()

    @contextmanager
    def _flow(self, part: Slice) -> Iterator[Flow]:
        """The stream of a part's source, which is not closed for want of room as long as it is lent."""
        key = (part.path, part.seal)
        with self._lock:
            lent = self._flows.setdefault(key, _Lent(Flow(self._stored, *key)))
            lent.users += 1
            self._flows.move_to_end(key)
        try:
            yield lent.flow
        finally:
            with self._lock:
                lent.users -= 1
                self._close_idle(_OPEN)

    def _close_idle(self, room: int) -> None:
        idle = [key for key, lent in self._flows.items() if not lent.users]
        for key in idle[: max(0, len(idle) - room)]:
            self._flows.pop(key).flow.close()

    def _write(self, flow: Flow, part: Slice) -> IO[bytes]:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - it outlives this call, for this user alone
            try:
                _fill(file, flow, part)
                file.flush()
            except BaseException:
                file.close()
                raise
        except OSError as error:
            raise SourceFailed(
                f"{part.path} cannot be spooled in {self._folder}: {error.strerror}",
                remedy=f"see to it that {part.bytes:,} bytes can be written there for each upload at a time",
            ) from error
        return file

    def _keep(self, part: Slice, file: IO[bytes]) -> None:
        with self._lock:
            if (other := self._kept.pop(part, None)) is not None:
                other.close()
            self._kept[part] = file
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)[1].close()


def _let_go(kept: OrderedDict[Slice, IO[bytes]]) -> None:
    while kept:
        kept.popitem()[1].close()


@dataclass(slots=True)
class _Lent:
    """A stream, and how many threads take or wait to take a part from it."""

    flow: Flow
    users: int = 0


class SpooledReader:
    """A part that was compared with the plan already."""

    def __init__(self, file: IO[bytes], part: Slice, *, done: Callable[[Slice, IO[bytes]], None]) -> None:
        self._file: IO[bytes] | None = file
        self._part = part
        self._done = done
        file.seek(0)

    def read(self, size: int, /) -> bytes:
        """Up to so many of the next bytes, `b""` at the end."""
        assert self._file is not None
        try:
            return self._file.read(size)
        except OSError as error:
            raise SourceFailed(f"{self._part.path} cannot be read from the spool: {error.strerror}") from error

    def close(self) -> None:
        """Let go of the part; may be called again."""
        if self._file is not None:
            file, self._file = self._file, None
            self._done(self._part, file)


def _fill(file: IO[bytes], flow: Flow, part: Slice) -> None:
    """Write what is to be sent; SourceFailed unless it is what was planned."""
    digest = hashlib.sha256()
    size = 0

    def write(block: bytes) -> None:
        nonlocal size
        size += len(block)
        if size > part.bytes:  # before a disk is filled with it
            raise changed(part.path, f"it holds more than {part.bytes:,} bytes")
        digest.update(block)
        file.write(block)

    header = flow.header() if part.csv and part.start else b""
    write(header)
    end = None if part.whole else part.end
    untouched = not part.whole and part.bytes == len(header) + part.end - part.start
    if part.drop and part.document_type is not None and not untouched:
        sieve: Filter = Sieve(part.document_type, csv=part.csv, drop=part.drop)
        if part.start:
            sieve = behind(sieve, csv=part.csv, header=header)
        flow.copy(part.start, end, lambda block: write(sieve.feed(block)[0]))
        write(sieve.end()[0])
    else:
        flow.copy(part.start, end, write)
    check(part, sha256=digest.hexdigest(), size=size)
