"""What every request that changes something passes on its way out: whether the run still goes on.

Safe for threads: the deciding thread asks before it begins anything, workers ask right before their request leaves.
Knows nothing of locks and records; `Held.clearance` does.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from signal import SIGINT

from mics_iac.engine.world import Stop
from mics_iac.errors import Interrupted, Locked, MicsError, NotAllowed, StateConflict, StoreFailed

# After one of these the state is not ours to write any more: nothing may be sent, what is open stays open for the next
# run to find out, and this one ends.
FATAL = (Locked, StateConflict, StoreFailed)


class Gate:
    """Open until the run is asked to stop, or sees a failure after which nothing more is to be begun."""

    def __init__(self, stop: Stop, *, fail_fast: bool) -> None:
        self._stop = stop
        self._fail_fast = fail_fast
        self._halted = threading.Event()

    @property
    def shut(self) -> bool:
        """Whether nothing new may be begun."""
        return self._halted.is_set() or self._stop.requested

    def saw(self, error: MicsError) -> None:
        """Take in why something failed; an interruption is no failure.

        To be told as soon as it is known, before it is recorded: what waits behind must not leave meanwhile.
        """
        if isinstance(error, Interrupted):
            return
        unauthorized = isinstance(error, NotAllowed) and error.status == 401
        if self._fail_fast or unauthorized or isinstance(error, FATAL):
            self.halt()

    def halt(self) -> None:
        """Let nothing more out."""
        self._halted.set()

    def check(self) -> None:
        """Raise Interrupted if nothing new may be begun."""
        if self.shut:
            raise Interrupted(signal=self._stop.signal or SIGINT)

    def then(self, allows: Callable[[float], None]) -> Callable[[float], None]:
        """What a request asks before it leaves: this gate, then the lock."""

        def ask(seconds: float) -> None:
            self.check()
            allows(seconds)

        return ask
