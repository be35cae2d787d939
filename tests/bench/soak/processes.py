"""Real `mics-iac` processes, the signals they get, and whether each ended as it may.

Knows nothing of what they load.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from shutil import rmtree
from signal import SIGCONT, SIGINT, SIGKILL, SIGSTOP, SIGTERM, Signals
from types import MappingProxyType

ROOT = Path(__file__).parents[3]
# Seconds after which a process counts as hung; none comes near when all is well.
PATIENCE = 180.0
# Seconds between two looks at the processes: signals are no more exact than that.
_TICK = 0.005


@dataclass(frozen=True)
class Stroke:
    """A signal, so many seconds after the process started, or (`planned`) after it showed what it is about to do."""

    number: Signals
    seconds: float
    planned: bool = False


def command(*args: str) -> list[str]:
    """A command line of this checkout's `mics-iac`."""
    return [sys.executable, "-m", "mics_iac", *args]


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process: this one's, without what would change what `mics-iac` does."""
    bare = {
        name: value
        for name, value in os.environ.items()
        if not (name.startswith(("MICS_", "GITHUB_", "CI", "GITLAB_")) or name.lower().endswith("_proxy"))
    }
    return {**bare, "PYTHONPATH": str(ROOT), **more}


@dataclass(frozen=True)
class Treatment:
    """What is done to one apply: how long it waits for the lock, and the signals it gets, in order."""

    lock_timeout: str
    strokes: tuple[Stroke, ...] = ()

    @property
    def patient(self) -> bool:
        """Whether it waits for the lock as long as anybody may have it."""
        return self.lock_timeout == PATIENT


PATIENT = "150s"
LEFT_ALONE = Treatment(PATIENT)


def draw_treatment(chance: Random, *, start: float, work: float) -> Treatment:
    """What is done to one process.

    Half of the signals fall anywhere in a run, from its first instruction on; the other half while it works, where it
    sends: that is short, and early after the plan. `start` and `work` are about how long (seconds) the two take.
    """
    planned = chance.random() < 0.5
    first = work * chance.random() ** 2 if planned else chance.uniform(0, start + work)
    second = first + chance.uniform(0, work)
    numbers: tuple[Signals, ...] = chance.choice(
        (
            *((SIGKILL,),) * 8,
            (),
            (SIGINT,),
            (SIGTERM,),
            (SIGINT, SIGINT),
            (SIGTERM, SIGTERM),
            (SIGINT, SIGKILL),
            (SIGSTOP, SIGCONT),
            (SIGSTOP, SIGKILL),
        )
    )
    moments = (first, second)
    strokes = tuple(Stroke(number, moment, planned) for number, moment in zip(numbers, moments, strict=False))
    return Treatment(chance.choice((PATIENT, PATIENT, PATIENT, "1s", "0s")), strokes)


@dataclass
class Run:
    """One process, started as the `number`-th; its words are in the files `out` and `err`."""

    number: int
    treatment: Treatment
    process: subprocess.Popen[bytes]
    folder: Path
    out: Path
    err: Path
    token: str
    began: float
    planned: float | None = None
    """When (monotonic seconds, as `began`) it showed its plan: what it does begins then."""
    ended: float | None = None
    hung: bool = False
    struck: list[Signals] = field(default_factory=list)
    _due: list[Stroke] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._due = list(self.treatment.strokes)

    @property
    def name(self) -> str:
        """What it is called in locks, journals and complaints."""
        return f"run-{self.number}"

    @property
    def code(self) -> int:
        """How it ended; a signal that ended it is negative."""
        assert self.process.returncode is not None
        return self.process.returncode

    @property
    def words(self) -> str:
        """All that it said."""
        return self.out.read_text(errors="replace") + self.err.read_text(errors="replace")

    def treat(self, now: float) -> None:
        """Send it the signals that are due, and see whether it has ended."""
        if self.planned is None and self.out.stat().st_size:
            self.planned = now
        while self._due and self._is_due(self._due[0], now):
            number = self._due.pop(0).number
            if self.process.poll() is None:
                self.process.send_signal(number)
                self.struck.append(number)
        if now - self.began > PATIENCE and self.process.poll() is None:
            self.hung = True
            self.process.kill()
            self.process.wait()
        if self.process.poll() is not None:
            self.ended = now

    def _is_due(self, stroke: Stroke, now: float) -> bool:
        if stroke.number in {SIGINT, SIGTERM} and not self.err.stat().st_size:
            return False  # Python itself would answer: nothing of ours is there yet
        since = self.planned if stroke.planned else self.began
        return since is not None and now >= since + stroke.seconds

    def troubles(self, *, faulty: bool, alone: bool, expired: bool, untold: bool) -> Iterator[str]:
        """What is wrong with how it ended.

        `faulty`: something may have gone wrong on its way to the platform, or to the state; `alone`: nobody else wanted
        the lock; `expired`: its token may have been refused; `untold`: a dead process may have left a lock that nobody
        can tell to be one's.
        """
        allowed = {0}
        if faulty:
            # A look at the platform, or at the state, failed as often as it is repeated (1); something was not done, or
            # is in doubt (3).
            allowed |= {1, 3}
        if expired:
            allowed.add(9)
        if untold or not (alone or self.treatment.patient):
            allowed.add(6)
        for number in self.struck:
            allowed |= _ENDS.get(number, set())
        if self.hung:
            yield f"it did not end within {PATIENCE:.0f} seconds"
        elif self.code not in allowed:
            yield f"it ended with {self.code}, not with one of {sorted(allowed)}"
        words = self.words
        yield from (f"it said {bad!r}" for bad in ("Traceback", "internal error", self.token) if bad in words)


# What a signal may end a process with, besides coming too late. -2 and -15 (130 and 143 to a shell): before its handler
# was there, or after, when nothing is begun any more.
_ENDS = {SIGKILL: {-SIGKILL}, SIGINT: {128 + SIGINT, -SIGINT}, SIGTERM: {128 + SIGTERM, -SIGTERM}}


class Stage:
    """Starts processes in one folder, and lets none of them outlive it. Their words go to files in `words`.

    With `check_out`, each has a folder of its own instead, which is made for it and wiped when it ended in any way.
    `tail` and `environ` are added to every command line and environment.
    """

    def __init__(
        self,
        folder: Path,
        words: Path,
        *,
        check_out: Callable[[Path], None] | None = None,
        tail: Sequence[str] = (),
        environ: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._folder = folder
        self._words = words
        self._check_out = check_out
        self._tail = tail
        self._environ = environ
        self._started = 0
        self._living: list[Run] = []
        self.wiped = 0
        """How many folders were wiped, and how many of them held outcomes that the place of the state had not taken."""
        self.wiped_with_outcomes = 0

    @property
    def started(self) -> int:
        """How many processes there were so far."""
        return self._started

    def start(self, wanted: Sequence[tuple[Sequence[str], Treatment]]) -> list[Run]:
        """Start some, at one moment."""
        numbers = range(self._started + 1, self._started + 1 + len(wanted))
        self._started += len(wanted)
        folders = [self._folder_of(number) for number in numbers]
        return [self._start(*one) for one in zip(numbers, folders, wanted, strict=True)]

    def _folder_of(self, number: int) -> Path:
        if self._check_out is None:
            return self._folder
        folder = self._folder.parent / f"runner-{number:05d}"
        self._check_out(folder)
        return folder

    def _start(self, number: int, folder: Path, wanted: tuple[Sequence[str], Treatment]) -> Run:
        args, treatment = wanted
        out, err = (self._words / f"{number:05d}.{kind}" for kind in ("out", "err"))
        token = f"secret-of-{number:05d}"
        with out.open("wb") as to_out, err.open("wb") as to_err:
            process = subprocess.Popen(
                command(*args, *self._tail),
                cwd=folder,
                env=environment({"MICS_API_TOKEN": token, "LOGNAME": f"run-{number}", **self._environ}),
                stdin=subprocess.DEVNULL,
                stdout=to_out,
                stderr=to_err,
            )
        run = Run(number, treatment, process, folder, out, err, token, time.monotonic())
        self._living.append(run)
        return run

    def finish(self) -> Iterator[Run]:
        """Treat all that were started, each at its moments, and give each as it ends."""
        while self._living:
            for run in list(self._living):
                run.treat(time.monotonic())
                if run.ended is not None:
                    self._living.remove(run)
                    self._wipe(run)
                    yield run
            time.sleep(_TICK)  # the real clock of real processes: a treatment may come late, no figure depends on when

    def _wipe(self, run: Run) -> None:
        if self._check_out is not None:
            self.wiped += 1
            self.wiped_with_outcomes += any((run.folder / ".mics-iac" / "emergency").glob("*"))
            rmtree(run.folder)

    def end(self) -> None:
        """Kill whatever is left."""
        for run in self._living:
            run.process.kill()
            run.process.wait()
        self._living.clear()


@contextmanager
def emptied(stage: Stage) -> Iterator[Stage]:
    """A stage that is empty when the block is left, however it is left."""
    try:
        yield stage
    finally:
        stage.end()
