"""What many imports and many files cost: `python -m tests.bench.many [--count 10000]`, on the in-process sandbox.

Two shapes: that many imports with one small file each, and one import with that many small files. Prints seconds of
wall and processor time of a first plan, the apply, and a second plan (the sandbox's own share is in all of them), and
how many calls each made.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from mics_iac.sandbox.profile import Profile
from tests.rig import Rig, visits


def _imports(rig: Rig, count: int) -> None:
    lines = ["version: 1", "datamarts:", "  fr:", '    id: "1502"', "    imports:"]
    for number in range(count):
        rig.write(f"data/{number}.ndjson", visits(number, 1))
        key = f"i{number}"
        lines.append(f"      {key}: {{name: N{number}, document_type: USER_ACTIVITY, sources: [data/{number}.ndjson]}}")
    rig.declare("\n".join(lines))


def _files(rig: Rig, count: int) -> None:
    for number in range(count):
        rig.write(f"data/{number}.ndjson", visits(number, 1))
    rig.declare(
        "version: 1\ndatamarts: {fr: {id: '1502', imports: {visits: "
        "{name: Visits, document_type: USER_ACTIVITY, sources: [data/*.ndjson]}}}}"
    )


def _measure(name: str, rig: Rig) -> None:
    def timed(step: str, work: object) -> None:
        rig.sandbox.forget_requests()
        wall, cpu = time.perf_counter(), time.process_time()
        assert callable(work)
        work()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        calls = sum(rig.sandbox.request_counts().values())
        print(f"{name:>8} {step:>12}: {wall:7.2f} s wall {cpu:7.2f} s CPU {calls:7d} calls", flush=True)

    timed("first plan", rig.plan)
    timed("apply", rig.apply)
    timed("second plan", lambda: rig.plan().empty or sys.exit("the second plan is not empty"))


def main() -> None:
    """Measure both shapes."""
    parser = argparse.ArgumentParser(description="the cost of many imports and many files")
    parser.add_argument("--count", type=int, default=10_000)
    count = parser.parse_args().count
    for name, prepare in (("imports", _imports), ("files", _files)):
        with TemporaryDirectory() as folder:
            root = Path(folder) / name
            root.mkdir()
            rig = Rig(root, profile=Profile(queue_ms=0, run_ms=0))
            prepare(rig, count)
            _measure(name, rig)


if __name__ == "__main__":
    main()
