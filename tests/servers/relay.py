"""A relay on the loopback before any server of the tests: it adds the latency of a network, breaks connections, counts.

    python -m tests.servers.relay --to 127.0.0.1:5000 --latency-ms 30

says `listening on URL` and relays until SIGTERM; in this process, `relay`. Both are a `Server` whose application is the
other server, so faults, log and control calls are the same. Knows nothing of what is passed on: requests go through
byte for byte, answers with their headers in lower case and a Content-Length.
"""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

from tests.servers.entry import options, serve
from tests.servers.listener import doom
from tests.servers.server import Server
from tests.servers.wire import Answer, Request, read_answer

# Seconds after which a connection that lay idle is not used again: before a server would close it (Node.js: 5).
_STALE = 2.0
# Seconds for the server behind to answer: longer than the patience of any client under test.
_PATIENCE = 120.0


class Upstream:
    """The server that requests are passed on to, as an `Application`; its connections are used again."""

    def __init__(self, to: str, *, dated: bool = True) -> None:
        """`to` is a URL or HOST:PORT. Not `dated`: answers carry the date of the relay's clock, not of the server's."""
        parts = urlsplit(to if "//" in to else f"//{to}")
        self._address = (parts.hostname or "", parts.port or 80)
        self._dated = dated
        self._lock = threading.Lock()
        self._idle: list[tuple[float, socket.socket]] = []

    def __call__(self, request: Request) -> Answer:
        """What the server says. Raises OSError if it cannot be reached, or ends without a whole answer."""
        with self._connected() as sock:
            sock.sendall(request.head + request.body)
            with sock.makefile("rb") as stream:
                answer = read_answer(stream, request.method)
            if answer is None:
                raise ConnectionAbortedError("the server behind the relay gave no whole answer")
        if self._dated:
            return answer
        undated = {name: text for name, text in answer.headers.items() if name != "date"}
        return Answer(answer.status, answer.body, undated, answer.length)

    def halve(self, request: Request) -> None:
        """Pass half of a request on, then reset the connection."""
        whole = request.head + request.body
        with socket.create_connection(self._address) as sock:
            sock.sendall(whole[: len(whole) // 2])
            doom(sock)

    def close(self) -> None:
        """Close the connections that lie idle."""
        with self._lock:
            idle, self._idle = self._idle, []
        for _, sock in idle:
            sock.close()

    @contextmanager
    def _connected(self) -> Iterator[socket.socket]:
        sock = self._reused() or self._connect()
        try:
            yield sock
        except BaseException:
            sock.close()
            raise
        with self._lock:
            self._idle.append((time.monotonic(), sock))

    def _connect(self) -> socket.socket:
        sock = socket.create_connection(self._address, timeout=_PATIENCE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def _reused(self) -> socket.socket | None:
        while True:
            with self._lock:
                if not self._idle:
                    return None
                since, sock = self._idle.pop()
            # Something to read before we asked is its end.
            if time.monotonic() - since < _STALE and not select.select([sock], [], [], 0)[0]:
                return sock
            sock.close()


@contextmanager
def relay(to: str, *, port: int = 0, latency: float = 0.0) -> Iterator[Server]:
    """Relay to the server at this URL or HOST:PORT from threads of this process while the block runs.

    `latency` (seconds) is added to each request and its answer, whatever their size.
    """
    with (
        closing(Upstream(to)) as upstream,
        Server(upstream, port=port, latency=latency, halve=upstream.halve) as server,
    ):
        yield server


def main() -> None:
    """Relay as a process of its own."""
    parser = options("relay")
    parser.add_argument("--to", required=True, metavar="HOST:PORT")
    given = parser.parse_args()
    with closing(Upstream(given.to)) as upstream:
        serve(Server(upstream, port=given.port, halve=upstream.halve), given)


if __name__ == "__main__":
    main()
