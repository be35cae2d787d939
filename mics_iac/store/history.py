"""State and journals as a backend holds them, put together: what to fold, what was folded already, what to refuse.

Reads only. Knows nothing of locks; it is right for a reader beside a running writer too, because it reads the journals
before the state: a journal that a save folded meanwhile is known by its serial, and no entry falls between the two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from shlex import quote

import msgspec

from mics_iac.core.journal import Entry, RunBegun, decode_journal
from mics_iac.core.ledger import Ledger
from mics_iac.core.place import FilePlace, parse_place
from mics_iac.core.sheltered import still_fitting
from mics_iac.core.state import State, decode_state
from mics_iac.core.stateblock import state_block
from mics_iac.errors import StateDamaged, StateUnreadable, StoreFailed, UsageError
from mics_iac.store.backend import Backend, Blob, visible
from mics_iac.store.shelter import Shelter


@dataclass(frozen=True, slots=True)
class History:
    """What a backend holds of one environment.

    `state` is the state as saved, or an empty one of lineage "" where there is none; its serial is raised to that of
    the newest journal, which is higher when an older state was put back. `version` is the saved state's (None: there is
    none). `pending` are the entries to fold, in order, from the journals `unsaved`; `done` are journals with nothing
    more to fold. `ordinal` is the next run's.
    """

    state: State
    version: str | None
    pending: tuple[Entry, ...]
    unsaved: tuple[str, ...]
    done: tuple[str, ...]
    ordinal: int

    def ledger(self) -> Ledger:
        """The fold of all of it."""
        ledger = Ledger(self.state)
        ledger.extend(self.pending)
        return ledger


def peek(
    backend: Backend,
    *,
    api_url: str,
    environment: str | None,
    also_moved: bool = False,
    shelter: Shelter | None = None,
    notice: Callable[[str], None] | None = None,
) -> Ledger:
    """The ledger as it stands, with what is kept in the shelter, without the lock and without writing anything.

    A run that is going on may have recorded more a moment later. Where there is no state yet, the ledger is empty and
    its lineage is ""; `notice` is told if there was one. Raises StateUnreadable (also for a state that was moved,
    unless `also_moved`) and StoreFailed.
    """
    history = read_history(backend, api_url=api_url, environment=environment, also_moved=also_moved)
    if notice is not None:
        for text in missing(backend, history):
            notice(text)
    return with_sheltered(history, shelter)[0]


@dataclass(frozen=True, slots=True)
class _Read:
    name: str
    where: str
    begun: RunBegun
    entries: tuple[Entry, ...]


def read_history(backend: Backend, *, api_url: str, environment: str | None, also_moved: bool = False) -> History:
    """Read journals and state, in this order; raises StateUnreadable and StoreFailed.

    Refused: damage other than a torn last line, a newer format, another platform or environment than the given one,
    a journal of another state (lineage), and, unless `also_moved`, a state that is somewhere else by now.
    """
    blobs = backend.journals()
    read = [_decode(blob) for blob in blobs]
    snapshot = backend.read()
    runs = [one for one in read if one is not None]
    if snapshot is not None:
        state = decode_state(snapshot.data, name=backend.describe())
        refuse_foreign(backend.describe(), state, api_url=api_url, environment=environment)
        if not also_moved:
            refuse_moved(backend.describe(), state)
    else:
        lineage = runs[0].begun.lineage if runs else ""
        state = State(lineage=lineage, api_url=api_url, environment=environment)
    for run in runs:
        refuse_foreign(run.where, run.begun, api_url=api_url, environment=environment)
        refuse_stray(run.where, run.begun, lineage=state.lineage, state=backend.describe())
    unsaved = [run for run in runs if run.begun.serial >= state.serial]
    serial = max([state.serial, *(run.begun.serial for run in unsaved)])
    kept = {run.name for run in unsaved}
    return History(
        state=msgspec.structs.replace(state, serial=serial),
        version=snapshot.version if snapshot is not None else None,
        pending=tuple(entry for run in unsaved for entry in run.entries),
        unsaved=tuple(run.name for run in unsaved),
        done=tuple(blob.name for blob in blobs if blob.name not in kept),
        ordinal=1 + max((_ordinal(blob.name) for blob in blobs if serial_of(blob.name) == serial), default=0),
    )


def missing(backend: Backend, history: History) -> list[str]:
    """What is to be said where there is no state but backups of one. Asks for those only where there is no state."""
    if history.version is not None:
        return []
    try:
        backups = len(backend.backups())
    except StoreFailed:  # they are a help: who cannot read them goes on without
        return []
    if not backups:
        return []
    of_one = "1 backup" if backups == 1 else f"{backups} backups"
    return [
        f"there is no state at {backend.describe()}, but {of_one} of one: it was removed; `mics-iac state recover` "
        "brings back the newest, or go on and what it held is found again on the platform"
    ]


def with_sheltered(history: History, shelter: Shelter | None) -> tuple[Ledger, int]:
    """The ledger of this history with what is kept in the shelter folded in, and how many entries those were.

    What belongs to a state that was moved is for its new place.
    """
    ledger = history.ledger()
    if shelter is None or history.state.moved_to:
        return ledger, 0
    kept = shelter.kept(ledger.lineage)
    return ledger, sum(1 for one in kept for _ in still_fitting(ledger, one.entries))


def read_saved(backend: Backend) -> State | None:
    """The state as it was saved last, None where there is none; raises StateUnreadable and StoreFailed."""
    snapshot = backend.read()
    return decode_state(snapshot.data, name=backend.describe()) if snapshot is not None else None


def _decode(blob: Blob) -> _Read | None:
    """One run's journal, None if it died before its first line was whole: then it did nothing."""
    entries = decode_journal(blob.data, name=blob.where).entries
    if not entries:
        return None
    begun = entries[0]
    if not isinstance(begun, RunBegun):
        raise StateDamaged(f"{blob.where} does not begin with the run that it belongs to")
    return _Read(blob.name, blob.where, begun, entries)


def refuse_foreign(where: str, found: State | RunBegun, *, api_url: str, environment: str | None) -> None:
    """Raise StateUnreadable for a state or a journal of another platform or environment."""
    if found.api_url != api_url:
        raise StateUnreadable(
            f"{where} belongs to the platform at {visible(found.api_url)}, and this run is for {api_url}",
            remedy="set api.url to the platform that this state is of, or give each platform a state of its own",
        )
    if found.environment != environment:
        raise StateUnreadable(
            f"{where} belongs to {_environment(found.environment)}, and this run is for {_environment(environment)}",
            remedy="choose the environment that this state is of, or give each environment a state of its own",
        )


def refuse_moved(where: str, found: State) -> None:
    """Raise StateUnreadable for a state that was moved to another place."""
    if found.moved_to:
        raise StateUnreadable(
            f"the state is at {visible(found.moved_to)} and not at {where}: it was moved",
            remedy=f"{_way_to(found.moved_to)}\na migration that was interrupted goes on when it is run again",
        )


def _way_to(address: str) -> str:
    option = f"use --state {quote(visible(address))}"
    try:
        place = parse_place(address)
    except UsageError:  # a kind of place that a newer version knows
        return option
    block = f"say in the manifest:\n{state_block(place).rstrip()}"
    # A relative path is seen from the manifest's folder here, and from the current one on the command line.
    return block if isinstance(place, FilePlace) else f"{option}, or {block}"


def _environment(name: str | None) -> str:
    return f"environment {visible(name)}" if name is not None else "no environment"


def refuse_stray(where: str, begun: RunBegun, *, lineage: str, state: str) -> None:
    """Raise StateDamaged for a journal that goes on from another state than the one that `state` names."""
    if begun.lineage != lineage:
        raise StateDamaged(
            f"{where} is the journal of another state: it goes on from lineage {visible(begun.lineage)}, "
            f"and {state} is of lineage {visible(lineage)}. Put back the state that it goes on from, if there is one"
        )


def serial_of(name: str) -> int:
    """The serial that the journal of this name goes on from."""
    return int(name.partition("-")[0])


def _ordinal(name: str) -> int:
    return int(name.partition("-")[2])
