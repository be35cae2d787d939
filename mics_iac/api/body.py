"""The bytes of one request on their way out, watched: how far they came, and that they are whole.

Knows nothing of files, hashes or HTTP libraries. A reader is anything with `read` and `close`; it may raise a
`MicsError` at any read, its last one (the empty one) included, to say that its bytes are not the ones that were
planned. The danger closed here: the last block is held back until the reader has ended well, so a file that turns out
to differ is never completed on the wire.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from mics_iac.errors import MicsError, SourceFailed


class Readable(Protocol):
    """A source of bytes: `read` gives up to so many, `b""` at the end, and may raise a MicsError."""

    def read(self, size: int, /) -> bytes:
        """The next bytes."""
        ...

    def close(self) -> None:
        """Let go of what is open."""
        ...


# Each attempt of an upload opens its own reader: a repeat starts from the first byte, with a fresh hash.
OpenBody = Callable[[], Readable]


class BodyFailed(Exception):
    """The reader failed, not the connection: its own error, carried through an HTTP library that would mistake it."""

    def __init__(self, cause: MicsError) -> None:
        super().__init__(str(cause))
        self.cause = cause


class Outgoing:
    """A request's body as the HTTP library reads it.

    `whole` turns true when the last block is handed over: from then on the body may have left completely.
    `before_block` is called before each block and may raise to stop the request (deadline, interrupt).
    """

    def __init__(self, reader: Readable, *, length: int, before_block: Callable[[], None]) -> None:
        self._reader = reader
        self._length = length
        self._before_block = before_block
        self._taken = 0
        self._held: bytes | None = None
        self.whole = length == 0

    def __len__(self) -> int:
        return self._length

    def read(self, size: int = -1) -> bytes:
        """The next block, once the one after it is known to be fine."""
        self._before_block()
        size = size if size > 0 else 256 * 1024
        block = self._take(size) if self._held is None else self._held
        if not block:
            return block
        self._held = self._take(size)
        if not self._held:
            self.whole = True
        return block

    def _take(self, size: int) -> bytes:
        try:
            block = self._reader.read(size)
        except MicsError as error:
            raise BodyFailed(error) from error
        except (OSError, ValueError, EOFError) as error:
            # An OSError let through would look like the connection's own and, on EPIPE, even be swallowed.
            raise BodyFailed(SourceFailed(f"the file cannot be read while it is sent: {error}")) from error
        self._taken += len(block)
        if self._taken > self._length or (not block and self._taken < self._length):
            how = "longer" if self._taken > self._length else "shorter"
            raise BodyFailed(
                SourceFailed(
                    f"the file is {how} than planned: {self._length} bytes were expected",
                    remedy="leave the file alone while it is loaded, then plan again",
                )
            )
        return block
