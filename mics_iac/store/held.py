"""The state while a run holds it: lock, read, record, save, let go.

Written once, above all backends. Every entry is durable in the backend before `record` returns, and nothing is folded
into the ledger that is not durable. Must not know what an entry means (`core/ledger` does) or who asks.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from mics_iac.core.clock import Clock
from mics_iac.core.health import Mended
from mics_iac.core.journal import Entry, RunBegun, encode_entries
from mics_iac.core.ledger import Ledger
from mics_iac.core.sheltered import still_fitting, worth_keeping
from mics_iac.core.state import State, encode_state
from mics_iac.errors import Locked, MicsError, StateConflict, StoreFailed
from mics_iac.store.backend import LEASE, Backend, LockInfo, milliseconds
from mics_iac.store.context import RunContext
from mics_iac.store.history import History, missing, read_history, serial_of
from mics_iac.store.lease import Clearance, Lease, take
from mics_iac.store.survey import mend, survey

SAVING = 60.0
"""Seconds that the lease must outlast when a save begins."""


def silent(entry: Entry) -> None:
    """A `tell` that tells nobody."""


@contextlib.contextmanager
def hold(
    backend: Backend,
    *,
    clock: Clock,
    context: RunContext,
    lock_timeout: float = 0.0,
    trust: float = 0.0,
    tell: Callable[[Entry], None] = silent,
    repair: bool = False,
    also_moved: bool = False,
) -> Iterator[Held]:
    """Hold the state: take the lock (waiting up to `lock_timeout` seconds), read and fold; at the end save and let go.

    With `repair`, what is damaged is mended before it is read; `Held.mended` tells what was. With `also_moved`, a state
    that was moved elsewhere is held too, for who moves it on or puts another in its place. Outcomes that can no longer
    be recorded in a distant place are kept in the context's shelter; what earlier runs kept there is recorded before
    anything is done, wherever the state is by now.
    `trust` is for how many seconds a clearance takes the backend's word that the lock is held (`store/lease`).
    `tell` gets every durable entry once, in order, from whichever thread led its group; it must not call `record` or
    `save`. On leaving with an error the state is saved all the same; if that fails too, a note on the error says so
    and the journal holds what the save would have.

    Raises Locked, StateUnreadable (damaged, newer, moved, another platform's or environment's), StateConflict,
    StoreFailed.
    """
    with take(backend, context.claim(), clock=clock, lease=LEASE, timeout=lock_timeout) as kept:
        mended = _mend(backend, kept, context) if repair else None
        history = read_history(backend, api_url=context.api_url, environment=context.environment, also_moved=also_moved)
        backend.drop(list(history.done))
        held = Held(backend, history, kept, clock=clock, context=context, trust=trust, tell=tell, mended=mended)
        held.notices += missing(backend, history)
        try:
            held.take_over()
            yield held
        except BaseException as error:
            held.save_after(error)
            raise
        held.save()


def _mend(backend: Backend, lease: Lease, context: RunContext) -> Mended:
    found = survey(backend, api_url=context.api_url, environment=context.environment)
    lease.fence(SAVING)
    return mend(backend, found, lineage=context.lineage, version=context.version)


class Held:
    """The state in one run's hands. All methods may be called from any thread.

    Group commit: what is recorded while an append runs goes into the next one together. Whoever finds nobody appending
    leads: appends for all who wait, folds, tells, and wakes them.
    """

    def __init__(
        self,
        backend: Backend,
        history: History,
        lease: Lease,
        *,
        clock: Clock,
        context: RunContext,
        tell: Callable[[Entry], None],
        trust: float = 0.0,
        mended: Mended | None = None,
    ) -> None:
        self.mended = mended
        """What was mended before the state was read, None where that was not asked for."""
        self.notices: list[str] = []
        """What a person may want to know of how the state was found, a sentence each."""
        self._backend = backend
        self._lease = lease
        self._clock = clock
        self._context = context
        self._trust = trust
        self._tell = tell
        self._version = history.version
        self._serial = history.state.serial
        self._lineage = history.state.lineage or context.lineage
        self._held_imports = bool(history.state.imports or history.state.forgotten)
        self._unsaved = list(history.unsaved)
        self._ordinal = history.ordinal
        self._shelter = context.shelter if not history.state.moved_to else None
        self._sheltered: Path | None = None
        self._ledger = history.ledger()
        self._reading = threading.Lock()
        self._journal: _Journal | None = None
        self._turn = threading.Condition()
        self._leading = False
        self._waiting: list[_Ticket] = []
        self._broken: StoreFailed | StateConflict | Locked | None = None

    @property
    def lineage(self) -> str:
        """The name of this state's history; a new one where there was no state."""
        return self._lineage

    @property
    def serial(self) -> int:
        """How often the state was saved; the next save makes it one more."""
        return self._serial

    @property
    def lock(self) -> LockInfo:
        """The record of the lock that is held."""
        return self._lease.info

    @contextlib.contextmanager
    def reading(self) -> Iterator[Ledger]:
        """The ledger, standing still: nothing is folded meanwhile, so be short and call no `record` inside."""
        with self._reading:
            yield self._ledger

    def take_over(self) -> None:
        """Make what earlier runs left behind a part of the state, before anything is done.

        A run that was asleep since it was allowed to write the state may still replace one that is far away, where no
        lock is looked at in the same step. Saved anew, it is no more the one that he would replace; his journal is in
        it. Where he left none (a push, a move, a mend leave none) that he may be there is known by his lock alone.
        """
        if self._shelter is not None:
            kept = self._shelter.kept(self._ledger.lineage)
            with self._reading:
                scratch = Ledger(self._ledger.state())
            # An earlier run did it, and it is not told as this one's.
            tell, self._tell = self._tell, silent
            self.record(*(entry for one in kept for entry in still_fitting(scratch, one.entries)))
            self._tell = tell
            self.notices += self._shelter.clear(kept)
        if self._backend.distant:
            # Where there is no state there is none to replace, and an empty one would be in the way of a push.
            self._save(anew=self.lock.after is not None and self._version is not None)

    def fence(self, seconds: float) -> None:
        """Return only if this run may still act, and its lease outlasts the next `seconds`.

        To be called between the record of an intent and its request, with the longest that the request may take.
        Raises Locked if the lock was lost, StoreFailed if it cannot be renewed or a record failed: then send nothing.
        """
        self._refuse_broken()
        self._lease.fence(seconds)

    def clearance(self) -> Clearance:
        """What the request of an intent asks before it leaves: to be drawn after the record of that intent."""
        return Clearance(self._lease, self._lease.mark(), trust=self._trust, refuse=self._refuse_broken)

    def record(self, *entries: Entry) -> None:
        """Make these entries durable, together and in this order, and fold them in; returns after that.

        Raises StoreFailed or StateConflict if they may not be durable; the ledger does not hold them then, and every
        later `record`, `fence` and `save` refuses.
        """
        if not entries:
            return
        mine = _Ticket(entries)
        try:
            with self._led(mine) as group:
                if group:
                    self._commit(group)
            if not mine.durable:
                self._refuse_broken()
                raise StoreFailed("the record of what happened was interrupted", remedy=_GO_ON)
        except MicsError:
            self._keep(entries)
            raise

    def save(self) -> None:
        """Write the state with all that was folded in, if anything was, and drop the journals that led to it.

        Raises Locked if the lock was lost, StateConflict if somebody wrote the state behind it, and StoreFailed. The
        journals stay then, and the next run folds them in.
        """
        self._save(anew=False)

    def _save(self, *, anew: bool) -> None:
        with self._led(None):
            if not (self._unsaved or anew):
                return
            try:
                self._refuse_broken()
                self._lease.fence(SAVING)
                self._write()
            except MicsError as error:
                error.add_note("the state was not saved; what this run did is in its journal, or is found again")
                raise

    def replace(self, state: State) -> None:
        """Save, then put another state in the place of what is there, which stays among the backups.

        It is written as it is, with a lineage and a serial of its own. Raises what `save` does, and StateConflict if a
        journal holds more than was saved: one that goes on from a state that is not there any more is nobody's.
        """
        self.save()
        with self._led(None):
            self._refuse_broken()
            names = [blob.name for blob in self._backend.journals()]
            if any(serial_of(name) >= self._serial for name in names):
                raise StateConflict(
                    f"another run recorded something meanwhile: {self._backend.describe()}",
                    remedy="see that no other run is going on, then run again",
                )
            # Those whose end was saved and which could not be removed then. Now they must go: beside a state of another
            # lineage they would be taken for strays.
            self._backend.drop(names)
            self._lease.fence(SAVING)
            self._version = self._backend.write(encode_state(state), expected=self._version)
            self._serial, self._lineage, self._ordinal, self._journal = state.serial, state.lineage, 1, None
            self._held_imports = bool(state.imports or state.forgotten)
            with self._reading:
                self._ledger = Ledger(state)

    def save_after(self, error: BaseException) -> None:
        """Save although the run failed with `error`; if that fails too, a note on `error` tells it."""
        if self._sheltered is not None:
            error.add_note(
                f"what became of the last requests is kept in {self._sheltered}, and is taken in by the next run from "
                "this folder"
            )
        try:
            self.save()
        except MicsError as failure:
            # Mostly for the reason that is told already.
            same = isinstance(error, MicsError) and failure.message == error.message
            notes = [*([] if same else [f"besides: {failure}"]), *getattr(failure, "__notes__", [])]
            error.add_note("; ".join(notes))

    @contextlib.contextmanager
    def _led(self, mine: _Ticket | None) -> Iterator[list[_Ticket]]:
        """Wait for the lead, or until another leader settled `mine`; yield what to commit (nothing for a save)."""
        leads = False
        group: list[_Ticket] = []
        try:
            with self._turn:
                if mine is not None:
                    self._waiting.append(mine)
                while self._leading and not (mine is not None and mine.settled):
                    self._turn.wait()
                if mine is None or not mine.settled:
                    leads = self._leading = True
                    if mine is not None:
                        group, self._waiting = self._waiting, []
            yield group
        finally:
            if leads:
                with self._turn:
                    self._leading = False
                    for ticket in group:
                        ticket.settled = True
                    self._turn.notify_all()

    def _commit(self, group: list[_Ticket]) -> None:
        self._refuse_broken()
        entries = [entry for ticket in group for entry in ticket.entries]
        try:
            entries = self._append(entries)
            with self._reading:
                self._ledger.extend(entries)
        except BaseException as error:
            # The journal may hold more than the ledger now. It stays, and the next run folds it.
            self._broken = _broken_by(error)
            raise
        for ticket in group:
            ticket.durable = True
        for entry in entries:
            self._tell(entry)

    def _append(self, entries: list[Entry]) -> list[Entry]:
        """Append to this run's journal, which begins with the first entry; returns what was appended."""
        journal = self._journal
        if journal is None:
            journal = self._journal = _Journal(f"{self._serial:08d}-{self._ordinal:04d}")
            self._unsaved.append(journal.name)
            entries = [self._begin(), *entries]
        data, crc = encode_entries(entries, crc=journal.crc)
        try:
            self._backend.append(journal.name, data)
        except StateConflict:
            # Another run folded it: if it could, this one has lost the lock, and that is what is to be said.
            self._lease.fence(0)
            raise
        journal.crc = crc
        return entries

    def _begin(self) -> RunBegun:
        return RunBegun(
            run=self._context.run,
            lineage=self._lineage,
            serial=self._serial,
            api_url=self._context.api_url,
            environment=self._context.environment,
            command=self._context.command,
            who=self._context.who,
            at=milliseconds(self._clock.now()),
            mics_iac_version=self._context.version,
        )

    def _write(self) -> None:
        with self._reading:
            state = self._ledger.state()
        if self._held_imports and not (state.imports or state.forgotten):
            raise StateConflict(
                f"an empty state would replace one with imports: {self._backend.describe()}",
                remedy="nothing was replaced, and the journal stays; this should never be: please report it, with what "
                "`mics-iac state check` says",
            )
        serial = self._serial + 1
        state = msgspec.structs.replace(
            state, lineage=self._lineage, serial=serial, mics_iac_version=self._context.version
        )
        self._version = self._backend.write(encode_state(state), expected=self._version)
        folded, self._unsaved = self._unsaved, []
        self._serial, self._ordinal, self._journal = serial, 1, None
        self._held_imports = bool(state.imports or state.forgotten)
        # A journal that stays is known by its serial: the next run drops it.
        with contextlib.suppress(StoreFailed):
            self._backend.drop(folded)

    def _keep(self, entries: Sequence[Entry]) -> None:
        """Keep outcomes on this machine that the place of the state did not take."""
        outcomes = worth_keeping(entries)
        if self._backend.distant and self._shelter is not None and outcomes and isinstance(self._broken, StoreFailed):
            self._sheltered = self._shelter.keep(self._begin(), outcomes) or self._sheltered

    def _refuse_broken(self) -> None:
        if self._broken is not None:
            raise type(self._broken)(self._broken.message, remedy=self._broken.remedy)


def _broken_by(error: BaseException) -> StoreFailed | StateConflict | Locked:
    """What every later record, fence and save says: the reason why this one failed, with its own way out."""
    if isinstance(error, StoreFailed | StateConflict | Locked):
        return error
    if isinstance(error, MicsError):
        return StoreFailed(error.message, remedy=error.remedy or _GO_ON)
    return StoreFailed(f"the journal could not be written: {str(error) or type(error).__name__}", remedy=_GO_ON)


@dataclass(slots=True)
class _Journal:
    """This run's journal: its name, and where its chain of checksums stands."""

    name: str
    crc: int = 0


@dataclass(slots=True, eq=False)
class _Ticket:
    """What one call of `record` wants durable, and what became of it."""

    entries: tuple[Entry, ...]
    settled: bool = False
    durable: bool = False


_GO_ON = (
    "mend that and run again: what was done is recorded or is found again on the platform, and nothing is sent twice"
)
