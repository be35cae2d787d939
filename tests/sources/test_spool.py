"""Parts that are made for sending leave nothing behind, and cost one pass over their source."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mics_iac.core.content import Content, Slice
from mics_iac.errors import SourceFailed
from mics_iac.sources.files import LocalFiles, LocalRaw
from mics_iac.sources.source import Found, Reading
from mics_iac.sources.streams import Streams
from tests.sources.scratch import nobody, put, slice_of, take

DATA = b"".join(b'{"number":%d}\n' % (n * n) for n in range(60_000))
HOW = Reading(None, csv=False, limit=100_000)


class Watched:
    """Files that count how often they are opened."""

    def __init__(self, root: Path) -> None:
        self._files = LocalFiles(root)
        self.opened = 0

    def open_raw(self, path: str, *, seal: str | None, start: int = 0, end: int | None = None) -> LocalRaw:
        self.opened += 1
        return self._files.open_raw(path, seal=seal, start=start, end=end)


class Stage:
    """Files, and what stands on them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.spool = folder / "workspace" / "spool"
        self.files = Watched(folder)
        self.streams = Streams(self.files, spool=self.spool)

    def read(self, name: str) -> tuple[Found, Content, list[Slice]]:
        found = put(self.folder, name, DATA)
        content = self.streams.read(found, HOW, watch=nobody)
        self.files.opened = 0
        return found, content, [slice_of(found, HOW, content, part) for part in content.parts]


def open_files() -> int:
    return len(list(Path("/dev/fd").iterdir()))


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    stage.streams.close()


@pytest.mark.parametrize("name", ["a.gz", "a.zst", "a.bz2", "a"])
def test_parts_in_their_order_are_one_pass(stage: Stage, name: str) -> None:
    _, _, parts = stage.read(name)
    assert len(parts) > 7
    assert b"".join(take(stage.streams, part) for part in parts) == DATA
    assert stage.files.opened == 1


def test_parts_in_another_order_are_read_anew(stage: Stage) -> None:
    _, _, parts = stage.read("a.gz")
    assert b"".join(take(stage.streams, part) for part in parts[::-1]) != DATA
    assert stage.files.opened == len(parts)


def test_another_attempt_finds_the_part_made(stage: Stage) -> None:
    _, _, parts = stage.read("a.gz")
    for part in parts[:3]:
        reader = stage.streams.open(part)
        begun = reader.read(10)
        reader.close()
        reader.close()
        again = take(stage.streams, part)
        assert again.startswith(begun)
        assert len(again) == part.bytes
    assert stage.files.opened == 1


def test_one_part_in_two_hands(stage: Stage) -> None:
    _, _, parts = stage.read("a.gz")
    one, two = stage.streams.open(parts[0]), stage.streams.open(parts[0])
    assert one.read(100) == two.read(100)
    assert one.read(100) == two.read(100)
    one.close()
    two.close()


def test_nothing_stays_behind(stage: Stage) -> None:
    _, _, parts = stage.read("a.gz")
    before = open_files()
    reader = stage.streams.open(parts[0])
    assert stage.spool.stat().st_mode & 0o777 == 0o700
    assert list(stage.spool.iterdir()) == []  # whatever became of this process now
    reader.close()
    for part in parts:
        take(stage.streams, part)
    stage.streams.close()
    assert not stage.spool.exists()
    assert open_files() == before
    assert take(stage.streams, parts[-1])


def test_many_sources_at_once_keep_few_files_open(stage: Stage) -> None:
    first = [stage.read(f"{n}.gz")[2][0] for n in range(12)]
    before = open_files()
    for part in first:
        take(stage.streams, part)
    assert open_files() < before + 8


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_without_room(stage: Stage) -> None:
    _, _, parts = stage.read("a.gz")
    with files_of_at_most(50_000), pytest.raises(SourceFailed, match="cannot be spooled") as failed:
        stage.streams.open(parts[0])
    assert f"{parts[0].bytes:,} bytes" in (failed.value.remedy or "")
    assert take(stage.streams, parts[0]) == DATA[: parts[0].end]


def test_a_folder_that_cannot_be_made(stage: Stage) -> None:
    (stage.folder / "workspace").write_bytes(b"")
    _, _, parts = stage.read("a.gz")
    with pytest.raises(SourceFailed, match="cannot be spooled"):
        stage.streams.open(parts[0])


def test_a_disk_is_not_filled_with_what_was_not_planned(stage: Stage) -> None:
    found, content, _ = stage.read("a.gz")
    whole = Slice(found.path, None, 0, content.bytes, content.sha256, 50_000, False, None, frozenset(), whole=True)
    with files_of_at_most(300_000), pytest.raises(SourceFailed, match="more than 50,000 bytes"):
        stage.streams.open(whole)


def test_what_is_damaged_behind_the_last_part_is_told_with_the_whole_alone(stage: Stage) -> None:
    found, content, parts = stage.read("a.gz")
    with (stage.folder / found.path).open("ab") as file:
        file.write(b"x")
    assert len(take(stage.streams, parts[-1])) == parts[-1].bytes
    whole = Slice(found.path, None, 0, 0, content.sha256, content.bytes, False, None, frozenset(), whole=True)
    with pytest.raises(SourceFailed, match="other bytes"):
        stage.streams.open(whole)
