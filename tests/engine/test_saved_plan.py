"""A saved plan is done as it was read, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import msgspec
import pytest

from mics_iac.core.plan import Plan, decode_plan, encode_plan
from mics_iac.engine.project import open_saved
from mics_iac.errors import GuardRefused, MicsError, PlanStale, UsageError
from tests.rig import ONE_IMPORT, Rig, manifest, visits


def stale(rig: Rig, saved: Plan) -> str:
    """Apply a plan that must be stale, and see that nothing was done; what had moved."""
    posts = len(rig.calls("POST") + rig.calls("PUT") + rig.calls("DELETE"))
    files = {p: p.read_bytes() for p in rig.folder.rglob("*") if p.is_file()}
    with pytest.raises(PlanStale) as refused:
        rig.apply_saved(saved)
    assert refused.value.exit_code == 5
    assert len(rig.calls("POST") + rig.calls("PUT") + rig.calls("DELETE")) == posts
    assert {p: p.read_bytes() for p in rig.folder.rglob("*") if p.is_file()} == files
    return "\n".join(refused.value.moved)


def test_a_saved_plan_is_applied_as_it_is(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 2))
    saved = rig.plan()
    # What came since is not in it, and is left for the next plan.
    rig.write("data/b.ndjson", visits(5, 2))
    outcome = rig.apply_saved(saved)
    assert (outcome.exit_code, outcome.tally.added, outcome.tally.loaded) == (0, 1, 1)
    assert len(rig.plan().uploads) == 1


def test_applied_once_it_is_stale(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 2))
    saved = rig.plan()
    rig.apply_saved(saved)
    assert "the state" in stale(rig, saved)
    assert len(rig.loaded()) == 1


def test_a_byte_of_the_manifest(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 2))
    saved = rig.plan()
    rig.declare(ONE_IMPORT + "# a remark\n")
    assert "imports.yaml" in stale(rig, saved)


def test_a_data_file(rig: Rig) -> None:
    path = rig.write("data/a.ndjson", visits(0, 2))
    saved = rig.plan()
    path.write_text(visits(1, 2))
    assert "data/a.ndjson" in stale(rig, saved)
    path.write_text(visits(0, 3))
    assert "data/a.ndjson" in stale(rig, saved)
    path.unlink()
    assert "data/a.ndjson" in stale(rig, saved)


def test_everything_that_moved_is_named_at_once(rig: Rig) -> None:
    path = rig.write("data/a.ndjson", visits(0, 2))
    saved = rig.plan()
    path.unlink()
    rig.declare(ONE_IMPORT + "\n")
    rig.sandbox.add_import("1502", "Visits", "USER_ACTIVITY")
    moved = stale(rig, saved)
    assert "data/a.ndjson" in moved
    assert "imports.yaml" in moved
    assert "'Visits'" in moved


def test_the_state_that_another_run_saved(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 2))
    rig.apply()
    rig.write("data/b.ndjson", visits(5, 2))
    saved = rig.plan()
    rig.write("data/c.ndjson", visits(9, 2))
    rig.apply()
    assert "serial 2" in stale(rig, saved)


def test_another_state_altogether(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 2))
    rig.apply()
    rig.write("data/b.ndjson", visits(5, 2))
    saved = rig.plan()
    rig.state_path.unlink()
    rig.apply()
    assert "lineage" in stale(rig, saved)


@pytest.mark.parametrize(
    "meddle",
    [
        lambda rig, held: rig.sandbox.change_import(held, name="Somebody's"),
        lambda rig, held: rig.sandbox.change_import(held, priority="LOW"),
        lambda rig, held: rig.sandbox.delete_import(held),
    ],
    ids=["renamed", "changed", "deleted"],
)
@pytest.mark.parametrize("what", ["upload", "change", "moved", "guard"])
def test_an_import_that_it_names(rig: Rig, what: str, meddle: Callable[[Rig, str], None]) -> None:
    rig.write("data/a.ndjson", visits(0, 2))
    rig.apply()
    (made,) = rig.sandbox.imports()
    body: dict[str, object] = {"name": "Visits", "sources": ["data/*.ndjson"]}
    match what:
        case "upload":
            rig.write("data/b.ndjson", visits(5, 2))
        case "change":
            rig.declare(manifest({"fr/visits": {**body, "name": "Store visits"}}))
        case "guard":
            rig.declare(manifest({"fr/visits": {**body, "protect": True}}))
        case _:
            rig.write("data/b.ndjson", visits(5, 2))
            rig.declare(manifest({"fr/new": body}, moved=[{"from": "fr/visits", "to": "fr/new"}]))
    saved = rig.plan()
    assert not saved.empty
    meddle(rig, made.id)
    assert made.id in stale(rig, saved)


def test_an_import_that_it_adopts(rig: Rig) -> None:
    there = rig.sandbox.add_import("1502", "Visits", "USER_ACTIVITY")
    rig.write("data/a.ndjson", visits(0, 2))
    saved = rig.plan()
    rig.sandbox.change_import(there, priority="HIGH")
    assert there in stale(rig, saved)


def test_a_new_import_with_the_name_and_type_of_one_it_creates(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 2))
    saved = rig.plan()
    rig.sandbox.add_import("1502", "Visits", "USER_ACTIVITY")
    assert "USER_ACTIVITY" in stale(rig, saved)


def test_imports_that_it_does_not_name_do_not_matter(rig: Rig) -> None:
    other = rig.sandbox.add_import("1502", "Other", "USER_ACTIVITY")
    rig.write("data/a.ndjson", visits(0, 2))
    saved = rig.plan()
    rig.sandbox.change_import(other, name="Another")
    rig.sandbox.add_import("1502", "Third", "USER_ACTIVITY")
    assert rig.apply_saved(saved).exit_code == 0


def test_the_progress_of_executions_alone_makes_nothing_stale(rig: Rig) -> None:
    rig.limit(wait=False)
    rig.write("data/a.ndjson", visits(0, 2))
    rig.apply()
    rig.write("data/b.ndjson", visits(5, 2))
    saved = rig.plan()
    rig.clock.sleep(100)
    rig.limit(wait=True)
    outcome = rig.apply_saved(saved)
    assert (outcome.exit_code, outcome.tally.loaded, outcome.tally.ok) == (0, 1, 2)
    assert rig.plan().empty


def test_an_upload_by_other_hands_since_is_found_by_its_bytes(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 2))
    rig.apply()
    rig.write("data/b.ndjson", visits(5, 2))
    saved = rig.plan()
    rig.sandbox.add_execution(rig.sandbox.imports()[0].id, visits(5, 2).encode())
    assert rig.apply_saved(saved).exit_code == 0
    assert len(rig.loaded()) == 2


def test_a_plan_that_a_guard_refuses_cannot_be_applied(rig: Rig) -> None:
    rig.sandbox.add_import("1502", "Visits", "USER_ACTIVITY")
    rig.sandbox.add_import("1502", "Visits", "USER_ACTIVITY")
    rig.write("data/a.ndjson", visits(0, 2))
    with pytest.raises(GuardRefused):
        rig.apply_saved(rig.plan())


def test_a_plan_whose_refusals_were_taken_out_is_no_plan(rig: Rig) -> None:
    rig.sandbox.add_import("1502", "Visits", "USER_ACTIVITY")
    rig.sandbox.add_import("1502", "Visits", "USER_ACTIVITY")
    rig.write("data/a.ndjson", visits(0, 2))
    whole = msgspec.json.decode(encode_plan(rig.plan()))
    whole["refusals"] = []
    with pytest.raises(MicsError, match="changed after it was saved"):
        decode_plan(msgspec.json.encode(whole), name="plan.json")


def test_a_plan_of_the_sandbox_is_not_applied_elsewhere(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 2))
    saved = rig.plan()
    with pytest.raises(UsageError, match="--sandbox"):
        open_saved(replace(rig.inputs(), sandbox=None), saved)


def test_expect_digest_goes_on_only_with_what_was_reviewed(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 2))
    reviewed = rig.plan().digest
    rig.write("data/b.ndjson", visits(5, 2))
    with pytest.raises(PlanStale) as refused:
        rig.apply(expect_digest=reviewed)
    assert refused.value.exit_code == 5
    assert rig.sandbox.imports() == ()
    (rig.folder / "data/b.ndjson").unlink()
    assert rig.apply(expect_digest=reviewed).exit_code == 0


def test_the_digest_outlives_changes_that_do_not_concern_it(rig: Rig) -> None:
    """What a pull request showed is what comes after the merge, although the state was saved in between."""
    files = {"sources": [{"path": "data/*.ndjson", "allow_empty": True}]}
    others = {"sources": [{"path": "other/*.ndjson", "allow_empty": True}]}
    rig.declare(manifest({"fr/other": others, "fr/visits": files}))
    rig.apply()
    rig.write("data/a.ndjson", visits(0, 2))
    reviewed = rig.plan(target=("fr/visits",))
    rig.write("other/b.ndjson", visits(50, 2))
    rig.apply(target=("fr/other",))
    rig.clock.sleep(1_000_000)
    now = rig.plan(target=("fr/visits",))
    assert now.base.serial > reviewed.base.serial
    assert now.digest == reviewed.digest


@pytest.mark.parametrize(
    "change",
    [
        {"name": "Store visits"},
        {"priority": "HIGH"},
        {"document_type": "USER_CHOICE"},
        {"max_failures": "5%"},
        {"ordered": True},
        {"protect": True},
        {"allow_shared_content": True},
    ],
)
def test_the_digest_is_another_when_a_setting_is(rig: Rig, change: dict[str, object]) -> None:
    body = {"name": "Visits", "sources": ["data/*.ndjson"]}
    rig.write("data/a.ndjson", visits(0, 2))
    rig.declare(manifest({"fr/visits": body}))
    before = rig.plan().digest
    rig.declare(manifest({"fr/visits": {**body, **change}}))
    # What is allowed and not made use of changes nothing that will be done.
    assert (rig.plan().digest == before) is ("allow_shared_content" in change)


def test_the_digest_is_another_when_a_file_or_an_option_is(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 2))
    digests = {rig.plan().digest, rig.plan(target=("fr/visits",)).digest, rig.plan(retry_failed=True).digest}
    digests |= {rig.plan(reload=("fr/visits",)).digest, rig.plan(ignore_history=("fr/visits",)).digest}
    rig.write("data/a.ndjson", visits(0, 3))
    digests.add(rig.plan().digest)
    rig.write("data/b.ndjson", visits(50, 3))
    digests.add(rig.plan().digest)
    (rig.folder / "data/b.ndjson").rename(rig.folder / "data/c.ndjson")
    digests.add(rig.plan().digest)
    rig.declare(ONE_IMPORT.replace("1502", "1503"))
    digests.add(rig.plan().digest)
    assert len(digests) == 9


def test_the_digest_tells_datamarts_apart_where_only_files_are_loaded(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 2))
    rig.apply()
    rig.write("data/b.ndjson", visits(5, 2))
    here = rig.plan().digest
    rig.state_path.unlink()
    rig.declare(ONE_IMPORT.replace("1502", "1503"))
    (rig.folder / "data/b.ndjson").unlink()
    rig.apply()
    rig.write("data/b.ndjson", visits(5, 2))
    there = rig.plan()
    assert [type(a).__name__ for a in there.effects] == ["Upload"]
    assert there.digest != here
