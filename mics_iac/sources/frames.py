"""Walks the frames of a zstd file without decompressing them, to know at its end whether the last one is whole.

The library's reader takes a file that is cut off for one that has ended. Pure. The format is RFC 8878, section 3.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Final

_FRAME: Final = 0xFD2FB528
_SKIPPED: Final = range(0x184D2A50, 0x184D2A60)
_REPEATED: Final = 1  # a block of one byte, stored once
_RESERVED: Final = 3


class NotFrames(Exception):
    """The bytes are not those of frames."""


class Frames:
    """Feed it every block of stored bytes; at their end, `whole` tells whether a frame ended there."""

    def __init__(self) -> None:
        self.whole = True
        self.begun = 0  # how many, those that are to be skipped included
        self._block = b""
        self._at = 0
        self._walk = self._frames()
        next(self._walk)

    def feed(self, block: bytes) -> None:
        """Take the next block; NotFrames where its bytes cannot be what must come next."""
        if block:
            self._walk.send(block)

    def _frames(self) -> Generator[None, bytes, None]:
        while True:
            self.whole = True
            if self._at == len(self._block):
                self._block, self._at = (yield), 0
            self.whole = False
            self.begun += 1
            magic = yield from self._number(4)
            if magic in _SKIPPED:
                yield from self._pass((yield from self._number(4)))
            elif magic == _FRAME:
                yield from self._frame()
            else:
                raise NotFrames

    def _frame(self) -> Generator[None, bytes, None]:
        descriptor = yield from self._number(1)
        single = bool(descriptor & 0b0010_0000)
        dictionary = (0, 1, 2, 4)[descriptor & 0b11]
        size = (1 if single else 0, 2, 4, 8)[descriptor >> 6]
        yield from self._pass((not single) + dictionary + size)
        last = False
        while not last:
            header = yield from self._number(3)
            last, kind, length = bool(header & 1), header >> 1 & 0b11, header >> 3
            if kind == _RESERVED:
                raise NotFrames
            yield from self._pass(1 if kind == _REPEATED else length)
        yield from self._pass(4 if descriptor & 0b100 else 0)

    def _number(self, size: int) -> Generator[None, bytes, int]:
        taken = self._block[self._at : self._at + size]
        self._at += len(taken)
        while len(taken) < size:
            self._block = yield
            self._at = size - len(taken)
            taken += self._block[: self._at]
            self._at = min(self._at, len(self._block))
        return int.from_bytes(taken, "little")

    def _pass(self, size: int) -> Generator[None, bytes, None]:
        while size > len(self._block) - self._at:
            size -= len(self._block) - self._at
            self._block, self._at = (yield), 0
        self._at += size
