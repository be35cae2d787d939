"""One request out, one answer in, over the HTTP library; no repeats, no verdicts.

With `adapter`, the only place that knows the library: whatever it raises becomes `Unsent` (nothing left this machine)
or `Cut` (it may have), and when in doubt it is `Cut`. The request is handed straight to the library's adapter: what a
session adds (redirects, cookies, netrc, the environment) is what must not happen to this token.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import closing
from http.client import HTTPException
from socket import gaierror
from urllib.parse import quote, urlencode

import requests
from requests.adapters import BaseAdapter
from requests.exceptions import ConnectTimeout, RequestException, SSLError
from urllib3.exceptions import ConnectTimeoutError, HTTPError, MaxRetryError

from mics_iac import __version__
from mics_iac.api.adapter import BLOCK, NeverLeft, Watch, WatchedAdapter
from mics_iac.api.body import BodyFailed, Outgoing
from mics_iac.api.calls import Answer, Call, Cut, TooBig, Unsent
from mics_iac.api.limits import ANSWER_LIMIT, DOWNLOAD_LIMIT, ERROR_LIMIT, Limits
from mics_iac.api.network import Network
from mics_iac.api.wire import Unreadable
from mics_iac.core.clock import Clock

# Idle connections older than this (seconds) are not trusted: servers close theirs after 5 seconds and more, and a POST
# that meets the closing is a doubt, while the others are simply repeated.
_FRESH = {"POST": 3.0}
_FRESH_OTHERWISE = 50.0


class _TookTooLong(Exception):
    """Raised between two blocks, once the time of the whole call is over."""


class _SinkFailed(Exception):
    """The sink of a download failed, not the connection; its own error is carried past those of the library."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class Line:
    """The line to one address. Safe for many threads at once."""

    def __init__(
        self,
        base: str,
        *,
        clock: Clock,
        limits: Limits,
        network: Network,
        adapter: BaseAdapter | None,
    ) -> None:
        self._base = base
        self._clock = clock
        self._timeouts = limits.timeouts
        self._verify: bool | str = network.ca_bundle or True
        self._proxies = {"https": network.proxy} if network.proxy else {}
        self._watch = Watch()
        self._adapter = adapter or WatchedAdapter(
            watch=self._watch, monotonic=clock.monotonic, connections=limits.connections
        )

    def close(self) -> None:
        """Drop all idle connections."""
        self._adapter.close()

    def exchange(self, call: Call, token: str, *, until: float) -> Answer:
        """The answer, whatever its status; nothing more is sent past the monotonic moment `until`.

        Raises Unsent, Cut, TooBig or Unreadable, and what the reader of an upload's body or a sink raises.
        """
        if call.upload is None:
            body = None if call.json is None else json.dumps(call.json, allow_nan=False).encode()
            return self._exchange(call, token, body=body, until=until)
        with closing(call.upload.open()) as reader:
            outgoing = Outgoing(reader, length=call.upload.length, before_block=lambda: self._check(until))
            return self._exchange(call, token, body=outgoing, until=until)

    def _exchange(self, call: Call, token: str, *, body: bytes | Outgoing | None, until: float) -> Answer:
        prepared = requests.PreparedRequest()
        prepared.prepare(method=call.method, url=self._url(call), headers=_headers(call, token, body=body))
        # Set here, not given to `prepare`: that would look for a length of its own, and send chunks without one.
        prepared.body = body  # type: ignore[assignment]  # anything with `read` is taken
        self._watch.until = until
        self._watch.idle = _FRESH.get(call.method, _FRESH_OTHERWISE)
        self._watch.stall = self._timeouts.stall
        if self._clock.monotonic() > until:
            # What allowed it to leave (a lock's lease) reached no further than its time.
            raise Unsent("its time was over before it was sent: this process stood still")
        try:
            return self._answer(call, prepared, body=body)
        except (BodyFailed, _SinkFailed) as error:
            raise error.cause from error.cause.__cause__
        except _TookTooLong as error:
            raise Cut("it took too long as a whole", body_left=_has_left(call, body)) from error
        except (RequestException, HTTPError, HTTPException, OSError) as error:
            if _never_left(error):
                raise Unsent(reason(error), final=_is_final(error)) from error
            raise Cut(reason(error), body_left=_has_left(call, body)) from error
        finally:
            # The library's errors keep the request; it keeps the token no longer than it must.
            prepared.headers.pop("Authorization", None)

    def _answer(self, call: Call, prepared: requests.PreparedRequest, *, body: bytes | Outgoing | None) -> Answer:
        silence = self._timeouts.accept if call.upload else self._timeouts.stall
        response = self._adapter.send(
            prepared,
            stream=True,
            timeout=(self._timeouts.connect, silence),
            verify=self._verify,
            proxies=self._proxies,
        )
        with closing(response):
            headers = {name.lower(): value for name, value in response.headers.items()}
            left = _has_left(call, body)
            if not 200 <= response.status_code < 300:
                start = self._start_of(call, response)
                return Answer(response.status_code, headers, start, body_left=left)
            if call.upload and not left:
                raise Cut("it was answered before the file had left whole", body_left=False)
            if call.into is not None:
                return Answer(response.status_code, headers, b"", streamed=self._pour(call, response, headers))
            return Answer(response.status_code, headers, b"".join(self._blocks(response, headers, most=ANSWER_LIMIT)))

    def _start_of(self, call: Call, response: requests.Response) -> bytes:
        start = bytearray()
        try:
            for block in self._blocks(response, {}, most=ERROR_LIMIT):
                start += block
        except TooBig:
            pass
        except (_TookTooLong, RequestException, HTTPError, HTTPException, OSError):
            # The status decides, and a text that breaks off makes it no less a refusal; but whether a 404 is the
            # platform's own stands in its text.
            if call.absent_ok and response.status_code == 404:
                raise
        return bytes(start)

    def _pour(self, call: Call, response: requests.Response, headers: Mapping[str, str]) -> int:
        announced = headers.get("content-length", "")
        if not announced.isdigit() and headers.get("transfer-encoding", "").lower() != "chunked":
            # Its end would be wherever the connection ended, and half a file would pass for a whole one.
            raise Unreadable("it does not say how long it is")
        if headers.get("content-type", "").lower().startswith("text/html"):
            # No file of the platform's: a page of something that stands before it.
            raise Unreadable("it is an HTML page")
        sink = call.into() if call.into else _nowhere
        count = 0
        for block in self._blocks(response, headers, most=DOWNLOAD_LIMIT):
            try:
                sink(block)
            except Exception as error:
                raise _SinkFailed(error) from error
            count += len(block)
        if announced.isdigit() and count != int(announced):
            raise Cut(f"{count} bytes came of {announced}", body_left=False)
        return count

    def _blocks(self, response: requests.Response, headers: Mapping[str, str], *, most: int) -> Iterator[bytes]:
        if headers.get("content-encoding", "identity").lower() not in {"", "identity"}:
            raise Unreadable(f"it is encoded as {headers['content-encoding'][:40]}, which was not asked for")
        count = 0
        while True:
            # One receive at a time: a `read` of many bytes would wait for all of them, however slowly they drip.
            block: bytes = response.raw.read1(BLOCK, decode_content=False)
            if not block:
                return
            count += len(block)
            if count > most:
                raise TooBig(f"it is longer than {most} bytes")
            yield block
            self._check(self._watch.until)

    def _check(self, until: float) -> None:
        if self._clock.monotonic() > until:
            raise _TookTooLong

    def _url(self, call: Call) -> str:
        query = f"?{urlencode(call.query, quote_via=quote, safe='')}" if call.query else ""
        return f"{self._base}/v1{call.path}{query}"


def _headers(call: Call, token: str, *, body: bytes | Outgoing | None) -> dict[str, str]:
    headers = {
        "Authorization": token,
        "User-Agent": f"mics-iac/{__version__}",
        "Accept": "*/*" if call.into else "application/json",
        # What is counted and compared are the bytes as they are.
        "Accept-Encoding": "identity",
    }
    if body is not None:
        headers["Content-Type"] = call.upload.content_type if call.upload else "application/json"
        headers["Content-Length"] = str(len(body))
    return headers


def _has_left(call: Call, body: bytes | Outgoing | None) -> bool:
    return body.whole if isinstance(body, Outgoing) else call.method != "GET"


def _nowhere(_: bytes) -> None:
    """The sink of nobody."""


def _never_left(error: Exception) -> bool:
    if isinstance(error, (NeverLeft, ConnectTimeout, SSLError)):
        # Our own adapter raises the first alone. The others stand for a failed connect or handshake in an adapter
        # that takes its place.
        return True
    first = error.args[0] if error.args else None
    return isinstance(first, MaxRetryError) and isinstance(first.reason, ConnectTimeoutError)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and all it came from, outermost first."""
    seen: set[int] = set()
    queue: list[object] = [error]
    while queue and len(seen) < 50:
        one = queue.pop(0)
        if not isinstance(one, BaseException) or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        queue += [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]


def _is_final(error: Exception) -> bool:
    return any(
        isinstance(one, ssl.SSLCertVerificationError) or "Tunnel connection failed: 4" in str(one)
        for one in _chain(error)
    )


def reason(error: Exception) -> str:
    """Why a connection failed, in words a user can act on."""
    chain = list(_chain(error))
    for one in chain:
        match one:
            case ssl.SSLCertVerificationError():
                return (
                    f"its TLS certificate is not trusted ({one.verify_message}); "
                    "SSL_CERT_FILE may name the certificates of your own network"
                )
            case gaierror():
                return "its name cannot be resolved"
            case ConnectionRefusedError():
                return "the connection was refused"
            case _ if "Tunnel connection failed" in str(one) and type(one) is OSError:
                return f"the proxy refused the way ({one})"
            case _:
                continue
    if any(isinstance(one, TimeoutError) or "timed out" in str(one) for one in chain):
        return "it timed out"
    if any(isinstance(one, ConnectionError) for one in chain):
        return "the connection was closed by the other side"
    last = chain[-1]
    return f"{type(last).__name__}: {str(last)[:300]}"
