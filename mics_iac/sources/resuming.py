"""Bytes from far away that come to their end though connections break: reading goes on where it stopped.

Knows neither stores nor servers: how a reader is opened at a place is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from mics_iac.clouds.attempts import Attempts, Unsure
from mics_iac.errors import SourceFailed

# Bytes after which a connection was worth it: whoever breaks off sooner uses up the attempts.
_PROGRESS = 1 << 20


class Piece(Protocol):
    """The bytes of one answer."""

    @property
    def size(self) -> int | None:
        """Bytes of the whole file, where the answer tells it."""
        ...

    def next(self) -> bytes:
        """The next of them, `b""` at the end; Unsure where the connection broke."""
        ...

    def close(self) -> None:
        """Let go of the connection."""
        ...


class Resuming:
    """The bytes of a file from `start`, as a `Raw`.

    `open_at` opens them at a place in the file: Unsure where that may be tried again, SourceFailed where it is no use.
    `end` is where they end; None where only the server knows. `wrong` makes the error for more bytes than there are.
    """

    def __init__(
        self,
        open_at: Callable[[int], Piece],
        *,
        start: int,
        end: int | None,
        attempts: Attempts,
        wrong: Callable[[str], SourceFailed],
    ) -> None:
        self._open_at = open_at
        self._at = start
        self._end = end
        self._attempts = attempts
        self._wrong = wrong
        self._piece: Piece | None = None
        self._rest = memoryview(b"")
        self._over = end is not None and start >= end
        self._turns: Iterator[bool] | None = None
        self._last = False
        self._since = start

    def read(self, size: int, /) -> bytes:
        """See `Raw`."""
        if not self._rest:
            if self._over:
                return b""
            block = self._next()
            self._over = not block
            if len(block) <= size:
                return block
            self._rest = memoryview(block)
        taken = self._rest[:size]
        self._rest = self._rest[size:]
        return bytes(taken)

    def close(self) -> None:
        """See `Raw`."""
        piece, self._piece = self._piece, None
        if piece is not None:
            piece.close()

    def _next(self) -> bytes:
        while True:
            try:
                return self._more()
            except Unsure as error:
                self.close()
                if self._turns is None or self._at - self._since >= _PROGRESS:
                    # All attempts again, of which the one that just failed was the first.
                    self._turns = iter(self._attempts)
                    self._last = next(self._turns)
                    self._since = self._at
                if self._last:
                    raise self._attempts.silent(error) from error
                self._last = next(self._turns)
            except BaseException:
                self.close()
                raise

    def _more(self) -> bytes:
        if self._piece is None:
            self._piece = self._open_at(self._at)
            if self._end is not None and self._piece.size is not None:
                self._end = min(self._end, self._piece.size)
        block = self._piece.next()
        self._at += len(block)
        if self._end is not None and self._at > self._end:
            raise self._wrong(f"it holds more than {self._end:,} bytes")
        if not block:
            if self._end is not None and self._at < self._end:
                raise Unsure("the connection broke off")
            self.close()
        return block
