"""Cuts the bytes of a file, whatever blocks they come in, into pieces of whole records of about 64 KiB.

A record of NDJSON is a line; one of CSV may go on over a newline that stands between quotes. Memory is bounded: of a
record that is too long nothing is kept, its bytes are passed on as they come.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

# What is decoded in one go stays in the processor's nearer memory (performance: 64 KiB and 256 KiB were best).
PIECE: Final = 64 * 1024
# A record longer than this is not looked at.
LONGEST: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class TooLong:
    """Bytes of a record that is too long to be looked at; `first` and `last` tell where it begins and ends."""

    data: bytes
    first: bool
    last: bool


class Cutter:
    """Whole records of one file, in pieces; each record ends with a newline, but for the last of the file."""

    def __init__(self, *, csv: bool, longest: int = LONGEST) -> None:
        self._csv = csv
        self._longest = longest
        self._piece = min(PIECE, longest)
        self._held: list[bytes] = []  # of a record that has not ended yet
        self._length = 0
        self._passing = False  # that record is too long
        self._quoted = False  # the bytes so far end between quotes

    def feed(self, block: bytes) -> Iterator[bytes | TooLong]:
        """The records that end in this block."""
        for start in range(0, len(block), self._piece):
            yield from self._take(block[start : start + self._piece])

    def end(self) -> Iterator[bytes | TooLong]:
        """What is left when the file ends: a record without a newline."""
        if self._passing:
            yield TooLong(b"", first=False, last=True)
        elif self._held:
            yield b"".join(self._held)
        self._held.clear()

    def _take(self, piece: bytes) -> Iterator[bytes | TooLong]:
        first, last = self._ends(piece)
        if first:
            if self._passing or self._length + first - 1 > self._longest:
                yield TooLong(b"".join((*self._held, piece[:first])), first=not self._passing, last=True)
                whole = piece[first:last]
            else:
                whole = b"".join((*self._held, piece[:last]))
            self._held.clear()
            self._length = 0
            self._passing = False
            if whole:
                yield whole
        yield from self._hold(piece[last:])

    def _hold(self, rest: bytes) -> Iterator[bytes | TooLong]:
        """Keep the beginning of a record, unless it is too long."""
        if not rest:
            return
        if self._passing:
            yield TooLong(rest, first=False, last=False)
            return
        self._held.append(rest)
        self._length += len(rest)
        if self._length > self._longest:
            yield TooLong(b"".join(self._held), first=True, last=False)
            self._held.clear()
            self._passing = True

    def _ends(self, piece: bytes) -> tuple[int, int]:
        """Where the first and the last record that end in this piece do so, 0 and 0 if none does."""
        if not self._csv or (not self._quoted and b'"' not in piece):
            return piece.find(b"\n") + 1, piece.rfind(b"\n") + 1
        return self._first_end(piece), self._last_end(piece)

    def _first_end(self, piece: bytes) -> int:
        quoted, start = self._quoted, 0
        while end := piece.find(b"\n", start) + 1:
            quoted ^= piece.count(b'"', start, end) & 1 == 1
            if not quoted:
                return end
            start = end
        return 0

    def _last_end(self, piece: bytes) -> int:
        """Where the last record ends; remembers whether the piece ends between quotes."""
        self._quoted ^= piece.count(b'"') & 1 == 1
        quoted, end = self._quoted, len(piece)
        while start := piece.rfind(b"\n", 0, end) + 1:
            quoted ^= piece.count(b'"', start, end) & 1 == 1
            if not quoted:
                return start
            end = start - 1
        return 0
