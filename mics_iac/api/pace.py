"""How many calls may be under way at once: a limit that gives way when the platform pushes back, and comes back slowly.

Knows nothing of calls; pure but for its lock. Halved on a 429 or 5xx, at most once for the calls that were under way
together; one more after as many good answers as there are slots.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Pace:
    """Slots for calls; `most` is the limit while all goes well, 1 the least it gives way to."""

    def __init__(self, most: int) -> None:
        self._most = max(1, most)
        self._limit = self._most
        self._busy = 0
        self._good = 0
        self._echoes = 0
        self._free = threading.Condition()

    @property
    def limit(self) -> int:
        """How many may be under way now."""
        return self._limit

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Hold one slot; waits for it."""
        with self._free:
            while self._busy >= self._limit:
                self._free.wait()
            self._busy += 1
        try:
            yield
        finally:
            with self._free:
                self._busy -= 1
                self._free.notify_all()

    def went_well(self) -> None:
        """The caller's call, its slot still held, was answered as it should be."""
        with self._free:
            self._echoes = max(0, self._echoes - 1)
            self._good += 1
            if self._good >= self._limit and self._limit < self._most:
                self._change(self._limit + 1)

    def pushed_back(self) -> None:
        """The caller's call, its slot still held, was answered with 429 or 5xx."""
        with self._free:
            if self._echoes:
                # It was under way when the limit last gave way, and tells the same news.
                self._echoes -= 1
                return
            self._echoes = max(0, self._busy - 1)
            self._change(max(1, self._limit // 2))

    def _change(self, limit: int) -> None:
        self._limit = limit
        self._good = 0
        self._free.notify_all()
