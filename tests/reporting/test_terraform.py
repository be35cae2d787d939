"""The plan for machines."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from mics_iac.core.plan import Keep, Plan
from mics_iac.reporting.lines import json_text
from mics_iac.reporting.terraform import plan_json
from tests.conftest import Golden
from tests.reporting.plans import PLANS, hostile, invalid, plan, rich, settings, unchanged, unread, upload


def document(of: Plan) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json_text(plan_json(of)))
    return found


def changes(of: Plan) -> dict[str, dict[str, Any]]:
    return {c["address"]: c for c in document(of)["resource_changes"]}


@pytest.mark.parametrize("name", PLANS)
def test_golden(name: str, golden: Golden) -> None:
    golden(f"plan_{name}.json", json_text(plan_json(PLANS[name]())))


def test_actions_are_terraforms() -> None:
    found = {address: c["change"]["actions"] for address, c in changes(rich()).items()}
    assert found["fr/store-visits"] == ["create"]
    assert found["fr/crm-profiles"] == ["update"]
    assert found["de/segments"] == ["create"]
    assert found["fr/quiet"] == ["no-op"]
    assert found["fr/quiet:data/quiet.ndjson"] == ["no-op"]
    assert found["fr/store-visits:data/store-visits/2026-01-15.ndjson"] == ["create"]
    assert not any("delete" in actions for actions in found.values())


def test_adoption_is_an_import() -> None:
    choices = changes(rich())["de/choices"]
    assert choices["change"]["importing"] == {"id": "602"}
    assert choices["change"]["actions"] == ["no-op"]


def test_replacement_rename_and_failure_are_named() -> None:
    found = changes(rich())
    assert found["de/segments"]["action_reason"] == "replace_because_cannot_update"
    assert found["de/segments"]["replaces"] == "601"
    assert found["fr/optins"]["previous_address"] == "fr/choices"
    assert found["fr/optins"]["change"]["before"]["protect"] is False
    assert found["fr/optins"]["change"]["after"]["protect"] is True
    assert found["fr/crm-profiles:data/crm/bad.ndjson"]["action_reason"] == "failed_before"
    assert found["fr/crm-profiles:data/crm/bad.ndjson"]["change"]["actions"] == ["no-op"]


def test_parts_have_an_index_and_an_address_of_their_own() -> None:
    found = [c for c in document(rich())["resource_changes"] if c["address"].startswith("de/segments:")]
    assert [c["index"] for c in found] == [1, 2, 3]
    assert len({c["address"] for c in found}) == 3


def test_what_is_not_read_yet_is_unknown() -> None:
    found = changes(unread())["fr/remote:gs://acme/r/1.ndjson"]
    assert found["type"] == "execution"
    assert found["change"]["actions"] == ["create"]
    assert found["change"]["after"] == {"source": "gs://acme/r/1.ndjson", "bytes": 1_000_000_000, "seal": "1"}
    assert found["change"]["after_unknown"] == {"id": True, "part": True, "sha256": True, "records": True}


def test_a_part_tells_where_it_is_in_its_file() -> None:
    ranged = msgspec.structs.replace(upload("fr/a", "data/1.ndjson", size=5, records=1), range=(10, 15))
    found = changes(plan(Keep("fr/a", "1", settings("A")), ranged))
    assert found["fr/a:data/1.ndjson"]["change"]["after"]["range"] == [10, 15]


def test_findings_stand_in_it_with_their_places() -> None:
    [file] = document(invalid())["records"]
    assert (file["source"], file["refused"]) == ("data/bad.ndjson", True)
    assert file["errors"] == {"MICS306": 1244, "MICS321": 1}
    assert file["findings"][-1] == {
        "line": 12,
        "column": 40,
        "code": "MICS321",
        "severity": "error",
        "field": "$events[0].$ts",
        "message": "wrong type: write a number",
    }


def test_asked_for_again() -> None:
    again = msgspec.structs.replace(upload("fr/a", "data/1.ndjson", size=1, records=1), again=True)
    made = plan(Keep("fr/a", "1", settings("A")), again)
    assert changes(made)["fr/a:data/1.ndjson"]["action_reason"] == "replace_by_request"


@pytest.mark.parametrize(
    ("name", "complete", "errored", "applyable"),
    [
        ("rich", False, False, True),  # something failed before, and stays behind
        ("unchanged", True, False, False),
        ("uploads_alone", True, False, True),
        ("refused", False, True, False),
        ("invalid", False, True, False),
    ],
)
def test_flags(name: str, *, complete: bool, errored: bool, applyable: bool) -> None:
    found = document(PLANS[name]())
    assert (found["complete"], found["errored"], found["applyable"]) == (complete, errored, applyable)


def test_the_order_of_actions_does_not_show() -> None:
    turned = msgspec.structs.replace(rich(), actions=tuple(reversed(rich().actions)))
    assert document(turned)["resource_changes"] == document(rich())["resource_changes"]


def test_addresses_are_unique_and_hold_the_datamart() -> None:
    addresses = [c["address"] for c in document(rich())["resource_changes"]]
    assert len(addresses) == len(set(addresses))
    assert document(unchanged())["base"]["serial"] == 12


def test_hostile_text_is_escaped_and_kept() -> None:
    text = json_text(plan_json(hostile()))
    assert all(c.isprintable() or c == "\n" for c in text)
    assert document(hostile())["warnings"] == list(hostile().warnings)
