"""The seam under every source: a file's bytes as they are stored, whatever they hold and wherever they lie.

What is made of them (decompression, the cut, the hash) stands above it. Knows neither folders nor stores.
"""

from __future__ import annotations

from typing import Protocol

from mics_iac.errors import SourceFailed


class Raw(Protocol):
    """The stored bytes of one file, once through. For one thread at a time."""

    def read(self, size: int, /) -> bytes:
        """Up to so many of the next bytes, `b""` at the end.

        Raises SourceFailed where they cannot be read, are fewer or more than there must be, or of another content than
        was asked for.
        """
        ...

    def close(self) -> None:
        """Let go of the file; may be called again."""
        ...


class Stored(Protocol):
    """Where raw bytes come from: a folder, or stores of objects. Safe for threads."""

    def open_raw(self, path: str, *, seal: str | None, start: int = 0, end: int | None = None) -> Raw:
        """The bytes [start, end) of the file (None: to its end) as they are stored.

        `seal` is what the place said of the content when the file was found (`Found.seal`). Raises SourceFailed, here
        or while it is read, where the content is another one now (`not_planned`); with None, any content will do.
        """
        ...


def not_planned(path: str, how: str) -> SourceFailed:
    """The error for an object that is not the one that was planned."""
    return SourceFailed(f"{path} is not the object that was planned: {how}", remedy="plan again")
