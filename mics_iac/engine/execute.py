"""Carries out a plan: one thread decides, pools of threads make the calls.

The deciding thread owns all lanes and reacts to one outcome at a time, so decisions need no locks and cannot race.
Workers get frozen values and come back with values; what they do is recorded by themselves, before and after
(`engine/imports`, `engine/upload`). Waiting occupies nobody: it is a moment in a table, not a sleeping thread.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from mics_iac.core import journal
from mics_iac.core.address import base_of
from mics_iac.core.learn import learn_executions, learn_imports, settled
from mics_iac.core.ledger import Loaded
from mics_iac.core.observed import Listing, Observed, RemoteExecution
from mics_iac.core.outcome import Outcome
from mics_iac.core.plan import Move, Plan, Skip
from mics_iac.core.progress import Failure, Notice, Waiting
from mics_iac.core.tally import Tally
from mics_iac.engine import lanes as steps
from mics_iac.engine.crew import Crew
from mics_iac.engine.imports import Ready, prepare
from mics_iac.engine.lanes import Lane, Stage, Task, next_step
from mics_iac.engine.layout import budget_of, lay_out
from mics_iac.engine.settle import Settlement, fetch_errors, shortfall
from mics_iac.engine.upload import Accepted, Doubted, NotLoaded, read_digest, send
from mics_iac.engine.watch import Watched
from mics_iac.engine.world import World
from mics_iac.errors import Interrupted, MicsError, NotAllowed, StateConflict, StoreFailed
from mics_iac.store.held import Held

T = TypeVar("T")

# How often one part is sent in a run whose answer gets lost every time; then it is left to the next run.
_TRIES = 3
# How many looks at an import may fail in a row, each after all its repeats, before it is left to the next run.
_FAILED_LOOKS = 3


def execute(plan: Plan, observed: Observed, *, world: World, held: Held, run: str, tally: Tally) -> Outcome:
    """Do what the plan says, as far as it can be done, and tell how it ended.

    `run` names the run's attempts, `tally` counts its entries. Raises StoreFailed, StateConflict or Locked when the
    state can no longer be written: nothing more is sent then.
    """
    with Crew(calls=world.limits.parallelism, sends=world.limits.transfers) as crew:
        table = _Table(plan, observed, world=world, held=held, crew=crew, run=run)
        table.set_out()
        table.go_on()
    table.take_stock()
    return Outcome(
        plan=plan,
        tally=tally,
        skipped=sum(isinstance(a, Skip) for a in plan.actions) + tally.found,
        failures=tuple(table.failures),
        shortfalls=tuple(table.settlement.shortfalls),
        unfinished=tuple(table.unfinished),
        interrupted=world.stop.signal,
    )


class _Table:
    """What the deciding thread has before it: lanes, imports to look at, and what came of them."""

    def __init__(self, plan: Plan, observed: Observed, *, world: World, held: Held, crew: Crew, run: str) -> None:
        self._plan = plan
        self._observed = observed
        self._world = world
        self._held = held
        self._crew = crew
        self._names = (f"{run}-{n}" for n in itertools.count(1))
        self._lanes: list[Lane] = []
        self._lane_of: dict[str, Lane] = {}
        self._unready: deque[Lane] = deque()
        self._preparing: set[str] = set()
        self._watched: dict[str, Watched] = {}
        self._fit: deque[tuple[Lane, Task]] = deque()
        self._halted = False
        self._progress_at = world.clock.monotonic()
        self.settlement = Settlement()
        self.failures: list[Failure] = []
        self.unfinished: list[str] = []

    # Setting out, going on, taking stock.

    def set_out(self) -> None:
        """Record what was renamed and what the look at the platform taught, and lay out the lanes."""
        self._held.record(
            *(journal.ImportMoved(a.source, a.address) for a in self._plan.effects if isinstance(a, Move))
        )
        with self._held.reading() as ledger:
            learned = list(learn_imports(ledger, self._observed))
        self._held.record(*learned)
        with self._held.reading() as ledger:
            self._lanes = lay_out(self._plan, ledger)
            ended = list(learn_executions(ledger, self._observed))
            remotes = {e.id: e for some in self._observed.executions.values() for e in some}
        self._settle([(loaded, remotes[loaded.execution.id]) for loaded, _ in ended])
        with self._held.reading() as ledger:
            unsettled = [(loaded, ledger.datamart_of(loaded)) for loaded in ledger.unsettled()]
        for loaded, datamart_id in unsettled:
            self._watch(loaded, datamart_id)
        self._unready.extend(self._lanes)

    def go_on(self) -> None:
        """React to what comes back, begin what can be begun, until nothing is left or waiting has lasted too long."""
        while True:
            self._begin_what_is_due()
            now = self._world.clock.monotonic()
            due = self._next_due()
            if self._crew.running:
                self._crew.react(timeout=None if due is None else max(0.0, due - now))
            elif due is None or self._late(now):
                return
            else:
                self._say_waiting()
                try:
                    self._world.clock.sleep(due - now)
                except Interrupted:
                    continue

    def take_stock(self) -> None:
        """Say of everything that was planned, and did not come to its end, that it did not."""
        why = "the run was interrupted" if self._world.stop.requested else "the run stopped early"
        self.unfinished += [
            f"{lane.address}: what was planned for its import was not done: {why}"
            for lane in self._unready
            if lane.effects
        ]
        for lane in self._lanes:
            left = [t for t in lane.tasks if t.stage is not Stage.DONE]
            unsent = [t for t in left if t.send and not t.doubts]
            if unsent:
                self.unfinished.append(f"{lane.address}: {_parts(len(unsent))} not loaded: {why}")
            self.unfinished += [
                f"{lane.address}: {t.part.source}: its answer was lost and it has not shown up yet; "
                "it was not sent again, and the next run looks for it"
                for t in left
                if t.doubts
            ]
        if self._world.limits.wait:
            for watched in self._watched.values():
                if watched.unsettled:
                    count = len(watched.unsettled)
                    what = "execution has" if count == 1 else "executions have"
                    self.unfinished.append(
                        f"{watched.address}: {count} {what} not settled yet: run again to go on waiting"
                    )

    def _begin_what_is_due(self) -> None:
        if self._stopping:
            return
        while self._unready and len(self._preparing) < self._world.limits.parallelism:
            self._prepare(self._unready.popleft())
        while self._fit and self._crew.free:
            self._send(*self._fit.popleft())
        now = self._world.clock.monotonic()
        if self._late(now):
            return
        for watched in self._watched.values():
            if watched.due is not None and watched.due <= now and not watched.busy:
                self._look(watched, now)

    def _next_due(self) -> float | None:
        if self._stopping:
            return None
        return min((w.due for w in self._watched.values() if w.due is not None and not w.busy), default=None)

    def _late(self, now: float) -> bool:
        return not self._fit and now - self._progress_at > self._world.limits.wait_timeout

    @property
    def _stopping(self) -> bool:
        return self._halted or self._world.stop.requested

    def _say_waiting(self) -> None:
        unsettled = sum(len(w.unsettled) for w in self._watched.values())
        doubts = sum(bool(t.doubts) for lane in self._lanes for t in lane.tasks if t.stage is Stage.QUEUED)
        self._world.tell(Waiting(unsettled, doubts))

    # Imports.

    def _prepare(self, lane: Lane) -> None:
        self._preparing.add(lane.address)
        job = partial(prepare, lane.address, lane.effects, observed=self._observed, world=self._world, held=self._held)
        self._crew.call(partial(_attempt, job), partial(self._prepared, lane))

    def _prepared(self, lane: Lane, result: Ready | MicsError) -> None:
        self._preparing.discard(lane.address)
        if isinstance(result, Interrupted):
            self._unready.append(lane)
            return
        if isinstance(result, MicsError):
            self._fail(lane.address, None, result)
            for task in lane.tasks:
                task.stage = Stage.DONE
            return
        self._progress_at = self._world.clock.monotonic()
        lane.import_id, lane.settings = result.import_id, result.settings
        self._lane_of[result.import_id] = lane
        with self._held.reading() as ledger:
            known, read = ledger.known_executions(lane.address), ledger.stranger_digests(lane.address)
        lane.read.update(read)
        seen = () if result.fresh else self._observed.executions.get(result.import_id)
        if seen is not None:
            lane.listed(seen, at=self._observed.at, known=known)
        self._advance(lane)

    # Parts.

    def _advance(self, lane: Lane) -> None:
        """Apply the rule of strangers to every part of the lane that waits for a decision."""
        if lane.import_id is None or lane.settings is None or lane.reading:
            return
        watched = self._watch_import(lane.address, lane.import_id, lane.settings.datamart_id)
        if lane.ordered and watched.unsettled:
            return
        unread: dict[str, RemoteExecution] = {}
        rounds = False
        for task in lane.queued():
            match next_step(lane, task, settle_delay=self._world.limits.settle_delay):
                case steps.Send():
                    rounds = not self._line_up(lane, task) or rounds
                case steps.Take(execution):
                    task.stage = Stage.BUSY
                    job = partial(self._held.record, _adopted(lane.address, task, execution))
                    self._crew.call(partial(_attempt, job), partial(self._took, lane, task, execution))
                case steps.Close():
                    task.stage = Stage.DONE
                    self._held.record(*_closed(lane.address, task))
                case steps.Read(executions):
                    unread |= {e.id: e for e in executions}
                case steps.Look(at):
                    if at is None:
                        rounds = True
                    else:
                        watched.look_at(at)
                case steps.Doubtful(execution):
                    task.stage = Stage.DONE
                    self.unfinished.append(_doubtful(lane, task, execution))
                    self._hold_up(lane, task.part.source)
        if rounds:
            watched.next_round(self._world.clock.monotonic())
        lane.reading = len(unread)
        for execution in unread.values():
            job_ = partial(read_digest, execution.input_uri or "", self._world)
            self._crew.call(partial(_attempt, job_), partial(self._compared, lane, execution))

    def _line_up(self, lane: Lane, task: Task) -> bool:
        """Let the part be sent, unless another import has or may have loaded it; False if that is not known yet."""
        with self._held.reading() as ledger:
            found = steps.elsewhere(lane, task, ledger)
        if found is None:
            task.stage = Stage.BUSY
            self._fit.append((lane, task))
            return True
        if isinstance(found, str) and any(other.settles(task.part.sha256) for other in self._lanes if other != lane):
            return False
        task.stage = Stage.DONE
        if isinstance(found, str):
            self.unfinished.append(_undecided(lane, task, found))
            self._hold_up(lane, task.part.source)
        elif base_of(found.address) != base_of(lane.address):
            self.unfinished.append(
                f"{lane.address}: {task.part.source}: not loaded: {found.address} loaded the same content "
                f"(execution {found.execution.id}); plan again"
            )
        return True

    def _compared(self, lane: Lane, execution: RemoteExecution, digest: str | MicsError | None) -> None:
        """Take in the digest of a stranger's input file."""
        lane.reading -= 1
        match digest:
            case str():
                lane.read[execution.id] = digest
                self._held.record(journal.StrangerRead(lane.address, execution.id, digest))
            case None:
                lane.gone.add(execution.id)
            case MicsError() as error:
                self._fail(lane.address, f"execution {execution.id}", error)
                lane.gone.add(execution.id)
        if not lane.reading:
            lane.index()
            self._advance(lane)

    def _send(self, lane: Lane, task: Task) -> None:
        load = lane.load(task)
        attempt = next(self._names)
        # Only where history is not compared must the doubt itself know what was there before it.
        strangers = lane.stranger_ids if lane.ignore_history or task.again else ()
        closed = _closed(lane.address, task)
        task.tries += 1
        task.doubts, task.before = (), frozenset(strangers)

        def job() -> Accepted | Doubted | NotLoaded:
            self._held.record(*closed)
            return send(load, attempt=attempt, strangers=strangers, world=self._world, held=self._held)

        self._crew.send(partial(_attempt, job), partial(self._sent, lane, task, attempt))

    def _sent(self, lane: Lane, task: Task, attempt: str, result: Accepted | Doubted | NotLoaded | MicsError) -> None:
        self._progress_at = now = self._world.clock.monotonic()
        match result:
            case Accepted(execution):
                task.stage = Stage.DONE
                self._accepted(lane, execution.id)
            case Doubted(error, body_left) if task.tries < _TRIES:
                self._world.tell(
                    Notice(f"{lane.address}: {task.part.source}: {error.message}; looking for its execution")
                )
                task.doubts, task.body_left, task.clean_since = (attempt,), body_left, None
                task.stage = Stage.QUEUED
                lane.listed_at = None
                self._watched_of(lane).hurry(now)
            case Doubted(error):
                task.stage = Stage.DONE
                self._fail(lane.address, task.part.source, error)
                self._hold_up(lane, task.part.source)
            case NotLoaded(error=error) | (MicsError() as error):
                task.stage = Stage.DONE
                self._fail(lane.address, task.part.source, error)
                self._hold_up(lane, task.part.source)

    def _took(self, lane: Lane, task: Task, execution: RemoteExecution, result: MicsError | None) -> None:
        """An execution was taken into the ledger as the part: watch it, or settle it if it has ended."""
        if isinstance(result, MicsError):
            raise result
        task.stage = Stage.DONE
        if execution.ended:
            self._settle([(self._loaded(lane, execution.id), execution)])
        else:
            self._accepted(lane, execution.id)
        self._advance(lane)

    def _accepted(self, lane: Lane, execution_id: str) -> None:
        loaded = self._loaded(lane, execution_id)
        if self._world.limits.wait or lane.ordered:
            watched = self._watched_of(lane)
            watched.unsettled[execution_id] = loaded
            watched.hurry(self._world.clock.monotonic())

    def _loaded(self, lane: Lane, execution_id: str) -> Loaded:
        assert lane.import_id is not None
        with self._held.reading() as ledger:
            return ledger.accepted(lane.address, lane.import_id, execution_id)

    def _hold_up(self, lane: Lane, after: str) -> None:
        """In an ordered lane nothing goes past a part that did not make it."""
        if not lane.ordered:
            return
        rest = [t for t in lane.tasks if t.stage is not Stage.DONE and t.send]
        for other in rest:
            other.stage = Stage.DONE
        if rest:
            self.unfinished.append(
                f"{lane.address}: {_parts(len(rest))} not loaded: `ordered`, and {after} did not succeed"
            )

    # Executions.

    def _watch_import(self, address: str, import_id: str, datamart_id: str) -> Watched:
        return self._watched.setdefault(import_id, Watched(address, import_id, datamart_id))

    def _watched_of(self, lane: Lane) -> Watched:
        assert lane.import_id is not None
        return self._watched[lane.import_id]

    def _watch(self, loaded: Loaded, datamart_id: str) -> None:
        policy = self._plan.policies.get(loaded.address)
        if self._world.limits.wait or (policy is not None and policy.ordered):
            watched = self._watch_import(loaded.address, loaded.import_id, datamart_id)
            watched.unsettled[loaded.execution.id] = loaded
            watched.hurry(self._world.clock.monotonic())

    def _look(self, watched: Watched, now: float) -> None:
        lane = self._lane_of.get(watched.import_id)
        open_ = lane is not None and any(t.stage is Stage.QUEUED for t in lane.tasks)
        enough = None if open_ else watched.enough
        watched.busy, watched.due = True, None
        job = partial(self._world.api.list_executions, watched.datamart_id, watched.import_id, enough=enough)
        self._crew.call(partial(_attempt, job), partial(self._looked, watched, now))

    def _looked(self, watched: Watched, began: float, result: Listing[RemoteExecution] | MicsError) -> None:
        """Take in one listing of an import: what settled, and what it tells of the parts that wait."""
        watched.busy = False
        now = self._world.clock.monotonic()
        if isinstance(result, MicsError):
            watched.failed += 1
            if watched.failed < _FAILED_LOOKS and not isinstance(result, NotAllowed):
                watched.next_round(now)
            else:
                self._fail(watched.address, None, result)
            return
        watched.failed = 0
        ended = [(watched.unsettled.pop(e.id), e) for e in result.items if e.ended and e.id in watched.unsettled]
        self._settle(ended)
        if watched.unsettled:
            watched.next_round(now)
        lane = self._lane_of.get(watched.import_id)
        if lane is not None and any(t.stage is Stage.QUEUED for t in lane.tasks):
            if result.steady:
                with self._held.reading() as ledger:
                    known = ledger.known_executions(lane.address)
                lane.listed(result.items, at=began, known=known)
            else:
                watched.next_round(now)
            self._advance(lane)

    def _settle(self, ended: Sequence[tuple[Loaded, RemoteExecution]]) -> None:
        """Record executions that ended, and judge each against its import's budget."""
        self._held.record(*(settled(loaded.address, remote) for loaded, remote in ended))
        for loaded, remote in ended:
            if remote.identifiers_suspect:
                text = (
                    f"{loaded.address}: {loaded.execution.source}: the platform suspects an issue with its identifiers"
                )
                self._world.tell(Notice(text))
            short = shortfall(loaded, remote, budget_of(self._plan, loaded.address))
            if short is None:
                continue
            self._crew.call(partial(fetch_errors, short, remote, self._world), self.settlement.add)
            for lane in self._lanes:
                if lane.address == loaded.address:
                    self._hold_up(lane, loaded.execution.source)

    # What went wrong.

    def _fail(self, address: str, source: str | None, error: MicsError) -> None:
        if isinstance(error, StoreFailed | StateConflict):
            raise error
        if isinstance(error, Interrupted):
            return
        failure = Failure(address, source, error)
        self.failures.append(failure)
        self._world.tell(failure)
        unauthorized = isinstance(error, NotAllowed) and error.status == 401
        self._halted = self._halted or unauthorized or self._world.limits.fail_fast


def _attempt(job: Callable[[], T]) -> T | MicsError:
    """Make what is expected to fail a value, so that it comes back to the deciding thread."""
    try:
        return job()
    except MicsError as error:
        return error


def _adopted(address: str, task: Task, execution: RemoteExecution) -> journal.ExecutionAdopted:
    p = task.part
    return journal.ExecutionAdopted(
        address,
        execution.id,
        p.source,
        p.part,
        p.sha256,
        p.bytes,
        p.records,
        execution.status,
        execution.creation_date,
    )


def _closed(address: str, task: Task) -> list[journal.UploadAbandoned]:
    return [journal.UploadAbandoned(address, doubt, "no execution of it came to be") for doubt in task.doubts]


def _undecided(lane: Lane, task: Task, address: str) -> str:
    return (
        f"{lane.address}: {task.part.source}: whether {address} has loaded it could not be found out. "
        f"If it has not, run with --ignore-history {lane.address}"
    )


def _doubtful(lane: Lane, task: Task, execution: RemoteExecution) -> str:
    return (
        f"{lane.address}: {task.part.source}: execution {execution.id} may have loaded it already, and its input file "
        f"is not there any more to tell. If it did not, run with --ignore-history {lane.address}"
    )


def _parts(count: int) -> str:
    return "1 part was" if count == 1 else f"{count} parts were"
