"""The rule of strangers, case by case."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mics_iac.core.observed import RemoteExecution
from mics_iac.core.strangers import Verdict, judge, may_be

OURS, OTHER = "a" * 64, "b" * 64


def told(execution: RemoteExecution, *, read: str | None = None, gone: bool = False) -> Verdict:
    """The verdict about a part of 11 lines with 10 records."""
    return judge(execution, sha256=OURS, lines=11, records=10, read=read, gone=gone)


@pytest.mark.parametrize(
    ("lines", "uri", "status", "verdict"),
    [
        (None, None, "PENDING", Verdict.WAIT),
        (None, None, "WHATEVER", Verdict.WAIT),
        (None, None, "FAILED", Verdict.GONE),
        (None, None, "SUCCEEDED", Verdict.GONE),
        (None, "mics://x", "PENDING", Verdict.READ),
        (10, None, "RUNNING", Verdict.WAIT),
        (10, "mics://x", "RUNNING", Verdict.READ),
        (8, "mics://x", "RUNNING", Verdict.OTHER),
        (9, "mics://x", "RUNNING", Verdict.READ),
        (12, "mics://x", "SUCCEEDED", Verdict.READ),
        (13, "mics://x", "SUCCEEDED", Verdict.OTHER),
        (8, None, "SUCCEEDED", Verdict.OTHER),
    ],
)
def test_before_its_file_is_read(lines: int | None, uri: str | None, status: str, verdict: Verdict) -> None:
    assert told(RemoteExecution("1", status, number_of_lines=lines, input_uri=uri)) is verdict


@pytest.mark.parametrize("lines", [None, 10, 4711])
def test_once_its_file_was_read_only_bytes_count(lines: int | None) -> None:
    execution = RemoteExecution("1", "SUCCEEDED", number_of_lines=lines, input_uri="mics://x")
    assert told(execution, read=OURS) is Verdict.OURS
    assert told(execution, read=OTHER) is Verdict.OTHER


def test_a_file_that_is_gone_cannot_tell() -> None:
    assert told(RemoteExecution("1", "SUCCEEDED", number_of_lines=10, input_uri="mics://x"), gone=True) is Verdict.GONE
    assert told(RemoteExecution("1", "SUCCEEDED", number_of_lines=99, input_uri="mics://x"), gone=True) is Verdict.OTHER


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(-1, 1), st.booleans())
@settings(deadline=None)
def test_a_count_next_to_ours_never_rules_out(lines: int, records: int, off: int, by_records: bool) -> None:
    counted = max(0, (records if by_records else lines) + off)
    assert may_be(RemoteExecution("1", "RUNNING", number_of_lines=counted), lines=lines, records=records)


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
@settings(deadline=None)
def test_a_count_two_away_from_both_always_does(lines: int, records: int, counted: int) -> None:
    far = abs(counted - lines) > 1 and abs(counted - records) > 1
    assert may_be(RemoteExecution("1", "RUNNING", number_of_lines=counted), lines=lines, records=records) is not far
