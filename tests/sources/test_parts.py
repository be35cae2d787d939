"""Files are read, cut and taken out part by part: the same whatever their compression, and nothing is lost."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mics_iac.core.content import Content, Part
from mics_iac.documents.check import Sieve
from mics_iac.documents.rules import RULES
from mics_iac.errors import SourceFailed
from mics_iac.sources.local import LocalSource
from mics_iac.sources.source import Found, Reading, Sifted
from tests.sources import naive
from tests.sources.scratch import COMPRESS, nobody, put, slice_of, take

ERRORS = frozenset(code for code, rule in RULES.items() if rule.severity == "error" and rule.scope == "record")
HEADER = b"operation,user_account_id,compartment_id,segment_id,data_bag\n"
GOOD = [
    b'{"operation":"UPSERT","user_account_id":"%d","compartment_id":"1","user_profile":{"city":"Lyon"}}' % n
    for n in range(5)
]
BAD = [b"{", b'{"operation":"DESTROY","user_account_id":"1"}', b"[1]", b'{"operation":"UPSERT"}', b"\xff\xfe"]
ROWS = [b'UPDATE,"%d",1,7,"{""a"":\n%d}"' % (n, n) for n in range(5)]
BAD_ROWS = [b"UPDATE,1", b'DESTROY,"1\n",1,7,', b"UPDATE,1,1,7,{"]


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def text(lines: list[bytes], *, ended: bool) -> bytes:
    return b"\n".join(lines) + (b"\n" if ended else b"")


def lines(data: bytes) -> list[bytes]:
    return [line for line in data.split(b"\n") if line.strip()]


NDJSON = st.builds(text, st.lists(st.sampled_from([*GOOD, *BAD, b"", b"  "]), max_size=12), ended=st.booleans())
CSV = st.builds(
    lambda lines, ended: HEADER + text(lines, ended=ended),
    st.lists(st.sampled_from([*ROWS, *BAD_ROWS, b""]), max_size=10),
    st.booleans(),
)
FILES = st.one_of(st.tuples(NDJSON, st.just(False)), st.tuples(CSV, st.just(True)))
LIMITS = st.integers(80, 600)
SUFFIXES = st.sampled_from(list(COMPRESS))


def reading(*, csv: bool, limit: int, drop: bool = False) -> Reading:
    kind = "USER_SEGMENT" if csv else "USER_PROFILE"
    return Reading(kind, csv=csv, limit=limit, drop=ERRORS if drop else frozenset())


@given(FILES, LIMITS, SUFFIXES, st.randoms())
@settings(deadline=None, max_examples=60)
def test_parts_are_the_content(file: tuple[bytes, bool], limit: int, suffix: str, chance: object) -> None:
    data, csv = file
    how = reading(csv=csv, limit=limit)
    with folder() as root:
        source = LocalSource(root)
        found = put(root, f"a{suffix}", data)
        content = source.read(found, how, watch=nobody)
        spans = naive.cut(data, csv=csv, limit=limit)
        parts = tuple(naive.part_of(n, data, span, csv=csv) for n, span in enumerate(spans, 1))
        assert (content.sha256, content.bytes) == (hashlib.sha256(data).hexdigest(), len(data))
        assert content.parts == parts
        # The same content, whatever its compression, and whether its records are checked or not.
        assert source.read(put(root, "b", data), how, watch=nobody) == content
        alone = source.read(found, replace(how, document_type=None), watch=nobody)
        assert (alone.sha256, alone.parts) == (content.sha256, content.parts)
        order = list(parts)
        chance.shuffle(order)  # type: ignore[attr-defined]
        for part in order:
            assert take(source, slice_of(found, how, content, part)) == naive.sent(
                data, (part.start, part.end), csv=csv
            )
        source.close()


@given(FILES, LIMITS, SUFFIXES)
@settings(deadline=None, max_examples=60)
def test_what_is_left_out_and_what_is_sent_is_everything(file: tuple[bytes, bool], limit: int, suffix: str) -> None:
    data, csv = file
    how = reading(csv=csv, limit=limit, drop=True)
    assert how.document_type is not None
    with folder() as root:
        source = LocalSource(root)
        found = put(root, f"a{suffix}", data)
        content = source.read(found, how, watch=nobody)
        dropped: list[bytes] = []
        assert source.sift(found, how, dropped.append) == Sifted(content.dropped, content.sha256)
        sieve = Sieve(how.document_type, csv=csv, drop=ERRORS)
        kept, left_out = (b"".join(both) for both in zip(sieve.feed(data), sieve.end(), strict=True))
        assert b"".join(dropped) == left_out
        header = naive.header_of(data) if csv else b""
        sent = [take(source, slice_of(found, how, content, part)) for part in content.parts]
        for part, body in zip(content.parts, sent, strict=True):
            assert (part.bytes, part.sha256) == (len(body), hashlib.sha256(body).hexdigest())
            assert part.bytes <= limit or part.records == 1
            assert part.records == naive.part_of(1, body, (0, len(body)), csv=csv).records
            assert part.records or not content.dropped
        whole = b"".join(body.removeprefix(header) for body in sent)
        assert lines(whole) == lines(kept.removeprefix(header))
        # Where nothing is left out, it is all the same whether something would be.
        if not content.dropped:
            assert content == source.read(found, replace(how, drop=frozenset()), watch=nobody)
        source.close()


@given(FILES, LIMITS, LIMITS, st.integers(0, 6), st.booleans())
@settings(deadline=None, max_examples=60)
def test_a_cut_that_is_given_is_kept_and_the_rest_is_cut_anew(
    file: tuple[bytes, bool], before: int, limit: int, first: int, drop: bool
) -> None:
    data, csv = file
    with folder() as root:
        source = LocalSource(root)
        found = put(root, "a.gz", data)
        old = source.read(found, reading(csv=csv, limit=before, drop=drop), watch=nobody)
        ranges = tuple((part.start, part.end) for part in old.parts[:first])
        how = replace(reading(csv=csv, limit=limit, drop=drop), ranges=ranges)
        content = source.read(found, how, watch=nobody)
        assert (content.sha256, content.dropped) == (old.sha256, old.dropped)
        assert content.parts[: len(ranges)] == old.parts[:first]
        # What is sent in all holds the same records, each once.
        assert sum(part.records for part in content.parts) == sum(part.records for part in old.parts)
        for part in content.parts:
            assert len(take(source, slice_of(found, how, content, part))) == part.bytes
        source.close()


def test_the_rest_of_a_line_that_was_sent_without_its_newline_is_nothing_to_send(tmp_path: Path) -> None:
    source = LocalSource(tmp_path)
    for end in (b"\n", b"\r\n"):
        found = put(tmp_path, "a", b'{"a":1}' + end + b'{"a":2}\n')
        content = source.read(found, Reading(None, csv=False, limit=1000, ranges=((0, 7),)), watch=nobody)
        assert [(p.start, p.end, p.lines, p.records) for p in content.parts] == [
            (0, 7, 1, 1),
            (7 + len(end), 15 + len(end), 1, 1),
        ]


def test_a_content_without_what_was_begun_of_it(tmp_path: Path) -> None:
    found = put(tmp_path, "a", b"{}\n")
    with pytest.raises(SourceFailed, match="shorter"):
        LocalSource(tmp_path).read(found, Reading(None, csv=False, limit=10, ranges=((0, 3), (3, 9))), watch=nobody)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_record_that_is_longer_than_a_part_is_told_of_at_its_place(tmp_path: Path, suffix: str) -> None:
    data = b'{"a":1}\n\n' + b'{"a":"' + b"x" * 900_000 + b'"}\n{"a":2}\n'
    found = put(tmp_path, f"a{suffix}", data)
    content = LocalSource(tmp_path).read(found, Reading("USER_PROFILE", csv=False, limit=300_000), watch=nobody)
    assert content.report is not None
    assert content.report.counts["MICS310"] == 1
    (finding,) = [f for f in content.report.findings if f.code == "MICS310"]
    assert (finding.line, finding.column) == (3, 1)
    assert "split" in finding.message
    assert [p.records for p in content.parts] == [1, 1, 1]
    assert list(content.report.findings) == sorted(content.report.findings)
    unchecked = LocalSource(tmp_path).read(found, Reading(None, csv=False, limit=300_000), watch=nobody)
    assert unchecked.report is not None
    assert unchecked.report.counts == {"MICS310": 1}


def test_a_header_that_leaves_no_room_is_not_repeated(tmp_path: Path) -> None:
    data = b"a," * 100 + b"b\n" + b"1\n" * 200
    content = LocalSource(tmp_path).read(put(tmp_path, "a", data), Reading(None, csv=True, limit=150), watch=nobody)
    assert [(p.start, p.end) for p in content.parts] == [(0, len(data))]
    assert content.report is not None
    assert content.report.counts == {"MICS310": 1}


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_several_threads_take_parts_at_once(tmp_path: Path, suffix: str) -> None:
    data = b"".join(b'{"number":%d}\n' % n for n in range(20_000))
    source = LocalSource(tmp_path)
    found = put(tmp_path, f"a{suffix}", data)
    how = Reading(None, csv=False, limit=20_000)
    content = source.read(found, how, watch=nobody)
    with ThreadPoolExecutor(6) as pool:
        sent = pool.map(lambda part: take(source, slice_of(found, how, content, part), size=7000), content.parts)
        assert b"".join(sent) == data
    source.close()


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("now", ["longer", "shorter", "other", "gone"])
def test_a_file_that_is_another_one_when_its_part_is_taken(tmp_path: Path, suffix: str, now: str) -> None:
    data = b"".join(b'{"number":%d}\n' % n for n in range(1000))
    source = LocalSource(tmp_path)
    found = put(tmp_path, f"a{suffix}", data)
    for limit in (5000, 1_000_000):
        how = Reading(None, csv=False, limit=limit)
        content = source.read(put(tmp_path, found.path, data), how, watch=nobody)
        last = slice_of(found, how, content, content.parts[-1])
        match now:
            case "longer" if last.whole:
                put(tmp_path, found.path, data + b"{}\n")
            case "longer":
                continue  # of a file that grew, a part is still what it was
            case "shorter":
                put(tmp_path, found.path, data[:-20])
            case "other":
                put(tmp_path, found.path, data.replace(b"999", b"888"))
            case _:
                (tmp_path / found.path).unlink()
        with pytest.raises(SourceFailed) as failed:
            take(source, last)
        assert failed.value.remedy == "plan again"
        assert "number" not in failed.value.message
    source.close()


def test_nothing_is_copied_of_a_plain_file(tmp_path: Path) -> None:
    data = b"".join(b'{"number":%d}\n' % n for n in range(1000))
    (tmp_path / "no folder").write_bytes(b"")  # where spooling would fail
    source = LocalSource(tmp_path, spool=tmp_path / "no folder")
    for csv in (False, True):
        how = Reading(None, csv=csv, limit=3000)
        found = put(tmp_path, "a", data)
        content = source.read(found, how, watch=nobody)
        assert len(content.parts) > 3
        for part in content.parts:
            assert take(source, slice_of(found, how, content, part)) == naive.sent(
                data, (part.start, part.end), csv=csv
            )
    # Nor where records would be left out, and none is.
    dropping = Reading("USER_PROFILE", csv=False, limit=100_000, drop=frozenset({"MICS306"}))
    content = source.read(put(tmp_path, "a", data), dropping, watch=nobody)
    assert take(source, slice_of(Found("a", len(data)), dropping, content, content.parts[0])) == data


def test_of_a_file_without_any_good_record_nothing_is_sent(tmp_path: Path) -> None:
    how = reading(csv=False, limit=1000, drop=True)
    content = LocalSource(tmp_path).read(put(tmp_path, "a.gz", b"{,\n1\n"), how, watch=nobody)
    assert (content.parts, content.dropped) == ((), 2)


def test_an_empty_content(tmp_path: Path) -> None:
    nothing = hashlib.sha256().hexdigest()
    content = LocalSource(tmp_path).read(put(tmp_path, "a.gz", b""), Reading(None, csv=False, limit=9), watch=nobody)
    assert content == Content(nothing, 0, (Part(1, 0, 0, nothing, 0, 0, 0),), None)
