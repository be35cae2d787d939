"""What only real sockets show: resets, slow answers, TLS, proxies, connections kept or not."""

from __future__ import annotations

import gzip
import shutil
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from mics_iac.api.client import MicsApi
from mics_iac.api.limits import Limits, Patience, Timeouts
from mics_iac.api.network import Network
from mics_iac.api.transport import Transport
from mics_iac.core.observed import RemoteExecution, RemoteImport
from mics_iac.errors import ApiError, ApiLost, ApiRefused, ApiUnreachable
from tests.api.loopback import JSON_OK, Peer, Script, always, make_certificate, serving
from tests.api.stand import TOKEN, Pieces, SteppingClock, opens, settings

EXECUTION = b'{"status":"ok","data":{"id":"77","status":"PENDING","parameters":null,"result":null,"error":null}}'
QUICK = Timeouts(connect=0.3, stall=0.3, accept=0.3, call=0.3, slowest=1e9)


class RunningClock(SteppingClock):
    """Measures for real, for deadlines; sleeps are only noted."""

    def monotonic(self) -> float:
        return time.monotonic()


@contextmanager
def client(
    url: str, *, timeouts: Timeouts | None = None, network: Network | None = None, attempts: int = 5
) -> Iterator[MicsApi]:
    transport = Transport(
        url,
        token=TOKEN,
        clock=RunningClock(),
        network=network,
        limits=Limits(timeouts=timeouts or Timeouts(), patience=Patience(attempts=attempts)),
    )
    with closing(transport):
        yield MicsApi(transport)


def upload(api: MicsApi, data: bytes = b"{}\n") -> RemoteExecution:
    return api.upload("1", "2", mime_type="APPLICATION_X_NDJSON", body=opens(data), length=len(data))


def test_what_is_sent_is_the_token_as_it_is_and_nothing_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    peers: list[Peer] = []

    def script(peer: Peer) -> None:
        peer.read_head()
        peers.append(peer)
        peer.answer(headers=("Set-Cookie: session=1",))
        peer.read_head()
        peer.answer()

    with serving(script) as server, client(server.url) as api:
        api.list_imports("1502")
        first = peers[0].head.decode()
        api.list_imports("1502")
        second = peers[0].head.decode()
    assert first.startswith("GET /v1/datamarts/1502/document_imports?first_result=0&max_results=500 HTTP/1.1\r\n")
    assert f"\r\nAuthorization: {TOKEN}\r\n" in first + "\r\n"
    assert "mics-iac/" in first
    assert "cookie" not in second.lower()


def test_an_upload_is_one_request_with_its_exact_length_read_in_big_blocks() -> None:
    bodies: list[tuple[str | None, str | None, int]] = []

    def script(peer: Peer) -> None:
        peer.read_head()
        bodies.append((peer.header("content-length"), peer.header("transfer-encoding"), peer.read_body()))
        peer.answer(EXECUTION)

    sizes: list[int] = []

    class Sized(Pieces):
        def read(self, size: int, /) -> bytes:
            sizes.append(size)
            return super().read(size)

    data = b"x" * 1_000_001
    with serving(script) as server, client(server.url) as api:
        api.upload("1", "2", mime_type="TEXT_CSV", body=lambda: Sized([data]), length=len(data))
    assert bodies == [(str(len(data)), None, len(data))]
    assert set(sizes) == {256 * 1024}


def test_connections_are_kept_between_calls() -> None:
    with serving(always()) as server, client(server.url) as api:
        for _ in range(20):
            api.list_imports("1")
        assert server.connections == 1


def test_a_connection_that_was_idle_is_not_trusted_with_a_post() -> None:
    clock = SteppingClock()
    with serving(always(EXECUTION)) as server:
        transport = Transport(server.url, token=TOKEN, clock=clock)
        with closing(transport):
            api = MicsApi(transport)
            upload(api)
            upload(api)
            assert server.connections == 1
            clock.advance(10)
            assert api.read_execution("1", "2", "77") is not None
            assert server.connections == 1
            clock.advance(10)
            upload(api)
            assert server.connections == 2


@pytest.mark.parametrize("most", [0, 1_000_000])
def test_a_reset_while_a_file_is_sent_is_a_doubt_without_its_body(most: int) -> None:
    def script(peer: Peer) -> None:
        peer.read_head()
        peer.read_body(most)
        peer.reset()

    with serving(script) as server, client(server.url) as api:
        with pytest.raises(ApiLost) as caught:
            upload(api, b"x" * 30_000_000)
        assert caught.value.body_left is False
        assert server.connections == 1


def test_a_reset_after_the_whole_file_is_a_doubt_with_its_body() -> None:
    def script(peer: Peer) -> None:
        peer.read_head()
        peer.read_body()
        peer.reset()

    with serving(script) as server, client(server.url) as api:
        with pytest.raises(ApiLost) as caught:
            upload(api, b"x" * 3_000_000)
        assert caught.value.body_left is True
        assert server.connections == 1


def test_a_refusal_in_the_middle_of_a_file_is_heard() -> None:
    def script(peer: Peer) -> None:
        peer.read_head()
        peer.answer(b'{"status":"error","error":"Too big","error_id":"e1"}', status="413 Payload Too Large")
        peer.read_body()
        peer.read_head()

    with serving(script) as server, client(server.url) as api, pytest.raises(ApiRefused, match="Too big") as caught:
        upload(api, b"x" * 3_000_000)
    assert (caught.value.status, caught.value.error_id) == (413, "e1")


def test_an_execution_for_half_a_file_is_a_doubt_and_no_success() -> None:
    def script(peer: Peer) -> None:
        peer.read_head()
        peer.answer(EXECUTION)
        peer.sock.shutdown(2)

    with serving(script) as server, client(server.url) as api, pytest.raises(ApiLost) as caught:
        upload(api, b"x" * 50_000_000)
    assert caught.value.body_left is False


def drip(text: bytes, seconds: float = 0.05) -> Script:
    def script(peer: Peer) -> None:
        peer.read_head()
        peer.read_body()
        for byte in text:
            peer.sock.sendall(bytes([byte]))
            time.sleep(seconds)  # a slow peer, on purpose: no assertion waits for it

    return script


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(JSON_OK)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\n" + b"X-Slow: 1\r\n" * 1000, id="headers"),
        pytest.param(HEAD + JSON_OK, id="body"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"0" * 1000, id="chunk size"),
    ],
)
def test_an_answer_that_drips_ends_by_its_deadline(text: bytes) -> None:
    """Each byte comes in time, the whole would take minutes."""
    with serving(drip(text)) as server, client(server.url, timeouts=QUICK, attempts=1) as api:
        with pytest.raises(ApiLost, match=r"timed out|too long"):
            api.list_imports("1")
        with pytest.raises(ApiLost):
            api.create_import(settings())


def test_a_server_that_does_not_take_the_file_ends_by_its_deadline() -> None:
    ended = threading.Event()

    def script(peer: Peer) -> None:
        peer.read_head()
        ended.wait(20)

    with serving(script) as server, client(server.url, timeouts=QUICK, attempts=1) as api:
        with pytest.raises(ApiLost) as caught:
            upload(api, b"x" * 30_000_000)
        ended.set()
    assert caught.value.body_left is False


def test_no_listener_is_unreachable() -> None:
    with serving(always()) as server:
        pass
    with client(server.url) as api, pytest.raises(ApiUnreachable, match="refused"):
        upload(api)


def test_an_answer_without_end_is_refused_before_it_fills_the_memory() -> None:
    def script(peer: Peer) -> None:
        while peer.read_head():
            peer.sock.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
            while True:
                peer.sock.sendall(b" " * 1_000_000)

    with serving(script) as server, client(server.url) as api:
        with pytest.raises(ApiError, match="longer than"):
            api.list_imports("1")
        assert server.connections == 1
        with pytest.raises(ApiLost, match="longer than"):
            api.create_import(settings())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b'"ok"',
        b"{" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"status":"ok"}',
        b'{"status":"ok","data":NaN}',
        b'{"status":"ok","data":{"id":"../1"}}',
        b'{"status":"ok","data":[1]}',
        b'{"status":"ok","data":[{"name":"no id"}]}',
        b'{"status":"ok","data":[{"id":"../../etc"}]}',
        b'{"status":"ok","data":[{"id":true}]}',
        b'{"status":"ok","data":[],"total":-1}',
        b'{"status":"ok","data":[],"total":"many"}',
        b'{"status":"error","error":"it broke"}',
        b"\xff\xfe{}",
        JSON_OK[:-1],
    ],
)
def test_an_answer_that_is_not_the_platforms_is_an_error_and_for_a_post_a_doubt(body: bytes) -> None:
    with serving(always(body)) as server, client(server.url, attempts=2) as api:
        with pytest.raises(ApiError) as caught:
            api.list_imports("1")
        assert not isinstance(caught.value, ApiLost)
        with pytest.raises(ApiLost):
            api.create_import(settings())


def test_an_encoding_that_was_not_asked_for_is_not_decoded() -> None:
    squeezed = gzip.compress(JSON_OK)
    with (
        serving(always(squeezed, headers=("Content-Encoding: gzip",))) as server,
        client(server.url, attempts=1) as api,
        pytest.raises(ApiError, match="gzip"),
    ):
        api.list_imports("1")


REDIRECTS = ["300 Choices", "301 Moved", "302 Found", "303 See Other", "304 Same", "307 Temporary", "308 Permanent"]


@pytest.mark.parametrize("status", REDIRECTS)
def test_a_redirect_is_a_refusal_but_a_doubt_for_a_post_and_the_token_goes_nowhere_else(status: str) -> None:
    """A 303 is what a server says that did act, and tells where to look."""
    with serving(always()) as other:
        script = always(b"", status=status, headers=(f"Location: {other.url}/v1/elsewhere",))
        with serving(script) as server, client(server.url) as api:
            known = RemoteImport("1", settings(), raw={"id": "1"})
            calls: list[tuple[Callable[[], object], type[ApiError]]] = [
                (lambda: api.list_imports("1"), ApiRefused),
                (lambda: api.update_import(known, name="x", priority="LOW"), ApiRefused),
                (lambda: api.delete_import("1", "1"), ApiRefused),
                (lambda: api.create_import(settings()), ApiLost),
                (lambda: upload(api), ApiLost),
            ]
            for call, error in calls:
                with pytest.raises(ApiError, match="redirect") as caught:
                    call()
                assert type(caught.value) is error
                assert "api.url" in (caught.value.remedy or "")
        assert other.connections == 0


@pytest.mark.parametrize("status", ["101 Switching Protocols", "103 Early Hints"])
def test_an_answer_that_is_no_answer_is_a_doubt_for_a_post(status: str) -> None:
    with serving(always(b"", status=status)) as server, client(server.url) as api, pytest.raises(ApiLost):
        upload(api)


def test_a_download_whose_end_cannot_be_known_is_not_believed() -> None:
    def script(peer: Peer) -> None:
        peer.read_head()
        peer.sock.sendall(b"HTTP/1.1 200 OK\r\n\r\nhalf a file")

    with serving(script) as server, client(server.url, attempts=1) as api, pytest.raises(ApiError, match="how long"):
        api.download("mics://x", into=lambda: bytearray().extend)


def test_a_chunked_download_is_read_to_its_end_and_a_broken_one_again() -> None:
    answers = [b"4\r\nhalf\r\n", b"4\r\nhalf\r\n4\r\nrest\r\n0\r\n\r\n"]

    def script(peer: Peer) -> None:
        peer.read_head()
        peer.sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + answers.pop(0))

    kept = bytearray()

    def anew() -> Callable[[bytes], object]:
        kept.clear()
        return kept.extend

    with serving(script) as server, client(server.url) as api:
        assert api.download("mics://a b/ü?&", into=anew) == 8
        assert bytes(kept) == b"halfrest"


def test_a_disk_that_fills_up_during_a_download_is_told_as_that() -> None:
    def full(_block: bytes) -> None:
        raise OSError(28, "No space left on device")

    with (
        serving(always(b"x" * 10)) as server,
        client(server.url) as api,
        pytest.raises(OSError, match="No space") as got,
    ):
        api.download("mics://x", into=lambda: full)
    assert not isinstance(got.value, ApiError)


def test_fourteen_threads_share_one_client() -> None:
    def script(peer: Peer) -> None:
        while peer.read_head():
            peer.read_body()
            peer.answer(EXECUTION if peer.head.startswith(b"POST") else JSON_OK)

    with serving(script) as server, client(server.url) as api, ThreadPoolExecutor(14) as pool:
        uploads = [pool.submit(upload, api, b"y" * 300_000) for _ in range(40)]
        lists = [pool.submit(api.list_imports, "1") for _ in range(200)]
        assert {one.result().id for one in uploads} == {"77"}
        assert all(one.result().steady for one in lists)
        assert server.connections <= 14


# TLS and proxies


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl command to make a certificate")
    return make_certificate(tmp_path_factory.mktemp("tls"))


def test_a_trusted_certificate_lets_the_call_through(tls: tuple[ssl.SSLContext, Path]) -> None:
    context, bundle = tls
    network = Network(ca_bundle=str(bundle))
    with serving(always(EXECUTION), tls=context) as server, client(server.secure_url, network=network) as api:
        assert upload(api, b"x" * 3_000_000).id == "77"


def test_an_untrusted_certificate_is_unreachable_at_once_and_says_why(tls: tuple[ssl.SSLContext, Path]) -> None:
    with serving(always(EXECUTION), tls=tls[0]) as server, client(server.secure_url) as api:
        with pytest.raises(ApiUnreachable, match="certificate is not trusted"):
            upload(api)
        assert server.connections == 1


def test_a_certificate_for_another_name_is_unreachable(tls: tuple[ssl.SSLContext, Path]) -> None:
    context, bundle = tls
    with serving(always(EXECUTION), tls=context) as server:
        url = f"https://127.0.0.1:{server.port}"
        with client(url, network=Network(ca_bundle=str(bundle))) as api, pytest.raises(ApiUnreachable):
            upload(api)


def _hangs_up(peer: Peer) -> None:
    peer.sock.recv(10)


def _resets(peer: Peer) -> None:
    peer.sock.recv(10)
    peer.reset()


def _talks_plain(peer: Peer) -> None:
    peer.sock.recv(10)
    peer.sock.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


def _says_nothing(peer: Peer) -> None:
    while peer.sock.recv(65536):
        pass


@pytest.mark.parametrize("handshake", [_hangs_up, _resets, _talks_plain, _says_nothing])
def test_a_handshake_that_fails_means_that_nothing_left(handshake: Script) -> None:
    with serving(handshake) as server, client(server.secure_url, timeouts=QUICK, attempts=2) as api:
        with pytest.raises(ApiUnreachable):
            upload(api)
        assert server.connections == 2


def test_a_tls_connection_cut_after_the_file_is_a_doubt(tls: tuple[ssl.SSLContext, Path]) -> None:
    context, bundle = tls

    def script(peer: Peer) -> None:
        peer.read_head()
        peer.read_body()
        peer.reset()

    network = Network(ca_bundle=str(bundle))
    with serving(script, tls=context) as server, client(server.secure_url, network=network) as api:
        with pytest.raises(ApiLost) as caught:
            upload(api)
        assert caught.value.body_left
        assert server.connections == 1


def test_bytes_that_are_no_tls_in_mid_stream_are_a_doubt(tls: tuple[ssl.SSLContext, Path]) -> None:
    context, bundle = tls

    def script(peer: Peer) -> None:
        assert isinstance(peer.sock, ssl.SSLSocket)
        peer.read_head()
        peer.read_body()
        with closing(socket.socket(fileno=peer.sock.detach())) as bare:
            bare.sendall(b"\x17\x03\x03\x00\x20" + b"not encrypted by anybody at all!")

    network = Network(ca_bundle=str(bundle))
    with serving(script, tls=context) as server, client(server.secure_url, network=network) as api:
        with pytest.raises(ApiLost):
            upload(api)
        assert server.connections == 1
