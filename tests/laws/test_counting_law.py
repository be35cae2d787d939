"""Counting by blocks comes to what a naive reader of the whole comes to, however the blocks are cut."""

from __future__ import annotations

import csv
import io
from itertools import pairwise

from hypothesis import example, given, settings
from hypothesis import strategies as st

from mics_iac.sources.counting import CsvCounter, LineCounter

TEXT = st.text(alphabet=' \t\r\n\n\n"a,é', max_size=80).map(str.encode)
CUTS = st.lists(st.integers(0, 80), max_size=8)
CELL = st.text(alphabet='ab ,"\n\réx', max_size=6)


def blocks(data: bytes, cuts: list[int]) -> list[bytes]:
    """The data in blocks; some of them may be empty, and be left out, since an empty read is the end."""
    edges = sorted({0, len(data), *(c for c in cuts if c < len(data))})
    return [data[a:b] for a, b in pairwise(edges) if a < b]


def lines_of(data: bytes) -> int:
    return data.count(b"\n") + (not data.endswith(b"\n") and data != b"")


@given(TEXT, CUTS)
@settings(deadline=None)
@example(b"\n\n", [1])
@example(b"a\n \n\tb", [2])
@example(b"a\r\n\r\nb\r\n", [2, 3])
def test_lines_and_records_of_ndjson(data: bytes, cuts: list[int]) -> None:
    counter = LineCounter()
    for block in blocks(data, cuts):
        counter.feed(block)
    assert counter.lines == lines_of(data)
    assert counter.records == sum(1 for line in data.split(b"\n") if line.strip(b" \t\r"))


@given(st.lists(st.lists(CELL, min_size=2, max_size=3), min_size=1, max_size=6), CUTS, st.sampled_from(["\n", "\r\n"]))
@settings(deadline=None)
def test_rows_of_csv_as_any_writer_writes_them(rows: list[list[str]], cuts: list[int], ending: str) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=ending, quoting=csv.QUOTE_ALL).writerows(rows)
    data = text.getvalue().encode()
    counter = CsvCounter()
    for block in blocks(data, cuts):
        counter.feed(block)
    assert counter.records == len(rows) - 1
    assert counter.lines == lines_of(data)


@given(st.lists(st.lists(st.sampled_from(["a", "b c", "", 'x"y', "p\nq"]), min_size=2, max_size=2), max_size=5), CUTS)
@settings(deadline=None)
def test_blank_lines_between_rows_are_no_rows(rows: list[list[str]], cuts: list[int]) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["operation", "id"])
    for row in rows:
        text.write("\n \r\n")
        writer.writerow(row)
    data = (text.getvalue() + "\n\n").encode()
    counter = CsvCounter()
    for block in blocks(data, cuts):
        counter.feed(block)
    read = [
        row for row in csv.reader(io.StringIO(data.decode(), newline="")) if any(c.strip() for c in row) or len(row) > 1
    ]
    assert counter.records == len(read) - 1 == len(rows)
