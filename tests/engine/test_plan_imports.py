"""Which import stands behind each address: created, adopted, changed, replaced, moved, or left alone."""

from __future__ import annotations

import pytest

from mics_iac.core.plan import Adopt, Change, Create, Guard, Keep, Leftover, Move, Plan, Skip, Stuck, Upload, count
from mics_iac.engine.resolution import resolve
from mics_iac.errors import GuardRefused
from tests.rig import Rig, manifest, visits

VISITS = ("1502", "Visits", "USER_ACTIVITY")


def declare(rig: Rig, key: str = "fr/visits", /, **settings: object) -> None:
    """One import; `datamart` is the datamart's id."""
    datamart = str(settings.pop("datamart", "1502"))
    rig.declare(manifest({key: {"name": "Visits", "sources": ["data/*.ndjson"], **settings}}, {"fr": datamart}))


def only_refusal(plan: Plan) -> str:
    (refused,) = plan.refusals
    return refused.message


def effects(plan: Plan) -> list[type]:
    return [type(action) for action in plan.effects]


def test_an_import_that_is_nowhere_is_created(rig: Rig) -> None:
    declare(rig, priority="HIGH")
    rig.write("data/a.ndjson", visits(0, 2))
    plan = rig.plan()
    assert effects(plan) == [Create, Upload]
    outcome = rig.apply()
    assert outcome.exit_code == 0
    (made,) = rig.sandbox.imports()
    assert (made.datamart_id, made.name, made.document_type, made.priority) == (*VISITS, "HIGH")
    assert rig.state().imports["fr/visits"].current.id == made.id
    assert not rig.state().imports["fr/visits"].current.adopted


def test_one_of_the_same_name_and_type_is_adopted(rig: Rig) -> None:
    there = rig.sandbox.add_import(*VISITS)
    rig.sandbox.add_import("1502", "visits", "USER_ACTIVITY")
    rig.sandbox.add_import("1502", "Visits", "USER_PROFILE")
    rig.sandbox.add_import("1503", "Visits", "USER_ACTIVITY")
    declare(rig)
    rig.write("data/a.ndjson", visits(0, 2))
    plan = rig.plan()
    assert effects(plan) == [Adopt, Upload]
    assert count(plan).adopt == 1
    assert rig.apply().exit_code == 0
    assert rig.state().imports["fr/visits"].current.id == there
    assert rig.state().imports["fr/visits"].current.adopted
    assert len(rig.sandbox.imports()) == 4


def test_an_adopted_one_is_changed_to_what_the_manifest_says(rig: Rig) -> None:
    there = rig.sandbox.add_import(*VISITS, priority="LOW")
    declare(rig, priority="HIGH", sources=[])
    assert effects(rig.plan()) == [Adopt, Change]
    assert rig.apply().exit_code == 0
    (made,) = rig.sandbox.imports()
    assert (made.id, made.priority) == (there, "HIGH")
    assert rig.plan().empty


def test_several_candidates_stop_and_the_lines_to_paste_work(rig: Rig) -> None:
    first, second = rig.sandbox.add_import(*VISITS), rig.sandbox.add_import(*VISITS)
    declare(rig)
    rig.write("data/a.ndjson", visits(0, 2))
    message = only_refusal(rig.plan())
    assert f'adopt: "{first}"' in message
    assert f'adopt: "{second}"' in message
    assert "imports.yaml:1:" in message
    with pytest.raises(GuardRefused) as refused:
        rig.apply()
    assert refused.value.exit_code == 8
    assert rig.loaded() == []
    assert not rig.state_path.exists()
    declare(rig, adopt=second)
    assert rig.apply().exit_code == 0
    assert rig.state().imports["fr/visits"].current.id == second
    assert [e.import_id for e in rig.sandbox.executions()] == [second]
    assert rig.plan().empty


def test_adopting_an_id_that_is_not_there_is_refused_at_its_place(rig: Rig) -> None:
    declare(rig, adopt="999", sources=[])
    message = only_refusal(rig.plan())
    assert "999" in message
    assert "imports.yaml:1:" in message


def test_adopting_an_id_of_another_datamart_is_refused(rig: Rig) -> None:
    elsewhere = rig.sandbox.add_import("1503", "Visits", "USER_ACTIVITY")
    declare(rig, adopt=elsewhere, sources=[])
    assert f"datamart 1502 has no import {elsewhere}" in only_refusal(rig.plan())


def test_adopting_what_stands_behind_another_address_is_refused(rig: Rig) -> None:
    declare(rig, sources=[])
    rig.apply()
    held = rig.state().imports["fr/visits"].current.id
    both = {"fr/visits": {"name": "Visits"}, "fr/other": {"name": "Other", "adopt": held}}
    rig.declare(manifest(both))
    assert "fr/visits" in only_refusal(rig.plan())


def test_adopting_one_that_differs_where_nothing_can_change_is_refused(rig: Rig) -> None:
    there = rig.sandbox.add_import("1502", "Segments", "USER_SEGMENT", mime_type="TEXT_CSV")
    declare(rig, adopt=there, sources=[])
    message = only_refusal(rig.plan())
    assert "TEXT_CSV" in message
    assert "USER_SEGMENT" in message


def test_by_name_too_one_of_another_mime_type_is_not_adopted_silently(rig: Rig) -> None:
    rig.sandbox.add_import("1502", "Segments", "USER_SEGMENT", mime_type="TEXT_CSV")
    declare(rig, name="Segments", document_type="USER_SEGMENT", sources=[])
    assert "TEXT_CSV" in only_refusal(rig.plan())


def test_name_and_priority_change_in_place(rig: Rig) -> None:
    declare(rig)
    rig.write("data/a.ndjson", visits(0, 2))
    rig.apply()
    (before,) = rig.sandbox.imports()
    declare(rig, name="Store visits", priority="LOW")
    plan = rig.plan()
    assert effects(plan) == [Change]
    (change,) = [a for a in plan.actions if isinstance(a, Change)]
    assert (change.before.name, change.after.name) == ("Visits", "Store visits")
    outcome = rig.apply()
    assert (outcome.exit_code, outcome.tally.changed) == (0, 1)
    (after,) = rig.sandbox.imports()
    assert (after.id, after.name, after.priority) == (before.id, "Store visits", "LOW")
    assert len(rig.loaded()) == 1
    assert rig.plan().empty


def test_adopt_left_standing_beside_a_change_that_needs_another_import_is_refused_at_once(rig: Rig) -> None:
    there = rig.sandbox.add_import(*VISITS)
    declare(rig, adopt=there, sources=[])
    rig.apply()
    for change in ({"document_type": "USER_CHOICE"}, {"datamart": "1503"}):
        declare(rig, adopt=there, sources=[], **change)
        assert "adopt" in only_refusal(rig.plan())


def test_what_other_hands_renamed_is_put_back(rig: Rig) -> None:
    declare(rig, sources=[])
    rig.apply()
    (made,) = rig.sandbox.imports()
    rig.sandbox.change_import(made.id, name="Somebody's", priority="HIGH")
    plan = rig.plan()
    (change,) = plan.effects
    assert isinstance(change, Change)
    assert change.before.name == "Somebody's"
    assert rig.apply().tally.changed == 1
    (made,) = rig.sandbox.imports()
    assert (made.name, made.priority) == ("Visits", "MEDIUM")
    assert rig.plan().empty


@pytest.mark.parametrize("change", [{"document_type": "USER_CHOICE"}, {"datamart": "1503"}])
def test_another_type_or_datamart_is_a_new_import_with_an_empty_ledger(rig: Rig, change: dict[str, str]) -> None:
    declare(rig, sources=[])
    rig.apply()
    (old,) = rig.sandbox.imports()
    rig.write("data/a.ndjson", visits(0, 2))
    declare(rig)
    rig.apply()
    declare(rig, on_invalid="send", **change)
    plan = rig.plan()
    create, upload = plan.effects
    assert isinstance(create, Create)
    assert create.replaces == old.id
    assert isinstance(upload, Upload)
    rig.apply()
    kept, new = rig.sandbox.imports()
    assert kept.id == old.id
    after = rig.plan()
    assert after.empty
    assert [(x.id, x.replaced) for x in after.leftovers] == [(old.id, True)]
    state = rig.state().imports["fr/visits"]
    assert state.current.id == new.id
    assert [f.id for f in state.former] == [old.id]
    assert len(rig.loaded()) == 2


LENIENT = {"max_failures": "100%", "on_invalid": "send"}
SEGMENT = '{"$user_account_id":"C%d","$operation":"UPSERT","$audience_segment_id":"1"}\n'
SEGMENTS = "".join(SEGMENT % n for n in range(3))


def test_another_mime_type_is_a_new_import_that_keeps_its_ledger(rig: Rig) -> None:
    rig.write("data/a.ndjson", SEGMENTS)
    declare(rig, name="Segments", document_type="USER_SEGMENT", **LENIENT)
    assert rig.apply().tally.loaded == 1
    declare(rig, name="Segments", document_type="USER_SEGMENT", mime_type="TEXT_CSV", **LENIENT)
    plan = rig.plan()
    assert effects(plan) == [Create]
    assert [type(a) for a in plan.actions] == [Create, Skip]
    assert rig.apply().exit_code == 0
    assert len(rig.sandbox.imports()) == 2
    assert len(rig.loaded()) == 1
    assert rig.plan().empty


def test_going_back_to_a_replaced_import_by_its_id_loads_nothing_twice(rig: Rig) -> None:
    rig.write("data/a.ndjson", SEGMENTS)
    segments: dict[str, object] = {"name": "Segments", "document_type": "USER_SEGMENT", **LENIENT}
    declare(rig, **segments)
    rig.apply()
    (first,) = rig.sandbox.imports()
    declare(rig, **segments, mime_type="TEXT_CSV")
    rig.apply()
    declare(rig, **segments, adopt=first.id)
    assert rig.apply().exit_code == 0
    state = rig.state().imports["fr/visits"]
    assert state.current.id == first.id
    assert first.id not in [f.id for f in state.former]
    assert len(state.current.executions) == 1
    assert len(rig.loaded()) == 1
    assert rig.plan().empty


def test_going_back_to_an_earlier_document_type_loads_nothing_twice(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 2))
    declare(rig)
    rig.apply()
    declare(rig, document_type="USER_CHOICE", sources=[])
    rig.apply()
    declare(rig)
    assert rig.apply().exit_code == 0
    assert len(rig.loaded()) == 1


def test_deleted_outside_is_created_again_and_nothing_is_loaded_twice(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 2))
    rig.apply()
    (old,) = rig.sandbox.imports()
    rig.sandbox.delete_import(old.id)
    rig.write("data/b.ndjson", visits(10, 2))
    plan = rig.plan()
    create = plan.effects[0]
    assert isinstance(create, Create)
    assert create.reason == "deleted outside"
    assert [type(a) for a in plan.actions] == [Create, Skip, Upload]
    assert rig.apply().exit_code == 0
    assert [e.bytes for e in rig.sandbox.executions()] == [len(visits(10, 2))]
    after = rig.plan()
    assert after.empty
    assert after.leftovers == ()


@pytest.mark.parametrize("loaded", [True, False])
def test_deleted_outside_while_an_execution_had_not_settled(rig: Rig, loaded: bool) -> None:
    rig.write("data/a.ndjson", visits(0, 2))
    rig.limit(wait=False)
    rig.apply()
    (old,) = rig.sandbox.imports()
    rig.sandbox.delete_import(old.id)
    rig.limit(wait=True)
    plan = rig.plan()
    assert effects(plan) == [Create]
    # Whether it was loaded, nobody can tell any more: it is neither sent again nor passed over in silence.
    (stuck,) = (a for a in plan.actions if isinstance(a, Stuck))
    (execution,) = rig.state().imports["fr/visits"].current.executions
    assert f"state resolve fr/visits:data/a.ndjson --execution {execution.id}" in stuck.reason
    assert rig.apply().exit_code == 3
    assert rig.plan().empty
    assert rig.status().imports[0].gone is False
    # Not even by asking for failed ones again.
    assert rig.apply(retry_failed=True).exit_code == 3
    assert rig.loaded() == []
    resolve(rig.open(), "fr/visits", path="data/a.ndjson", execution=execution.id if loaded else None)
    assert rig.apply().exit_code == 0
    assert len(rig.loaded()) == (0 if loaded else 1)
    assert rig.plan().empty


def test_what_nobody_can_tell_of_holds_its_content_back_from_other_imports_too(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 2))
    rig.limit(wait=False)
    rig.apply()
    rig.sandbox.delete_import(rig.sandbox.imports()[0].id)
    rig.declare(manifest({"fr/other": {"sources": ["data/*"]}}))
    with pytest.raises(GuardRefused, match="allow_shared_content"):
        rig.apply()
    assert rig.loaded() == []


def test_a_replaced_import_that_was_deleted_outside_is_no_longer_listed(rig: Rig) -> None:
    declare(rig)
    rig.write("data/a.ndjson", visits(0, 2))
    rig.limit(wait=False)
    rig.apply()
    (old,) = rig.sandbox.imports()
    declare(rig, document_type="USER_CHOICE", sources=[])
    rig.limit(wait=True)
    rig.apply()
    rig.sandbox.delete_import(old.id)
    assert rig.plan().leftovers == ()
    assert rig.apply().exit_code == 0


def test_moved_keeps_the_import_and_its_ledger(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 2))
    rig.apply()
    (made,) = rig.sandbox.imports()
    body = {"name": "Visits", "sources": ["data/*.ndjson"]}
    rig.declare(manifest({"fr/store-visits": body}, moved=[{"from": "fr/visits", "to": "fr/store-visits"}]))
    rig.write("data/b.ndjson", visits(10, 2))
    plan = rig.plan()
    assert [type(a) for a in plan.actions] == [Move, Keep, Skip, Upload]
    assert plan.leftovers == ()
    outcome = rig.apply()
    assert (outcome.exit_code, outcome.tally.added, outcome.tally.changed) == (0, 0, 1)
    assert list(rig.state().imports) == ["fr/store-visits"]
    assert rig.state().imports["fr/store-visits"].current.id == made.id
    assert len(rig.loaded()) == 2
    assert rig.plan().empty


def test_moved_takes_all_batches_along(rig: Rig) -> None:
    def batch(key: str, name: str, **top: object) -> None:
        body = {"name": f"CRM {name}", "batch": name, "sources": ["data/*.ndjson"]}
        rig.declare(manifest({f"fr/{key}": body}, **top))

    rig.write("data/a.ndjson", visits(0, 2))
    batch("crm", "b1")
    rig.apply()
    batch("crm", "b2")
    rig.apply()
    moved = [{"from": "fr/crm", "to": "fr/profiles"}]
    batch("profiles", "b2", moved=moved)
    rig.apply()
    assert sorted(rig.state().imports) == ["fr/profiles@b1", "fr/profiles@b2"]
    plan = rig.plan()
    assert plan.empty
    assert plan.leftovers == ()
    assert plan.earlier == {"fr/profiles": 1}
    batch("profiles", "b3", moved=moved)
    assert [type(a) for a in rig.plan().actions] == [Create, Skip]


def test_moved_and_a_new_batch_at_once(rig: Rig) -> None:
    def batch(key: str, name: str, **top: object) -> None:
        body = {"name": f"CRM {name}", "batch": name, "sources": ["data/*.ndjson"]}
        rig.declare(manifest({f"fr/{key}": body}, **top))

    rig.write("data/a.ndjson", visits(0, 2))
    batch("crm", "b1")
    rig.apply()
    batch("profiles", "b2", moved=[{"from": "fr/crm", "to": "fr/profiles"}])
    plan = rig.plan()
    assert plan.refusals == ()
    assert rig.apply().exit_code == 0
    assert len(rig.loaded()) == 1
    assert rig.plan().earlier == {"fr/profiles": 1}


def test_moved_and_the_first_batch_of_a_key_at_once(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 2))
    rig.declare(manifest({"fr/crm": {"name": "CRM", "sources": ["data/*.ndjson"]}}))
    rig.apply()
    body = {"name": "CRM b1", "batch": "b1", "sources": ["data/*.ndjson"]}
    rig.declare(manifest({"fr/profiles": body}, moved=[{"from": "fr/crm", "to": "fr/profiles"}]))
    plan = rig.plan()
    assert plan.refusals == ()
    assert [type(a) for a in plan.actions] == [Move, Create, Skip]
    assert rig.apply().exit_code == 0
    assert len(rig.loaded()) == 1
    assert sorted(rig.state().imports) == ["fr/profiles", "fr/profiles@b1"]
    assert rig.plan().empty


def test_a_renamed_key_without_moved_stops_and_prints_the_block(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 2))
    rig.apply()
    declare(rig, "fr/store-visits")
    message = only_refusal(rig.plan())
    assert "moved:\n    - {from: fr/visits, to: fr/store-visits}" in message
    with pytest.raises(GuardRefused):
        rig.apply()
    assert len(rig.sandbox.imports()) == 1


def test_a_new_batch_is_a_new_import_and_loads_nothing_twice(rig: Rig) -> None:
    def batch(name: str) -> None:
        declare(rig, "fr/crm", name=f"CRM {name}", batch=name)

    rig.write("data/a.ndjson", visits(0, 2))
    batch("2026-01-14")
    rig.apply()
    batch("2026-01-15")
    rig.write("data/b.ndjson", visits(10, 2))
    plan = rig.plan()
    assert [type(a) for a in plan.actions] == [Create, Skip, Upload]
    assert plan.earlier == {"fr/crm": 1}
    assert plan.leftovers == ()
    rig.apply()
    assert sorted(rig.state().imports) == ["fr/crm@2026-01-14", "fr/crm@2026-01-15"]
    assert len(rig.sandbox.imports()) == 2
    assert len(rig.loaded()) == 2
    assert rig.plan().empty


def test_protect_is_kept_in_the_state_when_the_block_is_removed(rig: Rig) -> None:
    declare(rig, sources=[])
    rig.apply()
    declare(rig, sources=[], protect=True)
    plan = rig.plan()
    assert effects(plan) == [Guard]
    assert count(plan).change == 1
    assert rig.apply().tally.changed == 1
    rig.declare(manifest({}))
    assert [(x.address, x.protect) for x in rig.plan().leftovers] == [("fr/visits", True)]
    assert len(rig.sandbox.imports()) == 1


def test_what_is_no_longer_declared_is_listed_and_left_alone(rig: Rig) -> None:
    declare(rig, sources=[])
    rig.apply()
    (made,) = rig.sandbox.imports()
    rig.declare(manifest({"fr/other": {}}))
    plan = rig.plan()
    assert [(x.address, x.id, x.replaced) for x in plan.leftovers] == [("fr/visits", made.id, False)]
    assert all(isinstance(x, Leftover) for x in plan.leftovers)
    rig.apply()
    assert len(rig.sandbox.imports()) == 2


def test_a_replacement_with_another_guard_is_counted_once(rig: Rig) -> None:
    declare(rig, sources=[])
    rig.apply()
    declare(rig, sources=[], document_type="USER_CHOICE", protect=True)
    plan = rig.plan()
    tally = rig.apply().tally
    assert (tally.added, tally.changed) == (count(plan).add, count(plan).change) == (1, 0)
    assert rig.state().imports["fr/visits"].protect is True


def test_a_moved_import_that_is_replaced_is_counted_once(rig: Rig) -> None:
    declare(rig, sources=[])
    rig.apply()
    body = {"name": "Visits", "document_type": "USER_CHOICE"}
    rig.declare(manifest({"fr/new": body}, moved=[{"from": "fr/visits", "to": "fr/new"}]))
    plan = rig.plan()
    tally = rig.apply().tally
    assert (tally.added, tally.changed) == (count(plan).add, count(plan).change)
    assert rig.plan().empty


@pytest.mark.parametrize("now", ["elsewhere", "nowhere"])
def test_what_is_no_longer_declared_and_was_deleted_outside_does_not_get_in_the_way(rig: Rig, now: str) -> None:
    rig.write("data/a.ndjson", visits(0, 2))
    rig.limit(wait=False)
    rig.apply()
    rig.sandbox.delete_import(rig.sandbox.imports()[0].id)
    if now == "elsewhere":
        declare(rig, datamart="1503", sources=[])
    else:
        rig.declare(manifest({}))
    rig.limit(wait=True)
    rig.status()
    assert rig.apply_saved(rig.plan()).exit_code == 0
    assert rig.apply().exit_code == 0
    assert rig.plan().empty
    assert rig.plan().leftovers == ()
