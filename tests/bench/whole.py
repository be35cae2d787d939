"""Check, hash and upload in one go: `python -m tests.bench.whole [--files 8] [--size-mb 100] [--rounds 5] [--plain]`.

A whole apply of USER_ACTIVITY lines of about 380 bytes that were never seen before, over TLS, to a sink on the same
machine. The rate counts the files' bytes once, from the start of the reading to the last byte of the last upload; the
start of the reading is taken to be as long after the start of the process as `validate --no-records` takes. A plan
alone is timed beside it, so that both phases can be told apart. Ends with 1 when the target is missed: 350 MB/s.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from tests.bench.processes import CLIENT, measure
from tests.bench.receiving import MANIFEST, STILL, forget, rate_of, receiving, write_activities

LEAST_RATE = 350


def _show(name: str, values: list[float], unit: str) -> float:
    middle = median(values)
    print(f"{name:>16}: {middle:7.2f} {unit} (from {min(values):.2f} to {max(values):.2f})", flush=True)
    return middle


def _measure(*, files: int, megabytes: int, rounds: int, tls: bool) -> float:
    """The median rate, after all figures were shown."""
    starts: list[float] = []
    reads: list[float] = []
    sends: list[float] = []
    rates: list[float] = []
    cpus: list[float] = []
    with TemporaryDirectory() as root, receiving(Path(root), tls=tls) as to:
        folder = Path(root) / "project"
        folder.mkdir()
        for number in range(files):
            write_activities(folder / f"visits-{number:03}.ndjson", megabytes * 1_000_000, seed=number)
        size = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
        (folder / "imports.yaml").write_text(MANIFEST.format(url=to.url))
        time.sleep(STILL if megabytes >= 10 else 0)  # what changed a moment ago is not kept

        def run(*command: str) -> tuple[float, float, float]:
            cost = measure([*CLIENT, *command], environment=to.environment, cwd=folder)
            return cost.began, cost.wall, cost.cpu

        for _ in range(rounds):
            start = run("validate", "--no-records", "-q")[1]
            starts.append(start)
            forget(folder, checked=True)
            reads.append(size / max(run("plan", "-q")[1] - start, 0.001))
            forget(folder, checked=True)
            began, _, cpu = run("apply", "--auto-approve", "--no-wait", "-q")
            cpus.append(cpu)
            taken = to.took(files)
            sends.append(rate_of(taken))
            rates.append(rate_of(taken, since=began + start))
    _show("start-up", starts, "s")
    _show("check and hash", reads, "MB/s")
    _show("hash and upload", sends, "MB/s")
    _show("processors", [cpu / size * 1000 for cpu in cpus], "s CPU a GB, start-up included")
    return _show("all", rates, f"MB/s (target {LEAST_RATE})")


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description="the rate of an apply that checks, hashes and uploads")
    parser.add_argument("--files", type=int, default=8)
    parser.add_argument("--size-mb", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--plain", action="store_true", help="without TLS")
    options = parser.parse_args()
    rate = _measure(files=options.files, megabytes=options.size_mb, rounds=options.rounds, tls=not options.plain)
    raise SystemExit(0 if rate >= LEAST_RATE else 1)


if __name__ == "__main__":
    main()
