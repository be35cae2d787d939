"""The state as a file: where it is, what happens to modes and links, and what a failing disk is told like."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from mics_iac.errors import StateConflict, StoreFailed
from mics_iac.store.backend import LockInfo
from mics_iac.store.disk import Disk
from mics_iac.store.file import FileBackend
from tests.store.stand import FaultyDisk, SetClock, claim


def backend(path: Path, disk: Disk | None = None) -> FileBackend:
    return FileBackend(path, clock=SetClock(), disk=disk)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_files_stand_beside_each_other(tmp_path: Path) -> None:
    client = backend(tmp_path / "imports.production.state.json")
    client.lock(claim(), lease=600)
    client.write(b"state", expected=None)
    client.append("00000005-0001", b"line\n")
    assert names(tmp_path) == [
        "imports.production.state.journal.00000005-0001",
        "imports.production.state.json",
        "imports.production.state.lock",
    ]
    client.unlock("run-1")
    assert "imports.production.state.lock" not in names(tmp_path)


def test_states_of_two_environments_do_not_see_each_other(tmp_path: Path) -> None:
    one, two = backend(tmp_path / "imports.state.json"), backend(tmp_path / "imports.staging.state.json")
    assert isinstance(one.lock(claim("a"), lease=600), LockInfo)
    assert isinstance(two.lock(claim("b"), lease=600), LockInfo)
    one.append("00000000-0001", b"one\n")
    assert two.journals() == []
    one.unlock("a")
    two.unlock("b")


def test_copies_and_notes_of_people_are_no_journals(tmp_path: Path) -> None:
    client = backend(tmp_path / "imports.state.json")
    client.append("00000000-0001", b"one\n")
    for name in ["00000000-0001.bak", "00000000-0001~", "notes"]:
        (tmp_path / f"imports.state.journal.{name}").write_text("x")
    assert [blob.name for blob in client.journals()] == ["00000000-0001"]


@pytest.mark.parametrize("mode", [0o600, 0o664, 0o640])
def test_a_state_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "imports.state.json"
    client = backend(path)
    version = client.write(b"one", expected=None)
    path.chmod(mode)
    client.write(b"two", expected=version)
    assert path.stat().st_mode & 0o777 == mode


def test_a_new_state_is_for_nobody_else_to_write(tmp_path: Path) -> None:
    path = tmp_path / "imports.state.json"
    backend(path).write(b"one", expected=None)
    assert path.stat().st_mode & 0o022 == 0


def test_a_link_is_followed_and_shares_the_lock(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    real, link = tmp_path / "real" / "imports.state.json", tmp_path / "imports.state.json"
    version = backend(real).write(b"one", expected=None)
    link.symlink_to(real)
    client = backend(link)
    client.write(b"two", expected=version)
    assert link.is_symlink()
    assert real.read_bytes() == b"two"
    client.lock(claim("a"), lease=600)
    assert not isinstance(backend(real).lock(claim("b"), lease=600), LockInfo)
    client.unlock("a")


def test_a_link_to_nowhere_is_refused_and_not_filled(tmp_path: Path) -> None:
    link = tmp_path / "imports.state.json"
    link.symlink_to(tmp_path / "gone.json")
    client = backend(link)
    for act in (client.read, lambda: client.write(b"x", expected=None), lambda: client.lock(claim(), lease=1)):
        with pytest.raises(StoreFailed, match=r"gone\.json, which is not there"):
            act()
    assert names(tmp_path) == ["imports.state.json"]


def test_links_in_a_circle_are_refused(tmp_path: Path) -> None:
    one, two = tmp_path / "one.state.json", tmp_path / "two.state.json"
    one.symlink_to(two)
    two.symlink_to(one)
    with pytest.raises(StoreFailed):
        backend(one).read()


def test_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "imports.state.json"
    path.mkdir()
    for act in (lambda: backend(path).read(), lambda: backend(path).write(b"x", expected="v")):
        with pytest.raises(StoreFailed, match=r"imports\.state\.json: Is a directory") as caught:
            act()
        assert "a folder stands there" in str(caught.value.remedy)


def test_a_pipe_in_its_place_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "imports.state.json"
    os.mkfifo(path)
    with pytest.raises(StoreFailed, match="no regular file"):
        backend(path).read()


def test_a_file_where_a_folder_should_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    client = backend(tmp_path / "file" / "imports.state.json")
    for act in (client.read, lambda: client.lock(claim(), lease=1)):
        with pytest.raises(StoreFailed) as caught:
            act()
        assert "a part of that path is a file" in str(caught.value.remedy)


def test_a_missing_folder_holds_no_state_and_is_made_with_the_lock(tmp_path: Path) -> None:
    client = backend(tmp_path / "a" / "b" / "imports.state.json")
    assert client.read() is None
    assert client.journals() == []
    assert client.holder() is None
    client.lock(claim(), lease=600)
    client.write(b"one", expected=None)
    client.unlock("run-1")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "the right to read and write"),
        (errno.EIO, "the disk or the network folder failed"),
    ],
)
def test_what_to_do_about_a_failing_disk_is_said(tmp_path: Path, code: int, words: str) -> None:
    told: dict[str, StoreFailed] = {}
    disk = FaultyDisk()
    for call in range(1, 100):
        path = tmp_path / str(call) / "imports.state.json"
        path.parent.mkdir()
        version = backend(path).write(b"one", expected=None)
        disk = FaultyDisk(at=call, code=code)
        try:
            backend(path, disk).write(b"two", expected=version)
        except StoreFailed as error:
            told[disk.failed or ""] = error
        assert path.read_bytes() in (b"one", b"two")
        standing = [name for name in names(path.parent) if not name.endswith(".tmp") and ".backup." not in name]
        assert standing == ["imports.state.json"]
        if disk.failed is None:
            break
    assert disk.failed is None, "it never came to its end"
    assert {"open", "read", "write", "sync", "rename", "sync_folder"} <= told.keys()
    for one in told.values():
        assert os.strerror(code) in one.message
        assert words in str(one.remedy)
        assert "imports.state.json" in one.message


def test_a_new_state_works_on_a_disk_without_second_names(tmp_path: Path) -> None:
    class NoLinks(Disk):
        def link(self, source: Path, target: Path) -> None:
            raise OSError(errno.EPERM, "Operation not permitted")

    client = backend(tmp_path / "imports.state.json", NoLinks())
    client.write(b"one", expected=None)
    assert (tmp_path / "imports.state.json").read_bytes() == b"one"
    assert names(tmp_path) == ["imports.state.json"]


@pytest.mark.parametrize("links", [True, False])
def test_a_backup_is_a_file_of_its_own_that_keeps_the_mode(tmp_path: Path, links: bool) -> None:
    class NoLinks(Disk):
        def link(self, source: Path, target: Path) -> None:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    path = tmp_path / "imports.state.json"
    path.write_bytes(b"one")
    path.chmod(0o640)
    client = backend(path, Disk() if links else NoLinks())
    snapshot = client.read()
    assert snapshot is not None
    client.write(b"two", expected=snapshot.version)
    kept = tmp_path / "imports.state.backup.00000001"
    assert kept.read_bytes() == b"one"
    assert kept.stat().st_mode & 0o777 == 0o640
    assert names(tmp_path) == [kept.name, path.name]
    path.write_bytes(b"an editor wrote into the state")
    assert kept.read_bytes() == b"one"


def test_a_disk_that_cannot_keep_a_backup_saves_all_the_same(tmp_path: Path) -> None:
    class NoBackups(Disk):
        def link(self, source: Path, target: Path) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "imports.state.json"
    path.write_bytes(b"one")
    client = backend(path, NoBackups())
    snapshot = client.read()
    assert snapshot is not None
    client.write(b"two", expected=snapshot.version)
    assert (path.read_bytes(), names(tmp_path)) == (b"two", [path.name])


def test_leftovers_of_the_dead_are_removed_by_the_next_holder(tmp_path: Path) -> None:
    left = ["imports.state.json.0123456789abcdef.tmp", "imports.state.lock.0123456789abcdef.gone"]
    kept = ["imports.state.json.backup.tmp", "imports.state.lock.bak", "other.state.json.0123456789abcdef.tmp"]
    for name in left + kept:
        (tmp_path / name).write_text("x")
    client = backend(tmp_path / "imports.state.json")
    client.lock(claim(), lease=600)
    assert names(tmp_path) == sorted([*kept, "imports.state.lock"])
    client.unlock("run-1")


def test_a_state_that_an_editor_changed_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "imports.state.json"

    class Edited(Disk):
        def sync(self, fd: int) -> None:
            super().sync(fd)
            path.write_bytes(b"edited by hand")

    version = backend(path).write(b"one", expected=None)
    with pytest.raises(StateConflict, match="changed by somebody else"):
        backend(path, Edited()).write(b"two", expected=version)
    assert path.read_bytes() == b"edited by hand"


def test_a_state_that_appeared_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "imports.state.json"

    class Overtaken(Disk):
        def link(self, source: Path, target: Path) -> None:
            path.write_bytes(b"theirs")
            super().link(source, target)

    with pytest.raises(StateConflict):
        backend(path, Overtaken()).write(b"ours", expected=None)
    assert path.read_bytes() == b"theirs"
    assert names(tmp_path) == ["imports.state.json"]


def test_who_lost_the_lock_while_writing_does_not_replace_the_state(tmp_path: Path) -> None:
    path = tmp_path / "imports.state.json"

    class Stopped(Disk):
        """A process that is stopped for so long, while it writes, that its lock is broken."""

        def sync(self, fd: int) -> None:
            super().sync(fd)
            assert backend(path).break_lock("run-1")

    client = backend(path, Stopped())
    client.lock(claim("run-1"), lease=600)
    with pytest.raises(StateConflict):
        client.write(b"late", expected=None)
    assert not path.exists()
    client.unlock("run-1")


# The journal.


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_failed_append_leaves_the_journal_as_it_was(tmp_path: Path, code: int) -> None:
    path = tmp_path / "imports.state.journal.00000000-0001"
    disk = FaultyDisk()
    client = backend(tmp_path / "imports.state.json", disk)
    client.append("00000000-0001", b"one\n")
    failed = set()
    for call in range(1, 30):
        before = path.read_bytes()
        disk.fail(call, code)
        try:
            client.append("00000000-0001", b"another line\n")
        except StoreFailed:
            failed.add(disk.failed)
            assert path.read_bytes() == before
        else:
            assert path.read_bytes() == before + b"another line\n"
        if disk.failed is None:
            break
    assert failed == {"open", "status", "write", "sync"}
    disk.fail(0, None)
    client.append("00000000-0001", b"last\n")
    assert path.read_bytes().endswith(b"another line\nlast\n")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_journal_that_could_not_be_begun_is_not_there(tmp_path: Path, code: int) -> None:
    failed = set()
    for call in range(1, 30):
        disk = FaultyDisk(at=call, code=code)
        client = backend(tmp_path / "imports.state.json", disk)
        try:
            client.append("00000000-0001", b"one\n")
        except StoreFailed:
            failed.add(disk.failed)
            assert names(tmp_path) == []
        for name in names(tmp_path):
            (tmp_path / name).unlink()
    assert failed == {"open", "write", "sync", "sync_folder"}


def test_a_write_that_is_cut_short_goes_on(tmp_path: Path) -> None:
    class Short(Disk):
        def write(self, fd: int, data: memoryview) -> int:
            return super().write(fd, data[:3])

    client = backend(tmp_path / "imports.state.json", Short())
    client.append("00000000-0001", b"a longer line\n")
    client.write(b"a longer state\n", expected=None)
    assert client.journals()[0].data == b"a longer line\n"
    snapshot = client.read()
    assert snapshot is not None
    assert snapshot.data == b"a longer state\n"


def test_a_write_that_takes_nothing_is_a_full_disk(tmp_path: Path) -> None:
    class Full(Disk):
        def write(self, fd: int, data: memoryview) -> int:
            return 0

    with pytest.raises(StoreFailed, match="No space left"):
        backend(tmp_path / "imports.state.json", Full()).append("00000000-0001", b"line\n")


def test_a_journal_that_somebody_else_wrote_into_is_not_continued(tmp_path: Path) -> None:
    client = backend(tmp_path / "imports.state.json")
    client.append("00000000-0001", b"one\n")
    with (tmp_path / "imports.state.journal.00000000-0001").open("ab") as file:
        file.write(b"theirs\n")
    with pytest.raises(StateConflict, match="not as this run left it"):
        client.append("00000000-0001", b"two\n")


def test_journals_are_durable_before_they_are_told(tmp_path: Path) -> None:
    calls: list[str] = []

    class Noted(Disk):
        def write(self, fd: int, data: memoryview) -> int:
            calls.append("write")
            return super().write(fd, data)

        def sync(self, fd: int) -> None:
            calls.append("sync")
            super().sync(fd)

        def sync_folder(self, path: Path) -> None:
            calls.append("sync folder")
            super().sync_folder(path)

        def link(self, source: Path, target: Path) -> None:
            calls.append("name")
            super().link(source, target)

        def rename(self, source: Path, target: Path) -> None:
            calls.append("rename")
            super().rename(source, target)

    client = backend(tmp_path / "imports.state.json", Noted())
    client.append("00000000-0001", b"one\n")
    client.append("00000000-0001", b"two\n")
    assert calls == ["write", "sync", "sync folder", "write", "sync"]
    calls.clear()
    version = client.write(b"one", expected=None)
    client.write(b"two", expected=version)
    first, second = ["write", "sync", "name", "sync folder"], ["write", "sync", "name", "rename", "sync folder"]
    assert calls == [*first, *second], "the backup gets its name before the state loses its own"
