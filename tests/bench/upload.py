"""How fast uploads are, against curl: `python -m tests.bench.upload [--files 1] [--size-mb 100] [--rounds 5] [--tls]`.

A whole `mics-iac apply` and a curl send the same files to the same sink (`sink.py`), four at once, by turns, several
rounds. Their contents are known: a plan looked at them before. The rate is that of the requests, timed by the sink from
the first byte of the first to the last byte of the last; the seconds, processor time and peak memory are those of the
whole process (start-up, hashing, journal and state included). Ends with 1 when a target is missed: 0.8 of curl's median
rate, with several files at most twice its processor time, and 100 MB.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from tests.bench.processes import CLIENT, Cost, measure
from tests.bench.receiving import MANIFEST, ROUTE, STILL, Receiver, forget, rate_of, receiving, write_activities

LEAST_RATIO = 0.8
MOST_CPU = 2.0
MOST_MEMORY = 100_000_000
TRANSFERS = 4


@dataclass(frozen=True)
class Sample:
    """What one run came to; `rate` is MB/s of the requests."""

    rate: float
    cost: Cost


def _commands(to: Receiver, files: list[Path]) -> dict[str, list[str]]:
    curl = ["curl", "-sS", "-X", "POST", "-H", "Authorization: bench", "-H", "Content-Type: application/x-ndjson"]
    curl += (
        ["--parallel", "--parallel-immediate", "--parallel-max", str(TRANSFERS), "--no-progress-meter"]
        if len(files) > 1
        else []
    )
    curl += ["--cacert", to.bundle] if to.bundle else []
    for file in files:
        curl += ["-T", str(file), "-o", os.devnull, to.url + ROUTE]
    manifest = str(files[0].with_name("imports.yaml"))
    apply = [*CLIENT, "apply", "--auto-approve", "--no-wait", "-q", "--transfers", str(TRANSFERS), "-f", manifest]
    return {"curl": curl, "mics-iac": apply}


def _measure(*, files: int, megabytes: int, rounds: int, tls: bool) -> dict[str, list[Sample]]:
    samples: dict[str, list[Sample]] = {}
    with TemporaryDirectory() as name:
        folder = Path(name)
        paths = [folder / f"visits-{number:03}.ndjson" for number in range(files)]
        for number, path in enumerate(paths):
            write_activities(path, megabytes * 1_000_000, seed=number)
        with receiving(folder, tls=tls) as to:
            (folder / "imports.yaml").write_text(MANIFEST.format(url=to.url))
            time.sleep(STILL if megabytes >= 10 else 0)  # what changed a moment ago is not kept
            measure([*CLIENT, "plan", "-q", "-f", str(folder / "imports.yaml")], environment=to.environment)
            for _ in range(rounds):
                for client, command in _commands(to, paths).items():
                    forget(folder)
                    cost = measure(command, environment=to.environment)
                    samples.setdefault(client, []).append(Sample(rate_of(to.took(files)), cost))
    return samples


def _report(samples: dict[str, list[Sample]], *, several: bool) -> bool:
    for client, taken in samples.items():
        rates = [one.rate for one in taken]
        print(
            f"{client:>8}: {median(rates):7.0f} MB/s (from {min(rates):.0f} to {max(rates):.0f}), whole run "
            f"{median(one.cost.wall for one in taken):.2f} s, {median(one.cost.cpu for one in taken):.2f} s CPU, "
            f"{max(one.cost.memory for one in taken) / 1e6:.0f} MB at the peak"
        )
    ours, curl = samples["mics-iac"], samples["curl"]
    ratio = median(one.rate for one in ours) / median(one.rate for one in curl)
    whole = median(one.cost.wall for one in curl) / median(one.cost.wall for one in ours)
    cpu = median(one.cost.cpu for one in ours) / median(one.cost.cpu for one in curl)
    memory = max(one.cost.memory for one in ours)
    print(f"   ratio: {ratio:.2f} of curl's rate (target {LEAST_RATIO}); the whole run {whole:.2f} of its rate")
    print(f"          {cpu:.2f} times its CPU{f' (target {MOST_CPU})' if several else ''}")
    print(f"          {memory / 1e6:.0f} MB (target {MOST_MEMORY / 1e6:.0f})")
    return ratio >= LEAST_RATIO and memory < MOST_MEMORY and (cpu <= MOST_CPU or not several)


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description="upload rate of the client against curl")
    parser.add_argument("--files", type=int, default=1)
    parser.add_argument("--size-mb", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tls", action="store_true")
    options = parser.parse_args()
    samples = _measure(files=options.files, megabytes=options.size_mb, rounds=options.rounds, tls=options.tls)
    raise SystemExit(0 if _report(samples, several=options.files > 1) else 1)


if __name__ == "__main__":
    main()
