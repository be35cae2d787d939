"""What the servers of the tests have in common as processes of their own: their options, and how they end."""

from __future__ import annotations

import argparse
import sys
import threading
from signal import SIGINT, SIGTERM, signal

from tests.servers.server import Server

LEASHED = "--leashed"


def options(module: str) -> argparse.ArgumentParser:
    """The options of every server, for this module to add its own to."""
    parser = argparse.ArgumentParser(prog=f"python -m tests.servers.{module}")
    parser.add_argument("--port", type=int, default=0, help="a free one where it is 0")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="added to each answer")
    parser.add_argument(
        LEASHED, action="store_true", help="end when stdin does: with who started it, however that ended"
    )
    return parser


def serve(server: Server, given: argparse.Namespace) -> None:
    """Serve until SIGINT or SIGTERM, having said where on stdout."""
    ended = threading.Event()
    for number in (SIGINT, SIGTERM):
        signal(number, lambda *_: ended.set())
    if given.leashed:
        threading.Thread(target=_follow_stdin, args=(ended,), daemon=True).start()
    server.latency = given.latency_ms / 1000
    with server:
        print(f"listening on {server.url}", flush=True)
        ended.wait()


def _follow_stdin(ended: threading.Event) -> None:
    sys.stdin.buffer.read()
    ended.set()
