"""Counts lines and records of a file as its blocks go by, at a small part of the cost of hashing them.

Pure. A line ends at a newline, or at the end of the file. A record is a line that is not blank; in CSV a quoted field
may hold newlines, and the first record is the header.
"""

from __future__ import annotations

import io
from typing import Protocol


class Counter(Protocol):
    """Counts what it is fed."""

    def feed(self, block: bytes) -> None:
        """Take the next block."""
        ...

    def feed_past(self, block: bytes, end: int) -> tuple[int, int]:
        """Take the next block, whose last record end stands at `end`; lines and records up to there."""
        ...

    @property
    def ends(self) -> int:
        """How many newlines there are."""
        ...

    @property
    def lines(self) -> int:
        """How many lines there are, the last one counted with or without its newline."""
        ...

    @property
    def records(self) -> int:
        """How many records there are, the last one counted with or without its newline."""
        ...


class LineCounter:
    """Lines and records of NDJSON; feed it every block, then ask."""

    def __init__(self) -> None:
        self._ends = 0
        self._records = 0
        self._open = False  # the line under way has bytes
        self._content = False  # ... that are not blank

    def feed(self, block: bytes) -> None:
        """Take the next block."""
        first = block.find(b"\n")
        if first < 0:
            self._begin(block)
            return
        last = block.rfind(b"\n")
        self._begin(block[:first])
        # Walking the lines of a BytesIO costs less than counting newlines does, and tells blank lines besides.
        blank = list(map(bytes.isspace, io.BytesIO(block[first + 1 : last + 1])))
        self._ends += 1 + len(blank)
        self._records += self._content + len(blank) - sum(blank)
        self._open = self._content = False
        self._begin(block[last + 1 :])

    def _begin(self, piece: bytes) -> None:
        self._open = self._open or bool(piece)
        self._content = self._content or (bool(piece) and not piece.isspace())

    def feed_past(self, block: bytes, end: int) -> tuple[int, int]:  # noqa: ARG002 - known without being told
        """See `Counter`; the last record end is the last newline."""
        self.feed(block)
        return self._ends, self._records

    @property
    def ends(self) -> int:
        """How many newlines there are."""
        return self._ends

    @property
    def lines(self) -> int:
        """How many lines there are, the last one counted with or without its newline."""
        return self._ends + self._open

    @property
    def records(self) -> int:
        """How many lines are not blank."""
        return self._records + self._content


class CsvCounter:
    """Lines and records of CSV: what stands between quotes is masked, then counted like any line."""

    def __init__(self) -> None:
        self._all = LineCounter()
        self._rows = LineCounter()
        self._quoted = False

    def feed(self, block: bytes) -> None:
        """Take the next block."""
        self._all.feed(block)
        pieces = block.split(b'"')
        outside = pieces[1::2] if self._quoted else pieces[::2]
        # A quoted field counts as content whatever it holds, hence the mask between what stands outside.
        self._rows.feed((b"x" if self._quoted else b"") + b"x".join(outside))
        self._quoted ^= len(pieces) % 2 == 0

    def feed_past(self, block: bytes, end: int) -> tuple[int, int]:
        """See `Counter`."""
        self.feed(block[:end])
        there = self.lines, self.records
        self.feed(block[end:])
        return there

    @property
    def ends(self) -> int:
        """How many newlines there are, those inside quoted fields included."""
        return self._all.ends

    @property
    def lines(self) -> int:
        """How many lines there are, those inside quoted fields included."""
        return self._all.lines

    @property
    def records(self) -> int:
        """How many rows there are besides the header."""
        return max(0, self._rows.records - 1)


class NoCounter:
    """Counts nothing, where somebody else does."""

    ends = lines = records = 0

    def feed(self, block: bytes) -> None:
        """Take the next block."""

    def feed_past(self, block: bytes, end: int) -> tuple[int, int]:  # noqa: ARG002 - it is all the same
        """See `Counter`."""
        return 0, 0


def counter_of(*, csv: bool, count: bool = True) -> Counter:
    """What counts lines and records of a file that is CSV, or NDJSON."""
    if not count:
        return NoCounter()
    return CsvCounter() if csv else LineCounter()
