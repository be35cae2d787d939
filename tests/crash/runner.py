"""Applies one scene again and again, with the 1st, 2nd, 3rd … effect going wrong, until there is no such effect.

python -m tests.crash.runner in-turn|at-once SCENE WAY WHEN TIMES FOLDER [WHERE]

The state is kept in the folder, or elsewhere (WHERE: `tests/crash/kept`). A warm process of one thread, which forks
children: nothing but the files outlives a child, and one that dies takes nothing with it. No two runs of a point are of
the same child; the last one of a point, which is spared, shares its child with the first one of the next point, which
lies in another folder: half of what a run costs is a child's own copy of the memory. TIMES runs go wrong at the same
count, each after the one before it; the run after those is spared. In turn, the effects of the first run come in the
same order for each point; at once, all threads run as they do for a user. Prints a line of JSON for each point (Story).
Judges nothing.
"""

from __future__ import annotations

import faulthandler
import gc
import itertools
import json
import os
import random
import shutil
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import NoReturn

from tests.clocks import SteppingClock
from tests.crash.effects import Effects, Mishap, Way, When, kind
from tests.crash.order import Order
from tests.crash.place import AT_ONCE, IN_TURN, Place, Ran
from tests.crash.scenes import SCENES, Scene, Version

LIMITS = {"in-turn": IN_TURN, "at-once": AT_ONCE}
# Seconds after which a run is taken to hang, and says where.
PATIENCE = 60
# More effects than any run has.
NEVER = 10**9


@dataclass(frozen=True, slots=True)
class Story:
    """The runs of one point, the last of them without mishap. In the last story of a loop nothing was struck."""

    nth: int
    runs: list[Ran]


@dataclass(frozen=True, slots=True)
class Turn:
    """One run to come, begun at a moment of the clock; what is kept elsewhere is copied from another place before."""

    place: Place
    wanted: Version
    at: float
    mishap: Mishap | None = None
    parts: Mapping[str, int] = field(default_factory=dict)
    copied_from: Place | None = None

    def play(self, leave: Callable[[Ran], NoReturn]) -> Ran:
        """Run it in this process, which ends with `leave` if it dies in it."""
        # The jitter of repeats: the same in every run.
        random.seed(0)
        clock = SteppingClock(self.at)

        def die(struck: str) -> NoReturn:
            leave(Ran(None, struck, clock.now()))

        effects = Effects(self.mishap, die=die)
        try:
            if self.copied_from is not None:
                self.copied_from.kept.copy_to(self.place.kept)
            return self.place.apply(self.wanted, clock=clock, effects=effects, order=Order(self.parts))
        except BaseException:  # noqa: BLE001 - whatever it is, the child must not go on as if it were the parent
            leave(Ran(None, effects.struck, clock.now(), [f"internal error: {traceback.format_exc()}"]))


def played(*turns: Turn) -> list[Ran]:
    """These runs, one after the other, in a process of their own, which may die in the last of them."""
    assert threading.active_count() == 1, "what another thread has locked would stay locked in the child"
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        told: list[Ran] = []

        def leave(ran: Ran) -> NoReturn:
            os.write(writer, json.dumps([asdict(one) for one in (*told, ran)]).encode())
            os._exit(0)

        for turn in turns:
            faulthandler.dump_traceback_later(PATIENCE, exit=True)
            told.append(turn.play(leave))
        leave(told.pop())
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        words = pipe.read()
    os.waitpid(child, 0)
    runs = [Ran(**ran) for ran in json.loads(words or "[]")]
    # Whichever of them hung, none after it was.
    return [*runs, *(Ran(None, None, t.at, ["it hung, or its process vanished"]) for t in turns[len(runs) :])]


def prepared(scene: Scene, first: Place) -> float:
    """Set the scene, and say when it begins; all that it needs is imported and cached by then.

    This process itself keeps no state elsewhere: what a client of such a place starts does not survive a fork.
    """
    clock, folder = SteppingClock(time.time()), first.folder.parent
    at = clock.now()
    if scene.before is not None:
        scene.before.lay_out(first.project)
        [before] = played(Turn(first, scene.before, at))
        assert (before.code, before.wrong) == (0, []), before
        at = before.clock
    scene.wanted.lay_out(first.project)
    warm = replace(first.copy(folder / "warm"), where="file")
    unharmed = Mishap(NEVER, "error", "after")
    warm.apply(scene.wanted, clock=SteppingClock(at), effects=Effects(unharmed), order=Order(scene.new_files))
    if scene.died_after is not None:
        spared = folder / "spared"
        [ran] = played(Turn(first.copy(spared), scene.wanted, at, unharmed, scene.new_files, first))
        count, what = scene.died_after
        nth = [n for n, name in enumerate(ran.names, start=1) if kind(name) == what][count - 1]
        [died] = played(Turn(first, scene.wanted, at, Mishap(nth, "death", "after"), scene.new_files))
        assert (died.code, died.wrong) == (None, []), died
        at = died.clock
    return at


def main(scene: Scene, first: Place, way: Way, when: When, times: int) -> None:
    """Tell the story of each point, and one more, in which nothing is struck."""
    parts = scene.new_files if first.limits == IN_TURN else {}
    at = prepared(scene, first)
    gc.freeze()
    waiting: list[tuple[Story, Turn]] = []  # the point before, and its last run
    for nth in itertools.count(1):
        place = first.copy(first.folder.parent / f"at-{nth}")
        mishap = Mishap(nth, way, when)
        struck = Turn(place, scene.wanted, at, mishap, parts, copied_from=first)
        *before, ran = played(*(turn for _, turn in waiting), struck)
        _tell(waiting, before)
        runs = [ran]
        for _ in range(times - 1):
            runs += played(Turn(place, scene.wanted, runs[-1].clock, mishap))
        waiting = [(Story(nth, runs), Turn(place, scene.wanted, runs[-1].clock))]
        if ran.struck is None:
            _tell(waiting, played(waiting[0][1]))
            return


def _tell(waiting: list[tuple[Story, Turn]], last: list[Ran]) -> None:
    for (story, turn), ran in zip(waiting, last, strict=True):
        shutil.rmtree(turn.place.folder)
        print(json.dumps(asdict(Story(story.nth, [*story.runs, ran]))), flush=True)


if __name__ == "__main__":
    match sys.argv[1:]:
        case [
            threads,
            scene,
            "death" | "error" | "outage" as way,
            "before" | "middle" | "after" as when,
            times,
            folder,
            *where,
        ] if len(where) < 2:
            first = Place(Path(folder) / "first", LIMITS[threads], *where)
            main(SCENES[scene], first, way, when, int(times))
        case _:
            sys.exit(__doc__)
