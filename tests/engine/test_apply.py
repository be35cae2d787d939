"""What apply does, records and tells, when things go well and when they do not."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from mics_iac.core import journal
from mics_iac.core.plan import Plan, Stuck, count
from mics_iac.core.progress import Sending
from mics_iac.errors import GuardRefused, NotAllowed, SourceFailed
from mics_iac.sandbox.faults import Fault, Kind
from tests.rig import Rig, digest, manifest, visits

UPLOADS = {"method": "POST", "path": "*/executions"}


def many(count: int, **settings: Any) -> str:
    """Imports that each load one folder of their own."""
    bodies = {
        f"fr/import-{n}": {"name": f"Import {n}", "sources": [{"path": f"data/{n}/*", "allow_empty": True}], **settings}
        for n in range(count)
    }
    return manifest(bodies)


# Records.


def test_the_intent_is_durable_before_each_request_leaves(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 2))
    seen: list[tuple[int, bytes]] = []
    rig.on_wait = lambda: seen.append((len(rig.calls("POST") + rig.calls("PUT")), rig.journals()))
    rig.fault(Fault("delay", method="POST", delay_ms=10, times=None), Fault("delay", method="PUT", delay_ms=10))
    rig.apply()
    rig.declare(manifest({"fr/visits": {"name": "Store visits", "sources": ["data/*.ndjson"]}}))
    rig.apply()
    creating, uploading, changing = (held for _, held in seen)
    assert b'"create-begun"' in creating
    assert b'"import-created"' not in creating
    assert b'"upload-begun"' in uploading
    assert digest(visits(0, 2)).encode() in uploading
    assert b'"upload-accepted"' not in uploading
    assert b'"change-begun"' in changing
    assert b'"import-changed"' not in changing


def test_the_state_is_saved_once_and_the_journal_removed(rig: Rig) -> None:
    for n in range(5):
        rig.write(f"data/{n}.ndjson", visits(n * 10, 2))
    rig.apply()
    assert rig.state().serial == 1
    assert [p.name for p in rig.state_path.parent.iterdir()] == [rig.state_path.name]
    assert {e.status for e in rig.state().imports["fr/visits"].current.executions} == {"SUCCEEDED"}


def test_with_nothing_to_do_nothing_is_written_or_asked(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 2))
    rig.apply()
    before = rig.state_path.stat().st_mtime_ns, rig.state_path.read_bytes()
    outcome = rig.apply(approve=lambda _: pytest.fail("nothing is to be approved"))
    assert outcome.exit_code == 0
    assert (rig.state_path.stat().st_mtime_ns, rig.state_path.read_bytes()) == before


def test_a_plan_that_is_not_approved_is_not_begun(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 2))
    outcome = rig.apply(approve=lambda _: False)
    assert outcome.declined
    assert outcome.exit_code == 1
    assert rig.calls("POST") == []
    assert not rig.state_path.exists()
    assert rig.apply().exit_code == 0


def test_a_guard_lets_nothing_begin(rig: Rig) -> None:
    rig.declare(many(2))
    rig.write("data/0/a.ndjson", visits(0, 2))
    rig.sandbox.add_import("1502", "Import 1", "USER_ACTIVITY")
    rig.sandbox.add_import("1502", "Import 1", "USER_ACTIVITY")
    with pytest.raises(GuardRefused):
        rig.apply()
    assert rig.calls("POST") == []
    assert not rig.state_path.exists()


def test_what_is_told_is_what_was_recorded(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 2))
    rig.apply()
    entries = [type(told) for told in rig.told if isinstance(told, journal.Entry)]
    assert entries == [
        journal.RunBegun,
        journal.CreateBegun,
        journal.ImportCreated,
        journal.UploadBegun,
        journal.UploadAccepted,
        journal.ExecutionSettled,
    ]


def test_no_record_and_no_token_is_in_state_or_journal(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 2))
    held: list[bytes] = []
    rig.on_tell = lambda _: held.append(rig.journals())
    rig.apply()
    everything = b"".join(held) + rig.state_path.read_bytes()
    assert b"CUST-" not in everything
    assert b"Authorization" not in everything


# Failures.


def test_one_import_that_fails_does_not_stop_others(rig: Rig) -> None:
    rig.declare(many(3))
    for n in range(3):
        rig.write(f"data/{n}/a.ndjson", visits(n * 10, 2))
    rig.fault(Fault("error", method="POST", path="*/document_imports", status=400, html=False))
    outcome = rig.apply()
    assert outcome.exit_code == 3
    assert len(outcome.failures) == 1
    assert (outcome.tally.added, outcome.tally.loaded) == (2, 2)
    assert rig.apply().exit_code == 0
    assert len(rig.loaded()) == 3
    assert rig.plan().empty


def test_fail_fast_begins_nothing_after_the_first_failure(rig: Rig) -> None:
    rig.declare(many(6))
    for n in range(6):
        rig.write(f"data/{n}/a.ndjson", visits(n * 10, 2))
    rig.limit(fail_fast=True, parallelism=1, transfers=1)
    rig.fault(Fault("error", method="POST", path="*/document_imports", status=400, html=False))
    outcome = rig.apply()
    assert outcome.exit_code == 3
    assert rig.sandbox.imports() == ()
    assert len(rig.calls("POST")) == 1
    assert {line.partition(":")[0] for line in outcome.unfinished} == {f"fr/import-{n}" for n in range(1, 6)}


def test_a_token_that_expires_on_the_way_stops_the_run(rig: Rig) -> None:
    for n in range(6):
        rig.write(f"data/{n}.ndjson", visits(n * 10, 2))
    rig.limit(transfers=1)
    rig.fault(Fault("expired_token", nth=3, **UPLOADS))  # type: ignore[arg-type]  # method and path
    outcome = rig.apply()
    assert outcome.exit_code == 9
    assert len(rig.loaded()) == 2
    assert any("4 parts were not loaded" in line or "3 parts were not loaded" in line for line in outcome.unfinished)
    rig.faults.clear()
    assert rig.apply().exit_code == 0
    assert len(rig.loaded()) == 6


def test_a_datamart_that_is_forbidden_lets_others_go_on(rig: Rig) -> None:
    bodies = {
        "fr/visits": {"sources": ["data/fr/*"]},
        "de/visits": {"sources": ["data/de/*"]},
    }
    rig.declare(manifest(bodies, {"fr": "1502", "de": "1503"}))
    rig.write("data/fr/a.ndjson", visits(0, 2))
    rig.write("data/de/a.ndjson", visits(0, 2))
    rig.fault(Fault("forbidden", method="POST", path="/v1/datamarts/1503/*", times=None))
    outcome = rig.apply()
    assert outcome.exit_code == 9
    assert [f.address for f in outcome.failures] == ["de/visits"]
    assert [e.datamart_id for e in rig.sandbox.executions()] == ["1502"]


@pytest.mark.parametrize("kind", ["forbidden", "error", "reset_before"])
def test_an_import_whose_executions_cannot_be_listed_lets_others_go_on(rig: Rig, kind: Kind) -> None:
    rig.declare(manifest({"fr/visits": {}, "fr/other": {}}))
    rig.apply()
    rig.write("data/a.ndjson", visits(0, 3))
    rig.write("other/b.ndjson", visits(10, 3))
    rig.declare(manifest({"fr/visits": {"sources": ["data/*"]}, "fr/other": {"sources": ["other/*"]}}))
    first = rig.state().imports["fr/visits"].current.id
    rig.fault(Fault(kind, method="GET", path=f"*/{first}/executions", times=None))
    outcome = rig.apply()
    assert outcome.exit_code != 0
    assert [f.address for f in outcome.failures] == ["fr/visits"]
    assert rig.loaded() == [digest(visits(10, 3))]
    rig.faults.clear()
    assert rig.apply().exit_code == 0
    assert len(rig.loaded()) == 2


def test_forbidden_uploads_are_tried_again_without_being_asked(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 2))
    rig.fault(Fault("forbidden", **UPLOADS))  # type: ignore[arg-type]  # method and path
    assert rig.apply().exit_code == 9
    assert rig.apply().exit_code == 0
    assert len(rig.loaded()) == 1


def test_without_leave_to_look_nothing_is_done(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 2))
    rig.fault(Fault("forbidden", method="GET", times=None))
    with pytest.raises(NotAllowed):
        rig.apply()
    assert rig.calls("POST") == []


@pytest.mark.parametrize("change", ["longer", "shorter", "other", "gone"])
def test_a_file_that_changes_before_it_is_sent_is_not_loaded(rig: Rig, change: str) -> None:
    path = rig.write("data/a.ndjson", visits(0, 2))

    def meddle(_: Plan) -> bool:
        match change:
            case "longer":
                path.write_text(visits(0, 3))
            case "shorter":
                path.write_text(visits(0, 1))
            case "other":
                path.write_text(visits(1, 2))
            case _:
                path.unlink()
        return True

    outcome = rig.apply(approve=meddle)
    assert outcome.exit_code == 3
    (failure,) = outcome.failures
    assert isinstance(failure.error, SourceFailed)
    assert "data/a.ndjson" in failure.error.message
    assert failure.error.remedy
    assert rig.loaded() == []
    # It is no refusal and no doubt: the next run simply plans what is there.
    rig.write("data/a.ndjson", visits(0, 4))
    assert rig.apply().exit_code == 0
    assert rig.loaded() == [digest(visits(0, 4))]


def test_a_file_that_changes_while_it_is_sent_is_not_loaded(rig: Rig) -> None:
    text = visits(0, 4000)
    path = rig.write("data/a.ndjson", text)
    other = visits(4000, 1)

    def meddle(told: object) -> None:
        if isinstance(told, Sending) and 0 < told.sent < told.total:
            with path.open("r+b") as file:
                file.seek(-len(other), os.SEEK_END)
                file.write(other.encode())

    rig.on_tell = meddle
    outcome = rig.apply()
    assert outcome.exit_code == 3
    assert isinstance(outcome.failures[0].error, SourceFailed)
    assert rig.loaded() == []


# Executions.


def test_rejected_records_over_the_budget_are_a_failure_with_an_error_file(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 10))
    rig.fault(Fault("rejects_lines", count=3))
    outcome = rig.apply()
    assert outcome.exit_code == 7
    (short,) = outcome.shortfalls
    assert (short.sent, short.rejected, short.unaccounted) == (10, 3, 0)
    assert (outcome.tally.ok, outcome.tally.rejected) == (7, 3)
    saved = Path(short.error_file or "")
    assert saved.parent == rig.folder / ".mics-iac" / "errors"
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    assert saved.read_text() == visits(0, 3)
    # The content is loaded: only the run that saw it settle says 7.
    assert rig.plan().empty
    assert rig.apply().exit_code == 0


@pytest.mark.parametrize(
    ("budget", "rejected", "code"),
    [("3", 3, 0), ("2", 3, 7), ("30%", 3, 0), ("29.9%", 3, 7), ("0", 0, 0), ("100%", 10, 0)],
)
def test_the_budget_is_a_number_or_a_share(rig: Rig, budget: str, rejected: int, code: int) -> None:
    rig.declare(manifest({"fr/visits": {"sources": ["data/*.ndjson"], "max_failures": budget}}))
    rig.write("data/a.ndjson", visits(0, 10))
    if rejected:
        rig.fault(Fault("rejects_lines", count=rejected))
    outcome = rig.apply()
    assert outcome.exit_code == code
    assert outcome.tally.ok + outcome.tally.rejected == 10


def test_records_that_nobody_accounts_for_are_a_failure_whatever_the_budget(rig: Rig) -> None:
    rig.declare(manifest({"fr/visits": {"sources": ["data/*.ndjson"], "max_failures": "100%"}}))
    rig.write("data/a.ndjson", visits(0, 10))
    rig.fault(Fault("unbalanced", count=2))
    outcome = rig.apply()
    assert outcome.exit_code == 7
    assert [s.unaccounted for s in outcome.shortfalls] == [2]


def test_an_error_file_never_goes_over_another(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 10))
    folder = rig.folder / ".mics-iac" / "errors"
    taken = rig.write(".mics-iac/errors/fr_visits.9200001.txt", "mine")
    rig.fault(Fault("rejects_lines", count=3))
    (short,) = rig.apply().shortfalls
    assert taken.read_text() == "mine"
    assert short.error_file is not None
    assert Path(short.error_file) != taken
    assert len(list(folder.iterdir())) == 2


def test_an_error_file_that_cannot_be_fetched_changes_no_exit_code(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 10))
    rig.fault(Fault("rejects_lines", count=3), Fault("forbidden", method="GET", path="/v1/data_file/data", times=None))
    outcome = rig.apply()
    assert outcome.exit_code == 7
    assert [s.error_file for s in outcome.shortfalls] == [None]
    folder = rig.folder / ".mics-iac" / "errors"
    assert not folder.exists() or list(folder.iterdir()) == []


def test_without_waiting_the_run_ends_and_the_next_one_sees_them_settle(rig: Rig) -> None:
    rig.limit(wait=False)
    rig.write("data/a.ndjson", visits(0, 10))
    rig.fault(Fault("rejects_lines", count=3))
    outcome = rig.apply()
    assert outcome.exit_code == 0
    assert outcome.tally.loaded == 1
    assert rig.plan().empty
    rig.clock.sleep(100)
    later = rig.apply()
    assert later.exit_code == 7
    assert later.tally.loaded == 0
    assert rig.apply().exit_code == 0


def test_waiting_ends_with_three_and_the_next_run_goes_on(rig: Rig) -> None:
    rig.limit(wait_timeout=600)
    rig.write("data/a.ndjson", visits(0, 2))
    rig.fault(Fault("stuck"))
    outcome = rig.apply()
    assert outcome.exit_code == 3
    assert any("not settled" in line for line in outcome.unfinished)
    assert 600 <= rig.clock.monotonic() < 700
    rig.sandbox.release()
    assert rig.apply().exit_code == 0
    assert len(rig.loaded()) == 1


def test_a_status_that_nobody_has_heard_of_is_waited_for(rig: Rig) -> None:
    rig.fault(Fault("odd_status", message="WAITING_FOR_GODOT"))
    rig.write("data/a.ndjson", visits(0, 2))
    assert rig.apply().exit_code == 0


@pytest.mark.parametrize("batches", [1, 5])
def test_counts_of_plan_and_apply_agree(rig: Rig, batches: int) -> None:
    rig.declare(many(batches))
    for n in range(batches):
        rig.write(f"data/{n}/a.ndjson", visits(n * 10, 2))
    plan = rig.plan()
    outcome = rig.apply()
    tally = outcome.tally
    assert (count(plan).add, count(plan).load) == (tally.added, tally.loaded) == (batches, batches)
    assert tally.ok == count(plan).load_records


def test_interruption_lets_what_runs_end_and_saves(rig: Rig) -> None:
    for n in range(6):
        rig.write(f"data/{n}.ndjson", visits(n * 10, 2))
    rig.limit(transfers=1)

    def stop(told: object) -> None:
        if isinstance(told, Sending):
            rig.stop.request(2)

    rig.on_tell = stop
    outcome = rig.apply()
    assert outcome.exit_code == 130
    assert len(rig.loaded()) == 1
    assert len(rig.state().imports["fr/visits"].current.executions) == 1
    assert "5 parts were not loaded" in "\n".join(outcome.unfinished)
    rig.stop = type(rig.stop)()
    rig.on_tell = lambda _: None
    assert rig.apply().exit_code == 0
    assert len(rig.loaded()) == 6
    assert len(set(rig.loaded())) == 6


@pytest.mark.parametrize(("kind", "made"), [(journal.CreateBegun, 0), (journal.ImportCreated, 1)])
def test_interruption_while_imports_are_made_creates_no_more(rig: Rig, kind: type, made: int) -> None:
    rig.declare(many(6))
    rig.limit(parallelism=1)

    def stop(told: object) -> None:
        if isinstance(told, kind):
            rig.stop.request(15)

    rig.on_tell = stop
    outcome = rig.apply()
    assert outcome.exit_code == 143
    assert len(rig.sandbox.imports()) == made
    assert len(outcome.unfinished) == 6 - made
    assert list(rig.state().imports) == ["fr/import-0"][:made]
    assert not rig.state().creating


def test_a_failure_is_told_at_once_and_kept_for_the_end(rig: Rig) -> None:
    rig.declare(manifest({"fr/visits": {"sources": ["data/*.ndjson"], "on_invalid": "send"}}))
    rig.write("data/bad.ndjson", "[]\n")
    outcome = rig.apply()
    told = [t for t in rig.told if type(t).__name__ == "Failure"]
    assert told == list(outcome.failures)
    assert isinstance(rig.plan().actions[-1], Stuck)


@pytest.mark.parametrize("how", ["its files were taken away", "another one is targeted"])
def test_what_settles_late_has_the_budget_of_its_import(rig: Rig, how: str) -> None:
    path = rig.write("data/a.ndjson", visits(0, 3))
    sources = [{"path": "data/*", "allow_empty": True}]
    rig.declare(manifest({"fr/visits": {"max_failures": "50%", "sources": sources}, "fr/other": {}}))
    rig.limit(wait=False)
    rig.fault(Fault("rejects_lines"))
    assert rig.apply().exit_code == 0
    rig.limit(wait=True)
    options: dict[str, object] = {"target": ("fr/other",)}
    if how.startswith("its"):
        path.unlink()
        options = {}
    outcome = rig.apply(**options)  # type: ignore[arg-type]  # a test names real options
    assert outcome.exit_code == 0, outcome.shortfalls
    assert rig.state().imports["fr/visits"].current.executions[0].total_failure == 1
