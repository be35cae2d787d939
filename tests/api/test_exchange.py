"""The bounds of one exchange, and what a broken one is called, with time that passes only when told."""

from __future__ import annotations

import io
import socket
import ssl
from typing import Any

import pytest
import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.exceptions import ConnectionError as NotConnected
from urllib3.connection import HTTPConnection
from urllib3.exceptions import NameResolutionError
from urllib3.response import HTTPResponse

from mics_iac.api.client import MicsApi
from mics_iac.api.exchange import reason
from mics_iac.api.limits import Limits, Patience, Timeouts
from mics_iac.api.transport import Transport
from mics_iac.errors import ApiError, ApiLost, ApiRefused
from tests.api.loopback import Peer, serving
from tests.api.stand import DATAMART, TOKEN, Pieces, Stand, SteppingClock, profiles, settings


class Canned(BaseAdapter):
    """Answers with these bytes and headers, whatever they promise."""

    def __init__(self, body: bytes, headers: dict[str, str]) -> None:
        super().__init__()
        self._body = body
        self._headers = headers

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        raw = HTTPResponse(
            body=io.BytesIO(self._body),
            headers=self._headers,
            status=200,
            preload_content=False,
            enforce_content_length=False,
        )
        return HTTPAdapter().build_response(request, raw)

    def close(self) -> None:
        """Nothing is open."""


def canned(body: bytes, clock: SteppingClock, **headers: str) -> MicsApi:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    limits = Limits(patience=Patience(attempts=1))
    return MicsApi(
        Transport("https://api.example.test", token=TOKEN, clock=clock, adapter=Canned(body, named), limits=limits)
    )


@pytest.mark.parametrize("announced", ["4", "11"])
def test_a_download_of_another_length_than_announced_is_no_download(announced: str) -> None:
    with pytest.raises(ApiError, match=f"10 bytes came of {announced}"):
        canned(b"0123456789", SteppingClock(), content_length=announced).download(
            "mics://x", into=lambda: bytearray().extend
        )


def test_a_download_that_takes_for_ever_ends() -> None:
    clock = SteppingClock()
    api = canned(b"x" * 1_000_000, clock, content_length="1000000")
    with pytest.raises(ApiError, match="too long"):
        api.download("mics://x", into=lambda: lambda _: clock.advance(50_000))


def test_a_file_that_takes_for_ever_to_leave_is_a_doubt_without_its_body(stand: Stand) -> None:
    import_id = stand.sandbox.add_import(DATAMART, "There")
    data = profiles(3)

    class Slow(Pieces):
        def read(self, size: int, /) -> bytes:
            stand.clock.advance(Timeouts().whole(len(data)) / 2 + 1)
            return super().read(1)

    with pytest.raises(ApiLost, match="too long") as caught:
        stand.api.upload(
            DATAMART, import_id, mime_type="APPLICATION_X_NDJSON", body=lambda: Slow([data]), length=len(data)
        )
    assert caught.value.body_left is False
    assert not stand.sandbox.executions()


@pytest.mark.parametrize("promised", [2, 500_000])
def test_a_refusal_whose_text_breaks_off_or_is_endless_is_a_refusal(promised: int) -> None:
    def script(peer: Peer) -> None:
        peer.read_head()
        peer.read_body()
        peer.sock.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\n\r\nno" % promised)
        if promised > 2:
            peer.sock.sendall(b" thanks" * 20_000)

    with serving(script) as server:
        transport = Transport(server.url, token=TOKEN, clock=SteppingClock())
        with pytest.raises(ApiRefused, match="400: no") as caught:
            MicsApi(transport).create_import(settings())
        assert caught.value.status == 400
        transport.close()


def test_a_name_that_cannot_be_resolved_is_said_in_words() -> None:
    failed = socket.gaierror(-2, "Name or service not known")
    unresolved = NameResolutionError("api.example.test", HTTPConnection("api.example.test"), failed)
    unresolved.__cause__ = failed
    assert reason(NotConnected(unresolved)) == "its name cannot be resolved"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (NotConnected(ConnectionResetError(104, "Connection reset by peer")), "closed by the other side"),
        (requests.exceptions.ReadTimeout("Read timed out."), "timed out"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"), "wrong version number"),
        (OSError(113, "No route to host"), "No route to host"),
    ],
)
def test_why_a_connection_failed_is_said_in_words(error: Exception, words: str) -> None:
    assert words in reason(error)
