"""Starts and stops the sandbox's HTTP server, for the command line (`serve`) and for tests (`serving`).

Starlette and uvicorn are an extra, so they are imported here only when a server is asked for.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from mics_iac.sandbox.faults import FaultPlan, InvalidFault, refuse_unconnected
from mics_iac.sandbox.sandbox import Sandbox

if TYPE_CHECKING:
    from mics_iac.sandbox.http_face import Server

_EXTRA: Final = frozenset({"anyio", "starlette", "uvicorn", "h11"})
START_SECONDS: Final = 30.0


class CannotServe(Exception):
    """The server cannot be started; the message says why, and what to do."""


def serve(
    sandbox: Sandbox,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    faults: FaultPlan | None = None,
    ready: Callable[[int], None] = lambda _port: None,
) -> None:
    """Serve until SIGINT or SIGTERM, then return. Port 0 takes a free one; `ready` is told the port once it listens.

    Raises CannotServe: the extra is missing, the port is taken, or a fault cannot be shown over HTTP.
    """
    with _listening(host, port) as listener:
        _server(sandbox, faults, listener, ready).run(sockets=[listener])


@contextmanager
def serving(sandbox: Sandbox, *, faults: FaultPlan | None = None, host: str = "127.0.0.1") -> Iterator[str]:
    """Serve from a thread while the block runs; gives the base URL, with a free port and no slash at its end."""
    started = threading.Event()
    with _listening(host, 0) as listener:
        server = _server(sandbox, faults, listener, lambda _port: started.set())
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="sandbox", daemon=True)
        thread.start()
        try:
            if not started.wait(START_SECONDS):
                raise CannotServe(f"the sandbox did not start within {START_SECONDS:.0f} seconds")
            shown = f"[{host}]" if ":" in host else host
            yield f"http://{shown}:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(START_SECONDS)


def _server(
    sandbox: Sandbox, faults: FaultPlan | None, listener: socket.socket, ready: Callable[[int], None]
) -> Server:
    try:
        from mics_iac.sandbox.http_face import server_over  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in _EXTRA:
            raise
        raise CannotServe("the sandbox's server needs an extra: pip install 'mics-iac[sandbox]'") from missing
    plan = faults if faults is not None else FaultPlan()
    try:
        refuse_unconnected(plan.in_force())
    except InvalidFault as impossible:
        raise CannotServe(str(impossible)) from impossible
    return server_over(sandbox, plan, listener, ready=ready)


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=128)
    except (OSError, OverflowError) as error:
        raise CannotServe(f"cannot listen on {host} port {port}: {error}; choose another with --port") from error
    with listener:
        yield listener
