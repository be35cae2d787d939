"""Real processes that are really killed: `python -m tests.bench.soak [--state KIND] [--rounds N | --seconds S] …`.

Rounds of `mics-iac apply`, one to several at once, against `mics-iac sandbox serve` on a loopback port, while requests
and answers get lost, processes are killed, stopped and interrupted, and the state is lost or replaced by an older copy.
Every few rounds, and at the end, all is mended, and what the platform holds is compared with the files.

With `--state s3`, `http` or `gitlab` the state lies at a server of the tests, the way to which breaks as well, and each
process has a folder of its own, which is wiped when it ended: as on a runner of a CI.

Prints what was done and what came of it. Ends with 1 if a content was loaded twice or not at all, or if anything else
is wrong; the folder is kept then, and a line says where.
"""

from __future__ import annotations

import argparse
import math
import signal
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from random import SystemRandom
from shutil import rmtree
from tempfile import mkdtemp
from types import FrameType

from tests.bench.soak.elsewhere import WHERE, Where, kept
from tests.bench.soak.processes import Stage, emptied
from tests.bench.soak.project import MANIFEST, Project
from tests.bench.soak.rounds import EVERY, Soak
from tests.bench.soak.served import served


def main() -> None:
    """Soak, report and judge."""
    options = _options()
    # Whoever ends this one ends its children too.
    signal.signal(signal.SIGTERM, _leave)
    seed = options.seed if options.seed is not None else SystemRandom().randrange(1_000_000)
    folder = Path(options.keep or mkdtemp(prefix="mics-iac-soak-")).resolve()
    print(f"seed: {seed}", flush=True)
    began = time.monotonic()
    bounds = (options.rounds, math.inf) if options.rounds is not None else (math.inf, began + options.seconds)
    try:
        soak = _soak(folder, bounds, options.state, seed=seed, most=options.processes)
    except BaseException:
        print(f"broken off; kept in: {folder}", flush=True)
        raise
    _report(soak, seconds=time.monotonic() - began)
    if soak.troubles or options.keep:
        print(f"kept in: {folder}")
    else:
        rmtree(folder)
    raise SystemExit(1 if soak.troubles else 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.soak", description="kill it, and count what it loaded")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--rounds", type=int, help="how many rounds")
    length.add_argument("--seconds", type=float, default=30.0, help="no round begins after this long (default 30)")
    parser.add_argument("--state", choices=WHERE, default="file", help="where the state is kept (default file)")
    parser.add_argument("--seed", type=int, help="what is drawn; printed, and drawn itself if not given")
    parser.add_argument("--processes", type=int, choices=range(1, 9), default=4, help="most at once (default 4)")
    parser.add_argument("--keep", metavar="DIR", help="an empty folder for project and output, which is kept")
    return parser.parse_args()


def _leave(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(143)


def _soak(folder: Path, bounds: tuple[float, float], where: Where, *, seed: int, most: int) -> Soak:
    """The rounds, up to the first that leaves something wrong; `bounds`: how many, and until when they begin."""
    rounds, until = bounds
    place, words = folder / "project", folder / "words"
    place.mkdir(parents=True)
    words.mkdir()
    (place / MANIFEST).write_text("version: 1\n")  # the sandbox is a manifest's; its address comes later
    with served(place, words / "sandbox.err") as platform, kept(where, place, words) as state:
        project = Project(place, platform.url)
        check_out = project.check_out if state.distant else None
        with emptied(Stage(place, words, check_out=check_out, tail=state.words, environ=state.environ)) as stage:
            soak = Soak(project, state, platform, stage, seed, most)
            soak.begin()
            while soak.figures.rounds < rounds and time.monotonic() < until and not soak.troubles:
                soak.round()
            if soak.figures.rounds % EVERY and not soak.troubles:
                soak.look()
        if not platform.alive or (words / "sandbox.err").read_text().count("Traceback"):
            soak.troubles.append(f"the sandbox itself failed: see {words / 'sandbox.err'}")
        complaint = state.complaint()
        if complaint is not None:
            soak.troubles.append(complaint)
    return soak


def _report(soak: Soak, *, seconds: float) -> None:
    figures, verdict = soak.figures, soak.figures.verdict
    lines = {
        "rounds": figures.rounds,
        "state kept": soak.kept.words[-1] if soak.kept.words else "in the folder",
        "processes": soak.stage.started,
        "crowds": f"{figures.crowds} (several applies at once in peace)",
        "signals": _counts(figures.signals),
        "ended with": _counts(figures.ends),
        "killed": f"{figures.killed}, {figures.killed_after_sending} after they had sent something, "
        f"{figures.killed_while_sending} of them in the middle of it",
        "faults": f"{figures.faults.total()}: {_counts(figures.faults)}",
        "of the store": f"{figures.faults_of_store.total()}: {_counts(figures.faults_of_store)}",
        "wiped folders": f"{soak.stage.wiped}, {soak.stage.wiped_with_outcomes} with outcomes that nobody else had",
        "freed locks": f"{figures.freed} (of dead processes that the place could not tell of)",
        "lost states": figures.lost,
        "restored states": figures.restored,
        "damaged states": f"{figures.damaged} (and recovered)",
        "imports": verdict.imports,
        "contents": verdict.contents,
        "executions": verdict.executions,
        "duplicates": verdict.duplicates,
        "missing": verdict.missing,
        "seconds": f"{seconds:.0f}",
        "seed": soak.seed,
    }
    for name, value in lines.items():
        print(f"{name:>16}: {value}")
    for trouble in soak.troubles:
        print(f"{'WRONG':>16}: {trouble}")


def _counts(counter: Counter[str] | Counter[int]) -> str:
    ordered: Iterable[tuple[str | int, int]] = sorted(counter.items(), key=lambda one: -one[1])
    return ", ".join(f"{name} x{count}" for name, count in ordered) or "none"


if __name__ == "__main__":
    main()
