"""Behind a proxy: what never left, what may have left, and whose password is shown to nobody."""

from __future__ import annotations

import shutil
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mics_iac.api.client import MicsApi
from mics_iac.api.limits import Limits, Patience, Timeouts
from mics_iac.api.network import Network
from mics_iac.api.transport import Transport
from mics_iac.errors import ApiLost, ApiUnreachable
from tests.api.loopback import Peer, always, make_certificate, serving
from tests.api.stand import TOKEN, opens
from tests.api.test_sockets import EXECUTION, RunningClock

# For what must run into a timeout; all else gets the time it needs.
QUICK = Timeouts(connect=0.7)


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl command to make a certificate")
    return make_certificate(tmp_path_factory.mktemp("tls"))


@dataclass
class Tunnel:
    """A proxy's script: it notes what it is asked, and carries bytes to a port of this machine and back."""

    port: int
    heads: list[str] = field(default_factory=list)

    def __call__(self, peer: Peer) -> None:
        peer.read_head()
        self.heads.append(peer.head.decode())
        with socket.create_connection(("127.0.0.1", self.port)) as far:
            peer.sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_carry, args=(far, peer.sock), daemon=True)
            back.start()
            _carry(peer.sock, far)
            back.join(10)


def _carry(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while block := source.recv(65536):
            target.sendall(block)
    for one in (source, target):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


@contextmanager
def behind(proxy: str, *, port: int, bundle: Path | None = None, timeouts: Timeouts | None = None) -> Iterator[MicsApi]:
    transport = Transport(
        f"https://localhost:{port}",
        token=TOKEN,
        clock=RunningClock(),
        network=Network(proxy=proxy, ca_bundle=str(bundle) if bundle else None),
        limits=Limits(timeouts=timeouts or Timeouts(), patience=Patience(attempts=2)),
    )
    with closing(transport):
        yield MicsApi(transport)


def upload(api: MicsApi) -> str:
    return api.upload("1", "2", mime_type="APPLICATION_X_NDJSON", body=opens(b"{}\n"), length=3).id


def test_a_call_goes_through_the_proxy_which_never_sees_the_token(tls: tuple[ssl.SSLContext, Path]) -> None:
    context, bundle = tls
    with serving(always(EXECUTION), tls=context) as far:
        tunnel = Tunnel(far.port)
        with (
            serving(tunnel) as proxy,
            behind(f"http://user:pass-word@127.0.0.1:{proxy.port}", port=far.port, bundle=bundle) as api,
        ):
            assert upload(api) == "77"
    (head,) = tunnel.heads
    assert head.startswith(f"CONNECT localhost:{far.port} ")
    assert "Proxy-Authorization: Basic " in head
    assert TOKEN not in head


def test_an_answer_lost_behind_a_proxy_is_a_doubt_and_no_failed_connect(tls: tuple[ssl.SSLContext, Path]) -> None:
    """The library calls this a proxy error, as if nothing had left: repeating it would load the file twice."""
    context, bundle = tls

    def script(peer: Peer) -> None:
        peer.read_head()
        peer.read_body()

    with (
        serving(script, tls=context) as far,
        serving(Tunnel(far.port)) as proxy,
        behind(f"http://127.0.0.1:{proxy.port}", port=far.port, bundle=bundle) as api,
    ):
        with pytest.raises(ApiLost) as caught:
            upload(api)
        assert caught.value.body_left
        assert far.connections == 1


def _hangs_up(peer: Peer) -> None:
    peer.read_head()


def _resets(peer: Peer) -> None:
    peer.read_head()
    peer.reset()


def _babbles(peer: Peer) -> None:
    peer.read_head()
    peer.sock.sendall(b"220 mail.example.test ESMTP\r\n")


def _says_nothing(peer: Peer) -> None:
    while peer.sock.recv(65536):
        pass


def _drips(peer: Peer) -> None:
    peer.read_head()
    with suppress(OSError):
        for _ in range(1000):
            peer.sock.sendall(b"X")
            threading.Event().wait(0.02)


@pytest.mark.parametrize("mishap", [_hangs_up, _resets, _babbles, _says_nothing, _drips])
def test_a_tunnel_that_fails_means_that_nothing_left(mishap: object) -> None:
    assert callable(mishap)
    with serving(mishap) as proxy, behind(f"http://127.0.0.1:{proxy.port}", port=9, timeouts=QUICK) as api:
        with pytest.raises(ApiUnreachable):
            upload(api)
        assert proxy.connections == 2


def test_a_proxy_that_wants_a_password_says_so_at_once_and_shows_none() -> None:
    script = always(b"", status="407 Proxy Authentication Required")
    with (
        serving(script) as proxy,
        behind(f"http://user:pass-word@127.0.0.1:{proxy.port}", port=9) as api,
        pytest.raises(ApiUnreachable, match="407") as caught,
    ):
        upload(api)
    assert proxy.connections == 1
    assert "pass-word" not in repr((caught.value, caught.value.remedy, caught.value.__cause__))


def test_a_proxy_that_is_not_there_means_that_nothing_left() -> None:
    with serving(always()) as proxy:
        pass
    with behind(f"http://127.0.0.1:{proxy.port}", port=9) as api, pytest.raises(ApiUnreachable):
        upload(api)
