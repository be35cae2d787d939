"""What the ledger answers by content is what stands in its state: nothing that was loaded is forgotten by a lookup."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings

from mics_iac.core.journal import Entry, ImportChanged, ImportCreated, ImportMoved, UploadAccepted, UploadBegun
from mics_iac.core.ledger import Ledger
from mics_iac.core.settings import Settings
from tests.laws.histories import DATAMARTS, DIGESTS, DOCUMENT_TYPES, HISTORY, empty

KINDS = [(datamart, type_) for datamart in DATAMARTS for type_ in DOCUMENT_TYPES]


@given(HISTORY)
@settings(max_examples=300)
def test_the_index_by_content_is_that_of_the_state(entries: list[Entry]) -> None:
    ledger = Ledger(empty())
    ledger.extend(entries)
    state = ledger.state()
    expected: dict[tuple[tuple[str, str], str], set[tuple[str, str, str]]] = {}
    for address, slot in state.imports.items():
        for import_ in [slot.current, *slot.former]:
            for execution in import_.executions:
                key = (import_.settings.kind, execution.sha256)
                expected.setdefault(key, set()).add((address, import_.id, execution.id))
    for kind in KINDS:
        for sha256 in DIGESTS:
            found = ledger.loaded(kind, sha256)
            places = {(one.address, one.import_id, one.execution.id) for one in found}
            assert places == expected.get((kind, sha256), set())
            assert all(one.execution.sha256 == sha256 for one in found)


def upload(address: str, import_id: str, number: int) -> list[Entry]:
    begun = UploadBegun(address, import_id, f"t{number}", "data/a.ndjson", 1, DIGESTS[number], 10, 1, 1)
    return [begun, UploadAccepted(address, f"t{number}", f"{number}", "SUCCEEDED")]


def loaded(entries: list[Entry], number: int, settings: Settings) -> list[tuple[str, str]]:
    ledger = Ledger(empty())
    ledger.extend(entries)
    return [(one.address, one.import_id) for one in ledger.loaded(settings.kind, DIGESTS[number])]


SETTINGS = Settings("1502", "Visits", "USER_ACTIVITY", "APPLICATION_X_NDJSON", "utf-8", "MEDIUM")


def test_an_address_moved_onto_another_keeps_what_both_loaded() -> None:
    entries: list[Entry] = [ImportCreated("fr/a", "1", SETTINGS), *upload("fr/a", "1", 1)]
    entries += [ImportCreated("fr/b", "2", SETTINGS), *upload("fr/b", "2", 2), ImportMoved("fr/a", "fr/b")]
    assert loaded(entries, 1, SETTINGS) == [("fr/b", "1")]
    assert loaded(entries, 2, SETTINGS) == [("fr/b", "2")]


def test_an_import_whose_document_type_was_changed_outside_keeps_what_it_loaded() -> None:
    changed = msgspec.structs.replace(SETTINGS, document_type="USER_PROFILE")
    entries: list[Entry] = [
        ImportCreated("fr/a", "1", SETTINGS),
        *upload("fr/a", "1", 1),
        ImportChanged("fr/a", changed),
    ]
    assert loaded(entries, 1, SETTINGS) == []
    assert loaded(entries, 1, changed) == [("fr/a", "1")]


def test_an_import_that_comes_back_brings_what_it_loaded() -> None:
    entries: list[Entry] = [ImportCreated("fr/a", "1", SETTINGS), *upload("fr/a", "1", 1)]
    entries += [ImportCreated("fr/a", "2", SETTINGS), ImportCreated("fr/a", "1", SETTINGS)]
    assert loaded(entries, 1, SETTINGS) == [("fr/a", "1")]
