"""Compressed files: read as a stream whatever their blocks, and refused when anything about them is odd."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from mics_iac.errors import SourceFailed
from mics_iac.sources.decompress import BOUNDS, Bounds, content, format_of
from mics_iac.sources.files import LocalFiles
from mics_iac.sources.local import LocalSource
from mics_iac.sources.raw import Raw
from mics_iac.sources.source import Found, Reading
from tests.sources.scratch import COMPRESS, nobody

FORMATS = [suffix for suffix in COMPRESS if suffix]
DATA = b"".join(b'{"user_account_id":"%032x"}\n' % random.Random(n).getrandbits(128) for n in range(4000))


class InSteps:
    """Stored bytes in blocks of any size."""

    def __init__(self, raw: Raw, step: int) -> None:
        self._raw = raw
        self._step = step

    def read(self, size: int, /) -> bytes:
        return self._raw.read(min(size, self._step))

    def close(self) -> None:
        self._raw.close()


def read(path: Path, *, step: int = 1 << 20, size: int = 1 << 18, bounds: Bounds = BOUNDS) -> bytes:
    """The content of a file, as long as it lasts."""
    raw = content(InSteps(LocalFiles(path.parent).open_raw(path.name), step), path.name, bounds=bounds)
    try:
        return b"".join(iter(lambda: raw.read(size), b""))
    finally:
        raw.close()


def refused(path: Path, *, bounds: Bounds = BOUNDS) -> SourceFailed:
    """How a file is refused; the message names it, and nothing of what it holds."""
    with pytest.raises(SourceFailed) as failed:
        read(path, bounds=bounds)
    assert path.name in failed.value.message
    assert failed.value.remedy
    assert "account" not in failed.value.message + failed.value.remedy
    return failed.value


def put(folder: Path, name: str, stored: bytes) -> Path:
    path = folder / name
    path.write_bytes(stored)
    return path


@pytest.mark.parametrize("suffix", FORMATS)
def test_members_one_after_the_other_in_blocks_of_any_size(tmp_path: Path, suffix: str) -> None:
    compress = COMPRESS[suffix]
    path = put(tmp_path, f"a{suffix}", compress(DATA[:1000]) + compress(b"") + compress(DATA[1000:3000]))
    for step in (1, 7, 100_000):
        for size in (1, 13, 100_000):
            assert read(path, step=step, size=size) == DATA[:3000]


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_of_any_length_cut_off_anywhere(tmp_path: Path, suffix: str) -> None:
    stored = COMPRESS[suffix](DATA)
    chance = random.Random(1)
    for length in {
        1,
        2,
        3,
        7,
        len(stored) - 1,
        len(stored) - 4,
        len(stored) - 9,
        *chance.sample(range(len(stored)), 20),
    }:
        assert "is cut off" in (said := refused(put(tmp_path, f"a{suffix}", stored[:length])).message) or (
            length < 7 and "does not hold what its name says" in said
        )


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_second_member_that_is_cut_off(tmp_path: Path, suffix: str) -> None:
    stored = COMPRESS[suffix](DATA)
    refused(put(tmp_path, f"a{suffix}", stored + stored[:-3]))
    refused(put(tmp_path, f"a{suffix}", stored + stored[:5]))


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("behind", [b"x", b"\n", b'{"user_account_id":"1"}\n', b"\x1f\x8b", b"\0\0\0x"])
def test_other_bytes_behind_it(tmp_path: Path, suffix: str, behind: bytes) -> None:
    refused(put(tmp_path, f"a{suffix}", COMPRESS[suffix](DATA) + behind))


def test_padding_where_the_format_has_it(tmp_path: Path) -> None:
    for suffix, padding in ((".gz", 1), (".gz", 511), (".xz", 4), (".xz", 400)):
        stored = COMPRESS[suffix](DATA)
        assert read(put(tmp_path, f"a{suffix}", stored + bytes(padding))) == DATA
    assert read(put(tmp_path, "a.gz", COMPRESS[".gz"](DATA) + bytes(3) + COMPRESS[".gz"](DATA))) == DATA * 2
    for suffix, padding in ((".xz", 3), (".bz2", 4), (".zst", 4)):
        refused(put(tmp_path, f"a{suffix}", COMPRESS[suffix](DATA) + bytes(padding)))


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_bit_that_fell_over_never_passes(tmp_path: Path, suffix: str) -> None:
    stored = COMPRESS[suffix](DATA)
    chance = random.Random(2)
    for at in chance.sample(range(10, len(stored)), 40):
        flipped = bytearray(stored)
        flipped[at] ^= 1 << chance.randrange(8)
        path = put(tmp_path, f"a{suffix}", bytes(flipped))
        try:
            assert read(path) == DATA  # a bit that means nothing, as the spare ones of a header
        except SourceFailed as failed:
            assert path.name in failed.message  # noqa: PT017 - it may pass, or fail so


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("stored", [b'{"user_account_id":"1"}\n', b"x", b"PK\x03\x04" + bytes(100), b"BZ", b"\x28\xb5"])
def test_a_name_that_promises_what_the_bytes_do_not_hold(tmp_path: Path, suffix: str, stored: bytes) -> None:
    assert "does not hold what its name says" in refused(put(tmp_path, f"a{suffix}", stored)).message


@pytest.mark.parametrize("suffix", FORMATS)
def test_bytes_that_are_compressed_without_a_name_that_says_so(tmp_path: Path, suffix: str) -> None:
    path = put(tmp_path, "a.ndjson", COMPRESS[suffix](DATA))
    failed = refused(path)
    assert suffix in failed.message
    assert suffix in (failed.remedy or "")
    with pytest.raises(SourceFailed):
        read(path, step=1)
    other = next(s for s in FORMATS if s != suffix)
    refused(put(tmp_path, f"a.ndjson{other}", COMPRESS[suffix](DATA)))


def test_a_text_that_begins_like_a_magic_is_a_text(tmp_path: Path) -> None:
    assert read(put(tmp_path, "a.csv", b"BZh9,b\n")) == b"BZh9,b\n"


def test_the_last_suffix_alone_counts() -> None:
    names = ["a.gz", "a.ndjson.GZ", "s3://b/a.csv.gz", "https://h/a.gz?sig=x", "https://h/a.gz#x"]
    assert {format_.suffix for name in names if (format_ := format_of(name))} == {".gz"}
    assert all(format_of(name) for name in names)
    assert not any(format_of(name) for name in ("a", "gz", "a.gz.ndjson", "https://h/a?x=.gz", "a.tgz", "a.gz/b"))


BOMBS: dict[str, Callable[[int], bytes]] = {
    ".gz": lambda size: gzip.compress(bytes(size), 9),
    ".bz2": lambda size: bz2.compress(bytes(size), 9),
    ".xz": lambda size: lzma.compress(bytes(size), preset=0),
    ".zst": lambda size: zstandard.ZstdCompressor().compress(bytes(size)),
}


@pytest.mark.parametrize("suffix", FORMATS)
def test_bombs_are_told_by_their_ratio_and_by_their_size(tmp_path: Path, suffix: str) -> None:
    size = 6_000_000
    path = put(tmp_path, f"a{suffix}", BOMBS[suffix](size))
    assert len(read(path)) == size
    assert "times as large" in refused(path, bounds=Bounds(ratio=500, free=1_000_000)).message
    assert "becomes more than" in refused(path, bounds=Bounds(size=size - 1)).message
    tracemalloc.start()
    try:
        refused(path, bounds=Bounds(ratio=10, free=100_000))
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("record", [b"", b"{}\n"])
def test_a_file_of_very_many_tiny_members_is_taken_for_a_bomb(tmp_path: Path, suffix: str, record: bytes) -> None:
    tiny = COMPRESS[suffix](record)
    put(tmp_path, f"a{suffix}", tiny * 20_000)
    begun = time.process_time()
    assert "bomb" in refused(tmp_path / f"a{suffix}").message
    assert time.process_time() - begun < 3
    # A log that is appended to in small pieces, and one in blocks as bgzip writes them, are none.
    assert len(read(put(tmp_path, f"b{suffix}", tiny * 9_000))) == len(record) * 9_000


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_very_many_members_of_some_size_are_read(tmp_path: Path, suffix: str) -> None:
    block = random.Random(1).randbytes(600)
    assert len(read(put(tmp_path, f"a{suffix}", COMPRESS[suffix](block) * 12_000))) == 600 * 12_000


def test_a_bomb_is_no_file_to_load(tmp_path: Path) -> None:
    assert (BOUNDS.free, BOUNDS.ratio, BOUNDS.size) == (100_000_000, 1000, 100_000_000_000)
    stored = BOMBS[".zst"](BOUNDS.free + 1)
    put(tmp_path, "a.zst", stored)
    with pytest.raises(SourceFailed, match="bomb"):
        LocalSource(tmp_path).read(Found("a.zst", len(stored)), Reading(None, csv=False, limit=1 << 40), watch=nobody)


def test_what_needs_too_much_memory(tmp_path: Path) -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=28)
    wide = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    path = put(tmp_path, "a.zst", wide.compress(DATA) + wide.flush())
    assert "memory" in refused(path).message
    deep = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 28}]
    assert "memory" in refused(put(tmp_path, "a.xz", lzma.compress(DATA, filters=deep))).message


def test_zstd_without_the_library_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(tmp_path, "a.zst", COMPRESS[".zst"](DATA))
    monkeypatch.setitem(sys.modules, "zstandard", None)
    assert "mics-iac[fast]" in (refused(path).remedy or "")


def test_gzip_is_the_same_without_isal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "isal", None)
    stored = COMPRESS[".gz"](DATA)
    for step in (100, 1 << 20):
        assert read(put(tmp_path, "a.gz", stored + stored), step=step) == DATA * 2
    assert "cut off" in refused(put(tmp_path, "a.gz", stored[:-1])).message
    assert "other bytes" in refused(put(tmp_path, "a.gz", stored + b"x")).message
    assert "damaged" in refused(put(tmp_path, "a.gz", stored[:-6] + b"x" + stored[-5:])).message
    assert "times as large" in refused(put(tmp_path, "a.gz", BOMBS[".gz"](9_000_000)), bounds=Bounds(10, 1000)).message
    assert read(put(tmp_path, "a.gz", BOMBS[".gz"](300_000))) == bytes(300_000)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 70_000)), min_size=1, max_size=5), st.integers(1, 5000))
@settings(deadline=None, max_examples=30)
def test_frames_of_zstd_in_every_form(
    tmp_path_factory: pytest.TempPathFactory, frames: list[tuple[int, int]], step: int
) -> None:
    folder = tmp_path_factory.getbasetemp()
    stored, plain = b"", b""
    for form, size in frames:
        data = (DATA * 2)[:size]
        match form:
            case 0:
                stored += zstandard.ZstdCompressor(write_checksum=True).compress(data)
            case 1:  # of unknown length, and without a checksum
                stream = zstandard.ZstdCompressor(write_content_size=False).compressobj()
                stored += stream.compress(data) + stream.flush()
            case 2:  # one byte repeated
                data = b"x" * size
                stored += zstandard.ZstdCompressor().compress(data)
            case _:  # to be skipped
                stored += b"\x5a\x2a\x4d\x18" + size.to_bytes(4, "little") + bytes(size)
                data = b""
        plain += data
    path = put(folder, "frames.zst", stored)
    assert read(path, step=step) == plain
    if stored[-1:]:
        refused(put(folder, "frames.zst", stored[:-1]))
