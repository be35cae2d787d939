"""A source whose big files are read by processes of their own, since the check of records fills one core each.

A wrapper of the same port, around files of this machine. Small jobs, and jobs without a check, are done right here:
to start a process costs as much as to check 40 MB.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Final

from mics_iac.core.content import Content, Slice
from mics_iac.core.manifest import SourceSpec
from mics_iac.documents.report import Report
from mics_iac.errors import Problem, SourceFailed
from mics_iac.sources.decompress import format_of
from mics_iac.sources.source import Found, Prefix, Reader, Reading, Sifted, Source, Watch
from mics_iac.sources.streams import together
from mics_iac.sources.worker import Job
from mics_iac.sources.workers import Gone, Worker, Workers

# Bytes to check in all before processes are started, and those of a file that is worth a message to one.
_MANY: Final = 64_000_000
_SOME: Final = 128 * 1024
# About how many times as large content is than its compressed bytes.
_RATIO: Final = 6
# A plain file of so many bytes is worth to be read twice at once: hashed by one process, checked by another.
_HUGE: Final = 64_000_000
# Four check over a gigabyte a second, and take as much memory as there should be in all.
_MOST: Final = 4


class PooledSource:
    """Files below `root`, read by `inner` here or in up to `most` processes.

    None is started for the first `after` bytes. A file of `huge` bytes may be hashed by one and checked by another.
    """

    def __init__(
        self, inner: Source, *, root: Path, most: int | None = None, after: int = _MANY, huge: int = _HUGE
    ) -> None:
        self._inner = inner
        self._root = root
        self._most = _processors() if most is None else most
        self._workers = Workers(root, self._most)
        self._after = after
        self._huge = huge
        self._asked = 0
        self._lock = threading.Lock()

    def read(self, found: Found, how: Reading, *, watch: Watch) -> Content:
        """See `Source.read`."""
        if how.document_type is None or found.seal is not None or not self._is_worth_it(found):
            return self._inner.read(found, how, watch=watch)
        told = _Told(watch)
        try:
            with self._workers.one() as worker:
                if found.bytes >= self._huge and format_of(found.path) is None:
                    with self._workers.another() as other:
                        if other is not None and (content := self._abreast(worker, other, found, how, told)):
                            return content
                return _content(worker.do(Job(found, how), watch=told.again()))
        except Gone:
            # It was killed, or there is no room for it: this process does its work, and tells what is new of it alone.
            return self._inner.read(found, how, watch=told.again())

    def _abreast(self, worker: Worker, other: Worker, found: Found, how: Reading, watch: _Told) -> Content | None:
        """Hash a file in one process while another one checks it; None where records are to be left out of it."""
        before = self._seen(found)
        with ThreadPoolExecutor(1) as beside:
            alone = Job(found, replace(how, document_type=None, drop=frozenset()))
            hashing = beside.submit(worker.do, alone, watch=lambda _: watch(0))
            try:
                report = other.do(Job(found, how, check=True), watch=watch)
                content = _content(hashing.result())
            except BaseException:
                worker.stop()  # or this would wait for it
                raise
        if before is None or before != self._seen(found):
            raise SourceFailed(
                f"{found.path} changed while it was read", remedy="let it be written to its end, then run again"
            )
        assert isinstance(report, Report)
        if report.count(how.drop):
            return None
        return replace(content, report=together(report, content.report))

    def _seen(self, found: Found) -> tuple[int, ...] | None:
        try:
            info = (self._root / found.path).stat()
        except OSError:
            return None
        return info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino, info.st_dev

    def _is_worth_it(self, found: Found) -> bool:
        with self._lock:
            self._asked += found.bytes * (1 if format_of(found.path) is None else _RATIO)
            return self._most > 1 and self._asked > self._after and found.bytes >= _SOME

    def find(self, spec: SourceSpec) -> tuple[list[Found], list[Problem]]:
        """See `Source.find`."""
        return self._inner.find(spec)

    def prefixes(self, found: Found, lengths: Sequence[int], *, csv: bool, watch: Watch) -> dict[int, Prefix]:
        """See `Source.prefixes`."""
        return self._inner.prefixes(found, lengths, csv=csv, watch=watch)

    def open(self, part: Slice) -> Reader:
        """See `Source.open`."""
        return self._inner.open(part)

    def sift(self, found: Found, how: Reading, into: Callable[[bytes], object]) -> Sifted:
        """See `Source.sift`."""
        return self._inner.sift(found, how, into)

    def close(self) -> None:
        """See `Source.close`; the processes end."""
        self._workers.close()
        self._inner.close()


def _content(answer: Content | Report) -> Content:
    assert isinstance(answer, Content)
    return answer


class _Told:
    """Passes on how far it came; after a new beginning, what is new alone."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._told = 0
        self._again = 0

    def __call__(self, more: int) -> None:
        new = max(0, more - self._again)
        self._again = max(0, self._again - more)
        self._told += new
        self._watch(new)

    def again(self) -> _Told:
        """The same, for who begins anew."""
        self._again = self._told
        return self


def _processors() -> int:
    if "python" not in Path(sys.executable or "").name.lower():
        return 1  # a program that has Python in it: what it would do with our arguments cannot be known
    try:
        count = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        count = os.cpu_count() or 1
    return min(count, _MOST)
