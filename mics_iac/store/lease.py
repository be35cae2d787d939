"""The lock as the one who holds it sees it: waiting for it, keeping it, and knowing whether it is still held.

Written once, above all backends. How long the lease still lasts is measured here from *before* the backend was asked,
so it never believes in more time than the backend gave. Knows nothing of state or journal.
"""

from __future__ import annotations

import itertools
import threading
from types import TracebackType
from typing import Self

from mics_iac.core.clock import Clock
from mics_iac.errors import Locked, MicsError, StoreFailed
from mics_iac.store.backend import Backend, Busy, Holder, LockInfo, describe_holder, visible

_PAUSES = (0.1, 5.0)


def take(backend: Backend, claim: LockInfo, *, clock: Clock, lease: float, timeout: float) -> Lease:
    """Take the lock, waiting up to `timeout` seconds for whoever has it; raises Locked with his name after that."""
    deadline = clock.monotonic() + timeout
    # What was slept is counted beside the clock: a wait ends even if the clock stands still.
    slept, pause = 0.0, _PAUSES[0]
    while True:
        begun = _Moment(clock)
        match backend.lock(claim, lease=lease):
            case LockInfo() as info:
                return Lease(backend, info, clock=clock, lease=lease, begun=begun)
            case Busy(holder):
                left = min(deadline - clock.monotonic(), timeout - slept)
                if left <= 0:
                    raise _locked(backend, holder, timeout)
                pause = min(pause, left)
                clock.sleep(pause)
                slept, pause = slept + pause, min(pause * 2, _PAUSES[1])


class Lease:
    """A lock that is held; as a context it renews itself every third of the lease, and lets go at the end."""

    def __init__(self, backend: Backend, info: LockInfo, *, clock: Clock, lease: float, begun: _Moment) -> None:
        self._backend = backend
        self._info = info
        self._clock = clock
        self._length = lease
        self._begun = begun
        self._lasts = lease
        self._lost: Locked | None = None
        self._guard = threading.Lock()
        # Fences are numbered as they are asked: a renewal serves all that were asked before it began.
        self._numbers = itertools.count(1)
        self._asked = self._served = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="mics-iac lease", daemon=True)

    @property
    def info(self) -> LockInfo:
        """The lock's record as last written."""
        return self._info

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join(timeout=10)
        try:
            self._backend.unlock(self._info.id)
        except MicsError as failure:
            if error is None:
                raise
            error.add_note(f"besides, the lock could not be let go: {failure}; it ends by itself")

    def fence(self, seconds: float) -> None:
        """Return only if the lock is ours and stays so for `seconds`; else raises Locked or StoreFailed.

        To be called right before anything that two runs must not do at once, with the longest that it may take. The
        backend is asked after the call, always: so whoever recorded an intent before it knows that the lock was held
        after that record, and that whoever takes the lock from him reads the intent. Fences that wait for each other
        share one renewal.
        """
        mine = self._asked = next(self._numbers)
        with self._guard:
            if self._lost is not None or self._served < mine or self._left() < seconds:
                self._renew(seconds + self._length / 2)

    def _left(self) -> float:
        return self._lasts - self._begun.elapsed()

    def _renew(self, least: float) -> None:
        if self._lost is not None:
            raise self._lost
        covers, begun = self._asked, _Moment(self._clock)
        # Never shorter than it is: another thread's longer request may be under way.
        lease = max(self._length, least, self._left())
        try:
            self._info = self._backend.renew(self._info, lease=lease)
        except Locked as error:
            self._lost = error
            raise
        self._begun, self._lasts, self._served = begun, lease, covers

    def _keep(self) -> None:
        # Waits in real time, whatever the clock of a test says: this thread only bridges long pauses between fences,
        # and no decision hangs on it. A failure is found again by the next fence, which can tell somebody.
        while not self._ended.wait(self._length / 3):
            with self._guard:
                try:
                    self._renew(self._length)
                except Locked:
                    return
                except StoreFailed:
                    continue


class _Moment:
    """One moment, remembered on both clocks."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._now = clock.now()
        self._monotonic = clock.monotonic()

    def elapsed(self) -> float:
        """Seconds since then, by the clock that saw more of them.

        The monotonic one may stand still while the machine is suspended, the other one may be set back.
        """
        return max(self._clock.now() - self._now, self._clock.monotonic() - self._monotonic)


def _locked(backend: Backend, holder: Holder | None, timeout: float) -> Locked:
    waited = f" (waited {timeout:g} s)" if timeout else ""
    unlock = f"mics-iac force-unlock {visible(holder.id)}" if holder is not None else "mics-iac lock status"
    if isinstance(holder, LockInfo) and holder.by_hand:
        remedy = "ask whoever took it, or wait (--lock-timeout says how long): it ends by itself at the time above and "
        remedy += f"a minute; if it was left behind, take it away now: {unlock}"
    else:
        remedy = "wait for that run (--lock-timeout says how long); if it is surely dead, its lock ends by itself at "
        remedy += f"the time above and a minute, or take it away now: {unlock}"
    return Locked(f"the state is locked{waited}: {backend.describe()}\n{describe_holder(holder)}", remedy=remedy)
