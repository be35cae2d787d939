"""When an execution came short, and which exit code tells the truth about a run."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mics_iac.core.manifest import Budget
from mics_iac.core.outcome import Outcome, Shortfall, shortfall_of
from mics_iac.core.progress import Failure
from mics_iac.core.tally import Tally
from mics_iac.errors import (
    ApiLost,
    ApiRefused,
    GuardRefused,
    MicsError,
    NotAllowed,
    SourceFailed,
    StateUnreadable,
)
from tests.core.test_plan import _plan

PLAN = _plan()
SHORT = Shortfall("fr/x", "a", "1", "FAILED", 1, None, None, Budget.parse("0"))


def outcome(*errors: MicsError, short: bool = False, undone: bool = False, signal: int | None = None) -> Outcome:
    return Outcome(
        PLAN,
        Tally(),
        0,
        tuple(Failure("fr/x", None, e) for e in errors),
        (SHORT,) if short else (),
        ("something",) if undone else (),
        signal,
    )


@pytest.mark.parametrize(
    ("ended", "code"),
    [
        (outcome(), 0),
        (outcome(short=True), 7),
        (outcome(undone=True), 3),
        (outcome(undone=True, short=True), 3),
        (outcome(SourceFailed("x")), 3),
        (outcome(ApiRefused("x", status=400)), 3),
        (outcome(ApiLost("x", body_left=True)), 3),
        (outcome(GuardRefused("x"), short=True), 8),
        (outcome(GuardRefused("x"), NotAllowed("x")), 9),
        (outcome(StateUnreadable("x"), NotAllowed("x")), 10),
        (outcome(NotAllowed("x"), short=True, undone=True, signal=2), 130),
        (outcome(StateUnreadable("x"), signal=15), 143),
        (Outcome(PLAN, Tally(), 0, declined=True), 1),
    ],
)
def test_the_exit_code(ended: Outcome, code: int) -> None:
    assert ended.exit_code == code


@pytest.mark.parametrize("status", ["FAILED", "CANCELED", "LOST"])
def test_what_failed_came_short_whatever_the_budget(status: str) -> None:
    budget = Budget.parse("100%")
    assert shortfall_of(status=status, sent=1, loaded=None, rejected=None, budget=budget) == (None, None)


@given(st.integers(1, 10**6), st.data())
@settings(deadline=None)
def test_every_record_is_counted(sent: int, data: st.DataObject) -> None:
    rejected = data.draw(st.integers(0, sent))
    loaded = data.draw(st.integers(0, sent - rejected))
    budget = Budget.parse("100%")
    short = shortfall_of(status="SUCCEEDED", sent=sent, loaded=loaded, rejected=rejected, budget=budget)
    missing = sent - loaded - rejected
    assert short == ((rejected, missing) if missing else None)


@given(st.integers(1, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
@settings(deadline=None)
def test_a_number_is_a_number_of_records(sent: int, rejected: int, limit: int) -> None:
    rejected = min(rejected, sent)
    budget = Budget.parse(str(limit))
    short = shortfall_of(status="SUCCEEDED", sent=sent, loaded=sent - rejected, rejected=rejected, budget=budget)
    assert (short is None) is (rejected <= limit)


@given(st.integers(1, 10**6), st.integers(0, 10**6), st.integers(0, 1000))
@settings(deadline=None)
def test_a_share_is_exact(sent: int, rejected: int, tenths: int) -> None:
    rejected = min(rejected, sent)
    budget = Budget.parse(f"{tenths // 10}.{tenths % 10}%")
    short = shortfall_of(status="SUCCEEDED", sent=sent, loaded=sent - rejected, rejected=rejected, budget=budget)
    assert (short is None) is (rejected * 1000 <= tenths * sent)
