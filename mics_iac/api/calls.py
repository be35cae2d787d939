"""A call and its answer as values, and the three ways an exchange can end without one.

Pure. The client makes calls, the transport answers them; neither needs to know the other's insides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mics_iac.api.body import OpenBody
from mics_iac.api.limits import DOWNLOAD_LIMIT

Sink = Callable[[bytes], object]
OpenSink = Callable[[], Sink]


@dataclass(frozen=True, slots=True)
class Upload:
    """A body that is streamed from its place: `length` bytes exactly."""

    open: OpenBody
    length: int
    content_type: str


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the platform.

    `path` starts below `/v1`. At most one of `json` and `upload`. With `absent_ok`, a 404 of the platform itself is an
    answer. With `into`, the body of a 2xx goes there instead of into the answer.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    json: Mapping[str, object] | None = None
    upload: Upload | None = None
    into: OpenSink | None = None
    absent_ok: bool = False
    before_send: Callable[[float], None] | None = None

    @property
    def name(self) -> str:
        """How messages name it; the query is left out."""
        return f"{self.method} /v1{self.path}"

    @property
    def moved(self) -> int:
        """The most bytes of a file that it moves."""
        if self.upload is not None:
            return self.upload.length
        return DOWNLOAD_LIMIT if self.into is not None else 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: `headers` by lower-case name, `streamed` the bytes that went into a sink instead of `body`.

    `absent` is set for a 404 that the call takes as an answer; `body_left` is whether the whole request had left.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    streamed: int = 0
    body_left: bool = True
    absent: bool = False


@dataclass(frozen=True, slots=True)
class Exchange:
    """One attempt that ended, for whoever counts or logs: `status` is None when no answer came."""

    method: str
    path: str
    attempt: int
    status: int | None
    seconds: float


class Unsent(Exception):
    """The request never left: no connection, no tunnel, no TLS handshake. `final` when trying again is pointless."""

    def __init__(self, reason: str, *, final: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.final = final


class Cut(Exception):
    """The connection ended, or took too long, after the request may have begun to leave."""

    def __init__(self, reason: str, *, body_left: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.body_left = body_left


class TooBig(Exception):
    """The answer has more bytes than any good one."""
