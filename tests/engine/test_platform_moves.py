"""The platform goes on by itself: other hands, datamarts that close, looks that grow old while something is decided."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mics_iac.core import journal
from mics_iac.core.outcome import Outcome
from mics_iac.core.plan import Plan, Skip, Upload
from mics_iac.core.progress import Notice, Told
from mics_iac.engine.lanes import Lane, Look, Seen, Send, Task, next_step
from mics_iac.errors import NotAllowed
from mics_iac.sandbox.faults import Fault
from tests.rig import Rig, digest, manifest, visits

HALF_AN_HOUR = 1800


def texts(outcome: Outcome) -> str:
    """All that a run says went wrong, and what it says to do."""
    failures = (f"{f.error.message}\n{f.error.remedy or ''}" for f in outcome.failures)
    return "\n".join((*outcome.unfinished, *failures))


def ids(rig: Rig) -> dict[str, str]:
    """The import behind each address, as the state has it."""
    return {address: held.current.id for address, held in rig.state().imports.items()}


# Two looks, a delay apart.


def doubted(*, at: float, body_left: bool = True) -> Task:
    """A part whose answer was lost at this moment."""
    part = Upload("fr/visits", "data/a.ndjson", 1, "0" * 64, 300, 3, 3, "new")
    return Task(part, send=True, doubts=("attempt",), body_left=body_left, tries=1, doubted_at=at)


def shown(lane: Lane, task: Task, *, began: float, ended: float) -> object:
    """The next step after one more listing, in which there is no trace of the part."""
    lane.listed(Seen((), began, ended), known=frozenset())
    return next_step(lane, task, settle_delay=60)


def test_a_listing_under_way_when_the_answer_was_lost_says_nothing() -> None:
    lane, task = Lane("fr/visits"), doubted(at=100)
    assert shown(lane, task, began=35, ended=101) == Look(None)
    # It is not the first of the two either: a whole delay after it, a second one is still to come.
    assert shown(lane, task, began=165, ended=170) == Look(230)


@pytest.mark.parametrize(("body_left", "delay"), [(True, 60), (False, 5)])
def test_the_delay_goes_from_the_end_of_one_look_to_the_beginning_of_the_next(body_left: bool, delay: int) -> None:
    lane, task = Lane("fr/visits"), doubted(at=100, body_left=body_left)
    assert shown(lane, task, began=101, ended=150) == Look(150 + delay)
    # Long after the first began and after the delay as a whole, but begun too soon.
    assert shown(lane, task, began=150 + delay - 1, ended=400) == Look(150 + delay)
    assert shown(lane, task, began=150 + delay, ended=401) == Send()


def test_a_part_that_was_never_sent_needs_one_look_alone() -> None:
    task = Task(doubted(at=0).part, send=True)
    assert next_step(Lane("fr/visits"), task, settle_delay=60) == Look(None)
    assert shown(Lane("fr/visits"), task, began=1, ended=2) == Send()


@given(st.integers(0, 300), st.lists(st.tuples(st.integers(0, 90), st.integers(0, 90)), max_size=12))
def test_nothing_is_sent_again_before_two_clean_looks(at: int, looks: list[tuple[int, int]]) -> None:
    lane, task, now = Lane("fr/visits"), doubted(at=at), 0
    clean: list[tuple[int, int]] = []
    for pause, length in looks:
        began, now = now + pause, now + pause + length
        step = shown(lane, task, began=began, ended=now)
        assert isinstance(step, Look | Send)
        clean += [(began, now)] if began >= at else []
        apart = any(later - clean[0][1] >= 60 for later, _ in clean)
        assert (step == Send()) == apart
        if apart:
            return


# A look that grew old.


def test_a_file_that_other_hands_load_while_a_person_reads_the_plan(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 3))
    rig.apply()
    (made,) = rig.sandbox.imports()
    rig.write("data/b.ndjson", visits(10, 3))

    def read_slowly(_plan: Plan) -> bool:
        rig.sandbox.add_execution(made.id, visits(10, 3).encode())
        rig.clock.sleep(HALF_AN_HOUR)
        return True

    outcome = rig.apply(approve=read_slowly)
    assert outcome.exit_code == 0
    assert (outcome.tally.loaded, outcome.tally.found) == (0, 1)
    assert rig.loaded() == sorted([digest(visits(0, 3)), digest(visits(10, 3))])
    assert rig.plan().empty


def test_a_file_that_other_hands_load_into_an_import_that_is_adopted_late(rig: Rig) -> None:
    there = rig.sandbox.add_import("1502", "Visits", "USER_ACTIVITY")
    rig.write("data/a.ndjson", visits(0, 3))

    def read_slowly(_plan: Plan) -> bool:
        rig.sandbox.add_execution(there, visits(0, 3).encode())
        rig.clock.sleep(HALF_AN_HOUR)
        return True

    assert rig.apply(approve=read_slowly).exit_code == 0
    assert rig.loaded() == [digest(visits(0, 3))]


def test_a_file_that_other_hands_load_while_others_are_on_their_way(rig: Rig) -> None:
    rig.declare(manifest({"fr/visits": {"sources": ["data/*.ndjson"]}}))
    rig.write("data/x.ndjson", visits(100, 9))
    rig.apply()
    (made,) = rig.sandbox.imports()
    rig.limit(transfers=1)
    rig.write("data/a.ndjson", visits(0, 3))
    rig.write("data/b.ndjson", visits(10, 3))
    theirs: list[str] = []

    def slow_upload(told: Told) -> None:
        if isinstance(told, journal.UploadBegun) and not theirs:
            other = {digest(visits(0, 3)): visits(10, 3), digest(visits(10, 3)): visits(0, 3)}[told.sha256]
            theirs.append(rig.sandbox.add_execution(made.id, other.encode()))
            rig.clock.sleep(HALF_AN_HOUR)

    rig.on_tell = slow_upload
    assert rig.apply().exit_code == 0
    assert theirs
    assert rig.loaded() == sorted(digest(visits(first, count)) for first, count in [(0, 3), (10, 3), (100, 9)])


def test_an_import_that_other_hands_create_while_a_person_reads_the_plan(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 3))

    def read_slowly(_plan: Plan) -> bool:
        rig.sandbox.add_import("1502", "Visits", "USER_ACTIVITY")
        rig.clock.sleep(HALF_AN_HOUR)
        return True

    outcome = rig.apply(approve=read_slowly)
    assert outcome.exit_code == 5
    assert "plan again" in texts(outcome)
    assert rig.loaded() == []
    (theirs,) = rig.sandbox.imports()
    outcome = rig.apply()
    assert outcome.exit_code == 0
    assert (outcome.tally.adopted, outcome.tally.added) == (1, 0)
    assert [i.id for i in rig.sandbox.imports()] == [theirs.id]
    assert rig.loaded() == [digest(visits(0, 3))]
    assert rig.state().imports["fr/visits"].current.adopted


def test_a_plan_that_was_read_for_long_is_applied_where_nothing_moved(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 3))

    def read_slowly(_plan: Plan) -> bool:
        rig.clock.sleep(HALF_AN_HOUR)
        return True

    outcome = rig.apply(approve=read_slowly)
    assert outcome.exit_code == 0
    assert (outcome.tally.added, outcome.tally.loaded) == (1, 1)


def test_a_look_that_takes_longer_than_it_stays_fresh_is_not_repeated_for_ever(rig: Rig) -> None:
    for n in range(7):
        rig.write(f"data/{n}.ndjson", visits(n * 10, 3))
    assert rig.apply().exit_code == 0
    rig.write("data/new.ndjson", visits(900, 3))
    # Seven pages of ten seconds each.
    rig.page_size = 1
    rig.fault(Fault("delay", method="GET", path="*/executions", delay_ms=10_000, times=None))
    last = rig.clock.monotonic() + 2 * rig.limits.wait_timeout
    rig.on_wait = lambda: rig.stop.request(2) if rig.clock.monotonic() > last else None
    outcome = rig.apply()
    assert outcome.interrupted is None, "it looked again and again, far past --wait-timeout"
    assert outcome.exit_code == 0, texts(outcome)
    assert digest(visits(900, 3)) in rig.loaded()


# One import, one address.


@pytest.mark.parametrize(("adopting", "titled"), [("fr/a", "fr/b"), ("fr/b", "fr/a")])
def test_an_import_that_one_address_adopts_is_no_candidate_for_another(rig: Rig, adopting: str, titled: str) -> None:
    there = rig.sandbox.add_import("1502", "Zed", "USER_ACTIVITY")
    rig.declare(manifest({adopting: {"adopt": there, "name": "A"}, titled: {"name": "Zed"}}))
    outcome = rig.apply()
    assert outcome.exit_code == 0, texts(outcome)
    assert (outcome.tally.adopted, outcome.tally.added) == (1, 1)
    held = ids(rig)
    assert held[adopting] == there
    assert held[titled] != there
    assert {i.id: i.name for i in rig.sandbox.imports()} == {there: "A", held[titled]: "Zed"}
    assert rig.plan().empty


# Strangers whose files cannot be read, or not at first.


@pytest.mark.parametrize("kind", ["forbidden", "error"])
def test_a_stranger_that_cannot_be_read_now_is_for_the_next_run(rig: Rig, kind: str) -> None:
    rig.write("data/a.ndjson", visits(0, 3))
    rig.apply()
    rig.state_path.unlink()
    rig.fault(Fault(kind, path="*/data_file/data", times=None))  # type: ignore[arg-type]  # one of the kinds
    for _ in range(2):
        outcome = rig.apply()
        assert outcome.exit_code != 0
        assert outcome.exit_code == (9 if kind == "forbidden" else 3)
        said = texts(outcome)
        assert "data/a.ndjson" in said
        assert "run again" in said
        assert "--ignore-history" not in said
        assert len(rig.loaded()) == 1
    rig.faults.clear()
    outcome = rig.apply()
    assert outcome.exit_code == 0
    assert outcome.tally.found == 1
    assert len(rig.loaded()) == 1
    assert rig.plan().empty


@pytest.mark.parametrize("failed_first", [True, False])
def test_of_equal_bytes_that_failed_and_succeeded_the_success_counts(rig: Rig, failed_first: bool) -> None:
    there = rig.sandbox.add_import("1502", "Visits", "USER_ACTIVITY")
    fates: tuple[tuple[Fault, ...], ...] = ((Fault("ends_failed"),), ())
    made = [
        rig.sandbox.add_execution(there, visits(0, 3).encode(), shapes=shapes)
        for shapes in (fates if failed_first else reversed(fates))
    ]
    good = made[1 if failed_first else 0]
    rig.clock.sleep(10)
    rig.write("data/a.ndjson", visits(0, 3))
    outcome = rig.apply()
    assert outcome.exit_code == 0, texts(outcome)
    assert len(rig.loaded()) == 2
    (taken,) = rig.state().imports["fr/visits"].current.executions
    assert (taken.id, taken.status) == (good, "SUCCEEDED")
    plan = rig.plan(retry_failed=True)
    assert plan.empty
    assert [type(a) for a in plan.actions if isinstance(a, Upload | Skip)] == [Skip]


# A datamart that nothing declares any more.


@pytest.mark.parametrize("fault", [Fault("forbidden"), Fault("error", status=404, html=False)])
def test_a_datamart_that_is_not_declared_any_more_may_refuse(rig: Rig, fault: Fault) -> None:
    both: dict[str, dict[str, object]] = {"fr/a": {"sources": ["a/*"]}, "be/b": {"sources": ["b/*"]}}
    rig.declare(manifest(both, {"fr": "1502", "be": "1600"}))
    rig.write("a/one.ndjson", visits(0, 3))
    rig.write("b/one.ndjson", visits(10, 3))
    rig.limit(wait=False)
    assert rig.apply().exit_code == 0
    rig.limit(wait=True)
    rig.declare(manifest({"fr/a": both["fr/a"]}))
    rig.write("a/two.ndjson", visits(20, 3))
    rig.fault(Fault(fault.kind, path="*/datamarts/1600/*", times=None, status=fault.status, html=fault.html))
    rig.told.clear()
    plan = rig.plan()
    assert [a.source for a in plan.uploads] == ["a/two.ndjson"]
    assert any(isinstance(t, Notice) and "1600" in t.text for t in rig.told)
    outcome = rig.apply()
    assert outcome.exit_code == 0, texts(outcome)
    assert digest(visits(20, 3)) in rig.loaded()
    assert len(rig.loaded()) == 3
    # What is known of it is kept, and learned on when it answers again.
    assert rig.state().imports["be/b"].current.executions[0].status != "SUCCEEDED"
    rig.faults.clear()
    assert rig.apply().exit_code == 0
    assert rig.state().imports["be/b"].current.executions[0].status == "SUCCEEDED"


def test_a_datamart_that_is_declared_may_not_refuse(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 3))
    rig.apply()
    rig.fault(Fault("forbidden", path="*/datamarts/1502/*", times=None))
    with pytest.raises(NotAllowed):
        rig.plan()
