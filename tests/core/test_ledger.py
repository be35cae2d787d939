"""The ledger: what one entry after the other makes of a state."""

from __future__ import annotations

import pytest

from mics_iac.core import journal
from mics_iac.core.journal import Entry
from mics_iac.core.learn import learn_imports
from mics_iac.core.ledger import Ledger
from mics_iac.core.observed import Observed, RemoteImport
from mics_iac.core.state import State
from tests.core.plans import profiles

SHA, OTHER = "a" * 64, "b" * 64
PROFILES, KIND = profiles(), profiles().kind


def ledger_of(*entries: Entry) -> Ledger:
    ledger = Ledger(State(lineage="l", api_url="https://api.example"))
    ledger.extend(entries)
    return ledger


def created(address: str = "fr/a", number: str = "1", document_type: str = "USER_PROFILE") -> Entry:
    return journal.ImportCreated(address, number, profiles(document_type=document_type))


def accepted(number: str, sha256: str = SHA, *, import_id: str = "1", source: str = "x") -> list[Entry]:
    begun = journal.UploadBegun("fr/a", import_id, f"t{number}", source, 1, sha256, 10, 2, 2)
    return [begun, journal.UploadAccepted("fr/a", f"t{number}", number, "PENDING")]


def test_content_is_found_under_whatever_address_and_import() -> None:
    ledger = ledger_of(created(), *accepted("9"), created(number="2"), *accepted("10", OTHER, import_id="2"))
    assert [(x.address, x.import_id) for x in ledger.loaded(KIND, SHA)] == [("fr/a", "1")]
    assert [(x.address, x.import_id) for x in ledger.loaded(KIND, OTHER)] == [("fr/a", "2")]
    assert ledger.loaded(("1", "USER_ACTIVITY"), SHA) == []
    ledger.add(journal.ImportMoved("fr/a", "fr/b"))
    assert [x.address for x in ledger.loaded(KIND, SHA)] == ["fr/b"]


def test_an_upload_that_began_is_a_doubt_until_its_outcome_is_known() -> None:
    begun, accept = accepted("9")
    for outcome in (
        accept,
        journal.UploadAbandoned("fr/a", "t9", ""),
        journal.UploadRefused("fr/a", "t9", 400, ""),
        journal.ExecutionAdopted("fr/a", "1", "77", "elsewhere", 1, SHA, 10, 2, "RUNNING"),
    ):
        ledger = ledger_of(created(), begun)
        assert [d.attempt for d in ledger.doubts("fr/a")] == ["t9"]
        ledger.add(journal.UploadDoubted("fr/a", "t9", False, "lost"))
        assert [d.body_left for d in ledger.doubts("fr/a")] == [False]
        ledger.add(outcome)
        assert ledger.doubts("fr/a") == []


def test_a_refusal_ends_when_the_part_is_accepted_or_the_import_is_another() -> None:
    refused: list[Entry] = [created(), accepted("9")[0], journal.UploadRefused("fr/a", "t9", 413, "")]
    assert ledger_of(*refused).refusals("fr/a") == {SHA: 413}
    assert ledger_of(*refused, *accepted("10")).refusals("fr/a") == {}
    assert ledger_of(*refused, created(number="2")).refusals("fr/a") == {}


def test_the_newest_part_of_a_path_is_the_newest_also_after_a_move() -> None:
    story = [created(), *accepted("9"), created(number="2"), *accepted("10", OTHER, import_id="2")]
    for moved in ([], [journal.ImportMoved("fr/a", "fr/b")]):
        last = ledger_of(*story, *moved).last_of("fr/b" if moved else "fr/a", "x")
        assert last is not None
        assert last.id == "10"


def test_an_import_that_comes_back_brings_its_executions() -> None:
    back = journal.ImportAdopted("fr/a", "1", PROFILES)
    ledger = ledger_of(created(), *accepted("9"), created(number="2"), back)
    slot = ledger.state().imports["fr/a"]
    assert (slot.current.id, [e.id for e in slot.current.executions]) == ("1", ["9"])
    assert [f.id for f in slot.former] == ["2"]
    assert ledger.known_executions("fr/a") == {"9"}


@pytest.mark.parametrize("number", ["1", "2"])
def test_what_is_gone_is_asked_about_no_more(number: str) -> None:
    ledger = ledger_of(created(), *accepted("9"), created(number="2"), *accepted("10", OTHER, import_id="2"))
    assert ledger.living("1") == {"1", "2"}
    ledger.add(journal.ImportGone("fr/a", number))
    assert ledger.living("1") == {"1", "2"} - {number}
    assert {x.import_id for x in ledger.unsettled()} == {"1", "2"} - {number}
    assert ledger.loaded(KIND, SHA)
    assert ledger.loaded(KIND, OTHER)


def test_entries_about_an_address_that_is_not_held_are_passed_over() -> None:
    ledger = ledger_of(*accepted("9"), journal.ImportGone("fr/a", "1"), journal.ImportMoved("fr/a", "fr/b"))
    assert ledger.state().imports == {}


def test_a_look_teaches_of_what_other_hands_did() -> None:
    ledger = ledger_of(created(), created(number="2"), created("fr/b", "3"), created("fr/c", "4"))
    renamed = profiles(name="Somebody's")
    there = {"3": RemoteImport("3", renamed, {}), "4": RemoteImport("4", PROFILES, {})}
    learned = list(learn_imports(ledger, Observed({"1": there})))
    assert learned == [
        journal.ImportGone("fr/a", "1"),
        journal.ImportGone("fr/a", "2"),
        journal.ImportChanged("fr/b", renamed),
    ]
    assert list(learn_imports(ledger, Observed({}))) == []
    ledger.extend(learned)
    assert list(learn_imports(ledger, Observed({"1": there}))) == []
