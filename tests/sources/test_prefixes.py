"""What a file began with: growing logs, whatever their compression, and where their records end."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mics_iac.errors import SourceFailed
from mics_iac.sources.flow import BLOCK
from mics_iac.sources.local import LocalSource
from mics_iac.sources.source import Found, Prefix
from tests.sources.scratch import nobody, put

TEXT = st.lists(st.sampled_from([b"{}", b"\n", b"\r\n", b'"', b'""', b"a,b", b"\r"]), max_size=30).map(b"".join)


def prefixes(source: LocalSource, found: Found, lengths: list[int], *, csv: bool = False) -> dict[int, Prefix]:
    return source.prefixes(found, lengths, csv=csv, watch=nobody)


def ends_there(data: bytes, length: int, *, csv: bool) -> bool:
    before, behind = data[:length], data[length:]
    if csv and before.count(b'"') % 2:
        return False
    return not behind or not before or before.endswith(b"\n") or behind.startswith((b"\n", b"\r\n"))


@given(TEXT, st.lists(st.integers(0, 70), max_size=6), st.booleans(), st.sampled_from(["a", "a.gz"]))
@settings(deadline=None, max_examples=80)
def test_each_prefix_is_told(data: bytes, lengths: list[int], csv: bool, name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = put(Path(folder), name, data)
        told = prefixes(LocalSource(Path(folder)), found, lengths, csv=csv)
    assert told == {
        n: Prefix(hashlib.sha256(data[:n]).hexdigest(), whole=ends_there(data, n, csv=csv))
        for n in lengths
        if n <= len(data)
    }


@pytest.mark.parametrize("name", ["log", "log.gz", "log.zst"])
def test_a_log_that_grows(tmp_path: Path, name: str) -> None:
    lines = [b'{"number":%d}\n' % n for n in range(60_000)]
    ends = [0, 1, 20_000, 59_999]
    lengths = [len(b"".join(lines[:n])) for n in ends]
    source = LocalSource(tmp_path)
    found = put(tmp_path, name, b"".join(lines))
    told = prefixes(source, found, [*lengths, lengths[-1] - 2, 10**12])
    assert {n: p.sha256 for n, p in told.items() if p.whole} == {
        length: hashlib.sha256(b"".join(lines[:n])).hexdigest() for n, length in zip(ends, lengths, strict=True)
    }
    assert told.keys() == {*lengths, lengths[-1] - 2}


def test_no_more_is_read_than_is_needed(tmp_path: Path) -> None:
    found = put(tmp_path, "log", b"{}\n" * BLOCK)
    seen: list[int] = []
    LocalSource(tmp_path).prefixes(found, [30], csv=False, watch=seen.append)
    assert sum(seen) == 32


def test_a_file_that_is_gone_or_broken(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(b"x")
    for name in ("gone", "a.gz"):
        with pytest.raises(SourceFailed, match=name):
            prefixes(LocalSource(tmp_path), Found(name, 10), [3])
