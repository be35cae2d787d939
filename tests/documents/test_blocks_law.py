"""Laws: into whatever blocks a file is cut, its report is the same; a sieve loses no byte; no bytes are too wild."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mics_iac.documents.cutting import Cutter, TooLong
from mics_iac.documents.rules import RULES, errors_of
from mics_iac.sources.counting import CsvCounter, LineCounter
from tests.documents.lines import GOOD, TYPES, files
from tests.documents.reading import of_records, report_of, sieved
from tests.documents.tables import tables

EVERY = errors_of(ignore=(), strict=True)


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    """The data in blocks, cut at these places, some of them empty."""
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


PLACES = st.lists(st.integers(0, 10_000), max_size=6)


@pytest.mark.parametrize("document_type", ["USER_ACTIVITY", "USER_SEGMENT", "USER_POINTS_DELETION"])
@settings(max_examples=60, deadline=None)
@given(data=st.data(), places=PLACES)
def test_any_blocks_give_the_same_report(document_type: str, data: st.DataObject, places: list[int]) -> None:
    text = data.draw(files(document_type))
    whole = report_of(document_type, text)
    assert report_of(document_type, *cut(text, places)) == whole
    assert report_of(document_type, *(bytes([byte]) for byte in text[:3000]), text[3000:]) == whole


@settings(max_examples=100, deadline=None)
@given(text=tables(), places=PLACES)
def test_any_blocks_of_csv_give_the_same_report(text: bytes, places: list[int]) -> None:
    whole = report_of("USER_SEGMENT", text, csv=True)
    assert report_of("USER_SEGMENT", *cut(text, places), csv=True) == whole
    assert report_of("USER_SEGMENT", *(bytes([byte]) for byte in text), csv=True) == whole


@settings(max_examples=150, deadline=None)
@given(data=st.data(), csv=st.booleans())
def test_records_and_lines_are_counted_as_everywhere(data: st.DataObject, *, csv: bool) -> None:
    text = data.draw(st.one_of(tables(), files("USER_PROFILE"), st.binary(max_size=60)))
    # A row that is nothing but an unclosed quote is no record to the counter.
    assume(not csv or text.count(b'"') % 2 == 0)
    counter = CsvCounter() if csv else LineCounter()
    counter.feed(text)
    report = report_of("USER_SEGMENT", text, csv=csv)
    assert (report.records, report.lines) == (counter.records, counter.lines)


@settings(max_examples=200, deadline=None)
@given(text=st.binary(max_size=200), document_type=st.sampled_from(TYPES), csv=st.booleans())
def test_no_bytes_are_too_wild(text: bytes, document_type: str, *, csv: bool) -> None:
    report = report_of(document_type, text, csv=csv)
    assert set(report.counts) <= RULES.keys()
    assert list(report.findings) == sorted(report.findings)


@settings(max_examples=150, deadline=None)
@given(data=st.data(), csv=st.booleans(), drop=st.sets(st.sampled_from(sorted(EVERY))), places=PLACES)
def test_a_sieve_keeps_what_has_no_such_finding_and_loses_nothing(
    data: st.DataObject, drop: set[str], places: list[int], *, csv: bool
) -> None:
    text = data.draw(tables() if csv else files("USER_SEGMENT"))
    drop |= set(EVERY) if data.draw(st.booleans()) else set()
    kept, dropped = sieved("USER_SEGMENT", *cut(text, places), csv=csv, drop=frozenset(drop))
    records, bad = records_of(text, csv=csv), bad_ones(text, drop, csv=csv)
    assert kept == b"".join(record for number, record in enumerate(records) if number not in bad)
    assert dropped == b"".join(record for number, record in enumerate(records) if number in bad)


def records_of(text: bytes, *, csv: bool) -> list[bytes]:
    """Records by the plainest means: one byte at a time."""
    records, start, quoted = [], 0, False
    for place in range(len(text)):
        quoted ^= csv and text[place] == ord('"')
        if text[place] == ord("\n") and not quoted:
            records.append(text[start : place + 1])
            start = place + 1
    return [*records, text[start:]] if start < len(text) else records


def bad_ones(text: bytes, drop: set[str], *, csv: bool) -> set[int]:
    """The records that a checker finds something in; few enough that each finding is shown."""
    report = report_of("USER_SEGMENT", text, csv=csv)
    assert all(number <= 10 for number in of_records(report).values())
    lines = {f.line for f in report.findings if f.code in drop and RULES[f.code].scope == "record" and f.line}
    bad, line = set(), 1
    header = next((number for number, record in enumerate(records_of(text, csv=csv)) if not record.isspace()), None)
    for number, record in enumerate(records_of(text, csv=csv)):
        after = line + max(1, record.count(b"\n"))
        if lines & set(range(line, after + (not record.endswith(b"\n")))) and not (csv and number == header):
            bad.add(number)
        line = after
    return bad


@settings(max_examples=200, deadline=None)
@given(
    text=st.lists(st.sampled_from([b"a", b"bc", b'"', b"\n", b"\n\n", b'"\n'])).map(b"".join),
    places=PLACES,
    longest=st.integers(1, 8),
    csv=st.booleans(),
)
def test_a_cutter_gives_whole_records_and_holds_back_no_long_one(
    text: bytes, places: list[int], longest: int, *, csv: bool
) -> None:
    cutter = Cutter(csv=csv, longest=longest)
    pieces = [piece for block in cut(text, places) for piece in cutter.feed(block)] + list(cutter.end())
    assert b"".join(piece.data if isinstance(piece, TooLong) else piece for piece in pieces) == text
    records = records_of(text, csv=csv)
    ended = [record.endswith(b"\n") and not (csv and record.count(b'"') % 2) for record in records]
    long = [record for record, end in zip(records, ended, strict=True) if len(record) - end > longest]
    assert sum(piece.first for piece in pieces if isinstance(piece, TooLong)) == len(long)
    assert sum(piece.last for piece in pieces if isinstance(piece, TooLong)) == len(long)
    whole = [record for piece in pieces if isinstance(piece, bytes) for record in records_of(piece, csv=csv)]
    assert whole == [record for record in records if record not in long]


def test_the_good_lines_pass_a_sieve_that_drops_everything() -> None:
    for document_type, lines in GOOD.items():
        text = "\n".join(lines).encode()
        assert sieved(document_type, text, csv=False, drop=EVERY) == (text, b"")
