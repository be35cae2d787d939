"""The platform that is soaked: one `mics-iac sandbox serve`, what goes wrong with it, and what it says is true."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import requests

from tests.bench.soak.processes import command, environment

# How long an execution waits and runs, in milliseconds: short, but not over by the time that its upload is answered.
QUEUE_MS, RUN_MS = 50, 50

# The longest that the sandbox holds a request before it acts: long enough for its client to be killed meanwhile and for
# the next one, which waits for the lock, to look. It must stay far below SETTLE: what a platform does later than that
# after a listing without a trace of it cannot be told from what it never did, so a longer delay would show nothing but
# that. The distance between the two is for a busy machine, on which the sandbox itself comes late.
SLOWEST_MS = 1000
SETTLE = 3.0
"""Seconds for `--settle-delay`."""

# By the names of the issue. Where a fault says that the platform did not act, it did not: `throttle` never has `acts`,
# since a 429 is what the tool must be able to believe.
FAULTS: Mapping[str, Mapping[str, object]] = {
    "lost": {"kind": "reset_after"},
    "reset": {"kind": "reset_before"},
    "midbody": {"kind": "reset_midway"},
    "429": {"kind": "throttle", "retry_after": "0"},
    "500": {"kind": "error", "status": 500},
    "500 after it acted": {"kind": "error", "status": 500, "acts": True},
    "html": {"kind": "garbage"},
    "slow": {"kind": "delay", "delay_ms": SLOWEST_MS},
    "truncated": {"kind": "truncated_json"},
    "cut": {"kind": "cut_answer"},
}
# Whose token expired is let in no more in this round; rare, since little happens to such a run.
EXPIRED = "401"
_EXPIRED_FAULT: Mapping[str, object] = {"kind": "expired_token"}

# Which requests: uploads above all, creations, lists, and any at all (downloads of input files among them).
_TARGETS = (
    *(("POST", "*/executions"),) * 5,
    *(("POST", "*/document_imports"),) * 2,
    ("GET", "*/executions"),
    ("GET", "*/document_imports"),
    ("PUT", "*"),
    ("*", "*"),
)


def draw_faults(chance: Random) -> list[tuple[str, dict[str, object]]]:
    """What goes wrong in one round, each with its name. Which request it strikes is drawn here, to be drawn again."""
    drawn = []
    for _ in range(chance.randint(3, 14)):
        name = EXPIRED if chance.random() < 0.01 else chance.choice(sorted(FAULTS))
        method, path = chance.choice(_TARGETS)
        fault = {
            **FAULTS.get(name, _EXPIRED_FAULT),
            "method": method,
            "path": path,
            "nth": chance.randint(1, 6),
            "times": chance.randint(1, 3),
            "probability": chance.choice((1.0, 1.0, 0.5)),
        }
        if chance.random() < 0.4:
            fault["delay_ms"] = chance.randint(1, SLOWEST_MS)
        drawn.append((name, fault))
    return drawn


@dataclass
class Platform:
    """A sandbox that is being served at `url`, through its control endpoint."""

    url: str
    process: subprocess.Popen[str]
    _session: requests.Session = field(default_factory=requests.Session)
    _named: list[str] = field(default_factory=list)

    def _control(self, method: str, what: str, given: object = None) -> Any:
        self._session.trust_env = False
        answer = self._session.request(method, f"{self.url}/_sandbox/{what}", json=given, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def break_(self, faults: list[tuple[str, dict[str, object]]]) -> None:
        """Put these faults in force, and no others."""
        self._named = [name for name, _ in faults]
        self._control("DELETE", "faults")
        self._control("POST", "faults", [fault for _, fault in faults])

    def mend(self) -> Counter[str]:
        """Nothing goes wrong any more; how often each fault struck, by name."""
        report = self._control("GET", "faults")
        self._control("DELETE", "faults")
        self._control("DELETE", "requests")
        struck: Counter[str] = Counter()
        for name, fault in zip(self._named, report, strict=True):
            struck[name] += fault["struck"]
        self._named = []
        return +struck

    def truth(self) -> Any:
        """All imports and executions there are, as the sandbox has them."""
        return self._control("GET", "state")

    @property
    def alive(self) -> bool:
        """Whether it is still there."""
        return self.process.poll() is None


@contextmanager
def served(folder: Path, words: Path) -> Iterator[Platform]:
    """Serve the sandbox of the manifest in `folder` while the block runs; what it complains of goes to `words`."""
    with words.open("w") as err:
        process = subprocess.Popen(
            command("sandbox", "serve", "--port", "0", "--queue-ms", str(QUEUE_MS), "--run-ms", str(RUN_MS)),
            cwd=folder,
            env=environment({}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=err,
            text=True,
        )
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            if not said.startswith("listening on "):
                raise RuntimeError(f"the sandbox does not serve: {words.read_text()}")
            yield Platform(said.removeprefix("listening on ").strip(), process)
        finally:
            process.kill()
            process.communicate()
