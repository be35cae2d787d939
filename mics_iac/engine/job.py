"""What the tables of a running apply have in common: the plan and the world, and the account of what went wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from mics_iac.core.observed import Observed
from mics_iac.core.outcome import Shortfall
from mics_iac.core.plan import Plan
from mics_iac.core.progress import Failure
from mics_iac.engine.crew import Crew
from mics_iac.engine.gate import FATAL, Gate
from mics_iac.engine.world import World
from mics_iac.errors import Interrupted, MicsError
from mics_iac.store.held import Held

T = TypeVar("T")


@dataclass(slots=True)
class Account:
    """What a run has to tell at its end; `missing` counts the parts that one which only looked did not find."""

    failures: list[Failure] = field(default_factory=list)
    shortfalls: list[Shortfall] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    missing: int = 0


@dataclass(frozen=True, slots=True)
class Job:
    """One apply on its way, as the deciding thread sees it.

    Not `sending`: nothing is created, changed or uploaded, and nothing is waited for but what tells if a part is there.
    """

    plan: Plan
    observed: Observed
    world: World
    held: Held
    crew: Crew
    gate: Gate
    sending: bool = True
    account: Account = field(default_factory=Account)

    @property
    def now(self) -> float:
        """The moment, in monotonic seconds."""
        return self.world.clock.monotonic()

    def fail(self, address: str, source: str | None, error: MicsError) -> None:
        """Take in that an action failed; others go on unless it says that they would fail too.

        Raises the error if it means that the state can no longer be written. An interruption is no failure.
        """
        self.gate.saw(error)
        if isinstance(error, FATAL):
            raise error
        if isinstance(error, Interrupted):
            return
        failure = Failure(address, source, error)
        self.account.failures.append(failure)
        self.world.tell(failure)


def attempt(work: Callable[[], T]) -> T | MicsError:
    """Make what is expected to fail a value, so that it comes back to the deciding thread."""
    try:
        return work()
    except MicsError as error:
        return error
