"""What becomes of each file: loaded, to load, or failed before; and what the options make of that."""

from __future__ import annotations

from typing import Any

import pytest

from mics_iac.core.plan import Adopt, Create, Keep, Plan, Skip, Stuck, Upload, count, encode_plan
from mics_iac.errors import GuardRefused, UsageError
from mics_iac.sandbox.faults import Fault
from tests.rig import Rig, digest, manifest, visits


def two(**second: object) -> str:
    """Two imports of one datamart, each with a folder of its own."""
    other = {"name": "Other", "sources": [{"path": "other/*.ndjson", "allow_empty": True}], **second}
    return manifest({"fr/visits": {"sources": [{"path": "data/*.ndjson", "allow_empty": True}]}, "fr/other": other})


def fate(plan: Plan) -> dict[str, str]:
    """What becomes of each source."""
    return {a.source: type(a).__name__ for a in plan.actions if isinstance(a, Upload | Skip | Stuck)}


def reason(plan: Plan, source: str) -> str:
    return next(a.reason for a in plan.actions if isinstance(a, Upload | Skip | Stuck) and a.source == source)


def test_a_loaded_file_is_loaded_once_whatever_its_name_and_age(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 2))
    rig.apply()
    rig.write("data/a.ndjson", visits(0, 2))
    (rig.folder / "data/a.ndjson").rename(rig.folder / "data/zz.ndjson")
    plan = rig.plan()
    assert fate(plan) == {"data/zz.ndjson": "Skip"}
    assert "as data/a.ndjson" in reason(plan, "data/zz.ndjson")
    assert plan.empty


def test_other_bytes_under_a_known_path_name_the_execution_that_loaded_the_earlier_ones(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 2))
    rig.apply()
    (execution,) = rig.sandbox.executions()
    rig.write("data/a.ndjson", visits(5, 2))
    assert execution.id in reason(rig.plan(), "data/a.ndjson")
    assert rig.apply().tally.loaded == 1
    assert rig.loaded() == sorted([digest(visits(0, 2)), digest(visits(5, 2))])
    # Going back to the earlier bytes loads nothing: they are loaded.
    rig.write("data/a.ndjson", visits(0, 2))
    assert rig.plan().empty


def test_two_equal_files_of_one_import_are_loaded_once(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 2))
    rig.write("data/b.ndjson", visits(0, 2))
    plan = rig.plan()
    assert fate(plan) == {"data/a.ndjson": "Upload", "data/b.ndjson": "Skip"}
    assert reason(plan, "data/b.ndjson") == "same content as data/a.ndjson"
    outcome = rig.apply()
    assert (outcome.tally.loaded, outcome.skipped) == (1, 1)
    assert len(rig.loaded()) == 1
    assert rig.plan().empty


def test_the_same_content_in_two_imports_of_one_type_is_refused(rig: Rig) -> None:
    rig.declare(two())
    rig.write("data/a.ndjson", visits(0, 2))
    rig.write("other/b.ndjson", visits(0, 2))
    (refused,) = rig.plan().refusals
    assert refused.address == "fr/visits"
    assert "other/b.ndjson" in refused.message
    assert "allow_shared_content" in refused.message
    with pytest.raises(GuardRefused):
        rig.apply()
    assert rig.sandbox.imports() == ()


def test_content_that_another_import_has_loaded_is_refused(rig: Rig) -> None:
    rig.declare(two())
    rig.write("data/a.ndjson", visits(0, 2))
    rig.apply()
    rig.write("other/b.ndjson", visits(0, 2))
    (refused,) = rig.plan().refusals
    assert refused.address == "fr/other"
    assert rig.sandbox.executions()[0].id in refused.message


def test_shared_content_may_be_allowed(rig: Rig) -> None:
    rig.declare(two())
    rig.write("data/a.ndjson", visits(0, 2))
    rig.apply()
    rig.declare(two(allow_shared_content=True))
    rig.write("other/b.ndjson", visits(0, 2))
    assert rig.apply().tally.loaded == 1
    assert len(rig.loaded()) == 2
    assert rig.plan().empty


def test_the_same_content_as_another_type_or_in_another_datamart_is_another_load(rig: Rig) -> None:
    rig.declare(two(document_type="USER_CHOICE"))
    rig.write("data/a.ndjson", visits(0, 2))
    rig.write("other/b.ndjson", visits(0, 2))
    assert count(rig.plan()).load == 2


def test_reload_does_not_lift_the_guard_of_shared_content(rig: Rig) -> None:
    rig.declare(two())
    rig.write("data/a.ndjson", visits(0, 2))
    rig.apply()
    rig.write("other/b.ndjson", visits(0, 2))
    assert [r.address for r in rig.plan(reload=("fr/other",)).refusals] == ["fr/other"]


def test_reload_of_an_address_loads_all_of_it_again(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 2))
    rig.write("data/b.ndjson", visits(5, 2))
    rig.apply()
    plan = rig.plan(reload=("fr/visits",))
    assert fate(plan) == {"data/a.ndjson": "Upload", "data/b.ndjson": "Upload"}
    assert "loaded it before" in reason(plan, "data/a.ndjson")
    assert rig.apply(reload=("fr/visits",)).tally.loaded == 2
    assert len(rig.loaded()) == 4
    assert rig.plan().empty


def test_reload_of_one_path_loads_that_alone(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 2))
    rig.write("data/b.ndjson", visits(5, 2))
    rig.apply()
    assert fate(rig.plan(reload=("fr/visits:data/b*",))) == {"data/a.ndjson": "Skip", "data/b.ndjson": "Upload"}
    assert rig.apply(reload=("fr/visits:data/b.ndjson",)).tally.loaded == 1
    assert rig.loaded().count(digest(visits(5, 2))) == 2


def test_reload_does_not_load_equal_files_twice_over(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 2))
    rig.write("data/b.ndjson", visits(0, 2))
    rig.apply()
    assert rig.apply(reload=("fr/visits",)).tally.loaded == 1
    assert len(rig.loaded()) == 2


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("target", "fr/visit", "did you mean fr/visits?"),
        ("exclude", "fr/nothing-like-it", "fr/nothing-like-it"),
        ("reload", "fr/visit", "did you mean fr/visits?"),
        ("reload", "fr/visits:data/typo.ndjson", "data/typo.ndjson"),
        ("ignore_history", "de/*", "de/*"),
    ],
)
def test_an_option_that_names_nothing_is_a_usage_error(rig: Rig, option: str, value: str, said: str) -> None:
    rig.write("data/a.ndjson", visits(0, 2))
    options: dict[str, Any] = {option: (value,)}
    with pytest.raises(UsageError) as wrong:
        rig.plan(**options)
    assert wrong.value.exit_code == 64
    assert said in str(wrong.value)


def test_target_and_exclude_narrow_a_plan(rig: Rig) -> None:
    rig.declare(two())
    rig.write("data/a.ndjson", visits(0, 2))
    rig.write("other/b.ndjson", visits(5, 2))

    def touched(**options: Any) -> set[str]:
        return {a.address for a in rig.plan(**options).actions}

    assert touched() == {"fr/visits", "fr/other"}
    assert touched(target=("fr/visits",)) == {"fr/visits"}
    assert touched(target=("fr/v*",)) == {"fr/visits"}
    assert touched(target=("fr/*",), exclude=("fr/other",)) == {"fr/visits"}
    assert touched(exclude=("fr/*",)) == set()
    rig.apply(target=("fr/other",))
    assert [i.name for i in rig.sandbox.imports()] == ["Other"]


def test_a_target_without_batch_names_the_batch(rig: Rig) -> None:
    rig.declare(manifest({"fr/crm": {"name": "CRM b1", "batch": "b1"}}))
    assert [a.address for a in rig.plan(target=("fr/crm",)).actions] == ["fr/crm@b1"]


SENDING = manifest({"fr/visits": {"sources": ["data/*.ndjson"], "on_invalid": "send"}})


def test_a_refused_upload_is_stuck_until_asked_for(rig: Rig) -> None:
    rig.declare(SENDING)
    rig.write("data/a.ndjson", visits(0, 2))
    rig.write("data/bad.ndjson", "{this is not JSON}\n")
    outcome = rig.apply()
    assert outcome.exit_code == 3
    assert [f.source for f in outcome.failures] == ["data/bad.ndjson"]
    assert "400" in str(outcome.failures[0].error)
    plan = rig.plan()
    assert fate(plan) == {"data/a.ndjson": "Skip", "data/bad.ndjson": "Stuck"}
    assert "HTTP 400" in reason(plan, "data/bad.ndjson")
    assert count(plan).stuck == 1
    posts = len(rig.calls("POST"))
    rig.apply()
    assert len(rig.calls("POST")) == posts
    assert fate(rig.plan(retry_failed=True))["data/bad.ndjson"] == "Upload"
    rig.apply(retry_failed=True)
    assert len(rig.calls("POST")) == posts + 1


def test_a_refused_file_is_sent_once_it_was_mended(rig: Rig) -> None:
    rig.declare(SENDING)
    rig.write("data/bad.ndjson", "{this is not JSON}\n")
    rig.apply()
    rig.write("data/bad.ndjson", visits(0, 2))
    assert rig.apply().exit_code == 0
    assert len(rig.loaded()) == 1


@pytest.mark.parametrize("ending", ["ends_failed", "ends_canceled", "ends_lost"])
def test_a_failed_execution_is_seven_once_and_stuck_then(rig: Rig, ending: str) -> None:
    rig.fault(Fault(ending))  # type: ignore[arg-type]  # one of the kinds
    rig.write("data/a.ndjson", visits(0, 2))
    outcome = rig.apply()
    assert outcome.exit_code == 7
    (short,) = outcome.shortfalls
    assert (short.source, short.sent) == ("data/a.ndjson", 2)
    plan = rig.plan()
    assert fate(plan) == {"data/a.ndjson": "Stuck"}
    assert short.status in reason(plan, "data/a.ndjson")
    assert rig.apply().exit_code == 3
    assert rig.apply(retry_failed=True).exit_code == 0
    assert len(rig.loaded()) == 2
    assert fate(rig.plan()) == {"data/a.ndjson": "Skip"}


def test_what_failed_in_an_import_is_sent_to_the_one_that_replaces_it(rig: Rig) -> None:
    rig.fault(Fault("ends_failed"))
    rig.write("data/a.ndjson", visits(0, 2))
    rig.apply()
    (old,) = rig.sandbox.imports()
    rig.sandbox.delete_import(old.id)
    assert rig.apply().exit_code == 0
    assert len(rig.loaded()) == 1


def test_no_refresh_asks_nothing_of_known_imports(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 2))
    rig.apply()
    rig.write("data/b.ndjson", visits(5, 2))
    rig.sandbox.forget_requests()
    plan = rig.plan(refresh=False)
    assert rig.sandbox.requests() == ()
    assert fate(plan) == {"data/a.ndjson": "Skip", "data/b.ndjson": "Upload"}
    assert not plan.refreshed
    assert plan.warnings
    rig.declare(two())
    assert [type(a) for a in rig.plan(refresh=False).actions] == [Create, Keep, Skip, Upload]
    assert len(rig.sandbox.requests()) == 1


def test_no_refresh_still_compares_with_strangers_before_it_sends(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 2))
    rig.apply()
    (made,) = rig.sandbox.imports()
    rig.sandbox.add_execution(made.id, visits(5, 2).encode())
    rig.write("data/b.ndjson", visits(5, 2))
    assert rig.apply(refresh=False).exit_code == 0
    assert len(rig.loaded()) == 2


def test_a_stranger_that_may_be_a_file_is_named(rig: Rig) -> None:
    there = rig.sandbox.add_import("1502", "Visits", "USER_ACTIVITY")
    stranger = rig.sandbox.add_execution(there, visits(0, 2).encode())
    rig.clock.sleep(10)
    rig.write("data/a.ndjson", visits(0, 2))
    plan = rig.plan()
    assert [type(a) for a in plan.actions] == [Adopt, Upload]
    assert f"may be execution {stranger}" in reason(plan, "data/a.ndjson")


def test_same_inputs_same_plan_byte_for_byte(rig: Rig) -> None:
    rig.declare(two())
    for n in range(5):
        rig.write(f"data/{n}.ndjson", visits(n * 10, 2))
        rig.write(f"other/{n}.ndjson", visits(1000 + n * 10, 2))
    first = encode_plan(rig.plan())
    rig.clock.sleep(100_000)
    assert encode_plan(rig.plan()) == first
    rig.apply()
    again = encode_plan(rig.plan())
    rig.clock.sleep(100_000)
    assert encode_plan(rig.plan()) == again


def test_plan_writes_nothing(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 2))
    rig.apply()
    (made,) = rig.sandbox.imports()
    rig.sandbox.change_import(made.id, name="Somebody's")
    before = {p: p.read_bytes() for p in rig.folder.rglob("*") if p.is_file()}
    rig.sandbox.forget_requests()
    rig.plan()
    rig.status()
    assert {p: p.read_bytes() for p in rig.folder.rglob("*") if p.is_file()} == before
    assert {r.method for r in rig.sandbox.requests()} == {"GET"}
