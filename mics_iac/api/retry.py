"""When a call may be repeated and how long to wait before: design.md section 5, in one place.

Pure but for the budget's lock. Knows no HTTP library: it is given a method, a status and header texts.

    what came                         GET PUT DELETE     POST
    no connection, no TLS handshake   again              again: nothing left this machine
    429                               again              again: the platform says that it did not act
    408, other 1xx and 5xx            again              doubt
    connection lost after the start   again              doubt
    2xx that cannot be read           again              doubt
    3xx                               refused            doubt: with a 303 it acted
    other 4xx                         refused            refused
"""

from __future__ import annotations

import threading
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import Enum

from mics_iac.api.limits import Patience

# These say "it is as if it had happened once", however often they are sent (RFC 9110, 9.2.2).
REPEATABLE = frozenset({"GET", "PUT", "DELETE"})


class Verdict(Enum):
    """What an answer's status says about the request."""

    DONE = "done"
    AGAIN = "again"
    UNSURE = "unsure"
    MOVED = "moved"
    FORBIDDEN = "forbidden"
    REFUSED = "refused"


def verdict(status: int) -> Verdict:
    """What a status means, whatever the method."""
    if 200 <= status < 300:
        return Verdict.DONE
    if status == 429:
        return Verdict.AGAIN
    if status in {401, 403}:
        return Verdict.FORBIDDEN
    if 300 <= status < 400:
        return Verdict.MOVED
    if 400 <= status < 500 and status != 408:
        return Verdict.REFUSED
    return Verdict.UNSURE


def pause(failures: int, *, patience: Patience, chance: float, asked: float | None = None) -> float:
    """Seconds to wait after so many failures of one call: full jitter, or what the platform asked for.

    `chance` is a random number in [0, 1). An asked wait is kept, up to `patience.longest_asked`, with a little jitter
    added so that threads that were told off together do not come back together.
    """
    if asked is not None:
        return min(asked, patience.longest_asked) + chance * patience.base
    # 2.0 ** 30 s is far past any cap, and an exponent without bound would overflow.
    ceiling = min(patience.cap, patience.base * 2.0 ** min(failures - 1, 30))
    return chance * ceiling


def asked_wait(value: str | None, *, now: float) -> float | None:
    """The seconds that a `Retry-After` header asks for: a number, or a date against `now` (epoch seconds).

    None when there is none or it cannot be read; never negative.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        # A number of a thousand digits is a mischief, not a wait; the cap is applied later.
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return max(0.0, moment.timestamp() - now)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


class Budget:
    """The repeats that one run has left, shared by all threads."""

    def __init__(self, repeats: int) -> None:
        self._left = repeats
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Whether one more repeat is allowed; counts it."""
        with self._lock:
            if self._left <= 0:
                return False
            self._left -= 1
            return True
