"""Files are read by processes: with the same results, and with nothing of them left over."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from mics_iac.core.content import Content
from mics_iac.errors import Interrupted, SourceFailed
from mics_iac.sources.local import LocalSource
from mics_iac.sources.pooled import PooledSource
from mics_iac.sources.source import Found, Reading
from mics_iac.sources.worker import Job
from mics_iac.sources.workers import Gone, Worker, Workers
from tests.sources.scratch import nobody, put

HOW = Reading("USER_PROFILE", csv=False, limit=1_000_000)
GOOD = b'{"operation":"UPSERT","user_account_id":"%d","compartment_id":"1","user_profile":{"city":"Lyon"}}\n'
DATA = b"".join(GOOD % n for n in range(12_000)) + b"{\n"
NEVER = 1 << 60


@contextmanager
def pooled(root: Path, *, huge: int = NEVER) -> Iterator[PooledSource]:
    source = PooledSource(LocalSource(root), root=root, most=2, after=0, huge=huge)
    try:
        yield source
    finally:
        source.close()


def ended(process_id: int) -> bool:
    """Whether a process ends, or has ended, within a while."""
    try:
        handle = os.pidfd_open(process_id)
    except ProcessLookupError:
        return True
    try:
        return select.select([handle], [], [], 20)[0] != []
    finally:
        os.close(handle)


def test_they_come_to_the_same(tmp_path: Path) -> None:
    names = ["a", "b", "c.gz", "d.zst"]
    found = [put(tmp_path, name, DATA * (1 + (name == "b"))) for name in names]
    (tmp_path / "e").write_bytes(b"{}\n" * 100_000 + b"\x1f\x8b")
    seen: list[int] = []
    with pooled(tmp_path) as source, ThreadPoolExecutor(4) as pool:
        contents = list(pool.map(lambda one: source.read(one, HOW, watch=seen.append), found))
    local = LocalSource(tmp_path)
    assert contents == [local.read(one, HOW, watch=nobody) for one in found]
    assert sum(seen) == sum(one.bytes for one in found)


@pytest.mark.parametrize("drop", [frozenset(), frozenset({"MICS306"})])
def test_a_huge_file_is_hashed_and_checked_at_once(tmp_path: Path, drop: frozenset[str]) -> None:
    found = put(tmp_path, "a", DATA + GOOD[:-1] * 20_000)  # its last record is longer than a part
    how = Reading("USER_PROFILE", csv=False, limit=1_000_000, drop=drop)
    seen: list[int] = []
    with pooled(tmp_path, huge=1) as source:
        content = source.read(found, how, watch=seen.append)
    assert content == LocalSource(tmp_path).read(found, how, watch=nobody)
    assert content.report is not None
    assert content.report.counts["MICS310"] == 1
    assert sum(seen) == found.bytes


def test_what_is_wrong_with_a_file_is_told_as_ever(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(DATA)
    with pooled(tmp_path) as source:
        for name in ("a.gz", "gone"):
            with pytest.raises(SourceFailed) as failed:
                source.read(Found(name, 10**6), HOW, watch=nobody)
            with pytest.raises(SourceFailed) as known:
                LocalSource(tmp_path).read(Found(name, 10**6), HOW, watch=nobody)
            assert (failed.value.message, failed.value.remedy) == (known.value.message, known.value.remedy)


def test_a_process_that_was_killed_is_done_without(tmp_path: Path) -> None:
    found = put(tmp_path, "a", DATA)
    seen: list[int] = []
    workers = Workers(tmp_path, 1)
    with workers.one() as worker:
        worker.stop()
        with pytest.raises(Gone):
            worker.do(Job(found, HOW), watch=nobody)
    with workers.one() as another:
        assert isinstance(another.do(Job(found, HOW), watch=nobody), Content)
    workers.close()

    def children() -> set[int]:
        return set(map(int, Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()))

    # Servers of other tests are children of this process, too.
    others = children()

    def kill(more: int) -> None:
        if not seen:
            for child in children() - others:
                os.kill(child, signal.SIGKILL)
        seen.append(more)

    with pooled(tmp_path) as source:
        large = put(tmp_path, "b", DATA * 4)
        assert source.read(large, HOW, watch=kill) == LocalSource(tmp_path).read(large, HOW, watch=nobody)
        assert sum(seen) == large.bytes


def test_who_is_told_may_end_it(tmp_path: Path) -> None:
    found = put(tmp_path, "a", DATA * 2)

    def stop(more: int) -> None:
        raise Interrupted(signal=2)

    for huge in (NEVER, 1):
        with pooled(tmp_path, huge=huge) as source:
            with pytest.raises(Interrupted):
                source.read(found, HOW, watch=stop)
            assert source.read(found, HOW, watch=nobody).bytes == found.bytes


def test_it_is_deaf_to_ctrl_c_and_silent(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    found = put(tmp_path, "a", DATA)
    worker = Worker(tmp_path)
    assert isinstance(worker.do(Job(found, HOW), watch=nobody), Content)
    os.kill(worker.process_id, signal.SIGINT)
    assert isinstance(worker.do(Job(found, HOW), watch=nobody), Content)
    assert os.getpgid(worker.process_id) != os.getpgid(0)
    worker.end()
    assert ended(worker.process_id)
    with pytest.raises(Gone):
        worker.do(Job(found, HOW), watch=nobody)
    assert capfd.readouterr() == ("", "")


# A script as anybody writes one: nothing keeps it from being run again in every process that it starts.
SCRIPT = """
import os, sys
from pathlib import Path
from mics_iac.sources.worker import Job
from mics_iac.sources.workers import Worker
from mics_iac.sources.source import Found, Reading
worker = Worker(Path(sys.argv[1]))
content = worker.do(Job(Found("a", 1), Reading("USER_PROFILE", False, 10**9)), watch=lambda more: None)
print(worker.process_id, content.bytes, flush=True)
os.kill(os.getpid(), {signal})
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems cannot wait for a process that is no child")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_they_end_when_the_one_does_that_started_them(tmp_path: Path, how: signal.Signals) -> None:
    put(tmp_path, "a", DATA)
    (tmp_path / "script.py").write_text(SCRIPT.format(signal=int(how)))
    done = subprocess.run(
        [sys.executable, "script.py", str(tmp_path)],
        cwd=tmp_path,
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    worker, size = done.stdout.split()
    assert (done.returncode, int(size), done.stderr) == (-how, len(DATA), "")
    assert ended(int(worker))


def test_none_is_started_for_little(tmp_path: Path) -> None:
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    if not children.exists():
        pytest.skip("there is no /proc here")
    before = children.read_text()
    source = PooledSource(LocalSource(tmp_path), root=tmp_path, most=2)
    found = put(tmp_path, "a", DATA)
    for _ in range(3):
        source.read(found, HOW, watch=lambda _: None if children.read_text() == before else pytest.fail("started"))
    source.close()
