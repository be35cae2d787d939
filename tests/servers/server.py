"""An HTTP server for tests, in threads of this process or as one of its own: what goes wrong with it, what it saw.

What it says is decided by an `Application`, a plain function; this file must not know what that is about.

A process of its own is told what to do through its control calls: under `/_control/`, `faults` (GET, POST a list,
DELETE), `requests` (GET, DELETE), `latency` (PUT seconds), `clock` (PUT a Wall) and `down` (POST seconds: refuses
connections for so long).
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from typing import Self

import msgspec

from tests.servers.faults import Fault, Faults, Log, Seen
from tests.servers.listener import Listener, doom
from tests.servers.wire import Answer, Request, read_request

Application = Callable[[Request], Answer]

CONTROL = "/_control/"


class Wall(msgspec.Struct):
    """A clock: the machine's, or standing still `at` some moment (epoch seconds), and so many seconds `ahead`."""

    at: float | None = None
    ahead: float = 0.0

    def __call__(self) -> float:
        """Epoch seconds."""
        return (time.time() if self.at is None else self.at) + self.ahead


class Server:
    """Serves an application on a free port of the loopback, HTTP/1.1 with connections that stay open.

    `now` (epoch seconds; a Wall, where none is given) dates the answers. `latency` (seconds) is added to each, half
    before it acts and half after. `halve` is what it does with the first half of a request that the fault `midway`
    strikes, `told_clock` is called when a control call sets the clock. `now`, `latency`, `faults` and `log` may be used
    while it runs.
    """

    def __init__(
        self,
        answer: Application,
        *,
        port: int = 0,
        latency: float = 0.0,
        now: Callable[[], float] | None = None,
        halve: Callable[[Request], None] = lambda _request: None,
        told_clock: Callable[[Wall], None] = lambda _wall: None,
    ) -> None:
        self._answer = answer
        self._halve = halve
        self._told_clock = told_clock
        self._listener = Listener(self._serve, port=port)
        self._ending = threading.Event()
        self.latency = latency
        self.now = Wall() if now is None else now
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
            sock.sendall(self._control(sock, request).encode(now=self.now()))
            return True
        self.log.add(Seen(request.method, request.path, request.search))
        fault = self.faults.strike(request.method, request.path)
        self._ending.wait(self.latency / 2)
        if fault is not None and fault.kind == "refuse":
            self._refuse(fault.seconds, spare=sock)
        said = self._outcome(request, fault)
        self._ending.wait(self.latency / 2)
        if said is None:
            doom(sock)
            return False
        sock.sendall(said)
        return fault is None or fault.kind not in {"torn", "torn_head"}

    def _outcome(self, request: Request, fault: Fault | None) -> bytes | None:
        """What is said, None if the connection is reset instead."""
        match fault:
            case None:
                return self._encode(self._answer(request), request)
            case Fault(kind="slow"):
                return self._encode(self._late(request, fault), request)
            case Fault(kind="status"):
                if fault.acts:
                    self._answer(request)
                return self._encode(refusal(fault.status, fault.body), request)
            case Fault(kind="torn" | "torn_head"):
                return torn(self._encode(self._answer(request), request), head=fault.kind == "torn_head")
            case Fault(kind="silent"):
                self._ending.wait(fault.seconds)
            case Fault(kind="reset_after"):
                self._answer(request)
            case Fault(kind="midway"):
                self._halve(request)
            case _:
                pass
        return None

    def _late(self, request: Request, fault: Fault) -> Answer:
        if not fault.acts:
            self._ending.wait(fault.seconds)
        answer = self._answer(request)
        if fault.acts:
            self._ending.wait(fault.seconds)
        return answer

    def _encode(self, answer: Answer, request: Request) -> bytes:
        if request.method == "HEAD" and answer.body:
            answer = Answer(answer.status, b"", answer.headers, length=len(answer.body))
        return answer.encode(now=self.now())

    def _control(self, sock: socket.socket, request: Request) -> Answer:
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
            case "PUT", "clock":
                return self._set_clock(msgspec.json.decode(request.body, type=Wall))
            case "POST", "down":
                self._refuse(msgspec.json.decode(request.body, type=float), spare=sock)
            case _:
                return Answer(404, b"no such control call")
        return Answer(204)

    def _set_clock(self, told: Wall) -> Answer:
        if not isinstance(self.now, Wall):
            return Answer(409, b"its clock is set by who made it")
        self.now.at, self.now.ahead = told.at, told.ahead
        self._told_clock(told)
        return Answer(204)

    def _refuse(self, seconds: float, *, spare: socket.socket) -> None:
        """Be out of reach but for this connection, for so long, or until `up` where it is 0."""
        self._listener.refuse(spare=spare)
        if seconds:
            timer = threading.Timer(seconds, self.up)
            timer.daemon = True
            timer.start()


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


def refusal(status: int, body: str | None = None) -> Answer:
    """What a proxy on the way says: a page for people; or this XML."""
    headers = {"Content-Type": "text/html" if body is None else "application/xml"}
    if status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="tests"'
    return Answer(status, (body or f"<html><h1>{status}</h1></html>\n").encode(), headers)
