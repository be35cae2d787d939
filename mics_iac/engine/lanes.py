"""One import on its way through an apply, and what must happen next with each of its parts.

Values and decisions only: no calls, no threads. `engine/execute` owns the lanes in one thread, so that nothing here
needs a lock; workers get frozen values out of them.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from mics_iac.core.address import base_of
from mics_iac.core.ledger import Ledger
from mics_iac.core.loaded import Loaded
from mics_iac.core.manifest import NO_FAILURES, Budget
from mics_iac.core.observed import FAILED, RemoteExecution
from mics_iac.core.plan import Effect, Policy, Upload
from mics_iac.core.settings import Settings
from mics_iac.core.state import Cut, Doubt
from mics_iac.core.strangers import Verdict, counts_like, judge
from mics_iac.engine.imports import SHORT_DELAY
from mics_iac.engine.slices import slice_of
from mics_iac.engine.upload import Load

PLAIN = Policy(str(NO_FAILURES), ordered=False)


class Stage(Enum):
    """Where a part stands."""

    QUEUED = auto()
    """It must be looked at before it is sent, or is waiting for something to show."""
    BUSY = auto()
    """It was found fit to send, or a worker has it."""
    DONE = auto()
    """Nothing more is sent of it in this run, whether it went well or not."""


@dataclass(slots=True, eq=False)
class Task:
    """One part to load, or (`send` False) a doubt to settle and no more.

    `doubts` are the names of the open doubts about it, `before` the executions that were there before them and so are
    not their outcome. `doubted_at` is the moment (monotonic seconds) at which the last answer was lost: a listing that
    began before says nothing. `clean_since` is the end of the first listing after it without a trace of the part.
    `tries` counts how often it was sent in this run.
    """

    part: Upload | Doubt
    send: bool
    again: bool = False
    doubts: tuple[str, ...] = ()
    before: frozenset[str] = frozenset()
    body_left: bool = True
    tries: int = 0
    doubted_at: float = -math.inf
    clean_since: float | None = None
    stage: Stage = Stage.QUEUED


@dataclass(frozen=True, slots=True)
class Seen:
    """One whole listing of an import's executions, and the moments (monotonic seconds) between which it was made."""

    executions: Sequence[RemoteExecution]
    began: float
    ended: float


@dataclass(slots=True, eq=False)
class Lane:
    """One import, its effects, its tasks, and its executions as last listed.

    `cuts` say how its sources are loaded that go out in pieces.
    `former`: it was replaced by another at its address, and is asked about uploads in doubt alone. `creating`: all that
    is asked is whether it was created. `import_id` and `settings` are None until the import is there. `listed_at` and
    `listed_until` are the moments (monotonic seconds) at which the last listing began and ended, None before the first.
    `read` has the digests of strangers' input files, `denied` the contents that a person said they are not, `gone`
    those whose input file the platform has no more, `unreadable` those that could not be read in this run.
    """

    address: str
    effects: tuple[Effect, ...] = ()
    tasks: list[Task] = field(default_factory=list)
    policy: Policy = PLAIN
    budget: Budget = NO_FAILURES
    ordered: bool = False
    cuts: tuple[Cut, ...] = ()
    ignore_history: bool = False
    former: bool = False
    creating: bool = False
    import_id: str | None = None
    settings: Settings | None = None
    listed_at: float | None = None
    listed_until: float = -math.inf
    reading: int = 0
    read: dict[str, str] = field(default_factory=dict)
    denied: dict[str, frozenset[str]] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    unreadable: set[str] = field(default_factory=set)
    _executions: dict[str, RemoteExecution] = field(default_factory=dict)
    _by_digest: dict[str, list[RemoteExecution]] = field(default_factory=dict)
    _by_lines: dict[int | None, dict[Verdict, list[RemoteExecution]]] = field(default_factory=dict)

    def listed(self, seen: Seen, *, known: frozenset[str]) -> None:
        """Take in a listing of the import; `known` are the executions of the ledger, which are no strangers."""
        self._executions = {e.id: e for e in seen.executions if e.id not in known}
        self.listed_at, self.listed_until = seen.began, seen.ended
        self.index()

    def index(self) -> None:
        """Sort the strangers by what is known of them, so that a part meets only those that may be it."""
        self._by_digest, self._by_lines = {}, {}
        for execution in self._executions.values():
            digest = self.read.get(execution.id)
            if digest is not None:
                self._by_digest.setdefault(digest, []).append(execution)
            else:
                alike = self._by_lines.setdefault(execution.number_of_lines, {})
                alike.setdefault(self._unread(execution), []).append(execution)

    def _unread(self, execution: RemoteExecution) -> Verdict:
        """What must be done to tell what a stranger is whose bytes are not known."""
        count = execution.number_of_lines or 0
        return judge(execution, sha256="", lines=count, records=count, read=None, gone=execution.id in self.gone)

    def equal(self, part: Upload | Doubt) -> Iterator[RemoteExecution]:
        """The strangers whose bytes are this part's; one that succeeded first: equal bytes may have failed before."""
        yield from sorted(self._by_digest.get(part.sha256, ()), key=lambda e: e.status in FAILED)

    def alike(self, part: Upload | Doubt, verdict: Verdict) -> Iterator[RemoteExecution]:
        """The strangers that may be this part by their line count, and of which this is to be said."""
        for count in counts_like(lines=part.lines, records=part.records):
            found = self._by_lines.get(count, {}).get(verdict, ())
            yield from (e for e in found if part.sha256 not in self.denied.get(e.id, ()))

    def to_read(self, counts: Collection[int | None]) -> list[RemoteExecution]:
        """The strangers of these line counts whose input files can be read and were not."""
        found = (e for count in counts for e in self._by_lines.get(count, {}).get(Verdict.READ, ()))
        return [e for e in found if e.id not in self.unreadable]

    @property
    def stranger_ids(self) -> tuple[str, ...]:
        """The executions outside the ledger, as last listed."""
        return tuple(self._executions)

    def load(self, task: Task) -> Load:
        """The frozen value that a worker needs to send the task's part."""
        assert self.import_id is not None
        assert self.settings is not None
        p = task.part
        if not isinstance(p, Upload):
            raise TypeError(f"a doubt is settled, not sent: {p}")
        return Load(
            self.address,
            p.source,
            p.part,
            p.sha256,
            p.bytes,
            p.lines,
            p.records,
            self.import_id,
            self.settings,
            slice_of(p, self.settings, self.policy),
        )

    def settles(self, sha256: str) -> bool:
        """Whether it is still being found out if an earlier upload of this content happened."""
        return any(t.doubts and t.stage is not Stage.DONE and t.part.sha256 == sha256 for t in self.tasks)

    def queued(self) -> list[Task]:
        """The tasks to look at now: all that wait, or only the first that is not done where order matters."""
        if not self.ordered:
            return [t for t in self.tasks if t.stage is Stage.QUEUED]
        first = next((t for t in self.tasks if t.stage is not Stage.DONE), None)
        return [first] if first is not None and first.stage is Stage.QUEUED else []


@dataclass(frozen=True, slots=True)
class Send:
    """Nothing speaks against sending the part now; open doubts of it are to be closed first."""


@dataclass(frozen=True, slots=True)
class Take:
    """This execution is the part."""

    execution: RemoteExecution


@dataclass(frozen=True, slots=True)
class Read:
    """The input files of the strangers with these line counts must be read first."""

    counts: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Look:
    """The import must be listed again: at the next round, or not before `at` (monotonic seconds)."""

    at: float | None


@dataclass(frozen=True, slots=True)
class Close:
    """The doubts are settled, nothing came of them, and nothing is to be sent."""


@dataclass(frozen=True, slots=True)
class Doubtful:
    """It cannot be told whether one of these executions is the part: only a person can decide."""

    executions: tuple[RemoteExecution, ...]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """This execution may be the part, and its input file could not be read in this run."""

    execution: RemoteExecution


Step = Send | Take | Read | Look | Close | Doubtful | Unreadable


def next_step(lane: Lane, task: Task, *, settle_delay: float) -> Step:
    """Apply the rule of strangers to one part: what must happen before, or instead of, sending it."""
    if lane.listed_at is None or lane.listed_at < task.doubted_at:
        return Look(None)
    part = task.part
    if ours := next(_concerning(task, lane.equal(part), lane), None):
        return Take(ours)
    unread = _concerning(task, lane.alike(part, Verdict.READ), lane)
    if first := next(unread, None):
        readable = first.id not in lane.unreadable or any(e.id not in lane.unreadable for e in unread)
        return Read(counts_like(lines=part.lines, records=part.records)) if readable else Unreadable(first)
    if next(_concerning(task, lane.alike(part, Verdict.WAIT), lane), None):
        return Look(None)
    gone = tuple(_concerning(task, lane.alike(part, Verdict.GONE), lane))
    # With --ignore-history a person has decided about all that began before this run.
    if gone and not (lane.ignore_history and not task.tries):
        return Doubtful(gone)
    if task.doubts:
        if task.clean_since is None:
            task.clean_since = lane.listed_until
        due = task.clean_since + (settle_delay if task.body_left else min(SHORT_DELAY, settle_delay))
        if lane.listed_at < due:
            return Look(due)
    return Send() if task.send else Close()


def elsewhere(lane: Lane, task: Task, ledger: Ledger) -> Loaded | str | None:
    """Who has loaded a part by now, or (an address) may have; None where nobody.

    One that failed when the plan was made may have run again since, in whatever import of this address.
    """
    part, settings = task.part, lane.settings
    if settings is None or not isinstance(part, Upload) or part.again:
        return None
    for loaded in ledger.loaded(settings.kind, part.sha256):
        if not loaded.failed and (part.doubted or base_of(loaded.address) == base_of(lane.address)):
            return loaded
    if not part.doubted:
        return None
    # One whose import is gone since the plan was made stays a doubt.
    doubts = (d for d in ledger.open_doubts() if d.kind == settings.kind and d.sha256 == part.sha256)
    return next((d.address for d in doubts if d.import_id != lane.import_id), None)


def _concerning(task: Task, strangers: Iterator[RemoteExecution], lane: Lane) -> Iterator[RemoteExecution]:
    """The strangers that matter to a part.

    With --ignore-history, and for what --reload sends again, only those that came to be after a lost request.
    """
    if not (lane.ignore_history or task.again):
        return strangers
    return (e for e in strangers if task.doubts and e.id not in task.before)
