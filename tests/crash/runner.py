"""Applies one scene again and again, with the 1st, 2nd, 3rd … effect going wrong, until there is no such effect.

python -m tests.crash.runner in-turn|at-once SCENE WAY WHEN TIMES FOLDER [WHERE]

The state is kept in the folder, or elsewhere (WHERE: `tests/crash/kept`). A warm process of one thread, which forks a
child for each run: nothing but the files outlives a child, and one that dies takes nothing with it. TIMES runs go
wrong at the same count, each after the one before it; the run after those is spared. In turn, the effects of the
first run come in the same order for each point; at once, all threads run as they do for a user. Prints a line of JSON
for each point (Story). Judges nothing.
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
from dataclasses import asdict, dataclass
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


def applied(
    place: Place,
    wanted: Version,
    *,
    at: float,
    mishap: Mishap | None,
    parts: Mapping[str, int],
    copied_from: Place | None = None,
) -> Ran:
    """One run, in a process of its own, begun at a moment of the clock; what is kept elsewhere is copied before."""

    def act(leave: Callable[[Ran], NoReturn]) -> NoReturn:
        # The jitter of repeats: the same in every run.
        random.seed(0)
        clock = SteppingClock(at)

        def die(struck: str) -> NoReturn:
            leave(Ran(None, struck, clock.now()))

        effects = Effects(mishap, die=die)
        try:
            if copied_from is not None:
                copied_from.kept.copy_to(place.kept)
            leave(place.apply(wanted, clock=clock, effects=effects, order=Order(parts)))
        except BaseException:  # noqa: BLE001 - whatever it is, the child must not go on as if it were the parent
            leave(Ran(None, effects.struck, clock.now(), [f"internal error: {traceback.format_exc()}"]))

    return forked(act) or Ran(None, None, at, ["it hung, or its process vanished"])


def forked(act: Callable[[Callable[[Ran], NoReturn]], NoReturn]) -> Ran | None:
    """What a child hands to its `leave`, with which it ends wherever it is; None if it never does."""
    assert threading.active_count() == 1, "what another thread has locked would stay locked in the child"
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        faulthandler.dump_traceback_later(PATIENCE, exit=True)

        def leave(ran: Ran) -> NoReturn:
            os.write(writer, json.dumps(asdict(ran)).encode())
            os._exit(0)

        act(leave)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    return Ran(**json.loads(told)) if told else None


def prepared(scene: Scene, first: Place) -> float:
    """Set the scene, and say when it begins; all that it needs is imported and cached by then.

    Not in this process where the state is kept elsewhere: what a client of it starts does not survive a fork.
    """
    clock, folder = SteppingClock(time.time()), first.folder.parent
    at = clock.now()
    if scene.before is not None:
        scene.before.lay_out(first.project)
        before = applied(first, scene.before, at=at, mishap=None, parts={})
        assert (before.code, before.wrong) == (0, []), before
        at = before.clock
    scene.wanted.lay_out(first.project)
    warm = first.copy(folder / "warm")
    unharmed = Mishap(NEVER, "error", "after")
    if first.where == "file":
        order = Order(scene.new_files)
        warm.apply(scene.wanted, clock=SteppingClock(at), effects=Effects(unharmed), order=order)
    if scene.died_after is not None:
        spared = folder / "spared"
        ran = applied(
            first.copy(spared), scene.wanted, at=at, mishap=unharmed, parts=scene.new_files, copied_from=first
        )
        count, what = scene.died_after
        nth = [n for n, name in enumerate(ran.names, start=1) if kind(name) == what][count - 1]
        died = applied(first, scene.wanted, at=at, mishap=Mishap(nth, "death", "after"), parts=scene.new_files)
        assert (died.code, died.wrong) == (None, []), died
        at = died.clock
    return at


def main(scene: Scene, first: Place, way: Way, when: When, times: int) -> None:
    """Tell the story of each point, and one more, in which nothing is struck."""
    parts = scene.new_files if first.limits == IN_TURN else {}
    at = prepared(scene, first)
    gc.freeze()
    for nth in itertools.count(1):
        place = first.copy(first.folder.parent / "next")
        mishap = Mishap(nth, way, when)
        runs = [applied(place, scene.wanted, at=at, mishap=mishap, parts=parts, copied_from=first)]
        for again in [*[mishap] * (times - 1), None]:
            runs.append(applied(place, scene.wanted, at=runs[-1].clock, mishap=again, parts={}))
        shutil.rmtree(place.folder)
        print(json.dumps(asdict(Story(nth, runs))), flush=True)
        if runs[0].struck is None:
            return


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
