"""What happens to one request: the faults on its way, the rules, the faults on the way back. Both faces share it.

Knows no socket: what a connection suffers is a value (`Broken`), which each face turns into what really happens there.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Literal

from mics_iac.sandbox.faults import UNCONNECTED, Fault, FaultPlan, Strike
from mics_iac.sandbox.message import Request, Response, refusal
from mics_iac.sandbox.sandbox import Sandbox

HTML = {"content-type": "text/html; charset=utf-8"}


@dataclass(frozen=True, slots=True)
class Broken:
    """No whole answer: never connected, reset, nothing within the time, or `response` cut in the middle."""

    how: Literal["refuse", "connect_timeout", "tls", "reset", "silence", "cut"]
    response: Response | None = None


class ShortBody(Exception):
    """Raised by a request's body that ends before its Content-Length: the platform goes on waiting for the rest."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A sandbox behind its faults. `wait` lets seconds pass."""

    sandbox: Sandbox
    faults: FaultPlan
    wait: Callable[[float], None]

    def perform(self, request: Request, *, patience: float | None = None) -> Response | Broken:
        """Answer one request. `patience` is how long the caller listens, in seconds.

        A delay longer than that is not waited for: the platform acts all the same, and nobody hears it.
        """
        strike = self.faults.strike(request.method, request.path, token=request.header("authorization"))
        if strike.way is not None and strike.way.kind in UNCONNECTED:
            self._unacted(request, strike)
            return _unconnected(strike.way)
        delay = max((fault.delay_ms for fault in (*strike.shapes, strike.way) if fault), default=0) / 1000
        too_late = patience is not None and delay >= patience
        if delay and not too_late:
            self.wait(delay)
        outcome = self._act(request, strike) if strike.way is None else self._struck(request, strike, strike.way)
        return Broken("silence") if delay and too_late else outcome

    def _act(self, request: Request, strike: Strike) -> Response:
        response = self.sandbox.handle(request, shapes=strike.shapes, fault=strike.named)
        _drain(request)
        return response

    def _unacted(self, request: Request, strike: Strike) -> None:
        self.sandbox.note(request, status=None, fault=strike.named)

    def _struck(self, request: Request, strike: Strike, way: Fault) -> Response | Broken:
        match way.kind:
            case "delay":
                return self._act(request, strike)
            case "reset_after":
                self._act(request, strike)
                return Broken("reset")
            case "cut_answer":
                return Broken("cut", self._act(request, strike))
            case "truncated_json" | "garbage" | "extra_fields" | "duplicate_key":
                return _altered(way, self._act(request, strike))
            case "throttle" | "error" if way.acts:
                self._act(request, strike)
                return _instead(way)
            case "reset_before" | "reset_midway":
                _read_some(request, way)
                self._unacted(request, strike)
                return Broken("reset")
            case "hang":
                _drain(request)
                self._unacted(request, strike)
                return Broken("silence")
            case _:
                _drain(request)
                self._unacted(request, strike)
                return _instead(way)


def _unconnected(fault: Fault) -> Broken:
    match fault.kind:
        case "connect_timeout":
            return Broken("connect_timeout")
        case "tls":
            return Broken("tls")
        case _:
            return Broken("refuse")


def _drain(request: Request) -> None:
    """Take the rest of the body, as a client sends all of it before it listens."""
    try:
        for _chunk in request.body:
            pass
    except ShortBody:
        return


def _read_some(request: Request, fault: Fault) -> None:
    """Read the body as far as the fault says, and no further."""
    if fault.kind == "reset_before":
        return
    length = request.header("content-length")
    enough = fault.after_bytes
    if enough is None:
        enough = int(length) // 2 if length.isascii() and length.isdigit() else 1
    read = 0
    try:
        for chunk in request.body:
            read += len(chunk)
            if read >= enough:
                return
    except ShortBody:
        return


def _instead(fault: Fault) -> Response:
    """The answer of something before the platform, or of its gate."""
    match fault.kind:
        case "expired_token":
            return refusal(401, fault.message or "The token has expired")
        case "forbidden":
            return refusal(403, fault.message or "Forbidden")
        case "throttle":
            response = refusal(429, fault.message or "Too Many Requests")
            waiting = {} if fault.retry_after is None else {"retry-after": fault.retry_after}
            return replace(response, headers={**response.headers, **waiting})
        case _:
            return _error(fault)


def _error(fault: Fault) -> Response:
    try:
        title = HTTPStatus(fault.status).phrase
    except ValueError:
        title = "Error"
    if not fault.html:
        code = "SERVICE_UNAVAILABLE" if fault.status == HTTPStatus.SERVICE_UNAVAILABLE else None
        return refusal(fault.status, fault.message or title, code=code)
    text = f"<html><head><title>{fault.status} {title}</title></head><body><h1>{title}</h1></body></html>\n"
    return Response(status=fault.status, headers=HTML, body=text.encode())


def _altered(fault: Fault, response: Response) -> Response:
    body = b"".join(response.pieces())
    match fault.kind:
        case "truncated_json":
            return replace(response, body=body[: len(body) // 2], chunks=None)
        case "garbage":
            return Response(status=200, headers=HTML, body=b"<html><body>Welcome</body></html>\n")
        case "duplicate_key":
            doubled = body.replace(b'{"id":', b'{"id":"0","id":').replace(b'{"status":', b'{"status":"ok","status":', 1)
            return replace(response, body=doubled, chunks=None)
        case _:
            return replace(response, body=_widened(body), chunks=None)


def _widened(body: bytes) -> bytes:
    """The same answer with fields that nobody has heard of, in the envelope and in each object of it."""
    try:
        envelope = json.loads(body)
    except ValueError:
        return body
    extra: dict[str, Any] = {"new_field": {"nested": [1, None, "é"]}}
    data = envelope.get("data")
    if isinstance(data, list):
        envelope["data"] = [{**one, **extra} for one in data]
    elif isinstance(data, dict):
        envelope["data"] = {**data, **extra}
    return json.dumps({**envelope, **extra}).encode()
