"""The lock as a file: real processes that die, hosts that cannot be judged, file systems without locks."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from mics_iac.errors import Locked, StoreFailed
from mics_iac.store.backend import LEASE, MARGIN, Busy, LockInfo, Process
from mics_iac.store.disk import Disk
from mics_iac.store.file import FileBackend
from tests.store.stand import Died, FaultyDisk, SetClock, TimedDisk, claim

ROOT = Path(__file__).parents[2]


class NoLocks(TimedDisk):
    """A network folder whose server knows no locks."""

    def __init__(self, clock: SetClock, code: int = errno.ENOLCK) -> None:
        super().__init__(clock)
        self.code = code

    def lock(self, fd: int) -> None:
        raise OSError(self.code, os.strerror(self.code))


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "imports.state.json"


def lock_file(state: Path) -> Path:
    return state.with_name("imports.state.lock")


def client(state: Path, clock: SetClock, disk: Disk | None = None) -> FileBackend:
    return FileBackend(state, clock=clock, disk=disk if disk is not None else TimedDisk(clock))


def other(**changes: object) -> Process:
    """A process that is none of ours, and of which nothing is known but what is said."""
    return msgspec.structs.replace(claim().process, **changes)


def leave(state: Path, clock: SetClock, process: Process, *, lease: float = 600) -> LockInfo:
    """A lock whose holder is not a process of this test."""
    now = int(clock.now() * 1000)
    info = LockInfo("left", "bob@elsewhere", "apply", process, created=now, expires=now + int(lease * 1000))
    lock_file(state).write_bytes(msgspec.json.encode(info))
    return info


def free_pid() -> int:
    """The number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


@contextlib.contextmanager
def holding(state: Path) -> Iterator[subprocess.Popen[str]]:
    """A living process that has the lock."""
    command = [sys.executable, "-m", "tests.store.holder", "hold", str(state)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


# Real processes.


def test_the_lock_of_a_killed_process_is_free_at_once(state: Path, clock: SetClock) -> None:
    with holding(state) as process:
        busy = client(state, clock).lock(claim("next"), lease=600)
        assert isinstance(busy, Busy)
        assert isinstance(busy.holder, LockInfo)
        assert busy.holder.process.pid == process.pid
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert lock_file(state).exists()
        mine = client(state, clock)
        assert isinstance(mine.lock(claim("next"), lease=600), LockInfo)
        mine.unlock("next")
    assert not lock_file(state).exists()


def test_a_stopped_process_keeps_the_lock_for_its_lease_and_no_longer(state: Path, clock: SetClock) -> None:
    with holding(state) as process:
        process.send_signal(signal.SIGSTOP)
        mine = client(state, clock)
        busy = mine.lock(claim("next"), lease=600)
        assert isinstance(busy, Busy)
        assert isinstance(busy.holder, LockInfo)
        clock.wall = busy.holder.expires / 1000 + MARGIN - 1
        assert isinstance(mine.lock(claim("next"), lease=600), Busy)
        clock.advance(2)
        assert isinstance(mine.lock(claim("next"), lease=600), LockInfo)
        mine.unlock("next")


@pytest.mark.parametrize("processes", [2, 6])
def test_of_many_processes_exactly_one_at_a_time_is_inside(tmp_path: Path, state: Path, processes: int) -> None:
    number = tmp_path / "number"
    number.write_text("0")
    command = [sys.executable, "-m", "tests.store.holder", "count", str(state), str(number)]
    running = [subprocess.Popen(command, cwd=ROOT) for _ in range(processes)]
    assert [process.wait(timeout=120) for process in running] == [0] * processes
    assert number.read_text() == str(5 * processes)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["number"]


# Who is known to be dead.


def test_where_the_kernel_let_go_a_process_of_this_machine_is_dead(state: Path, clock: SetClock) -> None:
    leave(state, clock, other(pid=os.getpid()))
    assert isinstance(client(state, clock).lock(claim(), lease=600), LockInfo)


@pytest.mark.parametrize(
    "process",
    [
        other(boot_id="11111111-1111-1111-1111-111111111111"),
        other(pid_namespace="pid:[1]"),
        other(boot_id=None),
        other(pid_namespace=None),
        other(boot_id=None, pid_namespace=None, started=None, pid=-1),
    ],
)
def test_a_process_of_elsewhere_holds_until_its_lease_ended(state: Path, clock: SetClock, process: Process) -> None:
    info = leave(state, clock, process)
    mine = client(state, clock)
    assert mine.lock(claim(), lease=600) == Busy(info)
    clock.advance(600 + MARGIN - 1)
    assert mine.lock(claim(), lease=600) == Busy(info)
    clock.advance(2)
    assert isinstance(mine.lock(claim(), lease=600), LockInfo)
    mine.unlock("run-1")


def test_without_kernel_locks_a_process_that_is_gone_is_dead(state: Path, clock: SetClock) -> None:
    leave(state, clock, other(pid=free_pid()))
    assert isinstance(client(state, clock, NoLocks(clock)).lock(claim(), lease=600), LockInfo)


def test_without_kernel_locks_a_number_given_to_another_process_is_dead(state: Path, clock: SetClock) -> None:
    leave(state, clock, other(started=1))
    assert isinstance(client(state, clock, NoLocks(clock)).lock(claim(), lease=600), LockInfo)


@pytest.mark.parametrize("pid", [0, -1, 2**31, 2**70])
def test_without_kernel_locks_a_number_that_is_no_process_proves_nothing(
    state: Path, clock: SetClock, pid: int
) -> None:
    info = leave(state, clock, other(pid=pid))
    assert client(state, clock, NoLocks(clock)).lock(claim(), lease=600) == Busy(info)


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_without_kernel_locks_a_living_holder_keeps_it(state: Path, clock: SetClock, code: int) -> None:
    one, two = (client(state, clock, NoLocks(clock, code)) for _ in range(2))
    info = one.lock(claim("a"), lease=600)
    assert two.lock(claim("b"), lease=600) == Busy(info if isinstance(info, LockInfo) else None)
    one.unlock("a")
    assert isinstance(two.lock(claim("b"), lease=600), LockInfo)
    two.unlock("b")


def test_a_holder_of_another_user_can_be_seen(state: Path, clock: SetClock) -> None:
    class Theirs(TimedDisk):
        """Files that this user may read and not write."""

        def open(self, path: Path, flags: int, mode: int = 0o644) -> int:
            if flags & os.O_RDWR and not flags & os.O_CREAT:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            return super().open(path, flags, mode)

    one = client(state, clock)
    info = one.lock(claim("a"), lease=600)
    assert client(state, clock, Theirs(clock)).lock(claim("b"), lease=600) == Busy(
        info if isinstance(info, LockInfo) else None
    )
    one.unlock("a")


# The record.


def test_the_record_is_json_for_people_and_their_tools(state: Path, clock: SetClock) -> None:
    mine = client(state, clock)
    mine.lock(claim("a"), lease=600)
    record = json.loads(lock_file(state).read_text())
    assert record["id"] == "a"
    assert record["who"] == "ana@build-7"
    assert record["process"]["pid"] == os.getpid()
    mine.unlock("a")


def test_a_record_of_a_newer_version_is_read(state: Path, clock: SetClock) -> None:
    info = leave(state, clock, other(boot_id="another"))
    record = json.loads(lock_file(state).read_text())
    lock_file(state).write_text(json.dumps({**record, "colour": "red"}))
    assert client(state, clock).holder() == info


def test_an_empty_record_is_a_maker_at_work_for_a_minute(state: Path, clock: SetClock) -> None:
    lock_file(state).write_bytes(b"")
    os.utime(lock_file(state), (clock.now(), clock.now()))
    mine = client(state, clock)
    clock.advance(MARGIN - 1)
    assert isinstance(mine.lock(claim(), lease=600), Busy)
    clock.advance(2)
    assert isinstance(mine.lock(claim(), lease=600), LockInfo)
    mine.unlock("run-1")


def test_a_damaged_record_holds_for_a_whole_lease(state: Path, clock: SetClock) -> None:
    lock_file(state).write_bytes(b'{"id": "a", "who"')
    os.utime(lock_file(state), (clock.now(), clock.now()))
    mine = client(state, clock)
    clock.advance(LEASE + MARGIN - 1)
    assert isinstance(mine.lock(claim(), lease=600), Busy)
    clock.advance(2)
    assert isinstance(mine.lock(claim(), lease=600), LockInfo)
    mine.unlock("run-1")


def test_a_lock_file_removed_by_hand_is_noticed_by_its_holder(state: Path, clock: SetClock) -> None:
    mine = client(state, clock)
    info = mine.lock(claim("a"), lease=600)
    assert isinstance(info, LockInfo)
    lock_file(state).unlink()
    with pytest.raises(Locked, match="nobody holds it now"):
        mine.renew(info, lease=600)
    mine.unlock("a")


def test_a_link_in_its_place_is_not_followed(tmp_path: Path, state: Path, clock: SetClock) -> None:
    target = tmp_path / "precious"
    target.write_text("precious")
    lock_file(state).symlink_to(target)
    with pytest.raises(StoreFailed) as caught:
        client(state, clock).lock(claim(), lease=600)
    assert "that is a link" in str(caught.value.remedy)
    assert target.read_text() == "precious"


# Faults at every step.


@pytest.mark.parametrize("steps", ["take", "renew", "release"])
def test_killed_at_any_step_the_lock_is_free_for_the_next(tmp_path: Path, clock: SetClock, steps: str) -> None:
    for call in range(1, 200):
        state = tmp_path / f"{call}.state.json"
        disk = FaultyDisk(at=call if steps == "take" else 0)
        mine = FileBackend(state, clock=clock, disk=disk)
        with contextlib.suppress(Died):
            info = mine.lock(claim("a"), lease=600)
            assert isinstance(info, LockInfo)
            disk.fail(call, None)
            if steps == "renew":
                mine.renew(info, lease=600)
            mine.unlock("a")
        disk.bury()
        heir = client(state, clock)
        # An empty record is judged by its age.
        clock.advance(MARGIN + 1 if _is_empty(tmp_path / f"{call}.state.lock") else 0)
        assert isinstance(heir.lock(claim("b"), lease=600), LockInfo), f"call {call}: {disk.failed}"
        heir.unlock("b")
        assert [path.name for path in tmp_path.iterdir()] == [], f"call {call}: {disk.failed}"
        if disk.failed is None:
            return
    pytest.fail("it never came to its end")


def _is_empty(path: Path) -> bool:
    if not path.exists() or path.stat().st_size:
        return False
    os.utime(path, (SetClock().now(), SetClock().now()))
    return True


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EACCES])
def test_a_failing_step_is_told_and_blocks_nobody(tmp_path: Path, clock: SetClock, code: int) -> None:
    for call in range(1, 200):
        state = tmp_path / f"{call}.state.json"
        disk = FaultyDisk(at=call, code=code)
        mine = FileBackend(state, clock=clock, disk=disk)
        with contextlib.suppress(StoreFailed):
            info = mine.lock(claim("a"), lease=600)
            assert isinstance(info, LockInfo)
            mine.renew(info, lease=600)
            mine.unlock("a")
        disk.bury()
        heir = client(state, clock)
        heir.lock(claim("b"), lease=600)
        clock.advance(600 + MARGIN + 1)
        assert isinstance(heir.lock(claim("c"), lease=600), LockInfo), f"call {call}: {disk.failed}"
        heir.unlock("c")
        if disk.failed is None:
            return
    pytest.fail("it never came to its end")
