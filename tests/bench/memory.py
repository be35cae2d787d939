"""How much memory a plan and an apply take: `python -m tests.bench.memory [--size-gb 5] [--files 10000]`.

One file of that size, which goes out in parts of 100 MB, and so many small files; each is planned (and so checked) and
applied over TLS to a sink that throws everything away; 0 leaves one of the two out. Prints the most memory that all
processes of a command had at one moment, what they share counted for each (Linux; elsewhere, that of the largest).
Ends with 1 when a target is missed: 150 MB.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.processes import CLIENT, measure
from tests.bench.receiving import MANIFEST, receiving, write_activities
from tests.rig import visits

MOST_MEMORY = 150_000_000


def _large(folder: Path, gigabytes: float) -> None:
    write_activities(folder / "large.ndjson", int(gigabytes * 1e9), seed=1)


def _small(folder: Path, files: int) -> None:
    for number in range(files):
        (folder / f"{number:05}.ndjson").write_text(visits(number, 1 + number % 7))


def _measure(name: str, prepare: Callable[[Path], None]) -> int:
    """The most memory of a plan and an apply over what was prepared."""
    most = 0
    with TemporaryDirectory() as root, receiving(Path(root), tls=True) as to:
        folder = Path(root) / "project"
        folder.mkdir()
        prepare(folder)
        (folder / "imports.yaml").write_text(MANIFEST.format(url=to.url))
        for command in (["plan", "-q"], ["apply", "-q", "--auto-approve", "--no-wait"]):
            cost = measure([*CLIENT, *command], environment=to.environment, cwd=folder, together=True)
            shown = f"{cost.memory / 1e6:5.0f} MB {cost.wall:7.1f} s wall {cost.cpu:7.1f} s CPU"
            print(f"{name:>14} {command[0]:>6}: {shown}", flush=True)
            most = max(most, cost.memory)
    return most


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description="the memory of a plan and an apply")
    parser.add_argument("--size-gb", type=float, default=5)
    parser.add_argument("--files", type=int, default=10_000)
    options = parser.parse_args()
    shapes: dict[str, Callable[[Path], None]] = {
        f"{options.size_gb:g} GB": lambda folder: _large(folder, options.size_gb),
        f"{options.files:,} files": lambda folder: _small(folder, options.files),
    }
    wanted = (options.size_gb > 0, options.files > 0)
    most = max(_measure(*shape) for shape, one in zip(shapes.items(), wanted, strict=True) if one)
    print(f"        target: {MOST_MEMORY / 1e6:.0f} MB")
    raise SystemExit(0 if most < MOST_MEMORY else 1)


if __name__ == "__main__":
    main()
