"""Reads a multipart/form-data body piece by piece, so that a big file in it is never whole in memory.

Only what the platform's web form sends is understood (mediarithmics-api.md 3.2, seen in client code). Knows no rule.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from email.message import Message
from typing import Final

MOST_HEADER_BYTES: Final = 16 * 1024


class Malformed(ValueError):
    """The body is not what its Content-Type says."""


def boundary_of(content_type: str) -> bytes:
    """The boundary named by a Content-Type; raises Malformed."""
    message = Message()
    message["content-type"] = content_type
    boundary = message.get_param("boundary")
    if not isinstance(boundary, str) or not 0 < len(boundary) <= 200:
        raise Malformed("multipart without a boundary")
    return boundary.encode("utf-8", "replace")


class Part:
    """One part: its field name, its file name (None where it is a plain field), its content type, and its bytes."""

    def __init__(self, headers: bytes, pieces: Iterator[bytes]) -> None:
        message = Message()
        for line in re.split(rb"\r\n(?![ \t])", headers):
            name, colon, value = line.partition(b":")
            if colon:
                message[name.decode("latin-1").strip()] = value.decode("utf-8", "replace").strip()
        field = message.get_param("name", header="content-disposition")
        self.name = field if isinstance(field, str) else ""
        self.filename = message.get_filename()
        self.content_type = message.get_content_type() if "content-type" in message else ""
        self.pieces = pieces

    def text(self, *, most: int = 1024) -> str:
        """A short field's value; raises Malformed when it is long."""
        value = bytearray()
        for piece in self.pieces:
            value += piece
            if len(value) > most:
                raise Malformed(f"field {self.name!r} is too long")
        return value.decode("utf-8", "replace")


class _Source:
    """The body with a window on it; gives what lies before a mark, then stands behind the mark."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._window = bytearray()

    def more(self) -> None:
        chunk = next(self._chunks, None)
        if chunk is None:
            raise Malformed("multipart body ends too early")
        self._window += chunk

    def until(self, mark: bytes) -> Iterator[bytes]:
        while (at := self._window.find(mark)) < 0:
            safe = len(self._window) - len(mark) + 1
            if safe > 0:
                yield bytes(self._window[:safe])
                del self._window[:safe]
            self.more()
        if at:
            yield bytes(self._window[:at])
        del self._window[: at + len(mark)]

    def take(self, size: int) -> bytes:
        while len(self._window) < size:
            self.more()
        taken = bytes(self._window[:size])
        del self._window[:size]
        return taken


def parts(chunks: Iterable[bytes], boundary: bytes) -> Iterator[Part]:
    """Each part in turn; what is left of its bytes when the next is asked for is passed over. Raises Malformed."""
    source = _Source(chunks)
    for _before in source.until(b"--" + boundary):
        pass
    while source.take(2) == b"\r\n":
        headers = bytearray()
        for piece in source.until(b"\r\n\r\n"):
            headers += piece
            if len(headers) > MOST_HEADER_BYTES:
                raise Malformed("a part's headers are too long")
        pieces = source.until(b"\r\n--" + boundary)
        yield Part(bytes(headers), pieces)
        for _rest in pieces:
            pass
