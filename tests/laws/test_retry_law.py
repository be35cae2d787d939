"""Law: a wait before a repeat is never negative, never over its bound, and what a server asks for is kept within it."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mics_iac.api.limits import Patience
from mics_iac.api.retry import Verdict, asked_wait, pause, verdict

PATIENCE = Patience()
chances = st.floats(0, 1, exclude_max=True)


@given(failures=st.integers(1, 10_000), chance=chances)
def test_a_pause_stays_within_full_jitter(failures: int, chance: float) -> None:
    seconds = pause(failures, patience=PATIENCE, chance=chance)
    assert 0 <= seconds <= min(PATIENCE.cap, PATIENCE.base * 2 ** min(failures - 1, 100))


@given(failures=st.integers(1, 40), chance=chances, asked=st.floats(0, 1e12))
def test_an_asked_wait_is_kept_up_to_its_cap(failures: int, chance: float, asked: float) -> None:
    seconds = pause(failures, patience=PATIENCE, chance=chance, asked=asked)
    kept = min(asked, PATIENCE.longest_asked)
    assert kept <= seconds <= kept + PATIENCE.base


@given(st.text() | st.none())
def test_any_header_is_read_as_a_wait_or_as_none(value: str | None) -> None:
    seconds = asked_wait(value, now=1_768_000_000.0)
    assert seconds is None or seconds >= 0


@given(st.integers(-10_000, 10_000))
def test_a_date_is_read_against_the_clock(ahead: int) -> None:
    now = 1_768_000_000
    date = format_datetime(datetime.fromtimestamp(now + ahead, UTC), usegmt=True)
    assert asked_wait(date, now=float(now)) == max(0.0, float(ahead))


@pytest.mark.parametrize(
    ("value", "seconds"), [("0", 0.0), (" 12 ", 12.0), ("-1", None), ("1.5", None), ("soon", None)]
)
def test_seconds_are_whole_numbers(value: str, seconds: float | None) -> None:
    assert asked_wait(value, now=0.0) == seconds


@given(st.integers(100, 599))
def test_every_status_has_one_meaning(status: int) -> None:
    meaning = verdict(status)
    assert (meaning is Verdict.DONE) == (200 <= status <= 299)
    # What is neither done nor surely refused must be a doubt for a POST, never a refusal.
    if status >= 500 or status < 200 or status == 408:
        assert meaning is Verdict.UNSURE
