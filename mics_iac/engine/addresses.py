"""What a person changes about the addresses of the state: what is forgotten, what is renamed.

Each takes the lock, decides on the state as it is then, and records the decision like anything else that happened. The
platform is neither asked nor changed.
"""

from __future__ import annotations

import re

from mics_iac.core import journal
from mics_iac.core.address import ADDRESS
from mics_iac.core.observed import ENDED
from mics_iac.core.state import ImportState, State
from mics_iac.core.wording import did_you_mean, quoted, visible
from mics_iac.engine.holding import holding
from mics_iac.engine.project import Project
from mics_iac.errors import GuardRefused, UsageError


def forget(project: Project, address: str) -> ImportState:
    """Take an address out of the state; the platform keeps the import, and what was loaded stays loaded.

    GuardRefused while something of it is in doubt or has not ended: nobody would find out what becomes of it.
    """
    with holding(project, "state rm") as held:
        with held.reading() as ledger:
            state = ledger.state()
        there = held_import(state, address)
        doubts = [d.source for i in (there.current, *there.former) for d in i.doubts]
        if doubts:
            raise GuardRefused(
                f"{address} has uploads in doubt: {', '.join(visible(source) for source in doubts)}",
                remedy="run apply, which finds out what became of them; or decide with "
                f"`mics-iac state resolve {address}:PATH`",
            )
        if address in state.creating:
            raise _creating(address)
        living = [i for i in (there.current, *there.former) if not i.gone]
        running = [e.id for i in living for e in i.executions if e.status not in ENDED]
        if running:
            raise GuardRefused(
                f"{address} has executions that had not ended when last seen: {', '.join(running)}",
                remedy="run apply, which waits for them",
            )
        held.record(journal.ImportForgotten(address))
        return there


def rename(project: Project, source: str, target: str) -> list[tuple[str, str]]:
    """Give an address of the state another name; one without a batch takes all its batches along.

    Returns what was renamed, from and to. UsageError where there is nothing to rename, or something is in the way.
    """
    for address in (source, target):
        if not re.fullmatch(ADDRESS, address):
            raise UsageError(f"{quoted(address)} is no address: write datamart/import, or datamart/import@batch")
    with holding(project, "state mv") as held:
        with held.reading() as ledger:
            state = ledger.state()
        moved = [a for a in state.imports if a == source or ("@" not in source + target and a.startswith(f"{source}@"))]
        if not moved:
            raise not_held(source, list(state.imports))
        pairs = [(a, target + a[len(source) :]) for a in moved]
        for _, new in pairs:
            if new in state.imports:
                raise UsageError(
                    f"{new} is in the state already",
                    remedy="rename that one first, or take it out of the state with `mics-iac state rm`",
                )
            if new in state.creating:
                raise _creating(new)
        held.record(*(journal.ImportMoved(old, new) for old, new in pairs))
        return pairs


def _creating(address: str) -> GuardRefused:
    return GuardRefused(
        f"whether an import of {address} was created is not known yet",
        remedy="run apply, or `mics-iac state recover`, which find that out",
    )


def held_import(state: State, address: str) -> ImportState:
    """What the state holds of an address; UsageError if it does not."""
    held = state.imports.get(address)
    if held is None:
        raise not_held(address, list(state.imports))
    return held


def not_held(address: str, addresses: list[str]) -> UsageError:
    """The error for an address that the state does not hold."""
    return UsageError(
        f"the state holds no {quoted(address)}.{did_you_mean(address, addresses)}", remedy="see `mics-iac state list`"
    )
