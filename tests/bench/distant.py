"""A backend that is far away, without a network: the memory backend, each of whose calls takes its time.

And a watch over any backend that counts its calls.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

from mics_iac.core.clock import Clock
from mics_iac.store.backend import Backend
from mics_iac.store.memory import MemoryBackend, MemoryPlace

AWAY = 0.030
"""Seconds that a call of the store takes."""
CALLS = (
    "read",
    "write",
    "backups",
    "journals",
    "append",
    "drop",
    "set_aside",
    "lock",
    "renew",
    "check",
    "unlock",
    "holder",
)


class DistantBackend(MemoryBackend):
    """A store behind a network: half of the time passes before a call acts, half before its answer is there.

    Several calls may be under way at once, as over several connections.
    """

    distant = True

    def __init__(self, *, clock: Clock, place: MemoryPlace | None = None, away: float = AWAY) -> None:
        super().__init__(clock=clock, place=place)
        for name in CALLS:
            setattr(self, name, partial(self._afar, getattr(self, name), away))

    @staticmethod
    def _afar(real: Callable[..., Any], away: float, *args: Any, **options: Any) -> Any:
        time.sleep(away / 2)  # a real distance, for a measurement of real time
        try:
            return real(*args, **options)
        finally:
            time.sleep(away / 2)  # and the way back


class Timed:
    """The same backend, its calls counted by name."""

    def __init__(self, backend: Backend) -> None:
        self.calls: Counter[str] = Counter()
        self._backend = backend
        self._counting = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._backend, name)
        if name not in CALLS:
            return real

        def counted(*args: Any, **options: Any) -> Any:
            with self._counting:
                self.calls[name] += 1
            return real(*args, **options)

        return counted
