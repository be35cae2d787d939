"""The HTTP library's own adapter, bent to what a tool that must never load twice needs to know.

The other half of `transport`, and with it the only place that knows requests and urllib3. Three things are added:

* An error is marked *never left* only if it was raised while connecting (TCP, proxy tunnel, TLS handshake). The
  library's own exception types do not tell: a reset in the handshake looks like a reset of the answer, a slow
  handshake like a slow answer, and a lost answer behind a proxy like a proxy that cannot be reached.
* Bounds: on the silence while sending (the library applies the connect timeout there), and on the whole answer.
* A connection that was idle for long is not used again for a POST: the server may be closing it at that moment, and
  the lost answer would be a doubt.
"""

from __future__ import annotations

import io
import math
import socket
import threading
from collections.abc import Callable
from functools import partial
from http.client import HTTPException, HTTPResponse
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, NewConnectionError

# Half the CPU of the library's 16 KiB; 64 to 256 KiB are alike, more is slower (measured on plain and TLS uploads).
BLOCK = 256 * 1024


class Watch(threading.local):
    """What the call that the present thread is making may take: set before it, read by its connection."""

    until: float = math.inf
    """The monotonic moment by which the last byte of the answer must be there."""
    idle: float = math.inf
    """The most seconds a connection may have been idle to be used for it."""
    stall: float = 60.0
    """The longest silence while sending, in seconds."""


class NeverLeft(requests.exceptions.ConnectionError):
    """No connection, no tunnel or no TLS handshake: not a byte of the request went to the platform."""


class _Unconnected(NewConnectionError):
    """Raised out of `connect` alone."""


class _BoundedIO(io.RawIOBase):
    """An answer's bytes, until a moment: each receive may only last as long as is left."""

    def __init__(self, sock: socket.socket, *, until: float, monotonic: Callable[[], float]) -> None:
        super().__init__()
        self._sock = sock
        self._raw: Any = sock.makefile("rb", buffering=0)
        self._until = until
        self._monotonic = monotonic
        self._silence = sock.gettimeout()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._until - self._monotonic()
        if left <= 0:
            raise TimeoutError("the answer took too long as a whole")
        if left < (math.inf if self._silence is None else self._silence):
            self._sock.settimeout(left)
        got: int | None = self._raw.readinto(buffer)
        return got

    def close(self) -> None:
        self._raw.close()
        super().close()


class _BoundedSocket:
    """What `http.client.HTTPResponse` asks of a socket: one file to read from."""

    def __init__(self, sock: socket.socket, *, until: float, monotonic: Callable[[], float]) -> None:
        self._open = partial(_BoundedIO, sock, until=until, monotonic=monotonic)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self._open())


def _bounded_response(until: float, monotonic: Callable[[], float]) -> Callable[..., HTTPResponse]:
    def make(sock: Any, *args: Any, **kwargs: Any) -> HTTPResponse:
        bounded: Any = _BoundedSocket(sock, until=until, monotonic=monotonic)
        return HTTPResponse(bounded, *args, **kwargs)

    return make


def _watched(base: type[HTTPConnection], watch: Watch, monotonic: Callable[[], float]) -> type[HTTPConnection]:
    """The library's connection class with the watch kept over its life."""

    class Watched(base):  # type: ignore[valid-type, misc]  # the base is plain or TLS, known only here
        response_class: Any
        timeout: float
        used_at = 0.0

        def connect(self) -> None:
            # What a proxy answers to the wish for a tunnel comes within the connect timeout, as a whole.
            self.response_class = _bounded_response(monotonic() + self.timeout, monotonic)
            try:
                super().connect()
            except (OSError, HTTPException, HTTPError, ValueError) as error:
                raise _Unconnected(self, str(error)) from error

        def request(self, *args: Any, **kwargs: Any) -> None:
            if self.sock is None:
                self.connect()
            self.timeout = watch.stall
            super().request(*args, **kwargs)

        def getresponse(self) -> Any:
            self.response_class = _bounded_response(watch.until, monotonic)
            response = super().getresponse()
            self.used_at = monotonic()
            return response

        @property
        def is_connected(self) -> bool:
            return bool(super().is_connected) and monotonic() - self.used_at <= watch.idle

    return Watched


class WatchedAdapter(HTTPAdapter):
    """Sends one request at a time per thread; raises NeverLeft for what did not leave, and for nothing else."""

    def __init__(self, *, watch: Watch, monotonic: Callable[[], float], connections: int) -> None:
        class Plain(HTTPConnectionPool):
            ConnectionCls = _watched(HTTPConnection, watch, monotonic)  # type: ignore[mutable-override]  # as its base does

        class Secure(HTTPSConnectionPool):
            ConnectionCls = _watched(HTTPSConnection, watch, monotonic)  # type: ignore[assignment]  # as its base does

        self._pools = {"http": Plain, "https": Secure}
        # Too few kept connections would mean a TLS handshake a call; one pool, for there is one host.
        super().__init__(pool_connections=2, pool_maxsize=connections, max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **kwargs: Any) -> None:  # noqa: FBT001, FBT002 - the library's signature
        """The library's pools, with our block size and our connections."""
        super().init_poolmanager(connections, maxsize, block=block, blocksize=BLOCK, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """The same for the pools behind a proxy."""
        manager = super().proxy_manager_for(proxy, blocksize=BLOCK, **kwargs)
        manager.pool_classes_by_scheme = self._pools
        return manager

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """One exchange up to the end of the answer's headers."""
        try:
            return super().send(request, *args, **kwargs)
        except requests.exceptions.RequestException as error:
            if _was_unconnected(error):
                raise NeverLeft(*error.args, request=request) from error
            # What the library calls a failure of TLS, proxy or connect came after the connection stood.
            raise requests.exceptions.ConnectionError(*error.args, request=request) from error


def _was_unconnected(error: BaseException) -> bool:
    # MaxRetryError keeps what happened in `reason`, ProxyError in `original_error`, requests' own in its arguments.
    cause: object = error.args[0] if error.args else None
    for _ in range(5):
        if isinstance(cause, _Unconnected):
            return True
        cause = getattr(cause, "reason", None) or getattr(cause, "original_error", None)
    return False
