"""What goes wrong with a server of the tests, and which requests it strikes; plain values, and counters."""

from __future__ import annotations

import threading
from fnmatch import fnmatchcase
from typing import Literal, NamedTuple

import msgspec

WRITES = ("POST", "PUT", "DELETE", "LOCK", "UNLOCK")

Kind = Literal["reset_before", "midway", "reset_after", "torn", "torn_head", "status", "slow", "silent", "refuse"]


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that goes wrong, from the `nth` request that matches on, so many `times` (None: from then on).

    * `reset_before`: the connection is reset, nothing was done.
    * `midway`: a relay passes half of the request on, then resets both connections; for others as `reset_before`.
    * `reset_after`: it was done, but the connection is reset instead of an answer.
    * `torn`: it was done, and the answer ends in the middle of its body, or of its first line where it has none.
    * `torn_head`: it was done, and the answer ends after its first line: Python's http.client takes that for a whole
      answer with no body.
    * `status`: this `status` instead; it was done all the same where `acts` says so.
    * `slow`: it is done and answered `seconds` later; where `acts` says so, done at once and answered later.
    * `silent`: it is not done, and no answer comes for `seconds`, then a reset.
    * `refuse`: the connection is reset, nothing was done, and no more are taken until the server is `up` again: after
      so many `seconds`, or by hand where they are 0.
    """

    kind: Kind
    methods: tuple[str, ...] = ()
    """Any, where there is none."""
    path: str = "*"
    """A pattern with `*`, over the path without its query."""
    nth: int = 1
    times: int | None = 1
    status: int = 503
    acts: bool = False
    seconds: float = 0.0
    body: str | None = None
    """What is said with that status, where a server would say more than a proxy's page: S3's reasons, in XML."""

    def matches(self, method: str, path: str) -> bool:
        """Whether this request is one of those."""
        return (not self.methods or method in self.methods) and fnmatchcase(path, self.path)


def expired() -> Fault:
    """The credentials are not accepted any more."""
    return Fault("status", status=401, times=None)


def read_only() -> Fault:
    """Whoever reads may; whoever writes is forbidden to."""
    return Fault("status", methods=WRITES, status=403, times=None)


class Seen(NamedTuple):
    """A request that came in, decoded; `query` without its question mark, as it was sent."""

    method: str
    path: str
    query: str = ""


class Faults:
    """The faults in force. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._in_force: list[Fault] = []
        self._matched: list[int] = []
        self._struck: list[int] = []

    def add(self, *faults: Fault) -> None:
        """Put these in force too; each counts from now."""
        with self._lock:
            self._in_force += faults
            self._matched += [0] * len(faults)
            self._struck += [0] * len(faults)

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        with self._lock:
            self._in_force, self._matched, self._struck = [], [], []

    def strike(self, method: str, path: str) -> Fault | None:
        """What goes wrong with this request: the first that it is the turn of. All that match have counted it."""
        with self._lock:
            found = None
            for i, fault in enumerate(self._in_force):
                if not fault.matches(method, path):
                    continue
                self._matched[i] += 1
                over = fault.times is not None and self._struck[i] >= fault.times
                if found is None and not over and self._matched[i] >= fault.nth:
                    self._struck[i] += 1
                    found = fault
            return found

    def struck(self) -> list[tuple[Fault, int]]:
        """Each fault in force, and how often it struck."""
        with self._lock:
            return list(zip(self._in_force, self._struck, strict=True))


class Log:
    """The requests that came in, in their order. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: list[Seen] = []

    def add(self, seen: Seen) -> None:
        """Another one."""
        with self._lock:
            self._seen.append(seen)

    def clear(self) -> None:
        """Count from now."""
        with self._lock:
            self._seen.clear()

    def all(self) -> list[Seen]:
        """Every one, oldest first."""
        with self._lock:
            return list(self._seen)

    def count(self, *methods: str) -> int:
        """How many there were of these methods; of all, where none is named."""
        return len(self.of(*methods))

    def of(self, *methods: str) -> list[Seen]:
        """Those of these methods; all, where none is named."""
        return [seen for seen in self.all() if not methods or seen.method in methods]
