"""What it costs to be asked nothing: `python -m tests.bench.startup [--rounds 9]`.

Processor seconds of `mics-iac --help` and `--version`, as whole processes, and of the interpreter alone. Ends with 1
when the target is missed: a median of 0.15 s.
"""

from __future__ import annotations

import argparse
import sys
from statistics import median

from tests.bench.processes import CLIENT, measure

MOST_SECONDS = 0.15


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description="the cost of the start-up")
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    commands = {
        "python": [sys.executable, "-c", "pass"],
        "--help": [*CLIENT, "--help"],
        "--version": [*CLIENT, "--version"],
    }
    middles: dict[str, float] = {}
    for name, command in commands.items():
        taken = [measure(command).cpu for _ in range(rounds)]
        middles[name] = median(taken)
        print(f"{name:>10}: {middles[name]:.3f} s CPU (from {min(taken):.3f} to {max(taken):.3f})")
    print(f"    target: {MOST_SECONDS} s")
    raise SystemExit(0 if max(middles["--help"], middles["--version"]) < MOST_SECONDS else 1)


if __name__ == "__main__":
    main()
