"""Reading files: what they hold, and that they are still what was planned."""

from __future__ import annotations

import hashlib
import os
import tracemalloc
from pathlib import Path

import pytest

from mics_iac.core.content import Content, Part, Slice
from mics_iac.errors import SourceFailed
from mics_iac.sources.flow import BLOCK
from mics_iac.sources.local import LocalSource
from mics_iac.sources.source import Found, Reading

ALONE = Reading(None, csv=False, limit=100_000_000)


def nobody(_: int) -> None:
    """Watch nothing."""


def read(root: Path, name: str, how: Reading = ALONE) -> Content:
    return LocalSource(root).read(Found(name, 0), how, watch=nobody)


def planned(name: str, content: bytes) -> Slice:
    digest, size = hashlib.sha256(content).hexdigest(), len(content)
    return Slice(name, None, 0, size, digest, size, False, None, frozenset(), whole=True)


def read_all(root: Path, name: str, content: bytes, *, size: int = 1000) -> bytes:
    reader = LocalSource(root).open(planned(name, content))
    blocks = []
    try:
        while block := reader.read(size):
            blocks.append(block)
    finally:
        reader.close()
    return b"".join(blocks)


def test_what_is_there(tmp_path: Path) -> None:
    content = b'{"a":1}\n\n{"b":2}\r\n   \n{"c":3}'
    (tmp_path / "a").write_bytes(content)
    digest, size = hashlib.sha256(content).hexdigest(), len(content)
    assert read(tmp_path, "a") == Content(digest, size, (Part(1, 0, size, digest, size, 5, 3),), None)


def test_blocks_are_told_as_they_are_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * (3 * BLOCK + 5))
    seen: list[int] = []
    LocalSource(tmp_path).read(Found("a", 0), ALONE, watch=seen.append)
    assert sum(seen) == 3 * BLOCK + 5
    assert len(seen) > 3


@pytest.mark.parametrize("how", ["appended", "truncated", "rewritten"])
def test_a_file_that_changes_while_it_is_read(tmp_path: Path, how: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x" * (3 * BLOCK))
    done: list[int] = []

    def meddle(_: int) -> None:
        if done:
            return
        done.append(1)
        match how:
            case "appended":
                with path.open("ab") as file:
                    file.write(b"y")
            case "truncated":
                os.truncate(path, BLOCK)
            case _:
                path.write_bytes(b"y" * (3 * BLOCK))
                os.utime(path, ns=(1, 1))

    with pytest.raises(SourceFailed, match="changed while it was read") as failed:
        LocalSource(tmp_path).read(Found("a", 0), ALONE, watch=meddle)
    assert failed.value.remedy


def test_a_file_that_vanished(tmp_path: Path) -> None:
    with pytest.raises(SourceFailed, match="vanished"):
        read(tmp_path, "vanished")
    with pytest.raises(SourceFailed, match="vanished"):
        read_all(tmp_path, "vanished", b"x")


def test_a_pipe_that_took_the_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a")
    with pytest.raises(SourceFailed):
        read(tmp_path, "a")
    with pytest.raises(SourceFailed):
        read_all(tmp_path, "a", b"x")


def test_a_folder_that_took_the_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(SourceFailed):
        read(tmp_path, "a")


def test_a_file_that_cannot_be_read_to_its_end(tmp_path: Path) -> None:
    # Reading one's own memory at address 0 is an input/output error on any Linux.
    place = Path("/proc/self/mem")
    if not place.exists():
        pytest.skip("there is no /proc here")
    (tmp_path / "a").symlink_to(place)
    with pytest.raises(SourceFailed, match="cannot be read"):
        read(tmp_path, "a")


def test_the_planned_bytes_come_out(tmp_path: Path) -> None:
    content = os.urandom(10_000)
    (tmp_path / "a").write_bytes(content)
    for size in (1, 7, 9_999, 10_000, 10_001):
        assert read_all(tmp_path, "a", content, size=size) == content


@pytest.mark.parametrize("now", [b"abcdef", b"abc", b"", b"abcdeX", b"Xbcdef"])
def test_other_bytes_do_not_pass_for_the_planned_ones(tmp_path: Path, now: bytes) -> None:
    content = b"abcde!"
    (tmp_path / "a").write_bytes(now)
    with pytest.raises(SourceFailed, match="not the file that was planned") as failed:
        read_all(tmp_path, "a", content)
    assert failed.value.remedy


def test_bytes_that_change_while_they_are_sent(tmp_path: Path) -> None:
    content = b"x" * 4000
    path = tmp_path / "a"
    path.write_bytes(content)
    reader = LocalSource(tmp_path).open(planned("a", content))
    assert reader.read(1000)
    with path.open("r+b") as file:
        file.seek(3999)
        file.write(b"y")
    blocks = iter(lambda: reader.read(1000), b"")
    with pytest.raises(SourceFailed):
        list(blocks)
    reader.close()
    reader.close()


def test_memory_stays_the_same_whatever_the_size(tmp_path: Path) -> None:
    def peak(size: int, *, csv: bool) -> int:
        (tmp_path / "a").write_bytes(b"")
        with (tmp_path / "a").open("wb") as file:
            for _ in range(size // 1_000):
                file.write(b"y" * 999 + b"\n")
        tracemalloc.start()
        try:
            read(tmp_path, "a", Reading(None, csv=csv, limit=700_000))
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    for csv in (False, True):
        assert peak(20_000_000, csv=csv) < peak(2_000_000, csv=csv) + 600_000  # two blocks


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    os.mkfifo(tmp_path / "pipe")
    open_files = Path("/dev/fd")
    before = len(list(open_files.iterdir()))
    for _ in range(50):
        read(tmp_path, "a")
        for name, content in (("a", b"abcd"), ("pipe", b"abc"), ("a", b"abd")):
            with pytest.raises(SourceFailed):
                read_all(tmp_path, name, content)
    assert len(list(open_files.iterdir())) <= before
