"""A server for one test: each connection is handled by a script, over real sockets of this machine."""

from __future__ import annotations

import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

JSON_OK = b'{"status":"ok","count":0,"first_result":0,"max_results":500,"total":0,"data":[]}'


@dataclass
class Peer:
    """One accepted connection, and the request that was read from it."""

    sock: socket.socket
    buffered: bytes = b""
    head: bytes = b""

    def read_head(self) -> bool:
        """Read up to the end of the headers; False when the other side is done."""
        while b"\r\n\r\n" not in self.buffered:
            block = self.sock.recv(65536)
            if not block:
                return False
            self.buffered += block
        self.head, _, self.buffered = self.buffered.partition(b"\r\n\r\n")
        return True

    def header(self, name: str) -> str | None:
        for line in self.head.decode("latin-1").split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name.lower():
                return value.strip()
        return None

    def read_body(self, most: int | None = None) -> int:
        """Read the body by its Content-Length, or its first `most` bytes; how many came."""
        length = int(self.header("content-length") or 0)
        wanted = length if most is None else min(most, length)
        got = len(self.buffered)
        self.buffered = b""
        while got < wanted:
            block = self.sock.recv(1 << 18)
            if not block:
                break
            got += len(block)
        return got

    def answer(self, body: bytes = JSON_OK, *, status: str = "200 OK", headers: tuple[str, ...] = ()) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
        self.sock.sendall("\r\n".join(lines).encode("latin-1") + body)

    def reset(self) -> None:
        """Close with a TCP reset instead of a proper end."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


Script = Callable[[Peer], None]


@dataclass
class Server:
    port: int
    heads: list[bytes] = field(default_factory=list)
    connections: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def secure_url(self) -> str:
        return f"https://localhost:{self.port}"


@contextmanager
def serving(script: Script, *, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """A server whose connections each run `script`; ended, with all its threads, when the block ends."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    server = Server(port=listener.getsockname()[1])
    open_socks: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def handle(sock: socket.socket) -> None:
        # Scripts meet the ends of connections in every way; what matters is what the client makes of them.
        with suppress(OSError, ValueError), sock:
            peer = Peer(tls.wrap_socket(sock, server_side=True) if tls else sock)
            with peer.sock:
                script(peer)

    def accept() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            server.connections += 1
            open_socks.append(sock)
            thread = threading.Thread(target=handle, args=(sock,), daemon=True)
            threads.append(thread)
            thread.start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield server
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join()
        for sock in open_socks:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(10)


def always(body: bytes = JSON_OK, *, status: str = "200 OK", headers: tuple[str, ...] = ()) -> Script:
    """Answer every request of a connection in the same way."""

    def script(peer: Peer) -> None:
        while peer.read_head():
            peer.read_body()
            peer.answer(body, status=status, headers=headers)

    return script


def make_certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server context for `localhost` and the bundle that trusts it, made by the openssl of this machine."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-keyout", str(key), "-out", str(certificate), "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost"),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, certificate
