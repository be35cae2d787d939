"""A look at all that a backend holds of one environment, however damaged, and the mending of what is.

Unlike `store/history`, which refuses at the first damage, this reads as much as can be read: a journal up to its
damage, a state from its newest good backup. Must not know what an entry means.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from mics_iac.core.health import (
    FoundJournal,
    Health,
    KeptHere,
    Mended,
    OpenUpload,
    SavedState,
    Trouble,
    audit,
    saved_state,
)
from mics_iac.core.journal import Entry, Journal, RunBegun, salvage_journal
from mics_iac.core.ledger import Ledger
from mics_iac.core.sheltered import still_fitting
from mics_iac.core.state import State, decode_state, encode_state
from mics_iac.errors import StateDamaged, StateUnreadable
from mics_iac.store.backend import Backend, Blob
from mics_iac.store.history import refuse_foreign, refuse_moved, refuse_stray
from mics_iac.store.shelter import Kept


@dataclass(frozen=True, slots=True)
class Saved:
    """The state, or a backup: what it says, or what is wrong with it."""

    where: str
    state: State | None
    fault: StateUnreadable | None


@dataclass(frozen=True, slots=True)
class Run:
    """One run's journal: what can be read of it, and what is wrong with it.

    `begun` is None if not even its first line can be read, or if it belongs elsewhere.
    """

    name: str
    where: str
    begun: RunBegun | None
    entries: tuple[Entry, ...]
    torn: int
    fault: StateUnreadable | None


@dataclass(frozen=True, slots=True)
class Survey:
    """Everything that a backend holds. `version` is that of the state's bytes, damaged or not.

    `base` is what can be built on: the state, or its newest good backup, or an empty state; `built_on` says which. A
    backup was replaced by a state that is here, so where it was moved to does not hold any more.
    """

    saved: Saved | None
    version: str | None
    runs: tuple[Run, ...]
    backups: tuple[Saved, ...]
    base: State
    built_on: str | None

    @property
    def faults(self) -> list[StateUnreadable]:
        """All that keeps a run from going on."""
        found = [self.saved.fault if self.saved is not None else None, *(run.fault for run in self.runs)]
        return [fault for fault in found if fault is not None]

    @property
    def lost(self) -> bool:
        """Whether there is no good state although there was one."""
        return (self.saved is None and self.built_on is not None) or (self.saved is not None and self.damaged)

    @property
    def damaged(self) -> bool:
        """Whether the state's own bytes are damaged."""
        return self.saved is not None and self.saved.fault is not None

    def unfolded(self) -> Iterator[Run]:
        """The runs that the base does not hold yet, in order."""
        return (run for run in self.runs if run.begun is not None and run.begun.serial >= self.base.serial)

    def ledger(self) -> Ledger:
        """The fold of all that can be read."""
        ledger = Ledger(self.base)
        for run in self.unfolded():
            ledger.extend(run.entries)
        return ledger


def survey(backend: Backend, *, api_url: str, environment: str | None) -> Survey:
    """Read journals, state and backups, in this order; raises StoreFailed, and nothing for damage."""
    blobs = backend.journals()
    snapshot = backend.read()

    def read(where: str, data: bytes) -> Saved:
        try:
            state = decode_state(data, name=where)
            refuse_foreign(where, state, api_url=api_url, environment=environment)
        except StateUnreadable as fault:
            return Saved(where, None, fault)
        return Saved(where, state, None)

    saved = read(backend.describe(), snapshot.data) if snapshot is not None else None
    backups = tuple(read(blob.where, blob.data) for blob in backend.backups())
    journals = [(blob, salvage_journal(blob.data, name=blob.where)) for blob in blobs]
    built_on = next((one for one in (saved, *backups) if one is not None and one.state is not None), None)
    if built_on is not None and built_on.state is not None:
        base = built_on.state if built_on is saved else msgspec.structs.replace(built_on.state, moved_to="")
    else:
        lineages = [j.entries[0].lineage for _, j in journals if j.entries and isinstance(j.entries[0], RunBegun)]
        base = State(lineage=lineages[0] if lineages else "", api_url=api_url, environment=environment)
    where = built_on.where if built_on is not None else None
    runs = tuple(_run(blob, journal, base, where or backend.describe()) for blob, journal in journals)
    return Survey(saved, snapshot.version if snapshot is not None else None, runs, backups, base, where)


def _run(blob: Blob, journal: Journal, base: State, state: str) -> Run:
    begun = journal.entries[0] if journal.entries else None
    fault = journal.damage
    if isinstance(begun, RunBegun):
        try:
            refuse_foreign(blob.where, begun, api_url=base.api_url, environment=base.environment)
            refuse_stray(blob.where, begun, lineage=base.lineage, state=state)
        except StateUnreadable as elsewhere:
            return Run(blob.name, blob.where, None, (), journal.torn, elsewhere)
        return Run(blob.name, blob.where, begun, journal.entries, journal.torn, fault)
    return Run(blob.name, blob.where, None, (), journal.torn, fault)


def health(found: Survey, kept: Sequence[Kept] = ()) -> Health:
    """The same, as it is shown, with what runs `kept` on this machine."""
    ledger = found.ledger()
    for one in kept:
        # Folded in as it goes.
        list(still_fitting(ledger, one.entries))
    state = ledger.state()
    imports = [(address, i) for address, value in state.imports.items() for i in (value.current, *value.former)]
    return Health(
        state=_shown(found.saved) if found.saved is not None else None,
        journals=tuple(_journal(run, found.base) for run in found.runs),
        backups=tuple(_shown(backup) for backup in found.backups),
        doubts=tuple(OpenUpload(address, i.id, d.source) for address, i in imports for d in i.doubts),
        creating=tuple(state.creating),
        faults=(
            *(Trouble(fault.message, fault.remedy or "") for fault in found.faults),
            *(Trouble(sentence, _REPORT) for sentence in (audit(state) if found.base.lineage else ())),
        ),
        kept=tuple(KeptHere(str(one.path), len(one.entries), one.fault) for one in kept),
    )


_REPORT = "this should never be: please report it, with the version that wrote the state"


def _shown(saved: Saved) -> SavedState:
    if saved.state is not None:
        return saved_state(saved.where, saved.state)
    return SavedState(saved.where, damage=saved.fault.message if saved.fault is not None else None)


def _journal(run: Run, base: State) -> FoundJournal:
    begun = run.begun
    return FoundJournal(
        run.where,
        entries=max(0, len(run.entries) - 1),
        torn=run.torn,
        folded=begun is not None and begun.serial < base.serial,
        who=begun.who if begun is not None else None,
        command=begun.command if begun is not None else None,
        at=begun.at if begun is not None else None,
        damage=run.fault.message if run.fault is not None else None,
    )


def mend(backend: Backend, found: Survey, *, lineage: str, version: str) -> Mended:
    """Make what is damaged readable again, to be called by who holds the lock.

    The state is made again from its newest good backup, with what can be read of the journals folded in; damaged bytes
    are kept, as a backup or as a journal set aside. Interrupted, it can be begun again. `lineage` is a new one, for
    when there is nothing to build on. Raises StateUnreadable for what must not be mended: a newer format, or a state
    of another platform or environment, or one that is somewhere else by now.
    """
    refuse_moved(backend.describe(), found.base)
    for fault in found.faults:
        if not isinstance(fault, StateDamaged):
            raise fault
    broken = [run for run in found.runs if run.fault is not None]
    runs = list(found.unfolded())
    entries = sum(len(run.entries) - 1 for run in runs)
    if found.lost or any(run.fault is not None for run in runs):
        # One more than every serial that may be meant by a journal, so that none is folded in again; the serial of a
        # damaged state is not known, and is one more than that of its newest backup.
        serial = max([found.base.serial + found.lost, *(r.begun.serial for r in runs if r.begun is not None)]) + 1
        state = msgspec.structs.replace(
            found.ledger().state(),
            lineage=found.base.lineage or lineage,
            serial=serial,
            mics_iac_version=version,
        )
        backend.write(encode_state(state), expected=found.version)
    aside = tuple(backend.set_aside(run.name) for run in broken)
    newest = backend.backups()[:1] if found.damaged else []
    return Mended(
        state=found.lost,
        built_on=found.built_on if found.lost else None,
        entries=entries,
        aside=aside,
        kept=newest[0].where if newest else None,
    )
