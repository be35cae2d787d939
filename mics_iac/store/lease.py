"""The lock as the one who holds it sees it: waiting for it, keeping it, and knowing whether it is still held.

Written once, above all backends. How long the lease still lasts is measured here from *before* the backend was asked,
so it never believes in more time than the backend gave. Knows nothing of state or journal.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
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
        # Replaced as a whole, so that it can be read without the guard while the backend is being asked again.
        self._standing = _Standing(asked=begun, serves=0, renewed=begun, lasts=lease)
        self._lost: Locked | None = None
        # The last question that got no answer, by the number of the marks that it would have served.
        self._unanswered: tuple[int, StoreFailed] | None = None
        self._guard = threading.Lock()
        # Moments are numbered as they are marked: an answer serves all that were marked before its question.
        self._numbers = itertools.count(1)
        self._marked = 0
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
            same = isinstance(error, MicsError) and failure.message == error.message
            why = "either" if same else f"besides: {failure}"
            error.add_note(f"the lock could not be let go {why}; it ends by itself")

    def mark(self) -> int:
        """Mark this moment: the number by which an answer is known to have been asked for after it."""
        mark = self._marked = next(self._numbers)
        return mark

    def fence(self, seconds: float) -> None:
        """Return only if the lock is ours and stays so for `seconds`; else raises Locked or StoreFailed.

        To be called right before anything that two runs must not do at once, with the longest that it may take. The
        backend is asked after the call, always: so whoever recorded an intent before it knows that the lock was held
        after that record, and that whoever takes the lock from him reads the intent. Fences that wait for each other
        share one question.
        """
        self.confirm(seconds, since=self.mark(), within=0.0)

    def ask(self, *, since: int) -> None:
        """Have an answer that was asked for after the mark `since`; raises Locked or StoreFailed."""
        with self._guard:
            self._refuse_unanswered(since)
            if self._lost is not None or self._standing.serves < since:
                # Renewed early, so that it is seldom too short for a request whose turn has come.
                self._ask(self._length * 0.9)

    def confirm(self, seconds: float, *, since: int, within: float) -> None:
        """As `fence`, but an answer counts that was asked for after the mark `since`, less than `within` seconds ago.

        Asks again if there is none. Does not wait for a question that is under way if there is.
        """
        if self._confirms(seconds, since=since, within=within):
            return
        now = self.mark()
        with self._guard:
            self._refuse_unanswered(now)
            # While this one waited for the guard, another may have asked: after the mark of the call, or lately.
            if not (
                self._confirms(seconds, since=since, within=within)
                or self._confirms(seconds, since=now, within=float("inf"))
            ):
                self._ask(seconds)

    def _confirms(self, seconds: float, *, since: int, within: float) -> bool:
        if self._lost is not None:
            raise self._lost
        known = self._standing
        return known.serves >= since and known.asked.elapsed() < within and known.left() >= seconds

    def _ask(self, seconds: float) -> None:
        """Ask whether the lock is ours; renewed if it would not last that long, and always where that costs no more.

        A distant store may bear few writes of one object in a second, but any number of reads.
        """
        if self._lost is None and self._backend.distant and self._standing.left() >= seconds:
            serves, asked = self._marked, _Moment(self._clock)
            with self._noticing():
                self._backend.check(self._info)
            self._standing = replace(self._standing, asked=asked, serves=serves)
        else:
            self._renew(seconds + self._length / 2)

    def _renew(self, least: float) -> None:
        if self._lost is not None:
            raise self._lost
        serves, asked = self._marked, _Moment(self._clock)
        # Never shorter than it is: another thread's longer request may be under way.
        lease = max(self._length, least, self._standing.left())
        with self._noticing():
            self._info = self._backend.renew(self._info, lease=lease)
        self._standing = _Standing(asked, serves, renewed=asked, lasts=lease)

    def _refuse_unanswered(self, mark: int) -> None:
        """Who waited while another asked shares what came of it, also if that was nothing: asking may take a minute."""
        if self._unanswered is not None and self._unanswered[0] >= mark:
            error = self._unanswered[1]
            raise type(error)(error.message, remedy=error.remedy)

    @contextlib.contextmanager
    def _noticing(self) -> Iterator[None]:
        """A lock that was lost stays lost, though it may be free again later."""
        serves = self._marked
        try:
            yield
        except Locked as error:
            self._lost = error
            raise
        except StoreFailed as error:
            self._unanswered = (serves, error)
            raise

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


@dataclass(frozen=True, slots=True)
class Clearance:
    """The word of the lock that one request may leave: drawn when its intent is durable, asked when it leaves.

    Every request has its own. The backend is asked after it was drawn, however lately others asked: so whoever takes
    the lock over reads the intent. Where asking takes long, it may be asked ahead, while the request waits for its
    turn; an answer counts then if the question was put less than `trust` seconds before the request leaves, by
    whomever. 0: only a question put at that very moment counts. `refuse` raises if nothing may leave whoever holds the
    lock.
    """

    lease: Lease
    since: int
    trust: float
    refuse: Callable[[], None]

    def ask_ahead(self) -> None:
        """Ask before it is known when the request leaves, where such an answer may count; raises as the call does."""
        if self.trust > 0:
            self.refuse()
            self.lease.ask(since=self.since)

    def __call__(self, seconds: float) -> None:
        """Return only if the request may leave now, and the lease outlasts the `seconds` that it may take at most.

        Raises Locked if the lock was lost, StoreFailed if it cannot be renewed or a record failed: then send nothing.
        """
        self.refuse()
        self.lease.confirm(seconds, since=self.since, within=self.trust)


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


@dataclass(frozen=True, slots=True)
class _Standing:
    """What the backend said: the lock is ours, and lasts so many seconds from before it was last renewed.

    `asked` is the moment before the last question, which serves all marks up to the number `serves`.
    """

    asked: _Moment
    serves: int
    renewed: _Moment
    lasts: float

    def left(self) -> float:
        """How many seconds the lease still lasts, at the least."""
        return self.lasts - self.renewed.elapsed()


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
