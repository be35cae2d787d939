"""What recording costs: `python -m tests.bench.journal [uploads]`.

Many small uploads on four threads, two durable entries each, and the save at the end, in the file backend. Printed
beside the floor: the same lines appended bare, with one fdatasync each and with one for as many as a group held. The
first of these is what there would be without group commit.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mics_iac.core.journal import encode_entries
from mics_iac.store.disk import Disk
from mics_iac.store.file import FileBackend
from mics_iac.store.held import Held, hold
from tests.store.holder import RealClock
from tests.store.stand import context, created, upload

THREADS = 4
TARGET = 5.0


class Counting(Disk):
    """The real disk, which counts what is written to it and how often it must be durable."""

    def __init__(self) -> None:
        self.bytes = 0
        self.syncs = 0

    def write(self, fd: int, data: memoryview) -> int:
        taken = super().write(fd, data)
        self.bytes += taken
        return taken

    def sync(self, fd: int) -> None:
        self.syncs += 1
        super().sync(fd)


def timed(work: Callable[[], None]) -> tuple[float, float]:
    """CPU and wall-clock seconds of it, all threads together."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - cpu, time.perf_counter() - wall


def record(held: Held, numbers: Iterable[int]) -> None:
    """What an apply records of each upload: the intent, then the outcome, each durable before it goes on."""
    for number in numbers:
        begun, accepted = upload(number)
        held.record(begun)
        held.fence(60)
        held.record(accepted)


def run(folder: Path, uploads: int) -> tuple[int, int]:
    """One apply of so many uploads: bytes of its journal, and how often it was made durable."""
    disk = Counting()
    backend = FileBackend(folder / "imports.state.json", clock=RealClock(), disk=disk)
    with hold(backend, clock=RealClock(), context=context()) as held:
        held.record(created())
        with ThreadPoolExecutor(THREADS) as pool:
            for done in [pool.submit(record, held, range(one, uploads, THREADS)) for one in range(THREADS)]:
                done.result()
        return disk.bytes, disk.syncs


def bare(path: Path, lines: list[bytes], *, together: int) -> None:
    """The same lines, appended with nothing around them."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for start in range(0, len(lines), together):
        os.write(fd, b"".join(lines[start : start + together]))
        os.fdatasync(fd)
    os.close(fd)


def main(uploads: int) -> int:
    with tempfile.TemporaryDirectory(dir=".") as name:
        folder = Path(name)
        measured: list[tuple[int, int]] = []
        cpu, wall = timed(lambda: measured.append(run(folder, uploads)))
        journal, syncs = measured[0]
        lines = [encode_entries([entry])[0] for number in range(uploads) for entry in upload(number)]
        together = max(1, round(len(lines) / syncs))
        each_cpu, each_wall = timed(lambda: bare(folder / "each", lines, together=1))
        group_cpu, group_wall = timed(lambda: bare(folder / "group", lines, together=together))
        state = (folder / "imports.state.json").stat().st_size
    print(f"{uploads:,} uploads, {len(lines):,} entries, {THREADS} threads, save at the end")
    print(f"  recorded and saved   {cpu:6.2f} s CPU {wall:6.2f} s   {cpu / len(lines) * 1e6:5.0f} us CPU an entry")
    print(f"  bare, each durable   {each_cpu:6.2f} s CPU {each_wall:6.2f} s")
    print(f"  bare, {together} at a time    {group_cpu:6.2f} s CPU {group_wall:6.2f} s")
    print(f"  journal {journal:,} bytes in {syncs:,} groups ({len(lines) / syncs:.1f} each), state {state:,} bytes")
    print(f"  target {TARGET:g} s CPU: {'met' if cpu < TARGET else 'MISSED'}")
    return 0 if cpu < TARGET else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000))
