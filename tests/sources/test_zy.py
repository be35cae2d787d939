"""The cut comes to what a naive reader of the whole comes to, however the blocks fall."""

from __future__ import annotations

import hashlib
from itertools import pairwise

from hypothesis import example, given, settings
from hypothesis import strategies as st

from mics_iac.sources.cutting import Cut, Cutter
from tests.sources import naive

NDJSON = st.lists(st.sampled_from([b"{}", b'{"a":1}', b"", b"  ", b"x" * 30, b'"', b"\r", b"x" * 9]), max_size=14)
CSV = st.lists(st.sampled_from([b"a,b", b'"x\ny",1', b'"q""\n""",2', b"", b"  ", b"1,2", b'"' + b"z" * 20 + b'"']))
CONTENTS = st.tuples(NDJSON, st.sampled_from([b"\n", b"\r\n"]), st.booleans()).map(
    lambda drawn: drawn[1].join(drawn[0]) + (drawn[1] if drawn[2] else b"")
)
TABLES = st.tuples(CSV, st.booleans()).map(
    lambda drawn: b"id,name\n" + b"\n".join(drawn[0]) + (b"\n" if drawn[1] else b"")
)
EDGES = st.lists(st.integers(0, 200), max_size=8)
LIMITS = st.integers(1, 60)


def blocks(data: bytes, edges: list[int]) -> list[bytes]:
    """The data in blocks that none of is empty."""
    at = sorted({0, len(data), *(e for e in edges if e < len(data))})
    return [data[a:b] for a, b in pairwise(at)]


def cut(data: bytes, edges: list[int], *, csv: bool, limit: int, ranges: tuple[tuple[int, int], ...] = ()) -> Cut:
    cutter = Cutter(csv=csv, limit=limit, ranges=ranges)
    for block in blocks(data, edges):
        cutter.feed(block)
    return cutter.end()


def check(data: bytes, edges: list[int], *, csv: bool, limit: int) -> None:
    done = cut(data, edges, csv=csv, limit=limit)
    assert (done.sha256, done.bytes) == (hashlib.sha256(data).hexdigest(), len(data))
    spans = naive.cut(data, csv=csv, limit=limit)
    assert list(done.parts) == [naive.part_of(n, data, span, csv=csv) for n, span in enumerate(spans, 1)]
    # What is in no part holds no record.
    inside = [range(*span) for span in spans]
    for line in naive.lines_of(data, csv=csv):
        assert line.blank or any(line.start in span for span in inside) or line.data == naive.header_of(data)
    if not csv:
        long = [n for n, line in enumerate(naive.lines_of(data, csv=False), 1) if _long(line, limit)]
        assert (done.overlong, done.lines) == (len(long), tuple(long[:10]))


def _long(line: naive.Line, limit: int) -> bool:
    return len(line.data) > limit and not line.blank


@given(CONTENTS, EDGES, LIMITS)
@settings(deadline=None, max_examples=20000)
@example(b"{}\n\n" + b"x" * 40, [3], 20)
@example(b"\n\n\n\n", [], 2)
@example(b"", [], 5)
def test_parts_of_ndjson(data: bytes, edges: list[int], limit: int) -> None:
    check(data, edges, csv=False, limit=limit)


@given(TABLES, EDGES, LIMITS)
@settings(deadline=None, max_examples=20000)
def test_parts_of_csv(data: bytes, edges: list[int], limit: int) -> None:
    check(data, edges, csv=True, limit=limit)
