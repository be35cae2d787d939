"""Whatever happens in whatever order, the ledger forgets no accepted part, and holds no import twice."""

from __future__ import annotations

from hypothesis import given, settings

from mics_iac.core import journal
from mics_iac.core.journal import Entry
from mics_iac.core.ledger import Ledger
from mics_iac.core.state import State
from tests.laws.histories import HISTORY, empty


def imports_of(ledger: Ledger, address: str) -> set[str]:
    slot = ledger.state().imports.get(address)
    return set() if slot is None else {i.id for i in (slot.current, *slot.former)}


def held(state: State) -> set[str]:
    """Every execution of the state."""
    imports = [i for slot in state.imports.values() for i in (slot.current, *slot.former)]
    return {e.id for i in imports for e in i.executions}


@given(HISTORY)
@settings(max_examples=200, deadline=None)
def test_what_was_accepted_is_never_forgotten(entries: list[Entry]) -> None:
    ledger = Ledger(empty())
    accepted: set[str] = set()
    # A person may forget an address; nothing else loses what was accepted.
    for entry in (e for e in entries if not isinstance(e, journal.ImportForgotten)):
        if isinstance(entry, journal.ExecutionAdopted) and entry.import_id in imports_of(ledger, entry.address):
            accepted.add(entry.id)
        ledger.add(entry)
        assert accepted <= held(ledger.state())


@given(HISTORY)
@settings(max_examples=200, deadline=None)
def test_no_import_stands_twice_behind_an_address(entries: list[Entry]) -> None:
    ledger = Ledger(empty())
    # One import never stands behind two addresses, so a move never brings two of it together.
    ledger.extend(entry for entry in entries if not isinstance(entry, journal.ImportMoved))
    for slot in ledger.state().imports.values():
        ids = [slot.current.id, *(f.id for f in slot.former)]
        assert len(ids) == len(set(ids))
