"""The sandbox as an HTTP server: Starlette under uvicorn, with connections that really break.

Knows the shape of ASGI and the socket beneath it; the rules are behind `Exchange`. Imported by `server` alone, since
Starlette and uvicorn are an extra.
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from socket import IPPROTO_TCP, SO_LINGER, SOL_SOCKET, TCP_NODELAY, socket
from types import FrameType
from typing import Any, Final

import anyio.from_thread
import anyio.to_thread
import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.requests import Request as Incoming
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from mics_iac.sandbox.control import routes
from mics_iac.sandbox.exchange import Broken, Exchange
from mics_iac.sandbox.faults import FaultPlan
from mics_iac.sandbox.message import Request, Response
from mics_iac.sandbox.sandbox import Sandbox

# Requests that are worked on at once; each takes a thread while it reads its body or waits out a delay.
MOST_AT_ONCE: Final = 100
# How long requests that are still running may take to end once the server has been told to stop.
GRACE_SECONDS: Final = 2


class Breakable(H11Protocol):
    """A connection that an application can break: it finds this protocol in its scope's state."""

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, {**app_state, "connection": self}, _loop)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Send small answers at once: an accepted socket does not, where its listener was not made by asyncio."""
        super().connection_made(transport)
        plug = transport.get_extra_info("socket")
        if plug is not None:
            plug.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)

    def reset(self) -> None:
        """Drop the connection at once with a RST, whatever is still on its way."""
        plug = self.transport.get_extra_info("socket")
        if plug is not None and plug.fileno() >= 0:  # closed already where the client has left
            plug.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def hang_up(self) -> None:
        """Send what was written, then close."""
        self.transport.close()


class Face:
    """The platform's routes as an ASGI application."""

    def __init__(self, sandbox: Sandbox, faults: FaultPlan) -> None:
        self._exchange = Exchange(sandbox, faults, time.sleep)
        self._threads: anyio.CapacityLimiter | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or break its connection."""
        if self._threads is None:
            self._threads = anyio.CapacityLimiter(MOST_AT_ONCE)
        incoming = Incoming(scope, receive)
        stream = incoming.stream()
        try:
            # Taken before any delay: what came whole is acted on, though its client may leave meanwhile.
            first = await anext(stream)
            request = _received(incoming, _body(first, stream))
            outcome = await anyio.to_thread.run_sync(self._exchange.perform, request, limiter=self._threads)
        except ClientDisconnect:
            return
        if isinstance(outcome, Response):
            await _send(send, outcome, _headers(outcome))
        else:
            await _suffer(scope, receive, send, outcome)


def _received(incoming: Incoming, body: Iterator[bytes]) -> Request:
    return Request(
        method=incoming.method.upper(),
        path=incoming.scope["path"],
        query=tuple(incoming.query_params.multi_items()),
        headers=dict(incoming.headers.items()),
        body=body,
    )


def _body(first: bytes, stream: AsyncIterator[bytes]) -> Iterator[bytes]:
    """The body as it comes, pulled from the event loop by the thread that works on the request."""

    async def following() -> bytes | None:
        return await anext(stream, None)

    chunk: bytes | None = first
    while chunk is not None:
        if chunk:
            yield chunk
        chunk = anyio.from_thread.run(following)


def _headers(response: Response) -> list[tuple[bytes, bytes]]:
    headers = {"server": "mics-iac sandbox", **response.headers}
    if response.status != 204:
        headers["content-length"] = str(response.content_length)
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


async def _send(send: Send, response: Response, headers: list[tuple[bytes, bytes]]) -> None:
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    pieces = iter(response.pieces())
    while (piece := await anyio.to_thread.run_sync(next, pieces, None)) is not None:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _suffer(scope: Scope, receive: Receive, send: Send, broken: Broken) -> None:
    """Do to the connection what befell it, then wait until it is gone."""
    connection: Breakable = scope["state"]["connection"]
    match broken.how:
        case "silence":
            pass
        case "cut" if broken.response is not None:
            whole = b"".join(broken.response.pieces())
            start = {"type": "http.response.start", "status": broken.response.status}
            await send({**start, "headers": _headers(broken.response)})
            await send({"type": "http.response.body", "body": whole[: len(whole) // 2], "more_body": True})
            connection.hang_up()
        case _:
            connection.reset()
    while (await receive())["type"] != "http.disconnect":
        pass


def application(sandbox: Sandbox, faults: FaultPlan) -> Starlette:
    """The platform's routes, and the control endpoint beside them."""
    return Starlette(
        routes=[
            Mount("/_sandbox", routes=routes(sandbox, faults)),
            Mount("", app=Face(sandbox, faults)),
        ]
    )


class Server(uvicorn.Server):
    """uvicorn, saying when it is ready and ending quietly when it is told to."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets)
        self._ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a signal handler's signature
        """Stop, and on a second signal stop at once; the signal is not raised again afterwards."""
        self.force_exit = self.should_exit
        self.should_exit = True


def server_over(sandbox: Sandbox, faults: FaultPlan, listener: socket, *, ready: Callable[[int], None]) -> Server:
    """A server for `listener`, which is bound already; run it with `run(sockets=[listener])`."""
    config = uvicorn.Config(
        application(sandbox, faults),
        http=Breakable,
        ws="none",
        lifespan="off",
        loop="asyncio",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    return Server(config, partial(ready, listener.getsockname()[1]))
