"""The other end of the upload measurements: takes a file as fast as it can, throws it away, and times it.

Just enough of the platform for one apply: lists are empty, an import is created, an upload becomes an execution.

A process of its own: `python -m tests.bench.sink [CERTIFICATE KEY]`. Its first line is its port; then a JSON line for
each upload: `seconds` from the first byte of the request to the last of its body, and `bytes` of the body.
"""

from __future__ import annotations

import json
import socket
import ssl
import sys
import threading
import time

EXECUTION = b'{"status":"ok","data":{"id":"1","status":"PENDING","parameters":null,"result":null,"error":null}}'
EMPTY = b'{"status":"ok","count":0,"first_result":0,"max_results":500,"total":0,"data":[]}'


def _created(body: bytes) -> bytes:
    wanted = json.loads(body)
    return json.dumps({"status": "ok", "data": {"id": "2", "datamart_id": "1", **wanted}}).encode()


def _serve(sock: socket.socket) -> None:
    block = bytearray(1 << 20)
    while True:
        first = sock.recv(1)
        started = time.perf_counter()
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
            print(json.dumps({"seconds": time.perf_counter() - started, "bytes": length}), flush=True)
            answer = EXECUTION
        sock.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer
        )


def main() -> None:
    """Listen until the process is ended."""
    context = None
    if len(sys.argv) == 3:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[1], sys.argv[2])
    listener = socket.create_server(("127.0.0.1", 0), backlog=16)
    print(listener.getsockname()[1], flush=True)
    while True:
        sock, _ = listener.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is not None:
            sock = context.wrap_socket(sock, server_side=True)
        threading.Thread(target=_serve, args=(sock,), daemon=True).start()


if __name__ == "__main__":
    main()
