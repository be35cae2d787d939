"""What a plan must look at before it decides, and no more."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mics_iac.core import journal
from mics_iac.core.content import Content, Part
from mics_iac.core.desired import Desired, DesiredImport, SourceFile
from mics_iac.core.inquiry import to_ask, to_check, to_list
from mics_iac.core.journal import Entry
from mics_iac.core.ledger import Ledger
from mics_iac.core.manifest import Budget, Import, Moved, Place
from mics_iac.core.observed import Observed, RemoteImport
from mics_iac.core.plan import Base, Create, Keep, Move, Options, Plan, Skip
from mics_iac.core.planner import Origin, make_plan
from mics_iac.core.state import State
from tests.core.plans import profiles

PLACE = Place("imports.yaml", 1, 1)
SHA = "a" * 64
ORIGIN = Origin("https://api.example", None, "imports.yaml", (), {"fr": "1"}, None, Base(None, 0, ""))


def wanted(key: str = "a", *files: SourceFile, datamart_id: str = "1", batch: str | None = None) -> DesiredImport:
    declared = Import(
        datamart="fr",
        datamart_id=datamart_id,
        key=key,
        batch=batch,
        name="A",
        document_type="USER_PROFILE",
        mime_type="APPLICATION_X_NDJSON",
        encoding="utf-8",
        priority="MEDIUM",
        sources=(),
        adopt=None,
        protect=False,
        max_failures=Budget(Decimal(0), percent=False),
        ordered=False,
        split=100_000_000,
        on_invalid="refuse",
        on_growth="refuse",
        ignore=frozenset(),
        strict=False,
        allow_shared_content=False,
        place=PLACE,
        name_place=PLACE,
        adopt_place=None,
        datamart_place=PLACE,
    )
    return DesiredImport(declared, files)


def ledger_of(*entries: Entry) -> Ledger:
    ledger = Ledger(State(lineage="l", api_url="https://api.example"))
    ledger.extend(entries)
    return ledger


def plan_of(desired: Desired, observed: Observed, ledger: Ledger) -> Plan:
    return make_plan(desired, observed, ledger, origin=ORIGIN, options=Options())


CREATED = journal.ImportCreated("fr/a", "10", profiles())
FILE = SourceFile("x", 10, None, Content(SHA, 10, (Part(1, 0, 10, SHA, 10, 2, 2),), None))
THERE = Observed({"1": {"10": RemoteImport("10", profiles(), {})}})


@pytest.mark.parametrize("refresh", [True, False])
def test_a_new_import_must_be_looked_for(refresh: bool) -> None:
    assert to_ask(Desired((wanted(),)), ledger_of(), Options(), refresh=refresh) == {"1": set()}


def test_a_known_import_is_expected_where_it_was() -> None:
    assert to_ask(Desired((wanted(),)), ledger_of(CREATED), Options(), refresh=True) == {"1": {"10"}}
    assert to_ask(Desired((wanted(),)), ledger_of(CREATED), Options(), refresh=False) == {}


def test_without_refresh_one_that_needs_another_import_is_looked_for_all_the_same() -> None:
    moved = Desired((wanted(datamart_id="2"),))
    assert to_ask(moved, ledger_of(CREATED), Options(), refresh=False) == {"2": set()}


def test_all_that_the_state_holds_in_a_datamart_is_expected_there() -> None:
    other = journal.ImportCreated("fr/other", "11", profiles(name="Other"))
    asked = to_ask(Desired((wanted(),)), ledger_of(CREATED, other), Options(target=("fr/a",)), refresh=True)
    assert asked == {"1": {"10", "11"}}


def test_where_executions_have_not_settled_their_import_is_looked_for() -> None:
    begun = journal.UploadBegun("fr/a", "10", "t", "x", 1, SHA, 10, 2, 2)
    ledger = ledger_of(CREATED, begun)
    plan = plan_of(Desired(()), THERE, ledger)
    for entry in (journal.UploadDoubted("fr/a", "t", True, ""), journal.UploadAccepted("fr/a", "t", "9", "PENDING")):
        ledger.add(entry)
        assert to_ask(Desired(()), ledger, Options(), refresh=True) == {"1": {"10"}}
        assert to_list(plan, ledger) == {"10": ("1", "fr/a")}
        assert to_check(plan, ledger) == {"1": {"10"}}
    ledger.add(journal.ImportGone("fr/a", "10"))
    assert to_list(plan, ledger) == {}
    assert to_ask(Desired(()), ledger, Options(), refresh=True) == {}


def test_executions_are_listed_only_of_imports_that_take_something() -> None:
    ledger = ledger_of(CREATED)
    assert to_list(plan_of(Desired((wanted(),)), THERE, ledger), ledger) == {}
    assert to_list(plan_of(Desired((wanted("a", FILE),)), THERE, ledger), ledger) == {"10": ("1", "fr/a")}
    assert to_list(plan_of(Desired((wanted("a", FILE),)), Observed({"1": {}}), ledger_of()), ledger_of()) == {}


def test_a_moved_import_is_pinned_by_the_id_it_has() -> None:
    moved = Desired((wanted("b"),), (Moved("fr/a", "fr/b", PLACE),))
    plan = plan_of(moved, THERE, ledger_of(CREATED))
    assert [type(a) for a in plan.actions] == [Move, Keep]
    assert list(plan.pins) == ["import 10 in datamart 1"]
    assert to_check(plan, ledger_of(CREATED)) == {"1": {"10"}}


def test_nothing_is_asked_of_what_is_excluded() -> None:
    assert to_ask(Desired((wanted(),)), ledger_of(), Options(exclude=("fr/*",)), refresh=True) == {}


def test_planning_changes_nothing_that_it_was_given() -> None:
    begun = journal.UploadBegun("fr/a", "10", "t", "x", 1, SHA, 10, 2, 2)
    ledger = ledger_of(CREATED, begun, journal.UploadAccepted("fr/a", "t", "9", "SUCCEEDED"))
    before = ledger.state()
    first = plan_of(Desired((wanted("a", FILE),)), THERE, ledger)
    assert [type(a) for a in first.actions] == [Keep, Skip]
    assert plan_of(Desired((wanted("a", FILE),)), THERE, ledger) == first
    assert ledger.state() == before


def test_a_gone_import_is_made_again_and_its_content_is_still_loaded() -> None:
    begun = journal.UploadBegun("fr/a", "10", "t", "x", 1, SHA, 10, 2, 2)
    gone = journal.ImportGone("fr/a", "10")
    accepted = journal.UploadAccepted("fr/a", "t", "9", "RUNNING")
    ledger = ledger_of(CREATED, begun, accepted, journal.ExecutionSettled("fr/a", "9", "SUCCEEDED", 2, 0), gone)
    plan = plan_of(Desired((wanted("a", FILE),)), Observed({"1": {}}), ledger)
    assert [type(a) for a in plan.actions] == [Create, Skip]
