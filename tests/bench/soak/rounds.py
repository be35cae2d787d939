"""The rounds of a soak: things go wrong and processes die, then all is mended, and what came of it is compared.

Everything is drawn from the seed and the number of the round, so that a seed can be run again; what the processes do
between two signals is the machine's affair.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from signal import SIGKILL

from mics_iac.core import journal
from mics_iac.core.journal import decode_journal
from tests.bench.soak.kept import Fate, Kept
from tests.bench.soak.processes import LEFT_ALONE, PATIENT, Run, Stage, Treatment, draw_treatment
from tests.bench.soak.project import Project
from tests.bench.soak.served import EXPIRED, SETTLE, SLOWEST_MS, Platform, draw_faults
from tests.bench.soak.truth import NOTHING_SEEN, Verdict, compare, glance

# How often all is mended and compared: after each so many rounds, and at the end.
EVERY = 4
# A round may wait this long (seconds) for what it sent; calm runs may wait longer than anything takes.
_WAIT, _CALM_WAIT = "8s", "60s"


@dataclass
class Figures:
    """What is counted while it goes on."""

    rounds: int = 0
    crowds: int = 0
    signals: Counter[str] = field(default_factory=Counter)
    ends: Counter[int] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    faults_of_store: Counter[str] = field(default_factory=Counter)
    killed: int = 0
    killed_after_sending: int = 0
    killed_while_sending: int = 0
    freed: int = 0
    lost: int = 0
    restored: int = 0
    damaged: int = 0
    verdict: Verdict = NOTHING_SEEN


@dataclass
class Soak:
    """A project, the place of its state, its platform, and the processes between them."""

    project: Project
    kept: Kept
    platform: Platform
    stage: Stage
    seed: int
    most: int
    """The most processes at once."""
    figures: Figures = field(default_factory=Figures)
    troubles: list[str] = field(default_factory=list)
    fate: Fate = field(init=False)
    _start: float = 1.0
    _work: float = 1.0
    """Seconds that one process takes to its plan, and from there to its end, when nothing goes wrong."""

    def __post_init__(self) -> None:
        self.fate = Fate(self.kept)

    def begin(self) -> None:
        """Load the first files in peace, and see how long that takes."""
        self.project.begin(self._chance("first files"))
        [run] = self._finish(_apply(LEFT_ALONE, _CALM_WAIT), faulty=False)
        if run.planned is not None and run.ended is not None:
            self._start, self._work = run.planned - run.began, run.ended - run.planned
        self._compare()

    def round(self) -> None:
        """One round of trouble; every few of them, a look at what came of it."""
        self.figures.rounds += 1
        self.project.grow(self._chance("files"))
        runs = self._disturb(self._chance("processes"), draw_faults(self._chance("faults")))
        # All of them saw the same files: if one ended with 0, all is loaded, whatever befell the others.
        done = any(run.code == 0 for run in runs)
        seen = self.platform.truth()
        self.troubles += glance(self.project, seen, done=done)
        if self.troubles:
            # What lies there is to be looked at as it is: only the figures are taken.
            self.figures.verdict = compare(self.project, seen, self.kept.state())
            return
        self._mistreat_state(self._chance("state"))
        if self.figures.rounds % EVERY == 0:
            self.look()

    def _disturb(self, chance: Random, faults: list[tuple[str, dict[str, object]]]) -> list[Run]:
        """Several applies at once, while all goes wrong."""
        count = chance.randint(1, self.most)
        # They share the processors, and what goes wrong makes them wait.
        slower = (count + 1) / 2
        treatments = [
            draw_treatment(chance, start=self._start * slower, work=self._work * chance.choice((1, 2, 4)))
            for _ in range(count)
        ]
        self.platform.break_(faults)
        self.kept.break_(self._chance("faults of the store"))
        expired = any(name == EXPIRED for name, _ in faults)
        runs = self._finish(*(_apply(one, _WAIT) for one in treatments), faulty=True, expired=expired)
        self.figures.faults += self.platform.mend()
        self.figures.faults_of_store += self.kept.mend()
        self.figures.freed += self.kept.free()
        return runs

    def look(self) -> None:
        """Nothing goes wrong any more: several runs at once, of which one works; then all must be as it should."""
        if self.kept.distant:
            # What a killed run had on its way to its journal arrives after it, is in the way of nobody, and is removed
            # by the next run. None is to come after this one.
            time.sleep(SLOWEST_MS / 1000)
        chance = self._chance("crowd")
        others = [Treatment(chance.choice((PATIENT, "1s", "0s"))) for _ in range(chance.randint(1, self.most) - 1)]
        self.figures.crowds += bool(others)
        self._finish(*(_apply(one, _CALM_WAIT) for one in (LEFT_ALONE, *others)), faulty=False)
        self._finish((["plan", "--detailed-exitcode"], LEFT_ALONE), faulty=False)
        self._compare()

    def _finish(self, *wanted: tuple[list[str], Treatment], faulty: bool, expired: bool = False) -> list[Run]:
        """Start these at one moment, and judge each as it ends."""
        runs = self.stage.start(wanted)
        untold = faulty and not self.kept.tells_holders
        for run in self.stage.finish():
            self._count(run)
            self.troubles += [
                f"{run.name} ({', '.join(one.name for one in run.struck) or 'left alone'}): {trouble}"
                for trouble in run.troubles(faulty=faulty, alone=len(runs) == 1, expired=expired, untold=untold)
            ]
        return runs

    def _count(self, run: Run) -> None:
        figures = self.figures
        figures.ends[run.code] += 1
        figures.signals.update(number.name for number in run.struck)
        if run.code == -SIGKILL:
            figures.killed += 1
            begun, answered = _requests(self.kept, run)
            figures.killed_after_sending += begun > 0
            figures.killed_while_sending += begun > answered

    def _mistreat_state(self, chance: Random) -> None:
        """Between two runs the state may get lost, an older copy may be put back, or a byte of it may be changed.

        In the first rounds each happens once, so that the shortest soak has them.
        """
        self.fate.keep_copy()
        fate = {1: 0.0, 2: 0.2, 3: 0.3}.get(self.figures.rounds, chance.random())
        if fate < 0.35:
            # A request of a killed run may still be under way, and the doubt about it is lost with the state. Nobody
            # could know then that it is to be waited for: so it is waited for here.
            time.sleep(SETTLE)
        if fate < 0.1:
            self.fate.lose(chance)
            self.figures.lost += 1
        elif fate < 0.25:
            self.figures.restored += self.fate.restore(chance)
        elif fate < 0.35 and self.fate.damage(chance):
            self.figures.damaged += 1
            recover = ["state", "recover", "--settle-delay", f"{SETTLE}s", "--wait-timeout", _CALM_WAIT]
            self._finish((recover, LEFT_ALONE), faulty=False)

    def _compare(self) -> None:
        verdict = compare(self.project, self.platform.truth(), self.kept.state())
        self.figures.verdict = verdict
        self.troubles += verdict.troubles
        self.troubles += [f"{name} was left behind" for name in self.kept.leftovers()]

    def _chance(self, what: str) -> Random:
        return Random(f"{self.seed}/{self.figures.rounds}/{what}")


def _apply(treatment: Treatment, wait: str) -> tuple[list[str], Treatment]:
    args = ["apply", "--auto-approve", "-v", "--settle-delay", f"{SETTLE}s", "--wait-timeout", wait]
    return [*args, "--lock-timeout", treatment.lock_timeout], treatment


_BEGUN = (journal.CreateBegun, journal.ChangeBegun, journal.UploadBegun)
_ANSWERED = (
    *(journal.ImportCreated, journal.CreateAbandoned, journal.ImportChanged),
    *(journal.UploadAccepted, journal.UploadDoubted, journal.UploadAbandoned, journal.UploadRefused),
)


def _requests(kept: Kept, run: Run) -> tuple[int, int]:
    """How many requests that change something a killed run had begun, and how many of them were answered.

    From its journal: the next run may have folded it already, then it is not known, and counts as none.
    """
    for data in kept.journals():
        entries = decode_journal(data, name="a journal").entries
        if entries and isinstance(entries[0], journal.RunBegun) and entries[0].who.startswith(f"{run.name}@"):
            return (sum(isinstance(e, _BEGUN) for e in entries), sum(isinstance(e, _ANSWERED) for e in entries))
    return (0, 0)
