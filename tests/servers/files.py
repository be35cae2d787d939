"""A web server of files: what it keeps, and how much it tells of it. An `Application`; in this process, `file_server`.

What goes wrong with it is the `Server`'s matter (`faults`). Written from RFC 9110: HEAD, GET, Range (one range),
If-Match, If-Unmodified-Since.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal
from urllib.parse import quote

from tests.servers.server import Server
from tests.servers.wire import Answer, Request

_RANGE = re.compile(r"bytes=([0-9]+)-([0-9]*)")

Tells = Literal["etag", "weak", "date", "nothing"]


@dataclass
class Files:
    """Files by path, and what the server tells: all of it may be changed while it runs."""

    kept: dict[str, bytes] = field(default_factory=dict)
    tells: Tells = "etag"
    ranges: bool = True
    """It can begin in the middle."""
    conditions: bool = True
    """It looks at If-Match and If-Unmodified-Since."""
    head: int = 200
    """What it answers to HEAD; 200: as it should."""
    chunked: bool = False
    """It tells no length, and sends chunks."""
    nameless: bool = False
    """It tells no length, and sends no chunks either."""
    more: Mapping[str, str] = field(default_factory=dict)
    """Further headers of each answer that has a file."""
    instead: Answer | None = None
    """What it answers whatever it is asked."""
    user: str | None = None
    """The Authorization it wants."""

    def put(self, path: str, data: bytes) -> None:
        """Keep a file."""
        self.kept[path] = data

    def __call__(self, request: Request) -> Answer:
        """Answer a request."""
        if self.instead is not None:
            return self.instead
        if self.user is not None and request.headers.get("authorization") != self.user:
            return Answer(401, b"who are you?", {"WWW-Authenticate": 'Basic realm="tests"'})
        data = self.kept.get(request.path)
        if data is None:
            return Answer(404, b"<html>not here</html>", {"Content-Type": "text/html"})
        if request.method == "HEAD" and self.head != 200:
            return Answer(self.head)
        told = self._told(data)
        if self.conditions and not self._holds(request, told):
            return Answer(412)
        if self.ranges and (found := _RANGE.fullmatch(request.headers.get("range", ""))):
            return self._part(data, int(found[1]), int(found[2] or len(data) - 1), told)
        if self.chunked:
            body = b"" if request.method == "HEAD" else _chunks(data)
            return Answer(200, body, {**told, "Transfer-Encoding": "chunked"})
        return Answer(200, data, told, length=-1 if self.nameless else None)

    def _told(self, data: bytes) -> dict[str, str]:
        mark = sha256(data).hexdigest()[:16]
        minute, second = int(mark[:4], 16) % 60, int(mark[4:8], 16) % 60
        match self.tells:
            case "etag":
                told = {"ETag": f'"{mark}"'}
            case "weak":
                told = {"ETag": f'W/"{mark}"'}
            case "date":
                told = {"Last-Modified": f"Thu, 15 Jan 2026 07:{minute:02}:{second:02} GMT"}
            case _:
                told = {}
        return {**told, "Content-Type": "application/octet-stream", **self.more}

    def _holds(self, request: Request, told: Mapping[str, str]) -> bool:
        match, since = request.headers.get("if-match"), request.headers.get("if-unmodified-since")
        # A weak etag never matches here (RFC 9110, 13.1.1).
        return (match is None or (match == told.get("ETag") and not match.startswith("W/"))) and (
            since is None or since == told.get("Last-Modified")
        )

    def _part(self, data: bytes, first: int, last: int, told: Mapping[str, str]) -> Answer:
        if first >= len(data):
            return Answer(416, b"", {"Content-Range": f"bytes */{len(data)}"})
        last = min(last, len(data) - 1)
        return Answer(206, data[first : last + 1], {**told, "Content-Range": f"bytes {first}-{last}/{len(data)}"})


def _chunks(data: bytes) -> bytes:
    half = len(data) // 2
    pieces = [piece for piece in (data[:half], data[half:]) if piece]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


@contextmanager
def file_server() -> Iterator[tuple[Server, Files]]:
    """Serve files from threads of this process while the block runs."""
    files = Files()
    with Server(files) as server:
        yield server, files


def url_of(server: Server, path: str) -> str:
    """The address of a file."""
    return server.url + quote(path)
