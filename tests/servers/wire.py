"""HTTP/1.1, as much of it as the servers of the tests need: heads, bodies with a Content-Length, answers.

Knows nothing of what the requests mean. A head or body that ends early reads as None, one that is no HTTP raises
ValueError: either ends the connection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import BinaryIO
from urllib.parse import parse_qsl, unquote

_LONGEST_LINE = 65536
# An answer with one of these has no body, and says no length.
_BODILESS = {204, 304}
# What the sender of an answer says of its connection, not of the answer.
_OF_ONE_CONNECTION = {"connection", "content-length", "keep-alive", "transfer-encoding"}


@dataclass(frozen=True, slots=True)
class Head:
    """The first lines of a request or an answer. `raw` are their bytes, header names are in lower case."""

    raw: bytes
    start: tuple[str, str, str]
    headers: Mapping[str, str]

    @property
    def method(self) -> str:
        """The method of a request."""
        return self.start[0]

    @property
    def path(self) -> str:
        """The path of a request, percent-encoded as it came, without its query."""
        return self.start[1].partition("?")[0]

    @property
    def status(self) -> int:
        """The status of an answer."""
        return int(self.start[1])

    @property
    def length(self) -> int:
        """How many bytes the body has. Raises ValueError if that is not said: nothing that we test sends that."""
        if "transfer-encoding" in self.headers:
            raise ValueError("a body without a Content-Length")
        return int(self.headers.get("content-length", "0"))


@dataclass(frozen=True, slots=True)
class Request:
    """A whole request. `path` is decoded, `search` is the query as it was sent, `head` the bytes before the body."""

    method: str
    path: str
    search: str
    headers: Mapping[str, str]
    body: bytes
    head: bytes

    @property
    def query(self) -> dict[str, str]:
        """The parameters, decoded; of one that comes twice the last counts."""
        return dict(parse_qsl(self.search, keep_blank_values=True))


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server says.

    `length` is the Content-Length that is told where it is not that of the body: to HEAD. None is told where it is
    negative, or where headers say that the body comes in chunks (as which it must be written then).
    """

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    length: int | None = None

    def encode(self, *, now: float) -> bytes:
        """Its bytes, dated `now` (epoch seconds)."""
        length = len(self.body) if self.length is None else self.length
        told = {"date": formatdate(now, usegmt=True), **{name.lower(): text for name, text in self.headers.items()}}
        if self.status not in _BODILESS and length >= 0 and "transfer-encoding" not in told:
            told["content-length"] = str(length)
        lines = [f"HTTP/1.1 {self.status} {_phrase(self.status)}", *(f"{name}: {text}" for name, text in told.items())]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + self.body


def read_head(stream: BinaryIO) -> Head | None:
    """The next head, None if the stream ends before it is whole."""
    lines: list[bytes] = []
    while (line := stream.readline(_LONGEST_LINE)) not in {b"\r\n", b"\n"}:
        if not line.endswith(b"\n"):
            return None
        lines.append(line)
    lines.append(line)
    first, *rest = b"".join(lines[:-1]).decode("latin-1").splitlines()
    start = (*first.split(" ", 2), "", "")
    pairs = (text.partition(":") for text in rest)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    return Head(b"".join(lines), (start[0], start[1], start[2]), headers)


def read_request(stream: BinaryIO) -> Request | None:
    """The next request, None if the stream ends before it is whole."""
    head = read_head(stream)
    if head is None:
        return None
    body = stream.read(head.length)
    if len(body) < head.length:
        return None
    return Request(head.method, unquote(head.path), head.start[1].partition("?")[2], head.headers, body, head.raw)


def read_answer(stream: BinaryIO, method: str) -> Answer | None:
    """The answer to a request of this method, None if the stream ends before it is whole."""
    head = read_head(stream)
    if head is None:
        return None
    headers = {name: text for name, text in head.headers.items() if name not in _OF_ONE_CONNECTION}
    if method == "HEAD":
        return Answer(head.status, b"", headers, length=head.length)
    if head.status in _BODILESS:
        return Answer(head.status, b"", headers)
    if head.headers.get("transfer-encoding", "").lower() == "chunked":
        chunked = _read_chunks(stream)
        return None if chunked is None else Answer(head.status, chunked, headers)
    if "content-length" not in head.headers:
        return Answer(head.status, stream.read(), headers)
    body = stream.read(head.length)
    return Answer(head.status, body, headers) if len(body) == head.length else None


def _read_chunks(stream: BinaryIO) -> bytes | None:
    body = bytearray()
    while (line := stream.readline(_LONGEST_LINE)).endswith(b"\n"):
        size = int(line.partition(b";")[0], 16)
        if size == 0:
            return bytes(body) if stream.readline(_LONGEST_LINE) == b"\r\n" else None
        body += stream.read(size)
        stream.readline(_LONGEST_LINE)
    return None


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
