"""What a store far away costs: `python -m tests.bench.remote [--files 1000] [--imports 1] [--rounds 3] [--no-wait]`.

A whole apply of many small files over real HTTP, against a sandbox of its own process that answers every request 20 ms
late: with the state in a file, with a store that is 30 ms away and needs no processor (`ideal`), and with a real bucket
and a real state server of their own processes, each answer of which is 30 ms late. Prints the medians of several
rounds, where the time went, and their ratio. Ends with 1 when the target is missed: 1.3 times as long as with `file`,
planning and settling included.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from uuid import uuid4

from mics_iac.core import journal
from mics_iac.core.clock import Clock
from mics_iac.core.place import BucketPlace, HttpPlace
from mics_iac.core.plan import Options
from mics_iac.core.progress import Told
from mics_iac.engine import workflow
from mics_iac.engine.project import Inputs, open_project
from mics_iac.engine.world import Limits, Stop, SystemClock
from mics_iac.store.backend import Backend
from mics_iac.store.bucket import open_bucket
from mics_iac.store.file import FileBackend
from mics_iac.store.http import HttpBackend
from mics_iac.store.objects import ObjectBackend
from mics_iac.store.stateserver import Access, StateServer
from tests.bench.distant import AWAY, DistantBackend, Timed
from tests.bench.soak.served import served
from tests.rig import visits
from tests.servers.processes import running
from tests.servers.s3 import make_bucket

API_MS = 20
MOST = 1.3

# A place for the state: the backend of one run, which finds nothing there.
OpenPlace = Callable[[Path, Clock], Backend]


@contextmanager
def _places() -> Iterator[dict[str, OpenPlace]]:
    """The places by name; their servers run while the block does."""
    os.environ |= {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any"}
    with running("s3") as s3, running("state_http") as states:
        bucket = make_bucket(s3.url)
        for server in (s3, states):
            server.delay(AWAY)

        def in_bucket(_: Path, clock: Clock) -> Backend:
            place = BucketPlace("s3", bucket, region="us-east-1", endpoint=s3.url)
            return ObjectBackend(open_bucket(place, os.environ), folder=uuid4().hex, name="imports.json", clock=clock)

        def at_server(_: Path, clock: Clock) -> Backend:
            return HttpBackend(StateServer(HttpPlace(f"{states.url}/states/{uuid4().hex}"), Access()), clock=clock)

        yield {
            "file": lambda folder, clock: FileBackend(folder / "imports.state.json", clock=clock),
            "ideal": lambda _, clock: DistantBackend(clock=clock),
            "s3": in_bucket,
            "http": at_server,
        }


@dataclass
class Watch:
    """When what happened, in seconds of the wall clock since the apply began."""

    began: float = field(default_factory=time.perf_counter)
    moments: dict[str, float] = field(default_factory=dict)

    def tell(self, told: Told) -> None:
        """Take in one thing that happened; its first and its last time are kept."""
        now = time.perf_counter() - self.began
        match told:
            case journal.CreateBegun() | journal.ImportCreated() | journal.UploadBegun():
                self.moments.setdefault("first record", now)
            case journal.UploadAccepted():
                self.moments["last accepted"] = now
            case journal.ExecutionSettled():
                self.moments["last settled"] = now
            case _:
                pass


@dataclass(frozen=True)
class Sample:
    """One apply: seconds of wall and processor (of this process), its steps, and the calls of the store."""

    wall: float
    cpu: float
    steps: dict[str, float]
    calls: Counter[str]


def _prepare(folder: Path, url: str, *, imports: int, files: int) -> None:
    lines = ["version: 1", f'api: {{url: "{url}"}}', "datamarts:", "  fr:", '    id: "1502"', "    imports:"]
    for number in range(imports):
        sources = folder / "data" / str(number)
        sources.mkdir(parents=True)
        for file in range(number, files, imports):
            (sources / f"{file}.ndjson").write_text(visits(file, 1))
        what = f"name: N{number}, document_type: USER_ACTIVITY, sources: [data/{number}/*.ndjson]"
        lines.append(f"      i{number}: {{{what}}}")
    (folder / "imports.yaml").write_text("\n".join(lines))


def _apply(open_place: OpenPlace, *, imports: int, files: int, wait: bool) -> Sample:
    with TemporaryDirectory() as name:
        folder = Path(name) / "project"
        folder.mkdir()
        (folder / "imports.yaml").write_text("version: 1\ndatamarts: {}\n")
        with served(folder, folder.parent / "words") as platform:
            _prepare(folder, platform.url, imports=imports, files=files)
            platform.break_([("slow", {"kind": "delay", "delay_ms": API_MS, "times": None})])
            return _timed(folder, open_place, wait=wait, files=files)


def _timed(folder: Path, open_place: OpenPlace, *, wait: bool, files: int) -> Sample:
    stop = Stop()
    clock, watch = SystemClock(stop), Watch()
    backend = Timed(open_place(folder, clock))
    inputs = Inputs(
        manifest_path=folder / "imports.yaml",
        token=lambda: "bench",
        limits=Limits(wait=wait),
        tell=watch.tell,
        stop=stop,
        clock=clock,
    )
    project = open_project(inputs)
    project = replace(project, world=replace(project.world, backend=backend))
    cpu = time.process_time()
    watch.began = time.perf_counter()
    outcome = workflow.apply(project, Options(), approve=lambda _: True)
    wall, cpu = time.perf_counter() - watch.began, time.process_time() - cpu
    if outcome.exit_code != 0 or outcome.tally.loaded != files:
        raise SystemExit(f"the apply ended with {outcome.exit_code}: {outcome.failures} {outcome.unfinished}")
    return Sample(wall, cpu, watch.moments, backend.calls)


def _report(name: str, samples: list[Sample]) -> float:
    wall = median(s.wall for s in samples)
    low, high = min(s.wall for s in samples), max(s.wall for s in samples)
    cpu = median(s.cpu for s in samples)
    print(f"{name:>12}: {wall:6.2f} s (from {low:.2f} to {high:.2f}), {cpu:.2f} s CPU of the client")
    steps = {step: median(s.steps[step] for s in samples) for step in samples[0].steps}
    print(f"{'':>14}" + ", ".join(f"{step} at {at:.2f} s" for step, at in steps.items()))
    middle = sorted(samples, key=lambda s: s.wall)[len(samples) // 2]
    print(
        f"{'':>14}calls of the store: " + ", ".join(f"{n} {call}" for call, n in middle.calls.most_common()), flush=True
    )
    return wall


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description="an apply with its state far away, against one with a file")
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--imports", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-wait", action="store_true")
    options = parser.parse_args()
    with _places() as places:
        samples: dict[str, list[Sample]] = {name: [] for name in places}
        for _ in range(options.rounds):
            for name, open_place in places.items():
                taken = _apply(open_place, imports=options.imports, files=options.files, wait=not options.no_wait)
                samples[name].append(taken)
    took = {name: _report(name, taken) for name, taken in samples.items()}
    ratios = {name: took[name] / took["file"] for name in took if name != "file"}
    told = ", ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items())
    print(f"       ratio: {told} of the time with a file (target {MOST})")
    raise SystemExit(0 if max(ratios.values()) <= MOST else 1)


if __name__ == "__main__":
    main()
