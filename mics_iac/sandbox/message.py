"""One request and one answer as plain values, and the envelopes every answer wears.

Knows neither sockets nor the rules of any resource: both faces turn their own requests into these values.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

JSON_TYPE = "application/json;charset=utf-8"
BINARY_TYPE = "application/octet-stream"

Fields = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """What arrives: `path` without its query and percent-decoded, header names in lower case, the body in chunks.

    `query` keeps every pair in the order sent. `body` is read once, and perhaps not to its end.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Iterable[bytes] = ()

    def asked(self, name: str) -> str | None:
        """The first value of a query parameter, or None."""
        return next((value for key, value in self.query if key == name), None)

    def header(self, name: str) -> str:
        """A header's value without the blanks around it; empty when it was not sent."""
        return self.headers.get(name.lower(), "").strip()


@dataclass(frozen=True, slots=True)
class Response:
    """What leaves: `body` is whole, or `chunks` gives it piece by piece (`length` bytes in all)."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    chunks: Callable[[], Iterable[bytes]] | None = None
    length: int = 0

    @property
    def content_length(self) -> int:
        """Bytes of the body."""
        return self.length if self.chunks is not None else len(self.body)

    def pieces(self) -> Iterable[bytes]:
        """The body, a piece at a time."""
        return self.chunks() if self.chunks is not None else (self.body,)


class Refused(Exception):
    """The platform says no: becomes the error envelope (mediarithmics-api.md 1.5, seen in client code)."""

    def __init__(self, status: int, error: str, *, code: str | None = None) -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.code = code


def answered(payload: object, *, status: int = 200) -> Response:
    """`payload` as a JSON answer."""
    text = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
    return Response(status=status, headers={"content-type": JSON_TYPE}, body=text.encode("utf-8", "surrogatepass"))


def one(data: object) -> Response:
    """A single resource in its envelope (mediarithmics-api.md 1.4, documented)."""
    return answered({"status": "ok", "data": data})


def page(data: list[Fields], *, first: int, size: int, total: int | None) -> Response:
    """A list in its envelope; `total` is left out when None (mediarithmics-api.md 1.4, documented)."""
    envelope: Fields = {"status": "ok", "count": len(data), "first_result": first, "max_results": size}
    if total is not None:
        envelope["total"] = total
    return answered({**envelope, "data": data})


def refusal(status: int, error: str, *, code: str | None = None) -> Response:
    """An error in its envelope, with an id of its own to quote (mediarithmics-api.md 1.5, seen in client code)."""
    envelope = {"status": "error", "error": error}
    if code is not None:
        envelope["error_code"] = code
    return answered({**envelope, "error_id": str(uuid.uuid4())}, status=status)
