"""A port of this machine's loopback that can be listening, or refuse as if nobody were there, without being lost.

Knows nothing of what is spoken over its connections.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress

Handle = Callable[[socket.socket], None]

# Seconds that a connection's thread gets to notice that its socket was shut down.
_END = 10.0


class Listener:
    """Runs `handle` in a thread of its own for each connection, from `up` until `down`.

    A handle may end in any OSError or ValueError: tests break connections in every way, and what matters is what the
    other side makes of it. The socket is closed when it returns.
    """

    def __init__(self, handle: Handle, *, port: int = 0) -> None:
        """Port 0 takes a free one. Raises OSError when the port is taken."""
        self._handle = handle
        # Bound but not listening: it refuses connections, and keeps the port ours while we are down.
        self._keeper = _bound(port)
        self.port: int = self._keeper.getsockname()[1]
        self._lock = threading.Lock()
        self._switch = threading.Lock()
        self._listening: socket.socket | None = None
        self._acceptor: threading.Thread | None = None
        self._open: dict[socket.socket, threading.Thread] = {}

    def up(self) -> None:
        """Listen; connections are taken when this returns. Nothing happens if it does already, or ended for good."""
        with self._switch:
            if self._listening is not None or self._keeper.fileno() < 0:
                return
            self._listening = _bound(self.port)
            self._listening.listen(128)
            self._acceptor = threading.Thread(target=self._accept, args=(self._listening,), daemon=True)
            self._acceptor.start()

    def refuse(self, *, spare: socket.socket | None = None) -> None:
        """Refuse connections from now on, and break off those that are open, but this one. Waits for none of them."""
        with self._switch:
            listening, self._listening = self._listening, None
            acceptor, self._acceptor = self._acceptor, None
            if listening is not None:
                with suppress(OSError):
                    listening.shutdown(socket.SHUT_RDWR)
                listening.close()
            if acceptor is not None:
                acceptor.join(_END)
        with self._lock:
            for sock in self._open:
                if sock is not spare:
                    with suppress(OSError):
                        sock.shutdown(socket.SHUT_RDWR)

    def down(self) -> None:
        """As `refuse`, and wait for the threads of all connections: not to be called by one of them."""
        self.refuse()
        with self._lock:
            threads = list(self._open.values())
        for thread in threads:
            thread.join(_END)

    def close(self) -> None:
        """End for good, and let the port go."""
        self.down()
        with self._switch:
            self._keeper.close()

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                sock, _ = listening.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            thread = threading.Thread(target=self._run, args=(sock,), daemon=True)
            with self._lock:
                self._open[sock] = thread
            thread.start()

    def _run(self, sock: socket.socket) -> None:
        try:
            with suppress(OSError, ValueError):
                self._handle(sock)
        finally:
            with self._lock:
                del self._open[sock]
            sock.close()


def doom(sock: socket.socket) -> None:
    """Make closing this socket a TCP reset instead of a proper end."""
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _bound(port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # REUSEPORT lets the keeper and the listening socket share the port; only the one that listens is connected to.
        # REUSEADDR takes a port again whose last connections are still in TIME_WAIT: a server started anew.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(("127.0.0.1", port))
    except BaseException:
        sock.close()
        raise
    return sock
