"""How a run of apply ended: what it did, what it did not do, and why. Pure values; made by `engine/execute`."""

from __future__ import annotations

from dataclasses import dataclass

from mics_iac.core.health import Mended
from mics_iac.core.manifest import Budget
from mics_iac.core.observed import FAILED
from mics_iac.core.plan import Plan
from mics_iac.core.progress import Failure
from mics_iac.core.tally import Tally
from mics_iac.errors import ApplyIncomplete, ExecutionsFailed, exit_code, worst


@dataclass(frozen=True, slots=True)
class Shortfall:
    """An execution that did not load all that was sent, beyond what its import allows.

    `rejected` and `unaccounted` are records; None where the platform gave no counts. `error_file` is where the
    rejected lines were saved, if they were.
    """

    address: str
    source: str
    execution_id: str
    status: str
    sent: int
    rejected: int | None
    unaccounted: int | None
    budget: Budget
    message: str | None = None
    error_file: str | None = None


def shortfall_of(
    *,
    status: str,
    sent: int,
    loaded: int | None,
    rejected: int | None,
    budget: Budget,
) -> tuple[int | None, int | None] | None:
    """(rejected, unaccounted) of a settled execution that came short of its budget, None for one that did not.

    Every record is counted: what is neither loaded nor rejected is unaccounted, and a failure whatever the budget.
    """
    if status in FAILED:
        return rejected, None
    unaccounted = sent - (loaded or 0) - (rejected or 0)
    if unaccounted or not budget.allows(rejected=rejected or 0, sent=sent):
        return rejected, unaccounted
    return None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of an apply.

    `unfinished` are sentences, each about something that was planned and not done, or not known to be done.
    `declined`: a person read the plan and said no; nothing was done. `missing` counts the parts that a run which only
    looked did not find.
    """

    plan: Plan
    tally: Tally
    skipped: int
    failures: tuple[Failure, ...] = ()
    shortfalls: tuple[Shortfall, ...] = ()
    unfinished: tuple[str, ...] = ()
    interrupted: int | None = None
    missing: int = 0
    declined: bool = False

    @property
    def exit_code(self) -> int:
        """The one exit code that tells the truth about this run."""
        if self.declined:
            return 1
        codes = [exit_code(f.error) for f in self.failures]
        if self.failures or self.unfinished:
            codes.append(ApplyIncomplete.exit_code)
        if self.shortfalls:
            codes.append(ExecutionsFailed.exit_code)
        if self.interrupted is not None:
            codes.append(128 + self.interrupted)
        return worst(codes)


@dataclass(frozen=True, slots=True)
class Recovery:
    """The end of a recovery: what was mended in the state, what was found again on the platform (`outcome`).

    `missing` counts the parts that are surely not there: the next apply loads them. What could not be told is among
    the outcome's `unfinished`.
    """

    outcome: Outcome
    mended: Mended | None
    missing: int
