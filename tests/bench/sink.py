"""The other end of the upload measurements: takes files as fast as it can, throws them away, and times them.

Just enough of the platform for one apply: lists are empty, an import is created, an upload becomes an execution. Each
connection has a process of its own: the threads of one would share its interpreter, and be what is measured.

A process of its own: `python -m tests.bench.sink [CERTIFICATE KEY]`. Its first line is its port; then a JSON line for
each upload: `began`, the moment of the request's first byte, and `ended`, that of the last of its body (monotonic
seconds, the same for all processes of a machine), and `bytes` of the body.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import sys
import time

EMPTY = b'{"status":"ok","count":0,"first_result":0,"max_results":500,"total":0,"data":[]}'


def _created(body: bytes) -> bytes:
    wanted = json.loads(body)
    return json.dumps({"status": "ok", "data": {"id": "2", "datamart_id": "1", **wanted}}).encode()


def _taken(number: int) -> bytes:
    # No two processes have the same number, so no two executions have the same id.
    id_ = str(os.getpid() * 1_000_000 + number)
    data = {"id": id_, "status": "PENDING", "parameters": None, "result": None, "error": None}
    return json.dumps({"status": "ok", "data": data}).encode()


def _tell(began: float, size: int) -> None:
    line = json.dumps({"began": began, "ended": time.monotonic(), "bytes": size}) + "\n"
    # One call a line: what several processes write to one pipe is not mixed up then.
    os.write(1, line.encode())


def _serve(sock: socket.socket) -> None:
    block = bytearray(1 << 20)
    number = 0
    while True:
        first = sock.recv(1)
        began = time.monotonic()
        if not first:
            return
        head = first
        while b"\r\n\r\n" not in head:
            head += sock.recv(65536)
        lines, _, rest = head.partition(b"\r\n\r\n")
        fields = dict(line.lower().partition(b":")[::2] for line in lines.split(b"\r\n")[1:])
        length = int(fields.get(b"content-length", 0))
        if b"100-continue" in fields.get(b"expect", b""):
            sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        small = rest if fields.get(b"content-type", b"").strip() == b"application/json" else None
        left = length - len(rest)
        while left > 0:
            got = sock.recv_into(block)
            if not got:
                return
            left -= got
            small = None if small is None else small + bytes(block[:got])
        if head.startswith(b"GET"):
            answer = EMPTY
        elif small is not None:
            answer = _created(small)
        else:
            number += 1
            _tell(began, length)
            answer = _taken(number)
        sock.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer
        )


def _take(sock: socket.socket, context: ssl.SSLContext | None) -> None:
    """Serve one connection, then end this process."""
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is not None:
            sock = context.wrap_socket(sock, server_side=True)
        _serve(sock)
    except OSError:
        pass
    finally:
        os._exit(0)


def main() -> None:
    """Listen until the process is ended."""
    context = None
    if len(sys.argv) == 3:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[1], sys.argv[2])
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listener = socket.create_server(("127.0.0.1", 0), backlog=16)
    print(listener.getsockname()[1], flush=True)
    while True:
        sock, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            _take(sock, context)
        sock.close()


if __name__ == "__main__":
    main()
