"""Servers of the tests as processes of their own, and the control calls that tell them what to do.

Each ends when its stdin does: with the test process, however that ended.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import requests

from tests.servers.entry import LEASHED
from tests.servers.faults import Fault, Seen
from tests.servers.server import CONTROL, Wall

_ROOT = Path(__file__).parents[2]
# Seconds that a server gets to end.
_PATIENCE = 10.0


@dataclass
class Distant:
    """A server that runs as a process of its own at `url`, through its control calls."""

    url: str
    process: subprocess.Popen[bytes]
    _session: requests.Session = field(default_factory=requests.Session)

    def break_(self, *faults: Fault) -> None:
        """Put these faults in force too."""
        self._control("POST", "faults", faults)

    def struck(self) -> list[tuple[Fault, int]]:
        """Each fault in force, and how often it struck."""
        return msgspec.json.decode(self._control("GET", "faults"), type=list[tuple[Fault, int]])

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        self._control("DELETE", "faults")

    def seen(self) -> list[Seen]:
        """The requests that came in since it was made new, oldest first."""
        return msgspec.json.decode(self._control("GET", "requests"), type=list[Seen])

    def count(self, *methods: str) -> int:
        """How many of these methods there were since then; of all, where none is named."""
        return sum(not methods or seen.method in methods for seen in self.seen())

    def forget(self) -> None:
        """Count from now."""
        self._control("DELETE", "requests")

    def delay(self, seconds: float) -> None:
        """Add so much to each answer."""
        self._control("PUT", "latency", seconds)

    def set_clock(self, *, at: float | None = None, ahead: float = 0.0) -> None:
        """Let its clock stand still `at` this moment (epoch seconds), or go; so many seconds `ahead`."""
        self._control("PUT", "clock", Wall(at, ahead))

    def rest(self, seconds: float) -> None:
        """Break off all connections and refuse new ones for so long."""
        self._control("POST", "down", seconds)

    def mend(self) -> None:
        """Nothing goes wrong any more, nothing was seen, no latency, the clock goes right. What it keeps, it keeps."""
        self.clear()
        self.delay(0.0)
        self.set_clock()
        self.forget()

    def kill(self) -> None:
        """End it as a machine that fails would: at once."""
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        """End it, in order if it can."""
        self._session.close()
        try:
            # Its stdin ends with this.
            self.process.communicate(timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()

    def _control(self, method: str, what: str, given: Any = None) -> bytes:
        self._session.trust_env = False
        body = None if given is None else msgspec.json.encode(given)
        answer = self._session.request(method, self.url + CONTROL + what, data=body, timeout=30)
        answer.raise_for_status()
        return answer.content


@contextmanager
def running(module: str, *arguments: str) -> Iterator[Distant]:
    """Run `python -m tests.servers.<module>` with these arguments while the block runs. Its stderr is ours."""
    process = subprocess.Popen(
        [sys.executable, "-m", f"tests.servers.{module}", LEASHED, *arguments],
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # Apart from our terminal: a Ctrl-C that stops the tests must not take the server away while they end.
        start_new_session=True,
    )
    assert process.stdout is not None
    said = process.stdout.readline().decode()
    if not said.startswith("listening on "):
        process.kill()
        process.communicate()
        raise RuntimeError(f"the server {module} does not serve: see what it said on stderr")
    server = Distant(said.removeprefix("listening on ").strip(), process)
    try:
        yield server
    finally:
        server.close()
