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
# A record longer than this is not looked at: its values take up to a hundred times the memory of its text.
LONGEST: Final = 1024 * 1024


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
        start = 0
        while start < len(block):
            stop = min(start + self._piece, len(block))
            first, last = self._ends(block, start, stop)
            if last:
                yield from self._pass(block, start, first, last)
                start = last
            else:
                yield from self._hold(block[start:stop])
                start = stop

    def end(self) -> Iterator[bytes | TooLong]:
        """What is left when the file ends: a record without a newline."""
        if self._passing:
            yield TooLong(b"", first=False, last=True)
        elif self._held:
            yield b"".join(self._held)
        self._held.clear()

    def _pass(self, block: bytes, start: int, first: int, last: int) -> Iterator[bytes | TooLong]:
        """Pass on what was held, with the records that end up to `last`; the first of them ends at `first`."""
        if self._passing or self._length + first - start - 1 > self._longest:
            yield TooLong(b"".join((*self._held, block[start:first])), first=not self._passing, last=True)
            whole = block[first:last]
        elif self._held:
            whole = b"".join((*self._held, block[start:last]))
        else:
            whole = block[start:last]
        self._held.clear()
        self._length = 0
        self._passing = False
        if whole:
            yield whole

    def _hold(self, rest: bytes) -> Iterator[bytes | TooLong]:
        """Keep the beginning of a record, unless it is too long."""
        if self._passing:
            yield TooLong(rest, first=False, last=False)
            return
        self._held.append(rest)
        self._length += len(rest)
        if self._length > self._longest:
            yield TooLong(b"".join(self._held), first=True, last=False)
            self._held.clear()
            self._passing = True

    def _ends(self, block: bytes, start: int, stop: int) -> tuple[int, int]:
        """Where the first and the last record that end in this stretch do so, 0 and 0 if none does."""
        if not self._csv or not (self._quoted or block.find(b'"', start, stop) >= 0):
            return block.find(b"\n", start, stop) + 1, block.rfind(b"\n", start, stop) + 1
        if self._quoted and block.find(b'"', start, stop) < 0:
            return 0, 0
        last = self._last_end(block, start, stop)
        return (self._first_end(block, start, last), last) if last else (0, 0)

    def _first_end(self, block: bytes, start: int, stop: int) -> int:
        quoted = self._quoted
        self._quoted = False  # as it is where the last record ends
        while end := block.find(b"\n", start, stop) + 1:
            quoted ^= block.count(b'"', start, end) & 1 == 1
            if not quoted:
                return end
            start = end
        return stop

    def _last_end(self, block: bytes, start: int, stop: int) -> int:
        """Where the last record ends; if none does, remembers whether the stretch ends between quotes."""
        quoted = self._quoted ^ (block.count(b'"', start, stop) & 1 == 1)
        after, end = quoted, stop
        while newline := block.rfind(b"\n", start, end) + 1:
            after ^= block.count(b'"', newline, end) & 1 == 1
            if not after:
                return newline
            end = newline - 1
        self._quoted = quoted
        return 0
