"""What a plan costs in which nothing is to be done: `python -m tests.bench.plan [--counts 100 1000] [--rounds 5]`.

One import with so many small files, all of them loaded, against the embedded sandbox. `cold` is the first plan, which
reads and checks every file; `warm` are those after it, as long as the files stay as they are. All are whole processes.
Prints the medians, and the exponent with which the processor time of a warm plan grows once that of a plan over one
file is taken off. Ends with 1 when a target is missed: 2 s of wall for a warm plan over 10,000 files, 150 MB, and an
exponent of at most 1.1.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import msgspec

from mics_iac.core.state import Execution, decode_state, encode_state
from tests.bench.growth import exponent
from tests.bench.processes import CLIENT, Cost, measure
from tests.bench.receiving import STILL
from tests.rig import visits

MOST_SECONDS = 2.0
MOST_MEMORY = 150_000_000
MOST_EXPONENT = 1.1
ADDRESS = "fr/visits"


def _declare(folder: Path, sources: str) -> None:
    (folder / "imports.yaml").write_text(
        "version: 1\ndatamarts: {fr: {id: '1502', imports: {visits: "
        f"{{name: Visits, document_type: USER_ACTIVITY, sources: [{sources}]}}}}}}}}\n"
    )


def _prepare(folder: Path, count: int) -> None:
    """A project whose files are loaded: the first one by an apply, the others are written into its state."""
    (folder / "data").mkdir()
    names = [f"data/{number:05}.ndjson" for number in range(count)]
    for number, name in enumerate(names):
        (folder / name).write_text(visits(number, 1 + number % 7))
    _declare(folder, names[0])
    measure([*CLIENT, "apply", "--sandbox", "--auto-approve", "-q"], cwd=folder)
    path = folder / ".mics-iac" / "sandbox" / "imports.state.json"
    state = decode_state(path.read_bytes(), name=path.name)
    held = state.imports[ADDRESS]
    (first,) = held.current.executions
    loaded = [first, *(_loaded(first, folder / name, name, number) for number, name in enumerate(names[1:]))]
    current = msgspec.structs.replace(held.current, executions=tuple(loaded))
    imports = {ADDRESS: msgspec.structs.replace(held, current=current)}
    path.write_bytes(encode_state(msgspec.structs.replace(state, imports=imports)))
    _declare(folder, "data/*.ndjson")


def _loaded(like: Execution, path: Path, name: str, number: int) -> Execution:
    data = path.read_bytes()
    sha256, records = hashlib.sha256(data).hexdigest(), data.count(b"\n")
    return msgspec.structs.replace(
        like, id=str(10_000_000 + number), source=name, sha256=sha256, bytes=len(data), records=records,
        total_success=records, total_failure=0,
    )  # fmt: skip


def _plan(folder: Path) -> Cost:
    return measure([*CLIENT, "plan", "--sandbox", "--detailed-exitcode", "-q"], cwd=folder)


def _measure(count: int, *, rounds: int) -> Cost:
    with TemporaryDirectory() as name:
        folder = Path(name)
        _prepare(folder, count)
        time.sleep(STILL if count >= 100 else 0)  # what changed a moment ago is not kept
        _show(f"{count:,} cold", _plan(folder))
        taken = [_plan(folder) for _ in range(rounds)]
        walls = [one.wall for one in taken]
        _show(f"{count:,} warm", _median(taken), f" (wall from {min(walls):.2f} to {max(walls):.2f})")
        return _median(taken)


def _median(costs: list[Cost]) -> Cost:
    return Cost(
        median(one.wall for one in costs),
        median(one.cpu for one in costs),
        max(one.memory for one in costs),
        0.0,
    )


def _show(name: str, cost: Cost, note: str = "") -> None:
    print(f"{name:>14}: {cost.wall:6.2f} s wall {cost.cpu:6.2f} s CPU {cost.memory / 1e6:5.0f} MB{note}", flush=True)


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description="the cost of a plan over unchanged files")
    parser.add_argument("--counts", type=int, nargs="+", default=[100, 1_000, 10_000])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    base = _measure(1, rounds=options.rounds) if len(options.counts) > 1 else None
    warm = {count: _measure(count, rounds=options.rounds) for count in options.counts}
    grows = 0.0
    if base is not None:
        grows = exponent({count: max(cost.cpu - base.cpu, 0.001) for count, cost in warm.items()})
        print(f"       growth: CPU as the count to the power of {grows:.2f} (target {MOST_EXPONENT})")
    last = warm[max(warm)]
    print(f"       target: {MOST_SECONDS} s for 10,000 files, {MOST_MEMORY / 1e6:.0f} MB")
    met = last.wall < MOST_SECONDS and last.memory < MOST_MEMORY and grows <= MOST_EXPONENT
    raise SystemExit(0 if met else 1)


if __name__ == "__main__":
    main()
