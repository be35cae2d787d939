"""A clock that moves by itself whenever somebody waits: no test depends on how fast the machine is."""

from __future__ import annotations

import threading


class SteppingClock:
    """Starts at a fixed moment; `sleep` takes no time and moves it on. Safe for threads."""

    def __init__(self, start: float = 1_768_460_400.0) -> None:
        self._start = start
        self._passed = 0.0
        self._lock = threading.Lock()
        self.slept: list[float] = []

    def now(self) -> float:
        return self._start + self.monotonic()

    def monotonic(self) -> float:
        with self._lock:
            return self._passed

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self._passed += max(0.0, seconds)
            self.slept.append(seconds)
