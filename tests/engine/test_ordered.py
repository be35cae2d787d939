"""Ordered imports load one part after the other, and nothing goes past one that did not make it."""

from __future__ import annotations

import pytest

from mics_iac.core import journal
from mics_iac.core.plan import Stuck, Upload
from mics_iac.sandbox.faults import Fault
from tests.engine.afar import EVERYWHERE
from tests.rig import Rig, digest, manifest, visits

pytestmark = EVERYWHERE

UPLOADS = "*/executions"


@pytest.fixture
def ordered(rig: Rig) -> Rig:
    rig.declare(manifest({"fr/visits": {"sources": ["data/*.ndjson"], "ordered": True}}))
    for n in range(4):
        rig.write(f"data/{n}.ndjson", visits(n * 10, 2))
    return rig


def sent(rig: Rig) -> list[int]:
    """Which files were loaded, in the order of the platform."""
    numbers = {digest(visits(n * 10, 2)): n for n in range(4)}
    return [numbers[e.sha256] for e in rig.sandbox.executions()]


@pytest.mark.parametrize("wait", [True, False])
def test_each_is_sent_when_the_one_before_has_settled(ordered: Rig, wait: bool) -> None:
    ordered.limit(wait=wait)
    assert ordered.apply().exit_code == 0
    assert sent(ordered) == [0, 1, 2, 3]
    story = [t for t in ordered.told if isinstance(t, journal.UploadBegun | journal.ExecutionSettled)]
    assert [type(t) for t in story] == [journal.UploadBegun, journal.ExecutionSettled] * 4


def test_the_order_is_that_of_the_sources_then_of_the_path_bytes(rig: Rig) -> None:
    sources = ["data/z.ndjson", "data/*.ndjson"]
    rig.declare(manifest({"fr/visits": {"sources": sources, "ordered": True}}))
    for n, name in enumerate(["z", "B", "a", "é", "10", "9"]):
        rig.write(f"data/{name}.ndjson", visits(n * 10, 2))
    rig.apply()
    assert [e.source for e in rig.state().imports["fr/visits"].current.executions] == [
        f"data/{name}.ndjson" for name in ["z", "10", "9", "B", "a", "é"]
    ]


@pytest.mark.parametrize("kind", ["ends_failed", "ends_lost", "rejects_lines", "unbalanced"])
def test_one_that_fails_stops_those_after_it(ordered: Rig, kind: str) -> None:
    ordered.fault(Fault(kind, nth=2))  # type: ignore[arg-type]  # one of the kinds
    outcome = ordered.apply()
    assert outcome.exit_code == 3
    assert len(outcome.shortfalls) == 1
    assert sent(ordered) == [0, 1]
    assert "2 parts were not loaded" in "\n".join(outcome.unfinished)


def test_after_a_failure_the_next_run_waits_to_be_asked(ordered: Rig) -> None:
    ordered.fault(Fault("ends_failed", nth=2))
    ordered.apply()
    plan = ordered.plan()
    stuck = [a for a in plan.actions if isinstance(a, Stuck)]
    assert [a.source for a in stuck] == ["data/1.ndjson", "data/2.ndjson", "data/3.ndjson"]
    assert "data/1.ndjson" in stuck[1].reason
    assert not plan.uploads
    ordered.apply()
    assert sent(ordered) == [0, 1]
    assert ordered.apply(retry_failed=True).exit_code == 0
    assert sent(ordered) == [0, 1, 1, 2, 3]


def test_one_that_is_refused_stops_those_after_it_also_in_the_next_run(ordered: Rig) -> None:
    ordered.declare(manifest({"fr/visits": {"sources": ["data/*.ndjson"], "ordered": True, "on_invalid": "send"}}))
    ordered.write("data/1.ndjson", "[]\n")
    assert ordered.apply().exit_code == 3
    ordered.apply()
    assert sent(ordered) == [0]
    assert [a.source for a in ordered.plan().actions if isinstance(a, Stuck)] == [
        "data/1.ndjson",
        "data/2.ndjson",
        "data/3.ndjson",
    ]


def test_what_went_over_its_budget_between_two_runs_stops_those_after_it(ordered: Rig) -> None:
    ordered.fault(Fault("rejects_lines", nth=2), Fault("stuck", nth=2))
    ordered.limit(wait_timeout=60)
    assert ordered.apply().exit_code == 3
    ordered.sandbox.release()
    ordered.clock.sleep(100)
    outcome = ordered.apply()
    assert len(outcome.shortfalls) == 1
    assert outcome.exit_code == 7
    assert sent(ordered) == [0, 1]
    # Running again does not walk past it; a person does, who has read what was rejected.
    assert ordered.apply().exit_code == 3
    assert sent(ordered) == [0, 1]
    assert [a.source for a in ordered.plan().actions if isinstance(a, Stuck)] == ["data/2.ndjson", "data/3.ndjson"]
    assert ordered.apply(retry_failed=True).exit_code == 0
    assert sent(ordered) == [0, 1, 2, 3]


@pytest.mark.parametrize("wait", [True, False])
def test_one_that_has_not_settled_is_waited_for_by_the_next_run(ordered: Rig, wait: bool) -> None:
    ordered.fault(Fault("stuck", nth=2))
    ordered.limit(wait_timeout=60, wait=wait)
    outcome = ordered.apply()
    assert outcome.exit_code == 3
    assert sent(ordered) == [0, 1]
    assert ordered.apply().exit_code == 3
    assert sent(ordered) == [0, 1]
    ordered.sandbox.release()
    assert ordered.apply().exit_code == 0
    assert sent(ordered) == [0, 1, 2, 3]


def test_a_renamed_key_does_not_let_anything_overtake(ordered: Rig) -> None:
    ordered.fault(Fault("stuck", nth=2))
    ordered.limit(wait_timeout=60, wait=False)
    ordered.apply()
    body = {"name": "Visits", "sources": ["data/*.ndjson"], "ordered": True}
    ordered.declare(manifest({"fr/new": body}, moved=[{"from": "fr/visits", "to": "fr/new"}]))
    assert ordered.apply().exit_code == 3
    assert sent(ordered) == [0, 1]


def test_a_doubtful_one_stops_those_after_it_also_in_the_next_run(ordered: Rig) -> None:
    ordered.fault(
        Fault("reset_after", method="POST", path=UPLOADS, nth=2),
        Fault("file_gone", nth=2),
    )
    for _ in range(2):
        outcome = ordered.apply()
        assert outcome.exit_code == 3
        assert sent(ordered) == [0, 1]
        assert "--ignore-history fr/visits" in "\n".join(outcome.unfinished)


def test_a_lost_answer_is_found_before_the_next_is_sent(ordered: Rig) -> None:
    ordered.fault(Fault("reset_after", method="POST", path=UPLOADS, times=None))
    assert ordered.apply().exit_code == 0
    assert sent(ordered) == [0, 1, 2, 3]


def test_other_imports_do_not_wait(ordered: Rig) -> None:
    bodies: dict[str, dict[str, object]] = {
        "fr/visits": {"sources": ["data/*.ndjson"], "ordered": True},
        "fr/other": {"sources": ["other/*.ndjson"]},
    }
    ordered.declare(manifest(bodies))
    ordered.write("other/a.ndjson", visits(500, 2))
    ordered.fault(Fault("ends_failed", path="*/31002/executions"), Fault("ends_failed", path="*/31001/executions"))
    ordered.limit(parallelism=1)
    ordered.apply()
    by_name = {i.name: i.id for i in ordered.sandbox.imports()}
    assert len(ordered.sandbox.executions(by_name["Other"])) == 1
    assert len(ordered.sandbox.executions(by_name["Visits"])) == 1
    assert [type(a) for a in ordered.plan(retry_failed=True).uploads] == [Upload] * 5


def test_an_execution_that_settles_after_its_key_was_renamed_is_recorded(rig: Rig) -> None:
    body = {"name": "Visits", "sources": ["data/*.ndjson"], "max_failures": "50%"}
    rig.declare(manifest({"fr/visits": body}))
    rig.write("data/a.ndjson", visits(0, 4))
    rig.limit(wait=False)
    rig.fault(Fault("rejects_lines", count=2))
    rig.apply()
    rig.declare(manifest({"fr/new": body}, moved=[{"from": "fr/visits", "to": "fr/new"}]))
    rig.limit(wait=True)
    assert rig.apply().exit_code == 0
    (execution,) = rig.state().imports["fr/new"].current.executions
    assert (execution.status, execution.total_failure) == ("SUCCEEDED", 2)
    serial = rig.state().serial
    rig.apply()
    assert rig.state().serial == serial
