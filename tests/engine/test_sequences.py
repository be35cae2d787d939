"""Sequences that once loaded twice, lost a file, told a wrong exit code or left no way out."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import Any

import pytest

from mics_iac.core.outcome import Outcome
from mics_iac.core.progress import Sending
from mics_iac.engine import addresses, workflow
from mics_iac.engine.resolution import resolve
from mics_iac.errors import GuardRefused, Locked, StateConflict
from mics_iac.sandbox.faults import Fault
from tests.engine.afar import EVERYWHERE
from tests.engine.test_two_at_once import beside, unlock_by_hand
from tests.rig import Rig, digest, manifest, visits

pytestmark = EVERYWHERE

UPLOADS, CREATES = "*/executions", "*/document_imports"
A, B = visits(0, 3), visits(10, 3)


def lose(rig: Rig, kind: str = "reset_after", **more: Any) -> None:
    rig.fault(Fault(kind, method="POST", path=UPLOADS, **more))  # type: ignore[arg-type]


def declare(rig: Rig, **more: object) -> None:
    rig.declare(manifest({"fr/visits": {"sources": ["data/*.ndjson"], **more}}))


def replace(rig: Rig, **more: object) -> None:
    """Another import of the platform takes the place of the one of today."""
    declare(rig, adopt=rig.sandbox.add_import("1502", "Another", "USER_ACTIVITY"), **more)


def doubt(rig: Rig, *kinds: str, wait: float = 30) -> None:
    """A run that ends with uploads in doubt that the platform has (`stuck`, `file_gone`) or may have (`hang`)."""
    rig.limit(wait_timeout=wait)
    for nth, kind in enumerate(kinds, 1):
        if kind != "hang":
            rig.fault(Fault(kind, nth=nth))  # type: ignore[arg-type]
    lose(rig, "hang" if "hang" in kinds else "reset_after", times=len(kinds))
    assert rig.apply().exit_code == 3
    rig.faults.clear()
    rig.limit(wait_timeout=3600)


def texts(outcome: Outcome) -> str:
    return "\n".join((*outcome.unfinished, *(f"{f.address}: {f.error.message}" for f in outcome.failures)))


# 1. An execution that failed and runs again, after the plan was made or where the plan does not look.


def failed_once(rig: Rig) -> None:
    rig.write("data/a.ndjson", A)
    rig.fault(Fault("ends_failed"))
    assert rig.apply().exit_code == 7


def runs_again(rig: Rig) -> None:
    """Other hands run every failed execution again, and it succeeds."""
    with sqlite3.connect(rig.folder.parent / f"{rig.folder.name}.platform.sqlite") as db:
        again = "UPDATE executions SET outcome = 'SUCCEEDED', success = lines, failure = 0, message = NULL"
        db.execute(f"{again} WHERE outcome = 'FAILED'")


def test_run_again_between_a_saved_plan_and_its_apply(rig: Rig) -> None:
    failed_once(rig)
    saved = rig.plan(retry_failed=True)
    runs_again(rig)
    rig.apply_saved(saved)
    assert rig.loaded() == [digest(A)]
    assert rig.plan().empty


def test_run_again_while_a_person_reads_the_plan(rig: Rig) -> None:
    failed_once(rig)

    def read(_: object) -> bool:
        rig.clock.sleep(600)
        runs_again(rig)
        return True

    assert rig.apply(approve=read, retry_failed=True).exit_code == 0
    assert rig.loaded() == [digest(A)]


def test_run_again_and_the_platform_not_asked_for_the_plan(rig: Rig) -> None:
    failed_once(rig)
    runs_again(rig)
    rig.apply(refresh=False, retry_failed=True)
    assert rig.loaded() == [digest(A)]


def test_run_again_and_its_file_moved_to_another_import(rig: Rig) -> None:
    failed_once(rig)
    runs_again(rig)
    rig.declare(manifest({"fr/visits": {}, "fr/other": {"sources": ["data/*.ndjson"]}}))
    with pytest.raises(GuardRefused, match="allow_shared_content"):
        rig.apply()
    assert rig.loaded() == [digest(A)]


def test_run_again_moved_to_another_import_and_the_platform_not_asked_for_the_plan(rig: Rig) -> None:
    both: dict[str, dict[str, object]] = {"fr/visits": {"sources": ["data/*.ndjson"]}, "fr/other": {}}
    rig.declare(manifest(both))
    failed_once(rig)
    runs_again(rig)
    rig.declare(manifest({"fr/other": {"sources": ["data/*.ndjson"]}}))
    with contextlib.suppress(GuardRefused):
        rig.apply(refresh=False)
    assert rig.loaded() == [digest(A)]


def test_run_again_in_an_import_that_was_replaced(rig: Rig) -> None:
    failed_once(rig)
    runs_again(rig)
    replace(rig)
    rig.apply()
    assert rig.loaded() == [digest(A)]


# 2. Between the last look at the lock and the last block, somebody is told, who may stand still.


def test_a_display_that_stands_still_after_the_last_look_at_the_lock(rig: Rig) -> None:
    rig.write("data/a.ndjson", A)
    second: list[Outcome] = []
    ends: list[object] = []

    def stands_still(told: object) -> None:
        if isinstance(told, Sending) and told.sent == told.total:
            ends.append(told)
            if len(ends) == 2:
                unlock_by_hand(rig)
                second.append(beside(rig).apply())

    rig.on_tell = stands_still
    with contextlib.suppress(Locked, StateConflict):
        rig.apply()
    assert second[0].exit_code == 0
    assert rig.loaded() == [digest(A)]


# 3. `--resend` of one file decides on others too.


def test_resend_of_one_file_does_not_decide_on_another(rig: Rig) -> None:
    rig.write("data/a.ndjson", A)
    rig.write("data/b.ndjson", B)
    doubt(rig, "file_gone", "file_gone")
    resolve(rig.open(), "fr/visits", path="data/a.ndjson", execution=None)
    assert rig.apply().exit_code == 3
    assert rig.loaded().count(digest(A)) == 2  # as a person asked
    assert rig.loaded().count(digest(B)) == 1  # nobody asked


def test_resend_of_a_new_file_does_not_decide_on_what_was_loaded(rig: Rig) -> None:
    for n in range(3):
        rig.write(f"data/{n}.ndjson", visits(10 * n, 3))
    rig.fault(Fault("file_gone", times=3))
    assert rig.apply().exit_code == 0
    rig.state_path.unlink()
    rig.write("data/new.ndjson", visits(500, 3))
    assert rig.apply().exit_code == 3
    resolve(rig.open(), "fr/visits", path="data/new.ndjson", execution=None)
    rig.apply()
    assert len(rig.loaded()) == 4


def test_resend_waits_for_bytes_that_will_tell(rig: Rig) -> None:
    rig.write("data/a.ndjson", A)
    doubt(rig, "stuck")
    with pytest.raises(GuardRefused):
        resolve(rig.open(), "fr/visits", path=None, execution=None)
    rig.sandbox.release()
    assert rig.apply().exit_code == 0
    assert rig.loaded() == [digest(A)]


# 4. Two doubts under one path cannot be told apart by any command.


def test_two_doubts_under_one_path_can_be_decided_on(rig: Rig) -> None:
    contents = (A, visits(100, 30))
    for content in contents:
        rig.write("data/a.ndjson", content)
        doubt(rig, "file_gone")
    ids = {e.sha256: e.id for e in rig.sandbox.executions()}
    for content in contents:
        resolve(rig.open(), "fr/visits", path=f"sha256:{digest(content)[:12]}", execution=ids[digest(content)])
    assert rig.state().imports["fr/visits"].current.doubts == ()
    assert rig.plan().empty


# 5. A former import with a doubt is adopted back: its doubt stays in a lane of its own.


def test_an_import_adopted_back_keeps_the_delay_of_its_doubt(rig: Rig) -> None:
    rig.write("data/a.ndjson", A)
    doubt(rig, "hang", wait=0)
    (first,) = rig.sandbox.imports()
    replace(rig)
    rig.limit(wait_timeout=0)
    rig.apply()
    assert rig.state().imports["fr/visits"].former[0].doubts
    rig.limit(wait_timeout=3600)
    declare(rig, adopt=first.id)
    assert rig.apply().exit_code == 0
    first_post, second_post = (r.at for r in rig.sandbox.requests(method="POST") if r.path.endswith("/executions"))
    assert second_post - first_post >= 60_000


def test_an_import_adopted_back_finds_what_was_lost(rig: Rig) -> None:
    rig.write("data/a.ndjson", A)
    doubt(rig, "stuck")
    (first,) = rig.sandbox.imports()
    replace(rig)
    rig.limit(wait_timeout=30)
    rig.apply()
    rig.limit(wait_timeout=3600)
    rig.write("data/b.ndjson", B)
    declare(rig, adopt=first.id)
    rig.sandbox.release()
    outcome = rig.apply()
    assert outcome.exit_code == 0, texts(outcome)
    assert len(rig.loaded()) == 2


# 6. A doubt in a datamart that answers no more, and that nothing declared needs: no command gets out of it.


@pytest.mark.parametrize("kind", ["forbidden", "error"])
def test_a_doubt_in_a_datamart_that_is_not_declared_any_more_and_refuses(rig: Rig, kind: str) -> None:
    both: dict[str, dict[str, object]] = {"fr/a": {"sources": ["a/*"]}, "be/b": {"sources": ["b/*"]}}
    rig.declare(manifest(both, {"fr": "1502", "be": "1600"}))
    rig.write("a/one.ndjson", A)
    rig.write("b/one.ndjson", B)
    rig.limit(wait_timeout=30)
    rig.fault(Fault("reset_after", method="POST", path="*/datamarts/1600/*/executions"))
    rig.fault(Fault("stuck", path="*/datamarts/1600/*/executions"))
    assert rig.apply().exit_code == 3
    rig.limit(wait_timeout=3600)
    rig.faults.clear()
    rig.declare(manifest({"fr/a": both["fr/a"]}))
    rig.fault(Fault(kind, path="*/datamarts/1600/*", times=None, status=404))  # type: ignore[arg-type]
    assert rig.plan().empty
    outcome = rig.apply()
    assert outcome.exit_code == 0, texts(outcome)
    assert rig.state().imports["be/b"].current.doubts
    rig.faults.clear()
    rig.sandbox.release()
    assert rig.apply().exit_code == 0
    assert rig.state().imports["be/b"].current.doubts == ()


def test_a_saved_plan_and_a_datamart_that_is_not_declared_any_more_and_refuses(rig: Rig) -> None:
    both: dict[str, dict[str, object]] = {"fr/a": {"sources": ["a/*"]}, "be/b": {"sources": ["b/*"]}}
    rig.declare(manifest(both, {"fr": "1502", "be": "1600"}))
    rig.write("a/one.ndjson", A)
    rig.write("b/one.ndjson", B)
    rig.limit(wait=False)
    assert rig.apply().exit_code == 0
    rig.limit(wait=True)
    rig.declare(manifest({"fr/a": both["fr/a"]}))
    rig.write("a/two.ndjson", visits(20, 3))
    rig.fault(Fault("forbidden", path="*/datamarts/1600/*", times=None))
    assert rig.apply_saved(rig.plan()).exit_code == 0


# 7. A doubt in an import that is gone does not hold for other imports.


def test_a_doubt_about_an_import_that_is_gone_holds_for_other_imports_too(rig: Rig) -> None:
    rig.write("data/a.ndjson", A)
    doubt(rig, "stuck")
    rig.sandbox.delete_import(rig.sandbox.imports()[0].id)
    rig.declare(manifest({"fr/other": {"sources": ["data/*.ndjson"]}}))
    with pytest.raises(GuardRefused, match="state resolve fr/visits"):
        rig.apply()
    assert len(rig.sandbox.executions(deleted=True)) == 1


# 8. Exit codes and orders that are not true.


def test_ordered_goes_on_after_what_a_former_import_loaded(rig: Rig) -> None:
    declare(rig, ordered=True)
    rig.write("data/a.ndjson", A)
    rig.write("data/b.ndjson", B)
    doubt(rig, "stuck")
    replace(rig, ordered=True)
    rig.sandbox.release()
    outcome = rig.apply()
    assert outcome.exit_code == 0, texts(outcome)


def test_ordered_waits_for_what_a_former_import_is_loading(rig: Rig) -> None:
    declare(rig, ordered=True)
    rig.write("data/a.ndjson", A)
    rig.fault(Fault("stuck"))
    rig.limit(wait_timeout=30)
    assert rig.apply().exit_code == 3
    replace(rig, ordered=True)
    rig.write("data/b.ndjson", B)
    rig.apply()
    assert rig.loaded() == [digest(A)]
    rig.sandbox.release()
    assert rig.apply().exit_code == 0
    assert [e.sha256 for e in rig.sandbox.executions()] == [digest(A), digest(B)]


def test_several_doubts_of_an_ordered_import_whose_files_are_gone(rig: Rig) -> None:
    for n in range(2):
        declare(rig, ordered=True)
        rig.write(f"data/{n}.ndjson", visits(n * 10, 3))
        doubt(rig, "hang", wait=0)
        (rig.folder / f"data/{n}.ndjson").unlink()
    declare(rig, ordered=True, sources=[{"path": "data/*.ndjson", "allow_empty": True}])
    outcome = rig.apply()
    assert outcome.exit_code == 0, texts(outcome)


@pytest.mark.parametrize("refused", [True, False])
def test_a_retry_in_doubt_that_turns_out_to_be_loaded(rig: Rig, refused: bool) -> None:
    rig.write("data/a.ndjson", A)
    rig.fault(Fault("error", method="POST", path=UPLOADS, status=400) if refused else Fault("ends_failed"))
    rig.apply()
    rig.faults.clear()
    rig.limit(wait_timeout=30)
    rig.fault(Fault("stuck"))
    lose(rig)
    assert rig.apply(retry_failed=True).exit_code == 3
    rig.limit(wait_timeout=3600)
    rig.sandbox.release()
    outcome = rig.apply()
    assert rig.plan().empty
    assert outcome.exit_code == 0, texts(outcome)


def test_the_command_that_the_message_names_can_be_given(rig: Rig) -> None:
    rig.write("data/a.ndjson", A)
    doubt(rig, "file_gone")
    replace(rig)
    assert rig.apply().exit_code == 3
    rig.declare(manifest({}))
    assert "--ignore-history fr/visits" in "\n".join(rig.apply().unfinished)
    assert rig.apply(ignore_history=("fr/visits",)).exit_code == 0


# 9. Creations in doubt.


def lost_create(rig: Rig) -> None:
    rig.fault(Fault("reset_after", method="POST", path=CREATES))
    rig.fault(Fault("forbidden", method="GET", path=CREATES, nth=2, times=None))
    assert rig.apply().exit_code == 9
    rig.faults.clear()


def test_a_creation_in_doubt_whose_name_was_changed_is_found(rig: Rig) -> None:
    rig.declare(manifest({"fr/visits": {}}))
    lost_create(rig)
    rig.declare(manifest({"fr/visits": {"name": "New name"}}))
    assert rig.apply().exit_code == 0
    (made,) = rig.sandbox.imports()
    assert (made.id, made.name) == (rig.state().imports["fr/visits"].current.id, "New name")


# 10. What is forgotten, deleted and renamed.


def test_a_file_whose_import_was_deleted_before_it_was_loaded(rig: Rig) -> None:
    rig.write("data/a.ndjson", A)
    rig.fault(Fault("stuck"))
    rig.limit(wait=False)
    assert rig.apply().exit_code == 0
    rig.sandbox.delete_import(rig.sandbox.imports()[0].id)
    rig.limit(wait=True)
    try:
        code = rig.apply().exit_code
    except GuardRefused:
        code = 8
    assert code != 0, "0, and nothing was ever loaded: not in this run, and not in any later one"


def test_state_rm_after_a_replacement(rig: Rig) -> None:
    rig.write("data/a.ndjson", A)
    rig.apply()
    replace(rig)
    rig.apply()
    addresses.forget(rig.open(), "fr/visits")
    rig.apply()
    assert rig.loaded().count(digest(A)) == 1


def test_a_replacement_in_doubt_that_is_not_declared_any_more_can_be_forgotten(rig: Rig) -> None:
    segments = {"document_type": "USER_SEGMENT", "max_failures": "100%"}
    rig.declare(manifest({"fr/visits": segments}))
    rig.apply()
    rig.declare(manifest({"fr/visits": {**segments, "mime_type": "TEXT_CSV"}}))
    lost_create(rig)
    rig.declare(manifest({}))
    with pytest.raises(GuardRefused):
        addresses.forget(rig.open(), "fr/visits")
    # What the refusal says can be done.
    rig.apply()
    workflow.recover(rig.open())
    addresses.forget(rig.open(), "fr/visits")


def test_a_creation_in_doubt_whose_key_was_changed(rig: Rig) -> None:
    rig.declare(manifest({"fr/visits": {}}))
    lost_create(rig)
    rig.declare(manifest({"fr/new": {"name": "Visits"}}, moved=[{"from": "fr/visits", "to": "fr/new"}]))
    assert rig.apply().exit_code == 0
    assert rig.state().creating == {}
    assert not rig.state().imports["fr/new"].current.adopted
