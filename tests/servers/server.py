"""An HTTP server for tests, in threads of this process or as one of its own: what goes wrong with it, what it saw.

What it says is decided by an `Application`, a plain function; this file must not know what that is about.

A process of its own is told what to do through its control calls: under `/_control/`, `faults` (GET, POST a list,
DELETE), `requests` (GET, DELETE), `latency` (PUT seconds) and `down` (POST seconds: refuses connections for so long).
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from signal import SIGINT, SIGTERM, signal
from typing import Self

import msgspec

from tests.servers.faults import Fault, Faults, Log, Seen
from tests.servers.listener import Listener, doom
from tests.servers.wire import Answer, Request, read_request

Application = Callable[[Request], Answer]

CONTROL = "/_control/"


class Server:
    """Serves an application on a free port of the loopback, HTTP/1.1 with connections that stay open.

    `now` (epoch seconds) dates the answers. `latency` (seconds) is added to each, half before it acts and half after.
    `halve` is what it does with the first half of a request that the fault `midway` strikes. `faults` and `log` may be
    used while it runs.
    """

    def __init__(
        self,
        answer: Application,
        *,
        port: int = 0,
        latency: float = 0.0,
        now: Callable[[], float] = time.time,
        halve: Callable[[Request], None] = lambda _request: None,
    ) -> None:
        self._answer = answer
        self._halve = halve
        self._listener = Listener(self._serve, port=port)
        self._ending = threading.Event()
        self.latency = latency
        self.now = now
        self.faults = Faults()
        self.log = Log()

    @property
    def url(self) -> str:
        """Where it is, with no slash at the end."""
        return f"http://127.0.0.1:{self._listener.port}"

    @property
    def port(self) -> int:
        """Its port, also while it is down."""
        return self._listener.port

    def up(self) -> None:
        """Take connections (again)."""
        self._ending.clear()
        self._listener.up()

    def down(self) -> None:
        """Break off all connections and refuse new ones, until `up`."""
        self._ending.set()
        self._listener.down()

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._listener.close()

    def _serve(self, sock: socket.socket) -> None:
        with sock.makefile("rb") as stream:
            while (request := read_request(stream)) is not None:
                if not self._exchange(sock, request) or request.headers.get("connection", "").lower() == "close":
                    return

    def _exchange(self, sock: socket.socket, request: Request) -> bool:
        """Answer one request; whether the connection stays open."""
        if request.path.startswith(CONTROL):
            return self._say(sock, self._control(request), request)
        self.log.add(Seen(request.method, request.path, request.search))
        fault = self.faults.strike(request.method, request.path)
        self._ending.wait(self.latency / 2)
        match fault:
            case None:
                answer = self._answer(request)
                self._ending.wait(self.latency / 2)
                return self._say(sock, answer, request)
            case Fault(kind="slow"):
                return self._late(sock, request, fault)
            case Fault(kind="status"):
                if fault.acts:
                    self._answer(request)
                return self._say(sock, refusal(fault.status), request)
            case Fault(kind="torn" | "torn_head"):
                sock.sendall(torn(self._encode(self._answer(request), request), head=fault.kind == "torn_head"))
                return False
            case Fault(kind="silent"):
                self._ending.wait(fault.seconds)
            case Fault(kind="reset_after"):
                self._answer(request)
            case Fault(kind="midway"):
                self._halve(request)
            case Fault(kind="refuse"):
                threading.Thread(target=self._rest, args=(fault.seconds,), daemon=True).start()
            case _:
                pass
        doom(sock)
        return False

    def _late(self, sock: socket.socket, request: Request, fault: Fault) -> bool:
        if fault.acts:
            answer = self._answer(request)
            self._ending.wait(fault.seconds)
        else:
            self._ending.wait(fault.seconds)
            answer = self._answer(request)
        return self._say(sock, answer, request)

    def _say(self, sock: socket.socket, answer: Answer, request: Request) -> bool:
        sock.sendall(self._encode(answer, request))
        return True

    def _encode(self, answer: Answer, request: Request) -> bytes:
        if request.method == "HEAD" and answer.body:
            answer = Answer(answer.status, b"", answer.headers, length=len(answer.body))
        return answer.encode(now=self.now())

    def _control(self, request: Request) -> Answer:
        match request.method, request.path.removeprefix(CONTROL):
            case "GET", "faults":
                return as_json(self.faults.struck())
            case "POST", "faults":
                self.faults.add(*msgspec.json.decode(request.body, type=list[Fault]))
            case "DELETE", "faults":
                self.faults.clear()
            case "GET", "requests":
                return as_json(self.log.all())
            case "DELETE", "requests":
                self.log.clear()
            case "PUT", "latency":
                self.latency = msgspec.json.decode(request.body, type=float)
            case "POST", "down":
                seconds = msgspec.json.decode(request.body, type=float)
                threading.Thread(target=self._rest, args=(seconds,), daemon=True).start()
            case _:
                return Answer(404, b"no such control call")
        return Answer(204)

    def _rest(self, seconds: float) -> None:
        self.down()
        if seconds:
            time.sleep(seconds)
            self.up()


def as_json(value: object, status: int = 200) -> Answer:
    """An answer whose body is this value."""
    return Answer(status, msgspec.json.encode(value), {"Content-Type": "application/json"})


def torn(answer: bytes, *, head: bool) -> bytes:
    """What comes of an answer that is torn: its head and half of its body, half of its first line where it has none.

    `head`: its first line, and no more.
    """
    line, end = answer.index(b"\r\n") + 2, answer.index(b"\r\n\r\n") + 4
    if head:
        return answer[:line]
    body = len(answer) - end
    return answer[: end + body // 2 if body else line // 2]


def refusal(status: int) -> Answer:
    """What a proxy on the way says: a page for people."""
    headers = {"Content-Type": "text/html"}
    if status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="tests"'
    return Answer(status, f"<html><h1>{status}</h1></html>\n".encode(), headers)


def serve(server: Server) -> None:
    """Serve as a process of its own until SIGINT or SIGTERM, having said where on stdout."""
    ended = threading.Event()
    for number in (SIGINT, SIGTERM):
        signal(number, lambda *_: ended.set())
    with server:
        print(f"listening on {server.url}", flush=True)
        ended.wait()
