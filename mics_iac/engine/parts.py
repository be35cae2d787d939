"""Sends the parts of imports that are ready, and takes each only as far as the rule of strangers lets it.

Part of the deciding thread. What is known of an import's executions comes from `engine/rounds`.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

from mics_iac.core import journal
from mics_iac.core.address import base_of
from mics_iac.core.learn import learn_executions
from mics_iac.core.loaded import Loaded
from mics_iac.core.observed import Observed, RemoteExecution
from mics_iac.core.plan import Upload
from mics_iac.core.progress import Notice
from mics_iac.engine import dilemmas
from mics_iac.engine import lanes as steps
from mics_iac.engine.imports import Ready
from mics_iac.engine.job import Job, attempt
from mics_iac.engine.lanes import Lane, Seen, Stage, Task, next_step
from mics_iac.engine.reading import read_digest
from mics_iac.engine.rounds import Rounds, Watched
from mics_iac.engine.upload import Accepted, Doubted, Late, NotLoaded, send
from mics_iac.engine.world import FRESH
from mics_iac.errors import Interrupted, MicsError

# How often one part is sent in a run whose answer gets lost every time; then it is left to the next run.
_TRIES = 3


@dataclass(slots=True)
class Parts:
    """The lanes by import, and the parts that nothing speaks against sending. `run` names the run's attempts."""

    job: Job
    lanes: list[Lane]
    run: str
    rounds: Rounds = field(init=False)
    progress_at: float = field(init=False)
    _by_import: dict[str, Lane] = field(default_factory=dict)
    _by_address: dict[str, Lane] = field(default_factory=dict)
    _fit: deque[tuple[Lane, Task]] = field(default_factory=deque)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.rounds = Rounds(self.job, self._needed, self._listed, self._short)
        self.progress_at = self.job.now
        self._by_address = {lane.address: lane for lane in self.lanes if not (lane.former or lane.creating)}

    def open(self, lane: Lane, ready: Ready) -> None:
        """Begin with the parts of an import that is there now."""
        job = self.job
        self.progress_at = job.now
        lane.import_id, lane.settings = ready.import_id, ready.settings
        self._by_import[ready.import_id] = lane
        # How a source is cut must be known before anything of it is sent: the rest is sent as it was cut then.
        job.held.record(*(journal.SourceCut(lane.address, ready.import_id, cut) for cut in lane.cuts))
        with job.held.reading() as ledger:
            known = ledger.known_executions(lane.address, ready.import_id)
            strangers = ledger.strangers(lane.address, ready.import_id).values()
        lane.read.update({s.id: s.sha256 for s in strangers if s.sha256 is not None})
        lane.denied.update({s.id: frozenset(s.not_) for s in strangers if s.not_})
        # What was just created is empty; what the plan saw counts while it is fresh.
        now = job.now
        seen = None if ready.fresh else job.observed.executions.get(ready.import_id)
        if ready.fresh:
            lane.listed(Seen((), now, now), known=known)
        elif seen is not None and now - job.observed.until <= FRESH:
            lane.listed(Seen(seen, job.observed.at, job.observed.until), known=known)
        self._advance(lane)

    def begin_fit(self) -> None:
        """Send as many parts as may be on their way at once."""
        while self._fit and self.job.crew.has_room(self._fit[0][1].part.bytes):
            lane, task = self._fit.popleft()
            if self.job.now - lane.listed_until <= FRESH:
                self._send(lane, task)
            else:
                task.stage = Stage.QUEUED
                self.rounds.look_at(self._watched(lane), self.job.now)

    @property
    def waiting(self) -> bool:
        """Whether nothing is left but to wait."""
        return not self._fit

    @property
    def doubts(self) -> int:
        """How many parts wait to be found or not found."""
        return sum(bool(t.doubts) for lane in self.lanes for t in lane.tasks if t.stage is Stage.QUEUED)

    def _advance(self, lane: Lane) -> None:
        """Apply the rule of strangers to every part of the lane that waits for a decision."""
        if lane.import_id is None or lane.settings is None or lane.reading:
            return
        watched = self._watched(lane)
        if lane.ordered and watched.unsettled:
            return
        if lane.ordered and self.rounds.unsettled_at(lane.address):
            # An import that this one replaces is still at work on an earlier part.
            self.rounds.next_round(watched)
            return
        counts: set[int | None] = set()
        closed: list[journal.UploadAbandoned] = []
        again = passed = False
        for task in lane.queued():
            match next_step(lane, task, settle_delay=self.job.world.limits.settle_delay):
                case steps.Send():
                    again = not self._line_up(lane, task) or again
                    passed = task.stage is Stage.DONE
                case steps.Take(execution):
                    task.stage = Stage.BUSY
                    work = partial(self.job.held.record, _adopted(lane, task, execution))
                    self.job.crew.call(partial(attempt, work), partial(self._took, lane, task, execution))
                case steps.Close():
                    task.stage = Stage.DONE
                    closed += _closed(lane.address, task)
                    self.job.account.missing += isinstance(task.part, Upload)
                    passed = True
                case steps.Read(some):
                    counts.update(some)
                case steps.Look(at):
                    if at is None:
                        again = True
                    else:
                        self.rounds.look_at(watched, at)
                case steps.Doubtful(executions):
                    self._give_up(lane, task, dilemmas.doubtful(lane, task, executions))
                case steps.Unreadable(execution):
                    self._give_up(lane, task, dilemmas.unreadable(lane, task, execution))
        self.job.held.record(*closed)
        if passed and lane.ordered:
            self._advance(lane)
            return
        if again:
            self.rounds.next_round(watched)
        unread = lane.to_read(counts)
        lane.reading = len(unread)
        for execution in unread:
            reading = partial(self._read, lane, execution)
            self.job.crew.call(partial(attempt, reading), partial(self._compared, lane, execution))

    def _line_up(self, lane: Lane, task: Task) -> bool:
        """Let the part be sent, unless another import has or may have loaded it; False if that is not known yet."""
        with self.job.held.reading() as ledger:
            found = steps.elsewhere(lane, task, ledger)
        match found:
            case None:
                task.stage = Stage.BUSY
                self._fit.append((lane, task))
            case str() if any(other.settles(task.part.sha256) for other in self.lanes if other is not lane):
                return False
            case str():
                self._give_up(lane, task, dilemmas.undecided(lane, task, found))
            case Loaded() if base_of(found.address) == base_of(lane.address):
                task.stage = Stage.DONE
            case Loaded():
                task.stage = Stage.DONE
                self.job.account.unfinished.append(dilemmas.taken(lane, task, found))
        return True

    def _read(self, lane: Lane, execution: RemoteExecution) -> str | None:
        """Read a stranger's input file and record its digest; runs in a worker."""
        assert lane.import_id is not None
        assert lane.settings is not None
        wanted = {task.part.sha256 for task in lane.tasks}
        digest = read_digest(execution, lane.settings, expected=wanted, world=self.job.world)
        if digest is not None:
            self.job.held.record(journal.StrangerRead(lane.address, lane.import_id, execution.id, digest))
        return digest

    def _compared(self, lane: Lane, execution: RemoteExecution, digest: str | MicsError | None) -> None:
        """Take in the digest of a stranger's input file; without one it cannot be told what the stranger is."""
        lane.reading -= 1
        match digest:
            case str():
                lane.read[execution.id] = digest
            case Interrupted():
                return
            case MicsError() as error:
                self.job.fail(lane.address, f"execution {execution.id}", error)
                lane.unreadable.add(execution.id)
            case None:
                lane.gone.add(execution.id)
        if not lane.reading:
            lane.index()
            self._advance(lane)

    def _send(self, lane: Lane, task: Task) -> None:
        load = lane.load(task)
        name = f"{self.run}-{next(self._numbers)}"
        # Only where history is not compared must the doubt itself know what was there before it.
        strangers = lane.stranger_ids if lane.ignore_history or task.again else ()
        closed = _closed(lane.address, task)
        task.tries += 1
        task.doubts, task.before = (), frozenset(strangers)

        work = partial(
            send,
            load,
            attempt=name,
            strangers=strangers,
            closed=closed,
            until=lane.listed_until + FRESH,
            world=self.job.world,
            held=self.job.held,
            gate=self.job.gate,
        )
        self.job.crew.send(partial(attempt, work), partial(self._sent, lane, task, name), size=load.bytes)

    def _sent(
        self, lane: Lane, task: Task, name: str, result: Accepted | Doubted | NotLoaded | Late | MicsError
    ) -> None:
        self.progress_at = self.job.now
        source = task.part.source
        match result:
            case Accepted(execution):
                task.stage = Stage.DONE
                self._await(lane, execution.id)
            case Doubted(error, body_left) if task.tries < _TRIES:
                told = f"{dilemmas.name(lane, task)}: {error.message}; looking for its execution"
                self.job.world.tell(Notice(told))
                task.doubts, task.body_left, task.clean_since = (name,), body_left, None
                task.stage, task.doubted_at = Stage.QUEUED, self.job.now
                self.rounds.hurry(self._watched(lane))
            case NotLoaded(Interrupted()) | Interrupted():
                task.stage = Stage.QUEUED
            case Late():
                task.stage, task.tries = Stage.QUEUED, task.tries - 1
                self.rounds.look_at(self._watched(lane), self.job.now)
            case Doubted(error=error) | NotLoaded(error) | (MicsError() as error):
                task.stage = Stage.DONE
                self.job.fail(lane.address, source, error)
                self._hold_up(lane, source)

    def _took(self, lane: Lane, task: Task, execution: RemoteExecution, result: MicsError | None) -> None:
        """An execution was taken into the ledger as the part: watch it, or settle it if it has ended."""
        if isinstance(result, MicsError):
            raise result
        task.stage = Stage.DONE
        go_on = partial(self._advance, lane) if lane.ordered else None
        if execution.complete:
            self.rounds.take(self._watched(lane), self._loaded(lane, execution.id), execution, go_on)
            return
        self._await(lane, execution.id)
        if go_on is not None:
            go_on()

    def _await(self, lane: Lane, execution_id: str) -> None:
        if self.job.sending and (self.job.world.limits.wait or lane.ordered):
            self.rounds.expect(self._loaded(lane, execution_id), self._watched(lane).datamart_id)

    def _loaded(self, lane: Lane, execution_id: str) -> Loaded:
        assert lane.import_id is not None
        with self.job.held.reading() as ledger:
            return ledger.accepted(lane.address, lane.import_id, execution_id)

    def _give_up(self, lane: Lane, task: Task, why: str) -> None:
        task.stage = Stage.DONE
        self.job.account.unfinished.append(why)
        self._hold_up(lane, task.part.source)

    def _hold_up(self, lane: Lane, after: str) -> None:
        """In an ordered lane nothing goes past a part that did not make it."""
        rest = [t for t in lane.tasks if t.stage is not Stage.DONE and t.send] if lane.ordered else []
        for other in rest:
            other.stage = Stage.DONE
        if rest:
            self.job.account.unfinished.append(dilemmas.held_up(lane, len(rest), after=after))

    def left(self, why: str) -> Iterator[str]:
        """A sentence for each part that was planned and not sent, or that was sent and not found again."""
        for lane in self.lanes:
            yield from dilemmas.left(lane, why)

    # What the rounds ask and tell.

    def _watched(self, lane: Lane) -> Watched:
        assert lane.import_id is not None
        assert lane.settings is not None
        return self.rounds.watch(lane.address, lane.import_id, lane.settings.datamart_id)

    def _needed(self, import_id: str) -> bool:
        lane = self._by_import.get(import_id)
        return lane is not None and any(t.stage is Stage.QUEUED for t in lane.tasks)

    def _listed(self, watched: Watched, seen: Seen) -> None:
        lane = self._by_import[watched.import_id]
        self._learn(lane, watched, seen)
        with self.job.held.reading() as ledger:
            known = ledger.known_executions(lane.address, lane.import_id)
        lane.listed(seen, known=known)
        self._advance(lane)

    def _learn(self, lane: Lane, watched: Watched, seen: Seen) -> None:
        """Take in what became of executions that nobody waits for: one that had failed may run again."""
        remotes = {e.id: e for e in seen.executions}
        with self.job.held.reading() as ledger:
            learned = learn_executions(ledger, Observed(executions={watched.import_id: tuple(seen.executions)}))
            moved = [loaded for loaded, _ in learned if loaded.execution.id not in watched.unsettled]
        self.rounds.settle([(loaded, remotes[loaded.execution.id]) for loaded in moved])
        for loaded in moved:
            if not remotes[loaded.execution.id].ended:
                self._await(lane, loaded.execution.id)

    def _short(self, loaded: Loaded) -> None:
        lane = self._by_address.get(loaded.address)
        if lane is not None:
            self._hold_up(lane, loaded.execution.source)


def _adopted(lane: Lane, task: Task, execution: RemoteExecution) -> journal.ExecutionAdopted:
    assert lane.import_id is not None
    p = task.part
    return journal.ExecutionAdopted(
        lane.address,
        lane.import_id,
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
    why = f"no execution of {task.part.source} came to be"
    return [journal.UploadAbandoned(address, doubt, why) for doubt in task.doubts]
