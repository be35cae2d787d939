"""What is unchanged is neither read nor checked again; whatever could have changed is."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mics_iac.core.content import Content
from mics_iac.errors import SourceFailed
from mics_iac.sources.cached import CachedSource
from mics_iac.sources.kept import save
from mics_iac.sources.local import LocalSource
from mics_iac.sources.source import Found, Reading, Watch
from tests.clocks import SteppingClock
from tests.sources.scratch import nobody, put, slice_of, take

HOW = Reading("USER_PROFILE", csv=False, limit=60)
GOOD = b'{"operation":"UPSERT","user_account_id":"1","user_profile":{}}\n'
BAD = b'{"operation":"UPSERT","user_account_id":"1","user_profile":[]}\n'


class Counted(LocalSource):
    """A source that says what it was asked to read."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.asked: list[Reading] = []

    def read(self, found: Found, how: Reading, *, watch: Watch) -> Content:
        self.asked.append(how)
        return super().read(found, how, watch=watch)


class Runs:
    """Runs, one after the other, over one folder whose files are as old as the clock says."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.file = root / ".mics-iac" / "checked.json"
        self.age = 3600.0
        self.inner = Counted(root)

    def read(self, found: Found, how: Reading = HOW, *, watch: Watch = nobody) -> Content:
        self.inner = Counted(self.root)
        newest = max((p.stat().st_ctime for p in self.root.iterdir() if p.is_file()), default=0.0)
        clock = SteppingClock(newest + self.age)
        source = CachedSource(self.inner, root=self.root, file=self.file, clock=clock)
        content = source.read(found, how, watch=watch)
        source.close()
        return content

    @property
    def asked(self) -> list[Reading]:
        return self.inner.asked


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path)


@pytest.mark.parametrize("name", ["a", "a.gz"])
def test_a_file_is_read_once(runs: Runs, name: str) -> None:
    found = put(runs.root, name, GOOD * 5 + BAD)
    content = runs.read(found)
    assert runs.asked == [HOW]
    assert content.report is not None
    assert content.report.counts["MICS321"] == 1
    seen: list[int] = []
    assert runs.read(found, watch=seen.append) == content
    assert runs.asked == []
    assert sum(seen) == found.bytes


def test_another_reading_is_another_question(runs: Runs) -> None:
    found = put(runs.root, "a", GOOD * 5 + BAD)
    hows = [
        HOW,
        replace(HOW, limit=200),
        replace(HOW, drop=frozenset({"MICS321"})),
        replace(HOW, drop=frozenset({"MICS321", "MICS322"})),
        replace(HOW, ranges=((0, 63),)),
        replace(HOW, document_type="USER_ACTIVITY"),
        replace(HOW, csv=True),
        replace(HOW, document_type=None, limit=100),
    ]
    for how in hows:
        content = runs.read(found, how)
        assert content == LocalSource(runs.root).read(found, how, watch=nobody)
        assert runs.asked == [how]
    for how in hows:
        runs.read(found, how)
        assert runs.asked == []


def test_what_was_checked_is_known_without_a_check(runs: Runs) -> None:
    found = put(runs.root, "a", GOOD * 5 + BAD)
    content = runs.read(found)
    assert runs.read(found, replace(HOW, document_type=None)) == content
    assert runs.asked == []


def other_bytes(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"{}", b"[]"))


def other_bytes_at_the_same_time(path: Path) -> None:
    info = path.stat()
    other_bytes(path)
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))


def another_file(path: Path) -> None:
    info = path.stat()
    aside = path.with_name("aside")
    aside.write_bytes(path.read_bytes().replace(b"{}", b"[]"))
    os.utime(aside, ns=(info.st_atime_ns, info.st_mtime_ns))
    aside.replace(path)


def longer(path: Path) -> None:
    path.write_bytes(path.read_bytes() + GOOD)


@pytest.mark.parametrize("change", [other_bytes, other_bytes_at_the_same_time, another_file, longer])
def test_a_file_that_changed_is_read_again(runs: Runs, change: Callable[[Path], None]) -> None:
    found = put(runs.root, "a", GOOD * 5)
    before = runs.read(found)
    change(runs.root / "a")
    found = Found("a", (runs.root / "a").stat().st_size)
    after = runs.read(found)
    assert after.sha256 != before.sha256
    assert after == LocalSource(runs.root).read(found, HOW, watch=nobody)


def test_a_file_that_was_touched_is_hashed_and_not_checked(runs: Runs) -> None:
    found = put(runs.root, "a", GOOD * 5)
    content = runs.read(found)
    os.utime(runs.root / "a", ns=(1, 1))
    seen: list[int] = []
    assert runs.read(found, watch=seen.append) == content
    assert [how.document_type for how in runs.asked] == [None]
    assert sum(seen) == found.bytes
    runs.read(found)
    assert runs.asked == []


@pytest.mark.parametrize("age", [-10.0, 0.0, 1.9])
def test_a_file_that_could_change_unseen_is_not_kept(runs: Runs, age: float) -> None:
    found = put(runs.root, "a", GOOD)
    runs.age = age
    for _ in range(2):
        runs.read(found)
        assert runs.asked == [HOW]


def test_a_file_that_changes_while_it_is_read_is_not_kept(runs: Runs) -> None:
    found = put(runs.root, "a", GOOD * 5)
    meddling = [lambda: another_file(runs.root / "a")]
    before = runs.read(found, watch=lambda _: meddling.pop()() if meddling else None)
    assert runs.read(found) != before
    assert runs.asked == [HOW]


def test_an_object_is_what_its_store_says(runs: Runs) -> None:
    put(runs.root, "a", GOOD * 5)
    found = Found("a", 1, "etag 1")
    content = runs.read(found)
    other_bytes(runs.root / "a")
    assert runs.read(found) == content
    assert runs.read(Found("a", 1, "etag 2")) != content
    assert runs.asked == [HOW]


def test_what_turns_out_to_be_another_one_is_forgotten(runs: Runs) -> None:
    found = put(runs.root, "a", GOOD * 5)
    sealed = replace(found, seal="of a store that says too little")
    content = runs.read(sealed)
    put(runs.root, "a", BAD * 5)
    source = CachedSource(Counted(runs.root), root=runs.root, file=runs.file, clock=SteppingClock())
    with pytest.raises(SourceFailed):
        take(source, slice_of(sealed, HOW, content, content.parts[0]))
    source.close()
    assert runs.read(sealed) != content
    assert runs.asked == [HOW]


def test_the_file_is_for_this_user_alone(runs: Runs) -> None:
    runs.read(put(runs.root, "a", BAD))
    assert runs.file.stat().st_mode & 0o777 == 0o600
    assert runs.file.parent.stat().st_mode & 0o777 == 0o700
    assert [p.name for p in runs.file.parent.iterdir()] == [runs.file.name]
    assert b"user_account_id" not in runs.file.read_bytes()


def flipped(data: bytes) -> bytes:
    at = random.Random(3).randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda data: data[: len(data) // 2],
        lambda data: data + b"x",
        flipped,
        lambda _: b"\xff" * 100,
        lambda _: b"[" * 100_000,
        lambda data: data.replace(b'"format":1', b'"format":2'),
        lambda data: data.replace(b'"rules":', b'"rules":9'),
        lambda _: json.dumps({"format": 1}).encode(),
    ],
)
def test_a_damaged_or_foreign_file_is_as_if_it_were_not_there(runs: Runs, damage: Callable[[bytes], bytes]) -> None:
    found = put(runs.root, "a", GOOD * 5)
    content = runs.read(found)
    runs.file.write_bytes(damage(runs.file.read_bytes()))
    assert runs.read(found) == content
    assert runs.asked == [HOW]
    assert runs.read(found) == content
    assert runs.asked == []


def test_where_it_cannot_be_written_all_is_read(runs: Runs) -> None:
    (runs.root / ".mics-iac").write_bytes(b"")
    found = put(runs.root, "a", GOOD)
    for _ in range(2):
        runs.read(found)
        assert runs.asked == [HOW]


def test_what_was_used_last_stays_when_there_is_no_room(tmp_path: Path) -> None:
    found = [put(tmp_path, f"{n}", GOOD * n) for n in range(1, 60)]
    clock = SteppingClock(10**12)
    file = tmp_path / ".mics-iac" / "checked.json"

    def read(*some: Found, room: int) -> list[Found]:
        inner = Counted(tmp_path)
        source = CachedSource(inner, root=tmp_path, file=file, clock=clock, room=room)
        asked = []
        for one in some:
            before = len(inner.asked)
            source.read(one, HOW, watch=nobody)
            asked += [one] * (len(inner.asked) > before)
        source.close()
        return asked

    assert read(*found, room=1 << 20) == found
    read(*found[:3], put(tmp_path, "new", GOOD), room=7_000)
    assert file.stat().st_size <= 7_000
    assert read(*found[:3], room=7_000) == []
    assert len(read(*found, room=7_000)) > 30


def test_the_same_bytes_under_another_name_are_not_checked_again(runs: Runs) -> None:
    content = runs.read(put(runs.root, "a", GOOD * 5 + BAD))
    renamed = put(runs.root, "b", GOOD * 5 + BAD)
    assert runs.read(renamed) == content
    assert [how.document_type for how in runs.asked] == [None]
    other = put(runs.root, "c", BAD + GOOD * 5)
    assert runs.read(other) != content
    assert [how.document_type for how in runs.asked] == [None, "USER_PROFILE"]


def test_what_is_kept_is_written_into_a_file_of_our_own_making(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_text("mine\n")
    mine.chmod(0o666)
    target = tmp_path / "checked.json"
    (tmp_path / f".checked.json.{os.getpid()}").hardlink_to(mine)
    save(target, [])
    assert mine.read_text() == "mine\n"
    assert target.stat().st_mode & 0o777 == 0o600
