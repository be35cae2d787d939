"""Carries out a plan: one thread decides, pools of threads make the calls.

The deciding thread owns all tables (`engine/parts`, `engine/rounds`) and reacts to one outcome at a time, so decisions
need no locks and cannot race. Workers get frozen values and come back with values; what they do is recorded by
themselves, before and after (`engine/imports`, `engine/upload`). Waiting occupies nobody: it is a moment in a table,
not a sleeping thread.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from functools import partial

from mics_iac.core import journal
from mics_iac.core.learn import learn_executions, learn_imports
from mics_iac.core.ledger import Ledger
from mics_iac.core.naming import called
from mics_iac.core.observed import Observed
from mics_iac.core.outcome import Outcome
from mics_iac.core.plan import Move, Plan, Skip, Stuck, Upload
from mics_iac.core.progress import Waiting
from mics_iac.core.tally import Tally
from mics_iac.engine.crew import Crew
from mics_iac.engine.gate import Gate
from mics_iac.engine.imports import Ready, prepare, settle_creation
from mics_iac.engine.job import Job, attempt
from mics_iac.engine.lanes import Lane, Stage
from mics_iac.engine.layout import lay_out
from mics_iac.engine.parts import Parts
from mics_iac.engine.world import World
from mics_iac.errors import Interrupted, MicsError
from mics_iac.store.held import Held


def execute(
    plan: Plan, observed: Observed, *, world: World, held: Held, run: str, tally: Tally, sending: bool = True
) -> Outcome:
    """Do what the plan says, as far as it can be done, and tell how it ended.

    Not `sending`: adopt what is there, imports and executions, and do no more. `run` names the run's attempts, `tally`
    counts its entries. Raises StoreFailed, StateConflict or Locked when the state can no longer be written: nothing
    more is sent then.
    """
    limits = world.limits
    with Crew(calls=limits.parallelism, transfers=limits.transfers, distant=world.backend.distant) as crew:
        gate = Gate(world.stop, fail_fast=limits.fail_fast)
        job = Job(plan, observed, world, held, crew, gate, sending)
        _record_moves(job)
        with held.reading() as ledger:
            lanes = lay_out(plan, ledger, sending=sending, asked=observed.imports if plan.refreshed else None)
        try:
            _Execution(job, lanes, run).go_through()
        except BaseException:
            # What workers hold that has not left must not leave while this one waits for them.
            gate.halt()
            raise
    return Outcome(
        plan=plan,
        tally=tally,
        skipped=sum(isinstance(a, Skip) for a in plan.actions) + tally.found,
        failures=tuple(job.account.failures),
        shortfalls=tuple(job.account.shortfalls),
        unfinished=tuple(job.account.unfinished),
        missing=job.account.missing,
        interrupted=world.stop.signal,
    )


def _record_moves(job: Job) -> None:
    """Record what was renamed, then what the look at the platform taught: everything after knows both."""
    job.held.record(*(journal.ImportMoved(a.source, a.address) for a in job.plan.effects if isinstance(a, Move)))
    with job.held.reading() as ledger:
        learned = list(learn_imports(ledger, job.observed))
    job.held.record(*learned)


def _is_loaded(ledger: Ledger, part: Stuck) -> bool:
    """Whether a part that had failed turned out to be loaded after all."""
    settings = ledger.settings(part.address)
    return settings is not None and any(f.counts for f in ledger.loaded(settings.kind, part.sha256))


class _Execution:
    """Imports first, each followed by its parts; then waiting, until nothing is left to wait for."""

    def __init__(self, job: Job, lanes: Sequence[Lane], run: str) -> None:
        self._job = job
        self._parts = Parts(job, list(lanes), run)
        self._unready = deque(lanes)
        self._preparing = 0

    def go_through(self) -> None:
        """Begin what can be begun and react to what comes back, until nothing is left or it takes too long."""
        self._settle_what_ended()
        while self._go_on():
            pass
        self._take_stock()

    def _settle_what_ended(self) -> None:
        """Take in executions of earlier runs: those that ended meanwhile, and those that are still to be waited for."""
        job, rounds = self._job, self._parts.rounds
        remotes = {(i, e.id): e for i, some in job.observed.executions.items() for e in some}
        with job.held.reading() as ledger:
            learned = [loaded for loaded, _ in learn_executions(ledger, job.observed)]
        ended = [(loaded, remotes[loaded.import_id, loaded.execution.id]) for loaded in learned]
        rounds.settle(ended)
        with job.held.reading() as ledger:
            unsettled = [(loaded, ledger.datamart_of(loaded)) for loaded in ledger.unsettled()]
        for loaded, datamart_id in unsettled:
            if job.plan.refreshed and datamart_id not in job.observed.imports:
                continue  # it could not be asked, and nothing that is declared needs it
            policy = job.plan.policies.get(loaded.address)
            if job.sending and (job.world.limits.wait or (policy is not None and policy.ordered)):
                rounds.expect(loaded, datamart_id)

    def _go_on(self) -> bool:
        """One step; False when there is none left."""
        job, rounds = self._job, self._parts.rounds
        late = self._parts.waiting and job.now - self._parts.progress_at > job.world.limits.wait_timeout
        if not job.gate.shut:
            while self._unready and self._preparing < job.crew.most_calls:
                self._prepare(self._unready.popleft())
            self._parts.begin_fit()
            if not late:
                rounds.begin_due(job.now)
        due = None if job.gate.shut or late else rounds.next_due()
        if job.crew.running:
            job.crew.react(timeout=None if due is None else max(0.0, due - job.now))
        elif due is None:
            return False
        else:
            job.world.tell(Waiting(rounds.unsettled, self._parts.doubts))
            try:
                job.world.clock.sleep(max(0.0, due - job.now))
            except Interrupted:
                return True
        return True

    def _prepare(self, lane: Lane) -> None:
        job = self._job
        if lane.former:
            assert lane.import_id is not None
            assert lane.settings is not None
            self._parts.open(lane, Ready(lane.import_id, lane.settings, fresh=False))
            return
        self._preparing += 1
        if lane.creating:
            settle = partial(settle_creation, lane.address, world=job.world, held=job.held)
            job.crew.call(partial(attempt, settle), partial(self._prepared, lane))
            return
        work = partial(
            prepare, lane.address, lane.effects, observed=job.observed, world=job.world, held=job.held, gate=job.gate
        )
        job.crew.call(partial(attempt, work), partial(self._prepared, lane))

    def _prepared(self, lane: Lane, result: Ready | MicsError | None) -> None:
        self._preparing -= 1
        match result:
            case None:
                pass
            case Ready():
                self._parts.open(lane, result)
            case Interrupted():
                self._unready.append(lane)
            case MicsError():
                self._job.fail(lane.address, None, result)
                for task in lane.tasks:
                    task.stage = Stage.DONE

    def _take_stock(self) -> None:
        """Say of everything that was planned, and did not come to its end, that it did not."""
        job = self._job
        why = "the run was interrupted" if job.world.stop.requested else "the run stopped early"
        job.account.unfinished += [
            f"{lane.address}: what was planned for its import was not done: {why}"
            for lane in self._unready
            if lane.effects
        ]
        job.account.unfinished += self._parts.left(why)
        if not job.sending:
            return
        job.account.unfinished += self._stuck()
        if job.world.limits.wait:
            job.account.unfinished += self._parts.rounds.left()

    def _stuck(self) -> Iterator[str]:
        """A sentence for each import with parts that failed before; what failed in this run has been told already."""
        told = {short.address for short in self._job.account.shortfalls}
        with self._job.held.reading() as ledger:
            left = [a for a in self._job.plan.actions if isinstance(a, Stuck) and not _is_loaded(ledger, a)]
        of_source = Counter(
            (a.address, a.source) for a in self._job.plan.actions if isinstance(a, Upload | Skip | Stuck)
        )
        for a in (a for a in left if a.unseen):
            several = of_source[a.address, a.source] > 1
            yield f"{a.address}: {called(a.source, a.part, several=several)}: {a.reason}"
        stuck = Counter(a.address for a in left if a.address not in told and not a.unseen)
        for address, count in stuck.items():
            how_many = "1 part" if count == 1 else f"{count} parts"
            yield f"{address}: {how_many} not loaded, as marked `!`: mend the data, or send again with --retry-failed"
