"""The control endpoint: see what the sandbox saw, and say what shall go wrong. Only for this machine.

Under `/_sandbox/`, beside the platform's own routes. A web page in a browser on this machine is kept out too: it sends
an Origin, or a Host that it was fooled into.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mics_iac.sandbox.faults import Fault, FaultPlan, InvalidFault, refuse_unconnected
from mics_iac.sandbox.sandbox import Sandbox

MOST_BODY_BYTES: Final = 1024 * 1024
Endpoint = Callable[[Request], Awaitable[Response]]


class _Wrong(ValueError):
    """The request to the control endpoint makes no sense."""


def routes(sandbox: Sandbox, faults: FaultPlan) -> list[Route]:
    """The control endpoint's routes, without their common prefix."""
    control = _Control(sandbox, faults)
    table: dict[str, dict[str, Callable[[Any], object]]] = {
        "/state": {"GET": control.state},
        "/requests": {"GET": control.requests, "DELETE": control.forget_requests},
        "/faults": {"GET": control.report, "POST": control.add, "DELETE": control.clear},
        "/reset": {"POST": control.reset},
        "/release": {"POST": control.release},
        "/tick": {"POST": control.tick},
    }
    return [
        Route(path, _guarded(act), methods=[method])
        for path, methods in table.items()
        for method, act in methods.items()
    ]


def _guarded(act: Callable[[Any], object]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        if not _is_local(request):
            return _answer({"error": "the control endpoint answers this machine alone"}, status=403)
        try:
            given = await _given(request) if request.method == "POST" else None
            return _answer(await run_in_threadpool(act, given))
        except (_Wrong, InvalidFault) as wrong:
            return _answer({"error": str(wrong)}, status=400)

    return endpoint


def _answer(value: object, *, status: int = 200) -> Response:
    return JSONResponse(value, status_code=status)


def _is_local(request: Request) -> bool:
    client = request.client.host if request.client else ""
    return _is_loopback(client) and _is_loopback(request.url.hostname or "") and "origin" not in request.headers


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def _given(request: Request) -> object:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BODY_BYTES:
            raise _Wrong("the body is too large")
    try:
        return json.loads(body) if body.strip() else None
    except (ValueError, RecursionError):
        raise _Wrong("the body is not JSON") from None


class _Control:
    """What each route does, as plain functions of the JSON it was given."""

    def __init__(self, sandbox: Sandbox, faults: FaultPlan) -> None:
        self._sandbox = sandbox
        self._faults = faults

    def state(self, _given: object) -> object:
        return {
            "now": self._sandbox.now(),
            "imports": [asdict(one) for one in self._sandbox.imports(deleted=True)],
            "executions": [asdict(one) for one in self._sandbox.executions(deleted=True)],
        }

    def requests(self, _given: object) -> object:
        return [row._asdict() for row in self._sandbox.requests()]

    def forget_requests(self, _given: object) -> object:
        self._sandbox.forget_requests()
        return []

    def report(self, _given: object) -> object:
        return self._faults.report()

    def add(self, given: object) -> object:
        faults = [Fault.from_json(one) for one in (given if isinstance(given, list) else [given])]
        refuse_unconnected(faults)
        for fault in faults:
            self._faults.add(fault)
        return self._faults.report()

    def clear(self, _given: object) -> object:
        self._faults.clear()
        return []

    def reset(self, _given: object) -> object:
        self._faults.clear()
        self._sandbox.reset()
        return {"now": self._sandbox.now()}

    def release(self, _given: object) -> object:
        return {"released": self._sandbox.release()}

    def tick(self, given: object) -> object:
        milliseconds = given.get("ms") if isinstance(given, dict) else None
        if not isinstance(milliseconds, int) or isinstance(milliseconds, bool) or not 0 <= milliseconds <= 10**12:
            raise _Wrong('say how far, in milliseconds: {"ms": 60000}')
        return {"now": self._sandbox.tick(milliseconds)}
