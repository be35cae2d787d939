"""Looks at imports in rounds until their executions settle: one listing an import a round, however many it has.

Part of the deciding thread. Moments are monotonic seconds. What a listing tells of parts that wait is the matter of
`engine/parts`, which is told of each.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from mics_iac.core import journal
from mics_iac.core.learn import settled
from mics_iac.core.loaded import Loaded
from mics_iac.core.observed import RemoteExecution
from mics_iac.core.progress import Notice
from mics_iac.engine.job import Job, attempt
from mics_iac.engine.lanes import Seen
from mics_iac.engine.layout import budget_of
from mics_iac.engine.settle import fetch_errors, shortfall
from mics_iac.errors import MicsError, NotAllowed

# Seconds between two looks at an import: the first pause, and the longest. The vendor's own pages look every 5
# (mediarithmics-api.md 3.3, seen in client code).
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 10.0
_GROWTH = 1.5
# How many looks at an import may fail in a row, each after all its repeats, before it is left to the next run.
_FAILED_LOOKS = 3
# How many looks an execution may be missing, or lack its counts, before that is believed.
_ODD_LOOKS = 4

Enough = Callable[[Sequence[RemoteExecution]], bool]


@dataclass(slots=True, eq=False)
class Watched:
    """One import of the platform that is looked at in rounds.

    `unsettled` are executions of ours by id, `settling` those of them whose end is being recorded. `due` is the moment
    of the next look, None while there is nothing to look for or a look is under way. `failed` counts the looks in a row
    that brought nothing, `odd` the looks that did not show an execution, or showed it as succeeded without its counts.
    """

    address: str
    import_id: str
    datamart_id: str
    unsettled: dict[str, Loaded] = field(default_factory=dict)
    settling: set[str] = field(default_factory=set)
    due: float | None = None
    pause: float = _FIRST_PAUSE
    failed: int = 0
    busy: bool = False
    odd: dict[str, int] = field(default_factory=dict)

    def settles(self, remote: RemoteExecution) -> bool:
        """Whether this is one that is waited for, at its end, with its counts unless they are missing for long."""
        if remote.id not in self.unsettled or remote.id in self.settling or not remote.ended:
            return False
        if not remote.complete:
            self.odd[remote.id] = self.odd.get(remote.id, 0) + 1
            return self.odd[remote.id] >= _ODD_LOOKS
        return True

    def enough(self, read: Sequence[RemoteExecution]) -> bool:
        """Whether these executions of a listing, newest first, include all that are waited for."""
        return self.unsettled.keys() <= {e.id for e in read}


@dataclass(slots=True)
class Rounds:
    """The imports that are looked at, and when.

    `needed` says whether parts wait for what the next listing of an import (by id) shows; `listed` is told of a whole
    and steady listing; `short` of an execution that came short of its budget.
    """

    job: Job
    needed: Callable[[str], bool]
    listed: Callable[[Watched, Seen], None]
    short: Callable[[Loaded], None]
    _watched: dict[str, Watched] = field(default_factory=dict)
    _queue: list[tuple[float, int, Watched]] = field(default_factory=list)
    _order: Iterator[int] = field(default_factory=itertools.count)

    def watch(self, address: str, import_id: str, datamart_id: str) -> Watched:
        """The import as one that may be looked at."""
        return self._watched.setdefault(import_id, Watched(address, import_id, datamart_id))

    def expect(self, loaded: Loaded, datamart_id: str) -> None:
        """Wait for this execution to settle, with short pauses at first."""
        watched = self.watch(loaded.address, loaded.import_id, datamart_id)
        watched.unsettled[loaded.execution.id] = loaded
        self.hurry(watched)

    def look_at(self, watched: Watched, moment: float) -> None:
        """Look at the import no later than this."""
        if watched.due is None or moment < watched.due:
            watched.due = moment
            heapq.heappush(self._queue, (moment, next(self._order), watched))

    def next_round(self, watched: Watched) -> None:
        """Look at the import after a pause that grows from round to round."""
        self.look_at(watched, self.job.now + watched.pause)
        watched.pause = min(watched.pause * _GROWTH, _LONGEST_PAUSE)

    def hurry(self, watched: Watched) -> None:
        """Something new is to be looked for: begin with short pauses again."""
        watched.pause = _FIRST_PAUSE
        self.next_round(watched)

    def next_due(self) -> float | None:
        """The moment of the next look."""
        while self._queue and (self._queue[0][2].due != self._queue[0][0] or self._queue[0][2].busy):
            heapq.heappop(self._queue)
        return self._queue[0][0] if self._queue else None

    def begin_due(self, now: float) -> None:
        """Begin every look that is due."""
        while (due := self.next_due()) is not None and due <= now:
            _, _, watched = heapq.heappop(self._queue)
            watched.busy, watched.due = True, None
            enough = None if self.needed(watched.import_id) else watched.enough
            work = partial(self._list, watched, enough)
            self.job.crew.call(partial(attempt, work), partial(self._looked, watched))

    def _list(self, watched: Watched, enough: Enough | None) -> tuple[Seen, bool]:
        """List an import, in a worker; whether the listing was steady."""
        began = self.job.now
        found = self.job.world.api.list_executions(watched.datamart_id, watched.import_id, enough=enough)
        return Seen(found.items, began, self.job.now), found.steady

    def _looked(self, watched: Watched, result: tuple[Seen, bool] | MicsError) -> None:
        """Take in one listing of an import: what settled, then what it tells of the parts that wait."""
        if isinstance(result, MicsError):
            self._looked_up(watched)
            watched.failed += 1
            if watched.failed < _FAILED_LOOKS and not isinstance(result, NotAllowed):
                self.next_round(watched)
            else:
                self.job.fail(watched.address, None, result)
            return
        watched.failed = 0
        seen, steady = result
        self._settle(
            watched,
            [e for e in seen.executions if watched.settles(e)],
            partial(self._told, watched, seen, steady=steady),
        )

    def _looked_up(self, watched: Watched) -> None:
        """The look is over: another one may begin, if somebody asked for it meanwhile."""
        watched.busy = False
        if watched.due is not None:
            moment, watched.due = watched.due, None
            self.look_at(watched, moment)

    def _told(self, watched: Watched, seen: Seen, *, steady: bool) -> None:
        """Go on with what a listing tells beside what settled, once that is recorded."""
        self._looked_up(watched)
        if steady:
            self._miss(watched, {e.id for e in seen.executions})
        if watched.unsettled:
            self.next_round(watched)
        if not self.needed(watched.import_id):
            return
        if steady:
            self.listed(watched, seen)
        else:
            self.next_round(watched)

    def _miss(self, watched: Watched, shown: set[str]) -> None:
        """Ask by its id for an execution that several listings did not show, and settle one that is not there."""
        for execution_id in watched.unsettled.keys() - shown:
            watched.odd[execution_id] = watched.odd.get(execution_id, 0) + 1
            if watched.odd[execution_id] == _ODD_LOOKS:
                work = partial(self.job.world.api.read_execution, watched.datamart_id, watched.import_id, execution_id)
                self.job.crew.call(partial(attempt, work), partial(self._asked, watched, execution_id))

    def _asked(self, watched: Watched, execution_id: str, result: RemoteExecution | MicsError | None) -> None:
        if result is None:
            message = "the platform does not have this execution any more"
            result = RemoteExecution(execution_id, "LOST", message=message)
        if isinstance(result, RemoteExecution) and watched.settles(result):
            self._settle(watched, [result], None)

    def take(self, watched: Watched, loaded: Loaded, remote: RemoteExecution, then: Callable[[], None] | None) -> None:
        """Settle an execution that had ended when it was found to be ours, then go on."""
        watched.unsettled[remote.id] = loaded
        self._settle(watched, [remote], then)

    def _settle(self, watched: Watched, ended: Sequence[RemoteExecution], then: Callable[[], None] | None) -> None:
        """Settle executions that are waited for, then go on.

        They are recorded by a worker, for the deciding thread has no time to wait for one import's record after the
        other where the store is far away; until that is durable, they count as not settled.
        """
        pairs = [(watched.unsettled[e.id], e) for e in ended]

        def recorded(error: MicsError | None) -> None:
            if error is not None:
                raise error
            for remote in ended:
                watched.settling.discard(remote.id)
                del watched.unsettled[remote.id]
            self._judge(pairs)
            if then is not None:
                then()

        if not pairs or not self.job.sending:
            recorded(None)
            return
        watched.settling.update(e.id for e in ended)
        self.job.crew.call(partial(attempt, partial(self.job.held.record, *self._ends(pairs))), recorded)

    def settle(self, ended: Sequence[tuple[Loaded, RemoteExecution]]) -> None:
        """Record executions that ended and that nobody waits for, and judge each against its import's budget."""
        self.job.held.record(*self._ends(ended))
        self._judge(ended)

    def _ends(self, ended: Sequence[tuple[Loaded, RemoteExecution]]) -> Iterator[journal.ExecutionSettled]:
        """What is to be recorded of executions that ended.

        Nothing by a run that only looks for what is there: the next apply sees them end, and judges them.
        """
        if self.job.sending:
            yield from (settled(loaded.address, remote) for loaded, remote in ended)

    def _judge(self, ended: Sequence[tuple[Loaded, RemoteExecution]]) -> None:
        """Hold each of these, whose ends are recorded, against its import's budget."""
        job = self.job
        if not job.sending:
            return
        for loaded, remote in ended:
            if not remote.ended:
                continue
            if remote.identifiers_suspect:
                what = f"{loaded.address}: {loaded.execution.source}"
                job.world.tell(Notice(f"{what}: the platform suspects an issue with its identifiers"))
            short = shortfall(loaded, remote, budget_of(job.plan, loaded.address))
            if short is not None:
                job.crew.call(partial(fetch_errors, short, remote, job.world), job.account.shortfalls.append)
                self.short(loaded)

    def unsettled_at(self, address: str) -> bool:
        """Whether an execution of any import that stands or stood behind this address is waited for."""
        return any(w.unsettled for w in self._watched.values() if w.address == address)

    @property
    def unsettled(self) -> int:
        """How many executions are waited for."""
        return sum(len(w.unsettled) for w in self._watched.values())

    def left(self) -> Iterator[str]:
        """A sentence for each import whose executions have not all settled."""
        for watched in self._watched.values():
            count = len(watched.unsettled)
            if count:
                what = "execution has" if count == 1 else "executions have"
                yield f"{watched.address}: {count} {what} not settled yet: run again to go on waiting"
