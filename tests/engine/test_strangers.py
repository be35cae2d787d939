"""Answers that get lost, executions that somebody else made: told apart by their bytes, and never loaded twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mics_iac.core import journal
from mics_iac.core.plan import Upload
from mics_iac.errors import GuardRefused
from mics_iac.sandbox.faults import Fault, Kind
from mics_iac.sandbox.sandbox import Sandbox
from tests.engine.afar import EVERYWHERE
from tests.rig import Rig, digest, manifest, visits
from tests.store.stand import Died

pytestmark = EVERYWHERE

UPLOADS = "*/executions"
CREATES = "*/document_imports"


def lose(rig: Rig, kind: Kind = "reset_after", *, path: str = UPLOADS, nth: int = 1, times: int | None = 1) -> None:
    rig.fault(Fault(kind, method="POST", path=path, nth=nth, times=times))


def profile(rig: Rig, **settings: object) -> None:
    """The same platform, behaving otherwise."""
    given = replace(rig.sandbox.profile, **settings)  # type: ignore[arg-type]  # a test names real fields
    path = rig.folder.parent / "platform.sqlite"
    rig.sandbox = Sandbox(path, now=lambda: int(rig.clock.now() * 1000), profile=given)


def unfinished(rig: Rig, **options: object) -> str:
    """What a run that must end with 3 says about it."""
    outcome = rig.apply(**options)  # type: ignore[arg-type]  # a test names real options
    assert outcome.exit_code == 3, outcome
    return "\n".join(outcome.unfinished)


# Lost answers.


@pytest.mark.parametrize("kind", ["reset_after", "cut_answer", "truncated_json", "garbage"])
def test_an_upload_whose_answer_was_lost_is_found_in_the_same_run(rig: Rig, kind: Kind) -> None:
    rig.write("data/a.ndjson", visits(0, 3))
    lose(rig, kind)
    outcome = rig.apply()
    assert outcome.exit_code == 0
    assert outcome.tally.loaded == 1
    assert outcome.tally.ok == 3
    assert len(rig.loaded()) == 1
    assert rig.state().imports["fr/visits"].current.doubts == ()
    assert rig.plan().empty


def test_a_gateway_that_answers_an_error_after_the_platform_acted(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 3))
    rig.fault(Fault("error", method="POST", path=UPLOADS, status=504, acts=True))
    assert rig.apply().exit_code == 0
    assert len(rig.loaded()) == 1


@pytest.mark.parametrize("kind", ["hang", "error"])
def test_an_upload_that_never_was_is_sent_again_after_two_looks(rig: Rig, kind: Kind) -> None:
    rig.write("data/a.ndjson", visits(0, 3))
    lose(rig, kind)
    rig.limit(settle_delay=60)
    assert rig.apply().exit_code == 0
    assert len(rig.loaded()) == 1
    posts = [r.at for r in rig.sandbox.requests(method="POST") if r.path.endswith("/executions")]
    looks = [r.at for r in rig.sandbox.requests(method="GET") if r.path.endswith("/executions")]
    between = [at for at in looks if posts[0] <= at <= posts[1]]
    assert between[-1] - between[0] >= 60_000


def test_a_body_that_did_not_leave_whole_is_sent_again_sooner(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 5000))
    lose(rig, "reset_midway")
    assert rig.apply().exit_code == 0
    assert len(rig.loaded()) == 1
    posts = [r.at for r in rig.sandbox.requests(method="POST") if r.path.endswith("/executions")]
    assert 5_000 <= posts[1] - posts[0] < 30_000


def test_a_connection_that_never_was_is_simply_tried_again(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 3))
    lose(rig, "refuse", times=2)
    assert rig.apply().exit_code == 0
    assert len(rig.loaded()) == 1


def test_several_files_of_one_size_lost_at_once_each_find_their_own(rig: Rig) -> None:
    for n in range(4):
        rig.write(f"data/{n}.ndjson", visits(n * 10, 3))
    lose(rig, times=4)
    outcome = rig.apply()
    assert outcome.exit_code == 0
    assert outcome.tally.loaded == 4
    assert rig.loaded() == sorted(digest(visits(n * 10, 3)) for n in range(4))
    of_state = {e.id: e.sha256 for e in rig.state().imports["fr/visits"].current.executions}
    assert of_state == {e.id: e.sha256 for e in rig.sandbox.executions()}


def test_an_answer_that_is_lost_every_time(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 3))
    lose(rig, "hang", times=None)
    outcome = rig.apply()
    assert outcome.exit_code == 3
    assert rig.loaded() == []
    posts = len(rig.calls("POST", "/executions"))
    assert posts <= 5
    rig.faults.clear()
    assert rig.apply().exit_code == 0
    assert len(rig.loaded()) == 1


def test_a_queue_that_stands_still_leaves_the_doubt_and_lets_others_go_on(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 3))
    rig.write("data/b.ndjson", visits(10, 3))
    both = {"fr/visits": {"sources": ["data/*.ndjson"]}, "fr/other": {"sources": ["other/*.ndjson"]}}
    rig.declare(manifest(both))
    rig.write("other/c.ndjson", visits(20, 3))
    lost = digest(visits(0, 3))
    rig.limit(transfers=1, parallelism=1, wait_timeout=900)
    rig.fault(Fault("stuck", path="*/31002/executions"))
    lose(rig, path="*/31002/executions")
    said = unfinished(rig)
    assert "data/a.ndjson" in said
    assert "not sent again" in said
    assert rig.loaded().count(lost) == 1
    assert digest(visits(20, 3)) in rig.loaded()
    # It stays so until the queue moves, however often one runs.
    unfinished(rig)
    assert rig.loaded().count(lost) == 1
    rig.sandbox.release()
    assert rig.apply().exit_code == 0
    assert rig.loaded() == sorted([lost, digest(visits(10, 3)), digest(visits(20, 3))])
    assert rig.plan().empty


def test_an_input_file_that_is_gone_leaves_the_decision_to_a_person(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 3))
    lose(rig)
    rig.fault(Fault("file_gone"))
    for _ in range(2):
        said = unfinished(rig)
        assert "--ignore-history fr/visits" in said
        assert rig.sandbox.executions()[0].id in said
        assert len(rig.loaded()) == 1
    # The person says that it was somebody else's.
    assert rig.apply(ignore_history=("fr/visits",)).exit_code == 0
    assert len(rig.loaded()) == 2
    assert rig.plan().empty


def test_with_history_ignored_a_lost_answer_is_found_all_the_same(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 3))
    rig.apply()
    (made,) = rig.sandbox.imports()
    rig.sandbox.add_execution(made.id, visits(10, 3).encode())
    rig.clock.sleep(10)
    rig.write("data/b.ndjson", visits(10, 3))
    lose(rig)
    assert rig.apply(ignore_history=("fr/visits",)).exit_code == 0
    # The one by other hands, which was to be ignored, and ours, once.
    assert rig.loaded().count(digest(visits(10, 3))) == 2


def test_reloading_with_a_lost_answer_loads_once_more_and_no_more(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 3))
    rig.apply()
    lose(rig)
    assert rig.apply(reload=("fr/visits",)).exit_code == 0
    assert len(rig.loaded()) == 2
    assert rig.plan().empty


def test_a_retry_with_a_lost_answer_loads_once_more_and_no_more(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 3))
    rig.fault(Fault("ends_failed"))
    rig.apply()
    lose(rig)
    assert rig.apply(retry_failed=True).exit_code == 0
    assert len(rig.loaded()) == 2


def test_a_doubt_about_a_file_that_was_taken_away_is_settled_too(rig: Rig) -> None:
    path = rig.write("data/a.ndjson", visits(0, 3))
    rig.write("data/b.ndjson", visits(10, 3))
    rig.limit(wait_timeout=60)
    rig.fault(Fault("stuck", times=2))
    lose(rig, times=2)
    unfinished(rig)
    path.unlink()
    rig.sandbox.release()
    assert rig.apply().exit_code == 0
    held = rig.state().imports["fr/visits"].current
    assert held.doubts == ()
    assert len(held.executions) == 2


@pytest.mark.parametrize("count", [1, -1])
def test_line_counts_that_are_off_by_one_hide_nothing(rig: Rig, count: int) -> None:
    rig.write("data/a.ndjson", visits(0, 3))
    lose(rig)
    rig.fault(Fault("lines_off", count=count))
    assert rig.apply().exit_code == 0
    assert len(rig.loaded()) == 1


@pytest.mark.parametrize("ending", ["", "\n", "\n\n\n\n\n"])
@pytest.mark.parametrize("unterminated", [True, False])
@pytest.mark.parametrize("blank", ["skip", "count"])
def test_however_the_platform_counts_lines(rig: Rig, ending: str, unterminated: bool, blank: str) -> None:
    profile(rig, counts_unterminated=unterminated, blank_lines=blank)
    rig.write("data/a.ndjson", visits(0, 3).strip() + ending)
    lose(rig)
    assert rig.apply().exit_code == 0
    assert len(rig.loaded()) == 1
    rig.state_path.unlink()
    assert rig.apply().exit_code == 0
    assert len(rig.loaded()) == 1


@pytest.mark.parametrize("header", [True, False])
def test_csv_whose_header_counts_or_not(rig: Rig, header: bool) -> None:
    profile(rig, counts_header=header)
    rows = "".join(f'C{n},UPSERT,"seg\n{n}"\n' for n in range(3))
    segments = {"document_type": "USER_SEGMENT", "mime_type": "TEXT_CSV", "sources": ["data/*"]}
    rig.declare(manifest({"fr/segments": {**segments, "max_failures": "100%", "on_invalid": "send"}}))
    rig.write("data/a.csv", "user_account_id,operation,segment\n" + rows)
    lose(rig)
    outcome = rig.apply()
    assert outcome.exit_code == 0, outcome
    assert outcome.tally.ok + outcome.tally.rejected == 3
    assert len(rig.loaded()) == 1


# Lost creations.


@pytest.mark.parametrize("kind", ["reset_after", "cut_answer", "garbage"])
def test_a_creation_whose_answer_was_lost_is_found_and_is_ours(rig: Rig, kind: Kind) -> None:
    rig.write("data/a.ndjson", visits(0, 3))
    lose(rig, kind, path=CREATES)
    assert rig.apply().exit_code == 0
    assert len(rig.sandbox.imports()) == 1
    assert not rig.state().imports["fr/visits"].current.adopted
    assert rig.state().creating == {}
    assert rig.plan().empty


def test_a_creation_that_never_was_is_sent_again_after_two_looks(rig: Rig) -> None:
    lose(rig, "hang", path=CREATES)
    rig.declare(manifest({"fr/visits": {}}))
    assert rig.apply().exit_code == 0
    assert len(rig.sandbox.imports()) == 1
    first, second = (r.at for r in rig.sandbox.requests(method="POST"))
    assert second - first >= 60_000


def test_a_lost_creation_is_found_by_the_next_run(rig: Rig) -> None:
    rig.declare(manifest({"fr/visits": {}}))
    lose(rig, path=CREATES)
    # The platform hides behind errors right after, so that this run cannot look.
    rig.fault(Fault("forbidden", method="GET", path=CREATES, nth=2, times=None))
    assert rig.apply().exit_code == 9
    rig.faults.clear()
    (adopt,) = rig.plan().effects
    assert getattr(adopt, "ours", False) is True
    outcome = rig.apply()
    assert outcome.exit_code == 0
    assert len(rig.sandbox.imports()) == 1
    assert not rig.state().imports["fr/visits"].current.adopted


def test_a_lost_creation_beside_one_by_other_hands_stops(rig: Rig) -> None:
    rig.declare(manifest({"fr/visits": {}}))
    lose(rig, path=CREATES)

    def other_hands(told: object) -> None:
        if isinstance(told, journal.CreateBegun):
            rig.sandbox.add_import("1502", "Visits", "USER_ACTIVITY")

    rig.on_tell = other_hands
    outcome = rig.apply()
    assert outcome.exit_code == 8
    assert "adopt" in str(outcome.failures[0].error.remedy)
    assert len(rig.sandbox.imports()) == 2


# States that were lost or put back, and other hands.


def test_a_lost_state_is_found_again_by_name_type_and_bytes(rig: Rig) -> None:
    for n in range(4):
        rig.write(f"data/{n}.ndjson", visits(n * 10, 3))
    rig.apply()
    before = rig.state()
    rig.state_path.unlink()
    plan = rig.plan()
    assert all("may be execution" in a.reason for a in plan.actions if isinstance(a, Upload))
    outcome = rig.apply()
    assert outcome.exit_code == 0
    assert (outcome.tally.adopted, outcome.tally.added, outcome.tally.loaded) == (1, 0, 0)
    assert len(rig.loaded()) == 4
    after = rig.state()
    assert after.lineage != before.lineage
    found = {e.sha256: e.id for e in after.imports["fr/visits"].current.executions}
    assert found == {e.sha256: e.id for e in before.imports["fr/visits"].current.executions}
    assert rig.plan().empty


def killed_at(rig: Rig, kind: type[journal.Entry]) -> None:
    """An apply that dies once the first such entry is durable: its journal stays, nothing else of it does."""
    held: list[dict[Path, bytes]] = []

    def look(told: object) -> None:
        if isinstance(told, kind) and not held:
            held.append({path: path.read_bytes() for path in rig.state_path.parent.glob("*.journal.*")})

    rig.on_tell = look
    before = rig.state_path.read_bytes() if rig.state_path.exists() else None
    rig.apply()
    rig.on_tell = lambda _: None
    rig.state_path.unlink()
    if before is not None:
        rig.state_path.write_bytes(before)
    for path, data in held[0].items():
        path.write_bytes(data)


@pytest.mark.parametrize(("rejected", "code"), [(0, 0), (1, 7)])
def test_killed_after_an_ended_execution_was_taken_its_records_are_counted_by_the_next_run(
    rig: Rig, rejected: int, code: int
) -> None:
    rig.write("data/a.ndjson", visits(0, 3))
    if rejected:
        rig.fault(Fault("rejects_lines", count=rejected))
    rig.apply()
    rig.state_path.unlink()
    killed_at(rig, journal.ExecutionAdopted)
    assert rig.apply().exit_code == code
    [execution] = rig.state().imports["fr/visits"].current.executions
    assert (execution.status, execution.total_success, execution.total_failure) == ("SUCCEEDED", 3 - rejected, rejected)
    assert len(rig.loaded()) == 1


def test_killed_after_an_upload_that_was_answered_as_ended_its_records_are_counted_by_the_next_run(rig: Rig) -> None:
    profile(rig, queue_ms=0, run_ms=0)
    rig.write("data/a.ndjson", visits(0, 3))
    killed_at(rig, journal.UploadAccepted)
    assert rig.apply().exit_code == 0
    [execution] = rig.state().imports["fr/visits"].current.executions
    assert (execution.status, execution.total_success, execution.total_failure) == ("SUCCEEDED", 3, 0)
    assert len(rig.loaded()) == 1


def test_a_lost_state_of_failed_and_rejected_executions(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 3))
    rig.write("data/b.ndjson", visits(10, 3))
    rig.limit(transfers=1)
    rig.fault(Fault("ends_failed"))
    rig.apply()
    rig.state_path.unlink()
    rig.apply()
    assert len(rig.loaded()) == 2
    assert sorted(type(a).__name__ for a in rig.plan().actions) == ["Keep", "Skip", "Stuck"]


def test_one_that_was_found_ended_when_the_run_died_is_judged_by_the_next(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 3))
    rig.fault(Fault("rejects_lines"))
    assert rig.apply().exit_code == 7
    rig.state_path.unlink()

    def die(told: object) -> None:
        if isinstance(told, journal.ExecutionAdopted):
            raise Died

    rig.on_tell = die
    with pytest.raises(Died):
        rig.apply()
    rig.on_tell = lambda _: None
    outcome = rig.apply()
    assert outcome.exit_code == 7
    assert [s.rejected for s in outcome.shortfalls] == [1]
    assert rig.state().imports["fr/visits"].current.executions[0].total_success == 2
    assert len(rig.loaded()) == 1


def test_an_older_state_that_was_put_back(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 3))
    rig.apply()
    old = rig.state_path.read_bytes()
    both = {"fr/visits": {"sources": ["data/*.ndjson"]}, "fr/other": {"sources": ["other/*.ndjson"]}}
    rig.declare(manifest(both))
    rig.write("data/b.ndjson", visits(10, 3))
    rig.write("other/c.ndjson", visits(20, 3))
    rig.apply()
    rig.state_path.write_bytes(old)
    assert rig.apply().exit_code == 0
    assert len(rig.sandbox.imports()) == 2
    assert len(rig.loaded()) == 3
    assert rig.plan().empty


def test_an_adopted_import_whose_files_were_uploaded_by_hand(rig: Rig) -> None:
    there = rig.sandbox.add_import("1502", "Visits", "USER_ACTIVITY")
    for n in range(3):
        rig.sandbox.add_execution(there, visits(n * 10, 3).encode())
    rig.sandbox.add_execution(there, visits(500, 3).encode())
    rig.clock.sleep(10)
    for n in range(4):
        rig.write(f"data/{n}.ndjson", visits(n * 10, 3))
    outcome = rig.apply()
    assert outcome.exit_code == 0
    assert outcome.tally.loaded == 1
    assert len(rig.loaded()) == 5
    downloads = len(rig.calls("GET", "/data_file/data"))
    assert downloads == 5, "what says that it is none of ours is read twice"
    # What was read once is not read again.
    rig.write("data/9.ndjson", visits(900, 3))
    assert rig.apply().exit_code == 0
    assert len(rig.calls("GET", "/data_file/data")) == downloads


def test_an_upload_by_hand_that_has_not_started_is_waited_for(rig: Rig) -> None:
    there = rig.sandbox.add_import("1502", "Visits", "USER_ACTIVITY")
    rig.sandbox.add_execution(there, visits(0, 3).encode())
    rig.write("data/a.ndjson", visits(0, 3))
    assert rig.apply().exit_code == 0
    assert len(rig.loaded()) == 1


def test_history_may_be_ignored(rig: Rig) -> None:
    there = rig.sandbox.add_import("1502", "Visits", "USER_ACTIVITY")
    theirs = rig.sandbox.add_execution(there, visits(0, 3).encode())
    rig.sandbox.remove_input_file(theirs)
    rig.clock.sleep(10)
    rig.write("data/a.ndjson", visits(100, 3))
    said = unfinished(rig)
    assert "--ignore-history fr/visits" in said
    assert len(rig.loaded()) == 1
    assert rig.apply(ignore_history=("fr/visits",)).exit_code == 0
    assert len(rig.loaded()) == 2
    assert rig.plan().empty


def test_files_of_other_sizes_need_no_look_into_the_past(rig: Rig) -> None:
    there = rig.sandbox.add_import("1502", "Visits", "USER_ACTIVITY")
    for n in range(5):
        rig.sandbox.add_execution(there, visits(n * 100, 20 + n).encode())
    rig.clock.sleep(10)
    rig.write("data/a.ndjson", visits(0, 3))
    assert rig.apply().exit_code == 0
    assert rig.calls("GET", "/data_file/data") == []


# A doubt follows the content wherever it goes.


def interrupted(rig: Rig, *, stuck: bool = True) -> None:
    """A run that ends with the upload of data/a.ndjson in doubt, although the platform has it."""
    rig.write("data/a.ndjson", visits(0, 3))
    rig.limit(wait_timeout=30)
    if stuck:
        rig.fault(Fault("stuck"))
    lose(rig)
    assert rig.apply().exit_code == 3
    rig.limit(wait_timeout=3600)
    assert len(rig.loaded()) == 1


def test_a_doubt_outlives_a_renamed_key(rig: Rig) -> None:
    interrupted(rig)
    rig.sandbox.release()
    body = {"name": "Visits", "sources": ["data/*.ndjson"]}
    rig.declare(manifest({"fr/new": body}, moved=[{"from": "fr/visits", "to": "fr/new"}]))
    assert rig.apply().exit_code == 0
    assert len(rig.loaded()) == 1
    assert rig.plan().empty


def test_a_doubt_outlives_its_import_in_the_manifest(rig: Rig) -> None:
    rig.fault(Fault("file_gone"))
    interrupted(rig)
    rig.sandbox.release()
    rig.declare(manifest({}))
    assert "--ignore-history fr/visits" in unfinished(rig)
    # What it says can be done.
    assert rig.apply(ignore_history=("fr/visits",)).exit_code == 0
    assert rig.state().imports["fr/visits"].current.doubts == ()
    assert len(rig.loaded()) == 1


def test_a_doubt_outlives_a_new_batch(rig: Rig) -> None:
    def batch(name: str) -> None:
        rig.declare(manifest({"fr/visits": {"name": f"Visits {name}", "batch": name, "sources": ["data/*.ndjson"]}}))

    batch("b1")
    interrupted(rig)
    batch("b2")
    (waiting,) = rig.plan().uploads
    assert "fr/visits@b1" in waiting.reason
    rig.sandbox.release()
    assert rig.apply().exit_code == 0
    assert len(rig.loaded()) == 1
    assert rig.plan().empty


def test_a_doubt_outlives_a_move_to_another_import(rig: Rig) -> None:
    interrupted(rig)
    rig.write("other/a.ndjson", visits(0, 3))
    (rig.folder / "data/a.ndjson").unlink()
    both: dict[str, dict[str, object]] = {
        "fr/visits": {"sources": [{"path": "data/*.ndjson", "allow_empty": True}]},
        "fr/other": {"sources": ["other/*.ndjson"]},
    }
    rig.declare(manifest(both))
    rig.sandbox.release()
    assert "fr/visits loaded the same content" in unfinished(rig)
    with pytest.raises(GuardRefused, match="allow_shared_content"):
        rig.apply()
    assert len(rig.loaded()) == 1


def test_a_doubt_outlives_an_import_that_was_deleted_outside(rig: Rig) -> None:
    interrupted(rig)
    (made,) = rig.sandbox.imports()
    rig.sandbox.delete_import(made.id)
    for _ in range(2):
        with pytest.raises(GuardRefused, match="--ignore-history fr/visits"):
            rig.apply()
    assert len(rig.sandbox.executions(deleted=True)) == 1
    assert rig.apply(ignore_history=("fr/visits",)).exit_code == 0
    assert len(rig.loaded()) == 1
    assert rig.plan().empty


def segments(mime_type: str) -> str:
    """One import of segments; its mime type cannot change in place, so that another import takes its place."""
    body = {"name": "VIP", "document_type": "USER_SEGMENT", "mime_type": mime_type, "sources": ["data/*"]}
    body["on_invalid"] = "send"  # the same bytes under either type
    return manifest({"fr/vip": body})


def test_a_doubt_about_a_replaced_import_is_settled_by_asking_that_import(rig: Rig) -> None:
    rig.declare(segments("APPLICATION_X_NDJSON"))
    rig.write("data/a", '{"operation":"UPDATE","user_account_id":"C42","segment_id":"5","expiration_duration":0}\n' * 2)
    rig.limit(wait_timeout=30)
    rig.fault(Fault("stuck"))
    lose(rig)
    unfinished(rig)
    (former,) = rig.sandbox.imports()
    rig.declare(segments("TEXT_CSV"))
    (waiting,) = rig.plan().uploads
    assert "was lost: apply settles that first" in waiting.reason
    unfinished(rig)
    assert len(rig.loaded()) == 1
    rig.sandbox.release()
    assert rig.apply().exit_code == 0
    assert len(rig.loaded()) == 1
    held = rig.state().imports["fr/vip"]
    assert [(f.id, len(f.executions), f.doubts) for f in held.former] == [(former.id, 1, ())]
    assert held.current.executions == ()
    assert rig.plan().empty


def test_a_doubt_about_a_replaced_import_that_never_was_is_sent_into_the_new_one(rig: Rig) -> None:
    rig.declare(segments("APPLICATION_X_NDJSON"))
    rig.write("data/a", "operation,user_account_id,segment_id,expiration_duration\nUPDATE,C1,5,0\n")
    rig.limit(wait_timeout=0)
    lose(rig, "hang")
    unfinished(rig)
    assert rig.loaded() == []
    rig.limit(wait_timeout=3600)
    rig.declare(segments("TEXT_CSV"))
    assert rig.apply().exit_code == 0
    assert len(rig.loaded()) == 1
    held = rig.state().imports["fr/vip"]
    assert [f.doubts for f in held.former] == [()]
    assert len(held.current.executions) == 1
    assert rig.plan().empty


def moved_to_another(rig: Rig) -> None:
    """The file of `interrupted` lies in another import now."""
    rig.write("other/a.ndjson", visits(0, 3))
    (rig.folder / "data/a.ndjson").unlink()
    rig.declare(manifest({"fr/other": {"sources": ["other/*.ndjson"]}}))
    rig.sandbox.release()


def test_a_doubt_outlives_a_deleted_import_and_a_move_to_another(rig: Rig) -> None:
    interrupted(rig)
    (made,) = rig.sandbox.imports()
    rig.sandbox.delete_import(made.id)
    moved_to_another(rig)
    for _ in range(2):
        with pytest.raises(GuardRefused, match="--ignore-history fr/other"):
            rig.apply()
    assert len(rig.sandbox.executions(deleted=True)) == 1
    assert rig.apply(ignore_history=("fr/other",)).exit_code == 0
    assert len(rig.loaded()) == 1


def test_a_saved_plan_does_not_outrun_a_doubt_whose_import_is_deleted_since(rig: Rig) -> None:
    interrupted(rig)
    (made,) = rig.sandbox.imports()
    moved_to_another(rig)
    saved = rig.plan()
    assert [u.doubted for u in saved.uploads] == [True]
    rig.sandbox.delete_import(made.id)
    assert "--ignore-history fr/other" in "".join(rig.apply_saved(saved).unfinished)
    assert len(rig.sandbox.executions(deleted=True)) == 1


def test_history_may_be_ignored_for_a_renamed_key(rig: Rig) -> None:
    there = rig.sandbox.add_import("1502", "Visits", "USER_ACTIVITY")
    rig.declare(manifest({"fr/visits": {}}))
    rig.apply()
    rig.sandbox.remove_input_file(rig.sandbox.add_execution(there, visits(0, 3).encode()))
    rig.clock.sleep(10)
    rig.write("data/a.ndjson", visits(100, 3))
    body = {"name": "Visits", "sources": ["data/*.ndjson"]}
    rig.declare(manifest({"fr/new": body}, moved=[{"from": "fr/visits", "to": "fr/new"}]))
    (upload,) = rig.plan(ignore_history=("fr/new",)).uploads
    assert upload.reason == "new"
    assert rig.apply(ignore_history=("fr/new",)).exit_code == 0
    assert len(rig.loaded()) == 2


def test_a_doubt_that_nobody_can_settle_stops_the_new_batch_too(rig: Rig) -> None:
    def batch(name: str) -> None:
        rig.declare(manifest({"fr/visits": {"name": f"Visits {name}", "batch": name, "sources": ["data/*.ndjson"]}}))

    batch("b1")
    rig.fault(Fault("file_gone"))
    interrupted(rig)
    batch("b2")
    rig.sandbox.release()
    assert "--ignore-history fr/visits@b2" in unfinished(rig)
    assert len(rig.loaded()) == 1
    assert rig.apply(ignore_history=("fr/visits@b2",)).tally.loaded == 1
    assert len(rig.loaded()) == 2


# A creation in doubt, and a manifest that changed since.


def lost_creation(rig: Rig) -> str:
    """An import of ours that was created, and of which the state knows no more than that; its id."""
    rig.declare(manifest({"fr/visits": {}}))
    lose(rig, path=CREATES)
    rig.fault(Fault("forbidden", method="GET", path=CREATES, nth=2, times=None))
    rig.apply()
    rig.faults.clear()
    assert set(rig.state().creating) == {"fr/visits"}
    (made,) = rig.sandbox.imports()
    return made.id


def test_a_creation_in_doubt_whose_name_was_changed_since_is_adopted_and_renamed(rig: Rig) -> None:
    made = lost_creation(rig)
    rig.declare(manifest({"fr/visits": {"name": "Otherwise"}}))
    assert rig.apply().exit_code == 0
    held = rig.state().imports["fr/visits"].current
    assert [(i.id, i.name) for i in rig.sandbox.imports()] == [(made, "Otherwise")]
    assert (held.id, held.adopted) == (made, False)
    assert rig.state().creating == {}
    assert rig.plan().empty


def test_a_creation_in_doubt_whose_type_was_changed_since_is_ours_and_replaced(rig: Rig) -> None:
    made = lost_creation(rig)
    rig.declare(manifest({"fr/visits": {"document_type": "USER_PROFILE"}}))
    assert rig.apply().exit_code == 0
    held = rig.state().imports["fr/visits"]
    assert {i.id for i in rig.sandbox.imports()} == {held.current.id, made}
    assert [(f.id, f.adopted) for f in held.former] == [(made, False)]
    assert rig.state().creating == {}
    assert rig.plan().empty


def test_a_creation_in_doubt_that_is_not_declared_any_more_is_not_lost(rig: Rig) -> None:
    made = lost_creation(rig)
    rig.declare(manifest({"fr/other": {}}))
    assert rig.apply().exit_code == 0
    held = rig.state().imports["fr/visits"].current
    assert (held.id, held.adopted) == (made, False)
    assert rig.state().creating == {}
    assert [left.id for left in rig.plan().leftovers] == [made]


def test_a_creation_that_never_was_and_is_not_declared_any_more_is_over(rig: Rig) -> None:
    rig.declare(manifest({"fr/visits": {}}))
    lose(rig, "hang", path=CREATES)
    rig.fault(Fault("forbidden", method="GET", path=CREATES, nth=2, times=None))
    rig.apply()
    rig.faults.clear()
    rig.declare(manifest({"fr/other": {}}))
    assert rig.apply().exit_code == 0
    assert rig.state().creating == {}
    assert len(rig.sandbox.imports()) == 1


# Answers that are not the input file.


@pytest.mark.parametrize("kind", ["garbage", "truncated_json", "cut_answer", "error"])
@pytest.mark.parametrize("times", [1, None])
def test_what_is_not_the_input_file_tells_nothing(rig: Rig, kind: Kind, times: int | None) -> None:
    for number in range(3):
        rig.write(f"data/{number}.ndjson", visits(number * 10, 3))
    rig.apply()
    rig.state_path.unlink()
    rig.fault(Fault(kind, method="GET", path="/v1/data_file/data", times=times))
    outcome = rig.apply()
    assert (outcome.exit_code == 0) == (times == 1)
    assert len(rig.loaded()) == 3
    rig.faults.clear()
    assert rig.apply().exit_code == 0
    assert len(rig.loaded()) == 3
    assert rig.plan().empty


def test_a_page_in_place_of_the_file_of_a_lost_upload(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 1))
    lose(rig)
    rig.fault(Fault("garbage", method="GET", path="/v1/data_file/data"))
    assert rig.apply().exit_code == 0
    assert len(rig.loaded()) == 1
