"""The way to a state that is kept elsewhere, and what goes wrong on it.

A relay stands between the processes and the store: it loses requests and answers, tears them, delays them, and is out
of reach for a while. Whoever looks at the store itself goes past it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

import requests

from tests.bench.soak.served import SLOWEST_MS
from tests.servers.faults import Fault
from tests.servers.processes import Distant, running

_SLOWEST = SLOWEST_MS / 1000
# Seconds: longer than a run tries (about ten), so that it must give up; and how often one that lasts is drawn.
_OUTAGE = 16.0

FAULTS: Mapping[str, Mapping[str, Any]] = {
    "lost": {"kind": "reset_after"},
    "reset": {"kind": "reset_before"},
    "midway": {"kind": "midway"},
    "torn": {"kind": "torn"},
    "torn head": {"kind": "torn_head"},
    "500": {"kind": "status", "status": 500},
    "500 after it acted": {"kind": "status", "status": 500, "acts": True},
    "503": {"kind": "status", "status": 503},
    "429": {"kind": "status", "status": 429},
    "slow": {"kind": "slow", "seconds": _SLOWEST},
    "slow answer": {"kind": "slow", "seconds": _SLOWEST, "acts": True},
    "away": {"kind": "refuse", "seconds": 1.5},
}
# More than a run has patience for.
GONE = "gone"
_GONE: Mapping[str, Any] = {"kind": "refuse", "seconds": _OUTAGE}

Target = tuple[tuple[str, ...], str]
"""Which requests: of these methods (any, where there is none), whose path is so."""


def draw_faults(chance: Random, targets: Sequence[Target]) -> list[tuple[str, Fault]]:
    """What goes wrong in one round, each with its name; in one of four nothing does."""
    drawn = []
    for _ in range(chance.choice((0, 1, 2, 3, 5, 8, 8, 8))):
        name = GONE if chance.random() < 0.04 else chance.choice(sorted(FAULTS))
        methods, path = chance.choice(targets)
        fault = Fault(
            **FAULTS.get(name, _GONE),
            methods=methods,
            path=path,
            nth=chance.choice((1, 2, 3, chance.randint(1, 12), chance.randint(1, 60))),
            # Six in a row are as many as a run tries.
            times=1 if name in {"away", GONE} else chance.choice((1, 1, 2, 3, 6, 12)),
        )
        drawn.append((name, fault))
    return drawn


@dataclass
class Way:
    """The relay before one store; `targets` are its requests that things go wrong with."""

    relay: Distant
    targets: Sequence[Target]
    _named: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where the store seems to be."""
        return self.relay.url

    def break_(self, chance: Random) -> None:
        """See Kept."""
        drawn = draw_faults(chance, self.targets)
        self._named = [name for name, _ in drawn]
        self.relay.break_(*(fault for _, fault in drawn))

    def mend(self) -> Counter[str]:
        """See Kept. Waits for a relay that is out of reach."""
        struck: Counter[str] = Counter()
        for name, (_, count) in zip(self._named, self._struck(), strict=True):
            struck[name] += count
        self._named = []
        self.relay.mend()
        return +struck

    def complaint(self) -> str | None:
        """See Kept."""
        return None if self.relay.process.poll() is None else "the relay before the store has ended"

    def _struck(self) -> list[tuple[Fault, int]]:
        deadline = time.monotonic() + 2 * _OUTAGE
        while True:
            try:
                return self.relay.struck()
            except requests.ConnectionError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)  # the relay is out of reach on purpose, for so many real seconds


@contextmanager
def way_to(url: str, targets: Sequence[Target]) -> Iterator[Way]:
    """A way to the server at this URL, while the block runs."""
    with running("relay", "--to", url.removeprefix("http://")) as relay:
        yield Way(relay, targets)
