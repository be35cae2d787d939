"""The fold of a journal is the fold of its parts, however it is cut: in memory, through states, through bytes."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from mics_iac.core.journal import Entry, decode_journal, encode_entries
from mics_iac.core.state import decode_state, encode_state
from tests.laws.histories import HISTORY, begun, empty, fold


def cuts(data: st.DataObject, entries: list[Entry]) -> list[list[Entry]]:
    places = sorted(data.draw(st.lists(st.integers(0, len(entries)), max_size=4), label="cuts"))
    return [entries[start:end] for start, end in zip([0, *places], [*places, len(entries)], strict=True)]


@given(HISTORY, st.data())
@settings(max_examples=300)
def test_the_fold_of_a_journal_is_the_fold_of_its_parts(entries: list[Entry], data: st.DataObject) -> None:
    assert fold(*cuts(data, entries)) == fold(entries)


@given(HISTORY, st.data())
def test_also_when_each_part_is_saved_and_read(entries: list[Entry], data: st.DataObject) -> None:
    state = empty()
    for part in cuts(data, entries):
        state = decode_state(encode_state(fold(part, state=state)), name="state")
    assert encode_state(state) == encode_state(fold(entries))


@given(HISTORY, st.data())
def test_a_journal_written_in_groups_reads_as_one(entries: list[Entry], data: st.DataObject) -> None:
    crc, written = 0, b""
    for part in cuts(data, [begun(), *entries]):
        lines, crc = encode_entries(part, crc=crc)
        written += lines
    assert (written, crc) == encode_entries([begun(), *entries])
    assert list(decode_journal(written, name="journal").entries) == [begun(), *entries]
