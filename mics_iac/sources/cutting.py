"""Cuts a file's content into parts at record ends, and hashes the whole and each part, as its blocks go by.

Pure, and in constant memory whatever the length of a record: what was hashed since the last record end is hashed once
more beside it, so that a part can end there when the record under way turns out not to fit.

A part is the longest run of whole records (with blank lines as they stand) that is sent in at most `limit` bytes; a
CSV part after the first begins with the header again, which counts. What holds no record is no part of its own. A
record that does not fit alone is a part all the same, and is told of.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from mics_iac.core.content import Part
from mics_iac.sources.counting import Counter, counter_of
from mics_iac.sources.ends import HEADER, ends_of, header_in

if TYPE_CHECKING:
    from hashlib import _Hash

# Of how many overlong records the lines are kept.
_SHOWN: Final = 10
_NO_LIMIT: Final = 1 << 62


class TooShort(Exception):
    """The content ended before the ranges did that were given."""


class Filter(Protocol):
    """What leaves records out: `documents/check.Sieve`."""

    def feed(self, block: bytes) -> tuple[bytes, bytes]:
        """What is kept of the records that are complete by now, and what is dropped."""
        ...

    def end(self) -> tuple[bytes, bytes]:
        """The same of what is left."""
        ...


def behind(sieve: Filter, *, csv: bool, header: bytes) -> Filter:
    """The same, as it must be for what does not stand at the beginning: what is told of a whole file was told there."""
    sieve.feed(header if csv else b"{}\n")
    return sieve


@dataclass(frozen=True, slots=True)
class Cut:
    """What became of a content.

    `overlong` counts the records that are longer than a part may be; `lines` are those at which the first few begin.
    """

    sha256: str
    bytes: int
    parts: tuple[Part, ...]
    dropped: int
    overlong: int
    lines: tuple[int, ...]


@dataclass(slots=True)
class _Run:
    """What all stretches of one content add to."""

    csv: bool
    count: bool
    sieve: Callable[[], Filter] | None
    dropped: Counter
    settled: int  # nothing is left out before that byte of the content
    into: Callable[[bytes], object] | None  # who gets what is left out
    whole: _Hash = field(default_factory=hashlib.sha256)
    at: int = 0  # bytes of the content that were taken
    newlines: int = 0  # of the stretches that ended
    header: bytes = b""
    parts: list[Part] = field(default_factory=list)
    overlong: int = 0
    lines: list[int] = field(default_factory=list)

    def new_sieve(self) -> Filter | None:
        """A sieve for what comes next."""
        if self.sieve is None or self.at < self.settled:
            return None
        return self.sieve() if self.at == 0 else behind(self.sieve(), csv=self.csv, header=self.header)

    def drop(self, dropped: bytes, *, last: bool = False) -> None:
        """Count records that were dropped; the last one of a stretch may be without its newline."""
        if self.into is not None and dropped:
            self.into(dropped)
        self.dropped.feed(dropped + b"\n" if last and dropped and not dropped.endswith(b"\n") else dropped)

    def tell_overlong(self, line: int) -> None:
        self.overlong += 1
        if len(self.lines) < _SHOWN:
            self.lines.append(line)


class Cutter:
    """Feed it a content's blocks, then `end` it.

    `ranges` are parts as they are given, the first ones; what is behind the last is cut by `limit`, but for the newline
    that ends its last record, should that have been without one. With a `sieve`, parts hold what it keeps, but for
    those in the first `settled` bytes, a number of whole ranges; `into` gets what is left out. Without `count`, lines
    and records are not counted, which does for a content that turns out to be one part.
    """

    def __init__(
        self,
        *,
        csv: bool,
        limit: int,
        ranges: Sequence[tuple[int, int]] = (),
        settled: int = 0,
        sieve: Callable[[], Filter] | None = None,
        into: Callable[[bytes], object] | None = None,
        count: bool = True,
    ) -> None:
        self._limit = limit
        self._bound = limit
        self._run = _Run(csv, count, sieve, counter_of(csv=csv), settled, into)
        # Where stretches end, and whether they are parts: the ranges and what lies between them, backwards.
        self._edges = [edge for start, end in ranges for edge in ((start, False), (end, True))][::-1]
        self._edge: int | None = None
        self._last = b""  # byte of the last stretch that was given
        self._unended = False  # it is within a line, and nothing came behind it yet
        self._waiting: bytes | None = b"" if csv else None
        if not csv:
            self._begin()

    def feed(self, block: bytes) -> None:
        """Take the next block."""
        if self._waiting is not None:
            block = self._begin_csv(self._waiting + block, ended=False)
        self._walk(block)

    def end(self) -> Cut:
        """What the content is; TooShort where it has not the ranges that were given."""
        if self._waiting is not None:
            self._walk(self._begin_csv(self._waiting, ended=True))
        run = self._run
        if self._edge is not None:
            raise TooShort
        self._stretch.end()
        if self._limit != self._bound and run.at > self._bound:
            run.tell_overlong(1)
        return Cut(run.whole.hexdigest(), run.at, tuple(run.parts), run.dropped.records, run.overlong, tuple(run.lines))

    def _begin_csv(self, begun: bytes, *, ended: bool) -> bytes:
        """Look for the header; what is to be taken now, and nothing as long as it may still come."""
        header = header_in(begun)
        if not header and not ended and len(begun) <= HEADER:
            self._waiting = begun
            return b""
        self._waiting = None
        if len(header) > HEADER or len(header) >= self._limit or not (header or ended):
            self._limit = _NO_LIMIT  # nothing could stand behind it in a part: the content is not cut
        else:
            self._run.header = header
            self._run.dropped.feed(header)
        self._begin()
        return begun

    def _begin(self) -> None:
        """Begin the next stretch where the last one ended."""
        self._edge, given = self._edges.pop() if self._edges else (None, False)
        if self._edge is None:
            self._unended = self._last not in {b"", b"\n"}
            self._stretch: _Stretch | _Gap = _Stretch(self._run, limit=self._limit, given=False)
        else:
            self._stretch = _Stretch(self._run, limit=_NO_LIMIT, given=True) if given else _Gap(self._run)
        if self._edge == self._run.at:
            self._turn()

    def _turn(self) -> None:
        self._stretch.end()
        self._begin()

    def _walk(self, block: bytes) -> None:
        while block:
            if self._unended:
                block = self._end_line(block)
            elif self._edge is None:
                self._stretch.feed(block)
                return
            else:
                room = self._edge - self._run.at
                self._stretch.feed(block[:room])
                self._last, block = block[room - 1 : room] or self._last, block[room:]
                if self._run.at == self._edge:
                    self._turn()

    def _end_line(self, block: bytes) -> bytes:
        """Pass over the end of the line that the last range ended within, where there is nothing but that of it."""
        end = block[:1]
        self._unended = end == b"\r"
        if end not in {b"\r", b"\n"}:
            return block
        _Gap(self._run).feed(end)
        self._stretch = _Stretch(self._run, limit=self._limit, given=False)
        return block[1:]


class _Gap:
    """What lies between two ranges that are given: in no part."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._sieve = run.new_sieve()

    def feed(self, block: bytes) -> None:
        run = self._run
        run.whole.update(block)
        run.at += len(block)
        run.newlines += block.count(b"\n")
        if self._sieve is not None:
            run.drop(self._sieve.feed(block)[1])

    def end(self) -> None:
        if self._sieve is not None:
            self._run.drop(self._sieve.end()[1], last=True)


@dataclass(frozen=True, slots=True)
class _Mark:
    """A place where the part under way may end: in the content, in what is sent; and what was counted by then."""

    at: int
    sent: int
    lines: int
    records: int
    newlines: int
    digest: _Hash


class _Stretch:
    """One part as it is given, or a run that is cut by a limit."""

    def __init__(self, run: _Run, *, limit: int, given: bool) -> None:
        self._run = run
        self._limit = limit
        self._given = given
        self._ends = ends_of(csv=run.csv)
        self._counter = counter_of(csv=run.csv, count=run.count)
        self._sieve = run.new_sieve()
        self._held = 0  # bytes that the sieve holds back
        header = run.header if run.at else b""
        self._counter.feed(header)
        self._ahead = header.count(b"\n")  # lines that were counted and are none of the stretch
        self._newlines = 0
        self._start, self._before = run.at, 0  # of the part under way: where it begins, newlines before it
        self._sent = self._begun = len(header)  # sent by now; at the beginning of the part
        self._lines = self._records = 0  # counted before it
        self._mark: _Mark | None = None
        # Until the first part ends, it is all of the content: hashed once.
        self._digest = run.whole if run.at == 0 and self._sieve is None else hashlib.sha256(header)
        self._tail = hashlib.sha256()  # of the next part, should this one end at the mark

    def feed(self, block: bytes) -> None:
        """Take the next block, in pieces that end with a record or may all be in this part."""
        while block:
            room = self._limit - self._sent - self._held
            if len(block) <= room:
                piece, end = block, self._ends.last(block, len(block))
            else:
                end = (self._ends.last(block, room) if room > 0 else 0) or self._ends.first(block)
                piece = block[:end] if end else block
            block = block[len(piece) :]
            self._ends.advance(piece)
            if self._sieve is None:
                self._add(piece, piece, end or None)
            else:
                self._sift(self._sieve, piece[:end], whole=True)
                self._sift(self._sieve, piece[end:], whole=False)

    def _sift(self, sieve: Filter, piece: bytes, *, whole: bool) -> None:
        if piece:
            kept, dropped = sieve.feed(piece)
            self._held += len(piece) - len(kept) - len(dropped)
            self._run.drop(dropped)
            self._newlines += piece.count(b"\n")
            self._add(piece, kept, len(kept) if whole and not self._held else None)

    def _add(self, piece: bytes, kept: bytes, end: int | None) -> None:
        """Take a piece of the content, of which is sent what is kept; the last record in it ends at `end` there."""
        run = self._run
        reach = self._sent + (len(kept) if end is None else end)
        if reach > self._limit and self._mark is not None:
            self._close(self._mark)
        if self._digest is not run.whole:
            run.whole.update(piece)
        if end is None:
            self._digest.update(kept)
            self._counter.feed(kept)
            if self._mark is not None:
                self._tail.update(kept)
        else:
            view = memoryview(kept)
            self._digest.update(view[:end])
            lines, records = self._counter.feed_past(kept, end)
            self._mark = _Mark(
                run.at + (end if self._sieve is None else len(piece)),
                self._sent + end,
                lines,
                records,
                lines - self._ahead if self._sieve is None else self._newlines,
                self._digest.copy(),
            )
            self._digest.update(view[end:])
            self._tail = hashlib.sha256(run.header)
            self._tail.update(view[end:])
        run.at += len(piece)
        self._sent += len(kept)
        if self._mark is not None and self._mark.sent > self._limit:
            self._close(self._mark)

    def _close(self, mark: _Mark, *, last: bool = False) -> None:
        """End the part under way at the mark, and begin the next one with what came behind it."""
        run = self._run
        if self._sieve is not None and mark.sent == self._begun and not last:
            # So far all was dropped: what is dropped belongs to the part whose records come behind it.
            self._before, self._mark = mark.newlines, None
            return
        records = mark.records - self._records
        alone = last and self._start == 0 and self._sieve is None and mark.sent <= self._limit
        if records and mark.sent > self._limit:
            run.tell_overlong(run.newlines + self._before + 1)
        if records or self._given or alone:
            lines = mark.lines - self._lines
            number = len(run.parts) + 1
            run.parts.append(Part(number, self._start, mark.at, mark.digest.hexdigest(), mark.sent, lines, records))
        self._start, self._before = mark.at, mark.newlines
        self._begun = len(run.header)
        self._sent += self._begun - mark.sent
        self._lines, self._records = mark.lines - run.header.count(b"\n"), mark.records
        self._digest = self._tail
        self._mark = None

    def end(self) -> None:
        """The stretch ends here, and with it the part under way."""
        run = self._run
        if self._sieve is not None:
            kept, dropped = self._sieve.end()
            run.drop(dropped, last=True)
            self._add(b"", kept, None)
        counter = self._counter
        if run.at > self._start or self._given or not run.parts:
            self._close(_Mark(run.at, self._sent, counter.lines, counter.records, 0, self._digest), last=True)
        run.newlines += counter.ends - self._ahead if self._sieve is None else self._newlines
