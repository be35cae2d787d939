"""The state as bytes that leave and come back: pull it, push it.

What is pulled is what a save would write; what is pushed is looked at like any state, and takes the place of the one
that is there only as its successor, or because a person said so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from mics_iac import __version__
from mics_iac.core.health import audit
from mics_iac.core.replacing import losses
from mics_iac.core.state import State, decode_state, encode_state
from mics_iac.core.wording import visible
from mics_iac.engine.holding import holding
from mics_iac.engine.project import Project
from mics_iac.errors import GuardRefused, MicsError, StateDamaged, StateUnreadable
from mics_iac.store.history import read_history, read_saved, refuse_foreign, refuse_moved, with_sheltered


def pull(project: Project) -> State:
    """The state as it stands; `encode_state` gives the bytes that `push` takes.

    What an unfinished run recorded is folded in; then the serial is one more, as it will be once that is saved. Takes
    no lock. Raises StateUnreadable, StoreFailed, and MicsError where there is no state.
    """
    world = project.world
    backend = world.backend
    history = read_history(backend, api_url=project.api_url, environment=project.environment, also_moved=True)
    ledger, sheltered = with_sheltered(history, world.shelter)
    if history.unsaved or sheltered:
        return msgspec.structs.replace(ledger.state(), serial=history.state.serial + 1, mics_iac_version=__version__)
    if history.version is None:
        raise MicsError(f"there is no state yet: {backend.describe()}", remedy="the first apply makes it")
    return history.state


@dataclass(frozen=True, slots=True)
class Pushed:
    """The state that is there now, and the one it replaced: None if there was none, the same if nothing was written."""

    state: State
    former: State | None

    @property
    def changed(self) -> bool:
        """Whether anything was written."""
        return self.state is not self.former


def push(project: Project, data: bytes, *, name: str, force: bool = False) -> Pushed:
    """Put a state in the place of the one that is there, which stays among the backups. `name` is how errors call it.

    What open journals hold is saved before. Raises StateUnreadable where one of the two is damaged, newer or of another
    platform or environment, or (without `force`) was moved; GuardRefused, naming all of it, for one of another lineage,
    that is not newer, or that forgets too much. With `force` those are no reasons, and the serial is set above both.
    """
    given = _good(project, data, name=name)
    with holding(project, "state push", also_moved=force) as held:
        held.save()
        backend = project.world.backend
        there = read_saved(backend)
        wanted = msgspec.structs.replace(given, moved_to="") if force else given
        if there is not None and encode_state(wanted) == encode_state(there):
            return Pushed(there, there)
        if not force:
            refuse_moved(name, given)
        if there is not None:
            misfits = list(_misfits(there, wanted, name=name, where=backend.describe()))
            reasons = [*misfits, *losses(there, wanted)]
            if reasons and not force:
                raise GuardRefused(
                    f"{visible(name)} would not go on from the state that is there:\n" + "\n".join(reasons),
                    remedy="nothing was pushed. `mics-iac state pull` gives the one that is there; if the other is "
                    "surely right, add --force",
                )
            if misfits:
                wanted = msgspec.structs.replace(wanted, serial=max(there.serial, wanted.serial) + 1)
        held.replace(wanted)
        return Pushed(wanted, there)


def _good(project: Project, data: bytes, *, name: str) -> State:
    shown = visible(name)
    try:
        state = decode_state(data, name=shown)
    except StateDamaged as error:
        raise StateUnreadable(error.message, remedy="nothing was pushed: pull it again, or take a backup") from error
    refuse_foreign(shown, state, api_url=project.api_url, environment=project.environment)
    wrong = list(audit(state))
    if wrong:
        raise StateUnreadable("\n".join([f"{shown} is no good state:", *wrong]), remedy="nothing was pushed")
    return state


def _misfits(there: State, then: State, *, name: str, where: str) -> Iterator[str]:
    shown = visible(name)
    if then.lineage != there.lineage:
        yield f"it is another state: {shown} is of lineage {visible(then.lineage)}, {where} of {visible(there.lineage)}"
    if then.serial <= there.serial:
        yield f"it is not newer: {shown} is of serial {then.serial}, {where} of {there.serial}"
