"""Damage never goes unseen: cut anywhere or changed in any byte, a file reads right or is refused, and nothing else.

The one exception is meant: a journal's torn last line is what a crash leaves, and is dropped.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mics_iac.core.journal import Entry, ImportCreated, UploadAccepted, UploadBegun, decode_journal, encode_entries
from mics_iac.core.settings import Settings
from mics_iac.core.state import State, decode_state, encode_state
from mics_iac.errors import StateUnreadable
from tests.laws.histories import HISTORY, STATE, begun, fold

_SETTINGS = Settings("1502", "Visites é", "USER_ACTIVITY", "APPLICATION_X_NDJSON", "utf-8", "MEDIUM")
ENTRIES: list[Entry] = [
    begun(),
    ImportCreated("fr/visits", "558", _SETTINGS, protect=True),
    UploadBegun("fr/visits", "558", "t1", "data/a.ndjson", 1, "ab" * 32, 1000, 10, 10, ("7",)),
    UploadAccepted("fr/visits", "t1", "987654", "PENDING", 1_800_000_000_000),
]
STATE_BYTES = encode_state(fold(ENTRIES))
JOURNAL_BYTES = encode_entries(ENTRIES)[0]
LINES = JOURNAL_BYTES.splitlines(keepends=True)


def read_state(data: bytes) -> State | None:
    """The state in these bytes, None if they are refused; anything else raised fails the test."""
    try:
        return decode_state(data, name="state")
    except StateUnreadable:
        return None


def read_journal(data: bytes) -> list[Entry] | None:
    try:
        return list(decode_journal(data, name="journal").entries)
    except StateUnreadable:
        return None


def test_what_is_whole_is_read() -> None:
    assert read_state(STATE_BYTES) is not None
    assert read_journal(JOURNAL_BYTES) == ENTRIES


def test_a_state_that_was_cut_off_anywhere_is_refused() -> None:
    for length in range(len(STATE_BYTES)):
        assert read_state(STATE_BYTES[:length]) is None, length


def test_a_state_with_any_byte_changed_is_refused() -> None:
    for at in range(len(STATE_BYTES)):
        for value in changes(STATE_BYTES[at]):
            assert read_state(STATE_BYTES[:at] + bytes([value]) + STATE_BYTES[at + 1 :]) is None, (at, value)


def test_a_journal_that_was_cut_off_anywhere_reads_as_its_whole_lines() -> None:
    for length in range(len(JOURNAL_BYTES)):
        assert read_journal(JOURNAL_BYTES[:length]) == ENTRIES[: JOURNAL_BYTES[:length].count(b"\n")], length


def test_a_journal_with_any_byte_changed_is_refused_or_loses_its_last_line_alone() -> None:
    for at in range(len(JOURNAL_BYTES)):
        for value in changes(JOURNAL_BYTES[at]):
            read = read_journal(JOURNAL_BYTES[:at] + bytes([value]) + JOURNAL_BYTES[at + 1 :])
            # Without its newline the last line is a torn one.
            assert read == (ENTRIES[:-1] if at == len(JOURNAL_BYTES) - 1 else None), (at, value)


def changes(byte: int) -> set[int]:
    """Every flip of a single bit, and the bytes that mean something in these files."""
    return ({byte ^ (1 << bit) for bit in range(8)} | set(b'\n\x00" {0')) - {byte}


@pytest.mark.parametrize("number", range(len(LINES) - 1))
def test_a_journal_without_one_of_its_lines_is_refused(number: int) -> None:
    assert read_journal(b"".join(LINES[:number] + LINES[number + 1 :])) is None


@pytest.mark.parametrize("number", range(len(LINES)))
def test_a_journal_with_a_line_twice_is_refused(number: int) -> None:
    assert read_journal(b"".join([*LINES[: number + 1], LINES[number], *LINES[number + 1 :]])) is None


@given(HISTORY, st.data())
@settings(max_examples=200)
def test_any_journal_with_any_byte_changed(entries: list[Entry], data: st.DataObject) -> None:
    whole = [begun(), *entries]
    written, _ = encode_entries(whole)
    at = data.draw(st.integers(0, len(written) - 1))
    value = data.draw(st.integers(0, 255).filter(lambda value: value != written[at]))
    read = read_journal(written[:at] + bytes([value]) + written[at + 1 :])
    assert read is None or (at == len(written) - 1 and read == whole[:-1])


@given(STATE, st.data())
@settings(max_examples=200)
def test_any_state_with_any_byte_changed(state: State, data: st.DataObject) -> None:
    written = encode_state(state)
    at = data.draw(st.integers(0, len(written) - 1))
    value = data.draw(st.integers(0, 255).filter(lambda value: value != written[at]))
    assert read_state(written[:at] + bytes([value]) + written[at + 1 :]) is None


@given(st.binary(max_size=300))
def test_bytes_that_are_neither_are_refused_or_torn(data: bytes) -> None:
    assert read_state(data) is None
    assert read_journal(data) in (None, [])


@pytest.mark.parametrize("data", [b"[" * 100_000, b'{"version":' * 50_000, b'{"version": 1}', b"{}", b"null", b"\xff"])
def test_hostile_bytes_are_refused(data: bytes) -> None:
    assert read_state(data) is None
    assert read_journal(data + b"\n") is None
