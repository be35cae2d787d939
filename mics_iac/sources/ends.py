"""Where records end: at a newline, in CSV at one that stands outside quotes. Pure; shared by all that cut or look back.

An offset is that of the byte behind the newline; 0: no record ends there.
"""

from __future__ import annotations

from typing import Final, Protocol

# The longest header of a CSV that is repeated.
HEADER: Final = 1024 * 1024


class Ends(Protocol):
    """Looks for the ends of records in the next block; `advance` goes on behind what was taken of it."""

    @property
    def inside(self) -> bool:
        """Whether a newline would end no record here."""
        ...

    def last(self, block: bytes, upto: int) -> int:
        """The last end within the first `upto` bytes of the block."""
        ...

    def first(self, block: bytes) -> int:
        """The first end."""
        ...

    def advance(self, taken: bytes) -> None:
        """Take these bytes, the next ones, as passed."""
        ...


class LineEnds:
    """Of NDJSON: any newline."""

    @property
    def inside(self) -> bool:
        """See `Ends`."""
        return False

    def last(self, block: bytes, upto: int) -> int:
        """See `Ends`."""
        return block.rfind(b"\n", 0, upto) + 1

    def first(self, block: bytes) -> int:
        """See `Ends`."""
        return block.find(b"\n") + 1

    def advance(self, taken: bytes) -> None:
        """See `Ends`."""


class RowEnds:
    """Of CSV: a newline before which quotes come in pairs; a quote within a quoted field is doubled, so that holds."""

    def __init__(self) -> None:
        self._quoted = False

    @property
    def inside(self) -> bool:
        """See `Ends`."""
        return self._quoted

    def last(self, block: bytes, upto: int) -> int:
        """See `Ends`."""
        if not self._quoted and block.find(b'"', 0, upto) < 0:
            return block.rfind(b"\n", 0, upto) + 1
        pieces = block[:upto].split(b'"')
        end = min(upto, len(block))
        # Piece 0 is outside quotes, unless a quoted field is under way; then they take turns.
        for number in range(len(pieces) - 1, -1, -1):
            begin = end - len(pieces[number])
            if (number % 2 == 1) == self._quoted and (at := pieces[number].rfind(b"\n")) >= 0:
                return begin + at + 1
            end = begin - 1
        return 0

    def first(self, block: bytes) -> int:
        """See `Ends`."""
        quoted, begin = self._quoted, 0
        while (at := block.find(b"\n", begin)) >= 0:
            quoted ^= block.count(b'"', begin, at) % 2 == 1
            if not quoted:
                return at + 1
            begin = at + 1
        return 0

    def advance(self, taken: bytes) -> None:
        """See `Ends`."""
        self._quoted ^= taken.count(b'"') % 2 == 1


def ends_of(*, csv: bool) -> Ends:
    """What finds the ends of records of a file that is CSV, or NDJSON."""
    return RowEnds() if csv else LineEnds()


def header_in(begun: bytes) -> bytes:
    """The first row of a CSV that is not blank, with its end; `b""` where it is not complete in what there is of it."""
    ends, at = RowEnds(), 0
    while end := ends.first(begun[at:]):
        if not (row := begun[at : at + end]).isspace():
            return row
        at += end
    return b""
