"""Clocks that jump, stand apart or go back: they may cost a run its lock, never a file its being loaded once."""

from __future__ import annotations

from itertools import cycle
from pathlib import Path

import pytest

from mics_iac.core import journal
from mics_iac.core.outcome import Outcome
from mics_iac.errors import Locked
from mics_iac.sandbox.faults import Fault
from mics_iac.sandbox.profile import Profile
from mics_iac.sandbox.sandbox import Sandbox
from tests.clocks import SteppingClock
from tests.engine.afar import EVERYWHERE
from tests.engine.test_two_at_once import beside, when
from tests.rig import Rig, digest, visits

pytestmark = EVERYWHERE

YEAR = 365 * 86_400.0


class JumpingClock(SteppingClock):
    """Somebody sets the machine's clock all the time; what measures does not jump."""

    def __init__(self, jumps: tuple[float, ...]) -> None:
        super().__init__()
        self._jumps = cycle(jumps)

    def now(self) -> float:
        return super().now() + next(self._jumps)


def jumping(rig: Rig, *jumps: float) -> None:
    """The same platform, whose own clock is right, seen from a machine whose clock is not."""
    clock = JumpingClock(jumps)
    rig.clock = clock
    rig.sandbox = Sandbox(
        Path(f"{rig.folder}.other.sqlite"),
        now=lambda: int(1_768_460_400_000 + clock.monotonic() * 1000),
        profile=Profile(queue_ms=1000, run_ms=1000),
    )


@pytest.mark.parametrize("jumps", [(0.0, YEAR), (0.0, -YEAR), (-YEAR, YEAR, 0.0, 3600.0, -1.0)])
def test_a_clock_that_jumps_loses_nothing_and_sends_nothing_twice(rig: Rig, jumps: tuple[float, ...]) -> None:
    jumping(rig, *jumps)
    for number in range(4):
        rig.write(f"data/{number}.ndjson", visits(10 * number, 3))
    rig.fault(Fault("reset_after", method="POST", path="*/document_imports"))
    rig.fault(Fault("reset_after", method="POST", path="*/executions", times=2))
    rig.fault(Fault("hang", method="POST", path="*/executions", nth=2))
    assert rig.apply().exit_code == 0
    assert rig.loaded() == sorted(digest(visits(10 * number, 3)) for number in range(4))
    assert len(rig.sandbox.imports()) == 1
    assert rig.plan().empty


def test_a_machine_whose_clock_is_a_year_ahead_takes_the_lock_of_a_living_run(rig: Rig) -> None:
    """It believes that the lease is over. The other run finds out before it sends anything more."""
    for number in range(3):
        rig.write(f"data/{number}.ndjson", visits(10 * number, 3))
    rig.limit(transfers=1, parallelism=1)
    second: list[Outcome] = []

    def barge_in() -> None:
        ahead = beside(rig)
        ahead.clock = SteppingClock(start=rig.clock.now() + YEAR)
        ahead.limit(wait=False)
        second.append(ahead.apply())

    when(journal.UploadBegun, barge_in, rig)
    with pytest.raises(Locked):
        rig.apply()
    assert second[0].exit_code == 0
    assert rig.loaded() == sorted(digest(visits(10 * number, 3)) for number in range(3))
    held = rig.state().imports["fr/visits"].current
    assert sorted(e.id for e in held.executions) == sorted(e.id for e in rig.sandbox.executions())
