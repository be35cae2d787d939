"""The edges that a run touches, in one value: platform, state, files, clock, and who is told.

Everything that comes from outside comes in as an argument; the environment of the process is read in `cli/build`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mics_iac.api.client import MicsApi
from mics_iac.core.clock import Clock
from mics_iac.core.progress import Told
from mics_iac.errors import Interrupted
from mics_iac.sources.source import Source
from mics_iac.store.backend import Backend
from mics_iac.store.shelter import Shelter

# Seconds for which a look at the platform is believed before something is sent or created on its strength.
FRESH = 60.0


class Stop:
    """The wish to end: nothing new is begun from then on, what runs comes to its end, and the state is saved."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.signal: int | None = None

    def request(self, signal: int) -> None:
        """Ask the run to end; `signal` is the number that its exit code will tell."""
        self.signal = self.signal or signal
        self._event.set()

    def wait(self, seconds: float) -> None:
        """Sleep, unless the run is asked to end: then Interrupted."""
        if self._event.wait(seconds):
            raise Interrupted(signal=self.signal or 2)

    def check(self) -> None:
        """Raise Interrupted if the run is asked to end."""
        self.wait(0)

    @property
    def requested(self) -> bool:
        """Whether the run is asked to end."""
        return self._event.is_set()


@dataclass(frozen=True, slots=True)
class SystemClock:
    """The machine's clock; its sleep ends at once when the run is asked to stop."""

    stop: Stop

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds since some moment; never jumps."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait that long, or raise Interrupted."""
        self.stop.wait(seconds)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much at once, and how long. Times are seconds.

    `parallelism` bounds control calls, `transfers` uploads. `settle_delay` is the time between the two listings that
    must both be without a trace of an upload before it counts as not having happened.
    """

    parallelism: int = 10
    transfers: int = 4
    lock_timeout: float = 0.0
    wait: bool = True
    wait_timeout: float = 3600.0
    settle_delay: float = 60.0
    fail_fast: bool = False


def nobody(told: Told) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class World:
    """What a run acts on. `workspace` is the folder that error files go to.

    `shelter` keeps what a run did when the place of its state is far away and can no longer be reached. What is in it
    is taken in wherever the state is by now.
    """

    api: MicsApi
    backend: Backend
    source: Source
    clock: Clock
    stop: Stop
    workspace: Path
    limits: Limits = field(default_factory=Limits)
    tell: Callable[[Told], None] = nobody
    shelter: Shelter | None = None
