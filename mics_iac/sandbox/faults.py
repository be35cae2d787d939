"""What may go wrong on demand, as plain values, and the plan that says which request is struck.

The same values serve both faces and the control endpoint (as JSON). Nothing here acts: a plan only answers which faults
strike a request; `exchange` and the rules carry them out. Plans live in memory, with the running sandbox.

A fault matches on the method and on a shell pattern over the path without its query (`*/executions`). It strikes from
its `nth` match on, `times` times (None: for ever), each time with `probability` (drawn from the plan's seed).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from fnmatch import fnmatchcase
from random import Random
from typing import Any, Final, Literal, Self, get_args

# The request never arrives: only in process, since a server learns the path of a request after it has connected.
Unconnected = Literal["refuse", "connect_timeout", "tls"]
# The connection breaks, or nothing comes back.
Severed = Literal["reset_before", "reset_midway", "reset_after", "hang", "cut_answer"]
# Another answer instead of the platform's, which does not act unless `acts` is set.
Answered = Literal["delay", "throttle", "error", "expired_token", "forbidden"]
# The platform acts, its answer is altered.
Altered = Literal["truncated_json", "garbage", "extra_fields", "duplicate_key"]
# The platform's lists misbehave.
Listed = Literal["capped", "no_total", "shift_insert", "shift_remove"]
# The upload is accepted; what becomes of the execution.
Fated = Literal[
    "ends_failed", "ends_canceled", "ends_lost", "stuck", "odd_status",
    "rejects_lines", "file_gone", "lines_off", "unbalanced",
]  # fmt: skip
Kind = Unconnected | Severed | Answered | Altered | Listed | Fated

MOST_DELAY_MS: Final = 3_600_000
UNCONNECTED: frozenset[str] = frozenset(get_args(Unconnected))
LISTED: frozenset[str] = frozenset(get_args(Listed))
FATED: frozenset[str] = frozenset(get_args(Fated))
KINDS: frozenset[str] = frozenset(
    name for group in (Unconnected, Severed, Answered, Altered, Listed, Fated) for name in get_args(group)
)


class InvalidFault(ValueError):
    """A fault that makes no sense; the message names every mistake in it."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong. Fields that a kind does not use are ignored."""

    kind: Kind
    method: str = "*"
    path: str = "*"
    nth: int = 1
    times: int | None = 1
    probability: float = 1.0
    # Waited before anything else happens, in milliseconds; any kind may have it.
    delay_ms: int = 0
    # throttle, error: the status, and whether the platform acted all the same (a gateway lost its answer).
    status: int = 503
    html: bool = True
    acts: bool = False
    # throttle: the header as it is sent, in seconds or as a date; None sends none.
    retry_after: str | None = "1"
    # reset_midway: bytes of the body read before; None is half of it.
    after_bytes: int | None = None
    # ends_failed: the error's text. odd_status: the status shown until it ends.
    message: str = ""
    # rejects_lines, lines_off (may be negative), unbalanced: how many lines. capped: the page size.
    count: int = 1

    def __post_init__(self) -> None:
        wrong = list(_mistakes(self))
        if wrong:
            raise InvalidFault(f"fault {self.kind!r}: " + "; ".join(wrong))

    @classmethod
    def from_json(cls, value: object) -> Self:
        """A fault from the control endpoint's JSON; raises InvalidFault."""
        if not isinstance(value, Mapping):
            raise InvalidFault('a fault is an object such as {"kind": "reset_after", "method": "POST"}')
        known = {one.name for one in fields(cls)}
        unknown = sorted(str(key) for key in value if key not in known)
        if unknown:
            raise InvalidFault(f"unknown fields {', '.join(unknown)}; a fault has {', '.join(sorted(known))}")
        if "kind" not in value:
            raise InvalidFault(f"a fault needs a kind: one of {', '.join(sorted(KINDS))}")
        return cls(**value)

    def to_json(self) -> dict[str, Any]:
        """All fields, as the control endpoint shows them."""
        return asdict(self)

    def matches(self, method: str, path: str) -> bool:
        """Whether it concerns this request. Those that shape an execution or a page concern no other request."""
        if self.kind in FATED and not (method == "POST" and path.endswith("/executions")):
            return False
        if self.kind in LISTED and method != "GET":
            return False
        return self.method in ("*", method) and fnmatchcase(path, self.path)


def _mistakes(fault: Any) -> Iterable[str]:
    if not isinstance(fault.kind, str) or fault.kind not in KINDS:
        yield f"no such kind; there are {', '.join(sorted(KINDS))}"
    for name in ("nth", "delay_ms", "status", "count"):
        if not _is_int(getattr(fault, name)):
            yield f"{name} is a whole number"
    for name in ("times", "after_bytes"):
        value = getattr(fault, name)
        if value is not None and (not _is_int(value) or value < 0):
            yield f"{name} is a whole number or null"
    for name in ("method", "path", "message"):
        if not isinstance(getattr(fault, name), str):
            yield f"{name} is text"
        elif any("\ud800" <= sign <= "\udfff" for sign in getattr(fault, name)):
            yield f"{name} is not Unicode text"
    for name in ("html", "acts"):
        if not isinstance(getattr(fault, name), bool):
            yield f"{name} is true or false"
    waiting = fault.retry_after
    if waiting is not None and not (isinstance(waiting, str) and waiting.isascii() and waiting.isprintable()):
        yield "retry_after is a line of plain text or null"
    yield from _out_of_range(fault)


def _out_of_range(fault: Any) -> Iterable[str]:
    if _is_int(fault.nth) and fault.nth < 1:
        yield "nth counts from 1"
    if _is_int(fault.delay_ms) and not 0 <= fault.delay_ms <= MOST_DELAY_MS:
        yield f"delay_ms lies between 0 and {MOST_DELAY_MS}"
    if _is_int(fault.status) and not 400 <= fault.status <= 599:
        yield "status lies between 400 and 599"
    if not isinstance(fault.probability, int | float) or not 0 <= fault.probability <= 1:
        yield "probability lies between 0 and 1"
    if _is_int(fault.count) and fault.count < 1 and fault.kind == "capped":
        yield "count is at least 1"


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


@dataclass(frozen=True, slots=True)
class Strike:
    """What strikes one request: at most one fault of the way there and back, and any number that shape what is done."""

    way: Fault | None = None
    shapes: tuple[Fault, ...] = ()

    @property
    def named(self) -> str:
        """The kinds that struck, for the log; empty when none did."""
        return ",".join(fault.kind for fault in (*self.shapes, *((self.way,) if self.way else ())))


UNHARMED = Strike()


@dataclass(slots=True)
class _Armed:
    fault: Fault
    chance: Random
    matched: int = 0
    struck: int = 0

    def due(self) -> bool:
        """Whether this match, already counted, is one that it may strike."""
        spent = self.fault.times is not None and self.struck >= self.fault.times
        if spent or self.matched < self.fault.nth:
            return False
        return self.fault.probability >= 1 or self.chance.random() < self.fault.probability


class FaultPlan:
    """The faults in force; safe for several threads. One `seed` and one order of requests give the same strikes."""

    def __init__(self, faults: Iterable[Fault] = (), *, seed: int = 0) -> None:
        self._lock = threading.Lock()
        self._seed = seed
        self._armed: list[_Armed] = []
        self._expired: dict[str, Fault] = {}
        for fault in faults:
            self.add(fault)

    def add(self, fault: Fault) -> None:
        """Put one more fault in force, after those there are."""
        with self._lock:
            self._armed.append(_Armed(fault, Random(f"{self._seed}/{len(self._armed)}")))

    def clear(self) -> None:
        """Nothing goes wrong any more; expired tokens live again. Executions keep the fate they were given."""
        with self._lock:
            self._armed.clear()
            self._expired.clear()

    def strike(self, method: str, path: str, *, token: str = "") -> Strike:
        """What strikes this request; counts it as seen."""
        with self._lock:
            if not self._armed and not self._expired:
                return UNHARMED
            way, shapes = self._expired.get(token), []
            for armed in self._armed:
                if not armed.fault.matches(method, path):
                    continue
                armed.matched += 1
                shaping = armed.fault.kind in FATED or armed.fault.kind in LISTED
                if (way is not None and not shaping) or not armed.due():
                    continue
                armed.struck += 1
                if shaping:
                    shapes.append(armed.fault)
                else:
                    way = armed.fault
            if way is not None and way.kind == "expired_token":
                self._expired[token] = way
            return Strike(way, tuple(shapes))

    def in_force(self) -> tuple[Fault, ...]:
        """The faults as they were given, in order."""
        with self._lock:
            return tuple(armed.fault for armed in self._armed)

    def report(self) -> list[dict[str, Any]]:
        """Each fault with how often it matched and struck."""
        with self._lock:
            return [{**a.fault.to_json(), "matched": a.matched, "struck": a.struck} for a in self._armed]


def refuse_unconnected(faults: Iterable[Fault]) -> None:
    """A server cannot refuse a connection for the path of a request that it has not read; raises InvalidFault."""
    impossible = sorted({fault.kind for fault in faults} & UNCONNECTED)
    if impossible:
        raise InvalidFault(
            f"{', '.join(impossible)}: not over HTTP, where the path is known only once a client is connected;"
            " stop the server instead, or use the adapter in process"
        )
