"""The sandbox in process: a transport for `requests`, with no socket.

It behaves as requests' own adapter does seen from `Session.send`: it reads the body in blocks while the platform takes
it in, answers a real `Response`, and raises the same exceptions for the same mishaps. Knows nothing of the rules.
"""

from __future__ import annotations

import io
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.exceptions import ConnectionError as NotConnected
from requests.exceptions import ConnectTimeout, ReadTimeout, SSLError
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool, connection_from_url
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError, ProtocolError, ReadTimeoutError
from urllib3.exceptions import SSLError as HandshakeFailed
from urllib3.response import HTTPResponse
from urllib3.util import Timeout
from urllib3.util.request import body_to_chunks

from mics_iac.sandbox.exchange import Broken, Exchange, ShortBody
from mics_iac.sandbox.faults import FaultPlan
from mics_iac.sandbox.message import Request, Response
from mics_iac.sandbox.sandbox import Sandbox

BLOCK: Final = 256 * 1024


class SandboxAdapter(BaseAdapter):
    """Mount it on a session: every request under its prefix goes to `sandbox`, past `faults`.

    `block_size` is how many bytes of a file body are read at a time. `wait` lets the seconds of a delay pass; a delay
    that outlasts the request's timeout, and an answer that never comes, raise ReadTimeout at once.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        faults: FaultPlan | None = None,
        *,
        block_size: int = BLOCK,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__()
        self.sandbox = sandbox
        self.faults = faults if faults is not None else FaultPlan()
        self._block_size = block_size
        self._exchange = Exchange(sandbox, self.faults, wait)
        self._builder = HTTPAdapter()

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: ARG002, FBT001, FBT002 - the signature is requests' own; Session.send reads the body
        timeout: Any = None,
        verify: bool | str = True,  # noqa: ARG002, FBT001, FBT002 - there is no certificate
        cert: Any = None,  # noqa: ARG002 - nor any of the client's
        proxies: Mapping[str, str] | None = None,  # noqa: ARG002 - nor a way that leads past a proxy
    ) -> requests.Response:
        """Answer `request`; raises what requests raises for a connection that fails."""
        read_timeout = _read_timeout(timeout)
        try:
            outcome = self._exchange.perform(_received(request, self._block_size), patience=read_timeout)
        except ShortBody:
            outcome = Broken("silence")
        except _BodyFailed as failed:
            raise NotConnected(ProtocolError("Connection aborted.", failed.cause), request=request) from failed.cause
        if isinstance(outcome, Broken):
            return self._builder.build_response(request, _suffered(outcome, request, read_timeout))
        return self._builder.build_response(request, _raw(outcome, request, outcome.pieces()))

    def close(self) -> None:
        """Nothing to close: the sandbox belongs to whoever made it."""
        self._builder.close()


class _BodyFailed(Exception):
    """Reading the request's own body failed with an OSError: requests cannot tell that from a broken connection."""

    def __init__(self, cause: OSError) -> None:
        super().__init__(str(cause))
        self.cause = cause


def _received(request: requests.PreparedRequest, block_size: int) -> Request:
    """The request as a server sees it."""
    parts = urlsplit(request.url or "")
    headers = {_plain(name).lower(): _plain(value) for name, value in request.headers.items()}
    if request.body is not None and "content-length" not in headers:
        headers.setdefault("transfer-encoding", "chunked")
    return Request(
        method=(request.method or "GET").upper(),
        path=unquote(parts.path) or "/",
        query=tuple(parse_qsl(parts.query, keep_blank_values=True)),
        headers=headers,
        body=_blocks(request, block_size, headers.get("content-length")),
    )


def _plain(text: str | bytes) -> str:
    return text.decode("latin-1") if isinstance(text, bytes) else text


def _blocks(request: requests.PreparedRequest, block_size: int, length: str | None) -> Iterator[bytes]:
    """The body as urllib3 would send it, cut or found wanting by its Content-Length as a server would."""
    left = int(length) if length is not None else None
    chunks: Iterable[bytes] = body_to_chunks(request.body, request.method or "GET", block_size).chunks or ()
    source = iter(chunks)
    while left != 0:
        try:
            block = next(source, None)
        except OSError as error:
            raise _BodyFailed(error) from error
        if block is None:
            break
        taken = bytes(block if left is None else memoryview(block)[:left])
        left = None if left is None else left - len(taken)
        if taken:
            yield taken
    if left:
        raise ShortBody


def _read_timeout(timeout: Any) -> float | None:
    if isinstance(timeout, Timeout):
        return timeout.read_timeout if isinstance(timeout.read_timeout, int | float) else None
    seconds = timeout[1] if isinstance(timeout, tuple) else timeout
    return None if seconds is None else float(seconds)


class _Body(io.RawIOBase):
    """An answer's body as the file that urllib3 reads."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = piece
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


def _raw(response: Response, request: requests.PreparedRequest, pieces: Iterable[bytes]) -> HTTPResponse:
    """A urllib3 response that promises `content_length` bytes and gives `pieces`."""
    try:
        reason = HTTPStatus(response.status).phrase
    except ValueError:
        reason = ""
    headers = {"server": "mics-iac sandbox", **response.headers}
    if response.status != HTTPStatus.NO_CONTENT:
        headers["content-length"] = str(response.content_length)
    return HTTPResponse(
        body=io.BufferedReader(_Body(pieces), BLOCK),
        headers=headers,
        status=response.status,
        version=11,
        version_string="HTTP/1.1",
        reason=reason,
        preload_content=False,
        decode_content=False,
        request_method=request.method,
        request_url=request.url,
    )


def _suffered(broken: Broken, request: requests.PreparedRequest, read_timeout: float | None) -> HTTPResponse:
    """What requests makes of a broken connection: an exception, or an answer that ends too early."""
    pool = connection_from_url(request.url or "")
    url = request.path_url
    match broken.how:
        case "refuse" | "connect_timeout" | "tls":
            raise _unconnected(broken, pool, request)
        case "silence":
            silence = ReadTimeoutError(pool, url, f"Read timed out. (read timeout={read_timeout})")
            raise ReadTimeout(silence, request=request)
        case "cut" if broken.response is not None:
            whole = b"".join(broken.response.pieces())
            return _raw(broken.response, request, (whole[: len(whole) // 2],))
        case _:
            reset = ConnectionResetError(104, "Connection reset by peer")
            raise NotConnected(ProtocolError("Connection aborted.", reset), request=request)


def _unconnected(broken: Broken, pool: HTTPConnectionPool, request: requests.PreparedRequest) -> NotConnected:
    url = request.path_url
    connection = HTTPConnection(pool.host, pool.port)  # names the place in the message; never connects
    if broken.how == "tls":
        handshake = HandshakeFailed(ssl.SSLError(1, "[SSL: SSLV3_ALERT_HANDSHAKE_FAILURE] handshake failure"))
        return SSLError(MaxRetryError(pool, url, handshake), request=request)
    if broken.how == "connect_timeout":
        late = ConnectTimeoutError(connection, f"Connection to {pool.host} timed out.")
        return ConnectTimeout(MaxRetryError(pool, url, late), request=request)
    refused = NewConnectionError(connection, "Failed to establish a new connection: [Errno 111] Connection refused")
    return NotConnected(MaxRetryError(pool, url, refused), request=request)
