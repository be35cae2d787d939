"""Counts lines and records of a file as its blocks go by, at a small part of the cost of hashing them.

Pure. A line ends at a newline, or at the end of the file. A record is a line that is not blank; in CSV a quoted field
may hold newlines, and the first record is the header.
"""

from __future__ import annotations

import io


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

    @property
    def lines(self) -> int:
        """How many lines there are, those inside quoted fields included."""
        return self._all.lines

    @property
    def records(self) -> int:
        """How many rows there are besides the header."""
        return max(0, self._rows.records - 1)
