"""What is going on right now: values for the eye alone. What *happened* is an Entry of the journal.

Pure. Nothing depends on these being seen.
"""

from __future__ import annotations

from dataclasses import dataclass

from mics_iac.core.journal import Entry
from mics_iac.core.plan import Plan
from mics_iac.errors import MicsError


@dataclass(frozen=True, slots=True)
class Reading:
    """Files are being fingerprinted: how many of how many bytes are read."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Listing:
    """The platform is being listed: how many of how many datamarts and imports were asked for."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Sending:
    """A part is on its way: how many of its bytes have left; `sent` may fall back to 0 when it is begun again."""

    address: str
    source: str
    part: int
    sent: int
    total: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """Nothing to send is left: how many executions have not settled, and how many uploads are in doubt."""

    unsettled: int
    doubts: int


@dataclass(frozen=True, slots=True)
class Failure:
    """An action failed; others go on. `source` is None where the import itself failed."""

    address: str
    source: str | None
    error: MicsError


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a person may want to know: a lock that is waited for, a platform that asks to slow down."""

    text: str


@dataclass(frozen=True, slots=True)
class Decided:
    """This is what will be done, now that all is read that was not read for the plan which was approved."""

    plan: Plan


Progress = Reading | Listing | Sending | Waiting | Failure | Notice | Decided
Told = Entry | Progress
