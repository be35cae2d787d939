"""What a command costs as a whole process: seconds of wall and processor, bytes at the peak."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CLIENT: tuple[str, ...] = (sys.executable, "-m", "mics_iac")

# How often the memory of a process and its children is looked at, in seconds.
_LOOKS = 0.02


@dataclass(frozen=True)
class Cost:
    """`wall` and `cpu` in seconds, start-up included; `cpu` and `memory` are of the process and its children."""

    wall: float
    cpu: float
    memory: int
    """The most bytes that one of them had resident; with `together`, all of them at one moment (Linux alone)."""
    began: float
    """Monotonic seconds when it was started."""


def measure(
    command: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    together: bool = False,
) -> Cost:
    """Run a command that must end well. What it shows is thrown away."""
    began = time.monotonic()
    child = subprocess.Popen(command, env={**os.environ, **(environment or {})}, cwd=cwd, stdout=subprocess.DEVNULL)
    peak = _Peak(child.pid) if together else None
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.monotonic() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {child.returncode}")
    unit = 1 if sys.platform == "darwin" else 1024
    memory = usage.ru_maxrss * unit
    return Cost(wall, usage.ru_utime + usage.ru_stime, max(memory, peak.end() if peak else 0), began)


class _Peak:
    """Looks again and again how much memory a process and its descendants have; what they share counts for each."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._most = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._over.wait(_LOOKS):
            self._most = max(self._most, sum(map(_resident, _family(self._pid))))

    def end(self) -> int:
        self._over.set()
        self._thread.join()
        return self._most


def _family(pid: int) -> Iterator[int]:
    yield pid
    try:
        # A child stands with the thread that started it.
        children = [child for thread in Path(f"/proc/{pid}/task").iterdir() for child in _children(thread)]
    except OSError:
        return
    for child in children:
        yield from _family(child)


def _children(thread: Path) -> list[int]:
    try:
        return [int(child) for child in (thread / "children").read_text().split()]
    except OSError:
        return []


def _resident(pid: int) -> int:
    """Bytes that are resident."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Rss:")), 0)
