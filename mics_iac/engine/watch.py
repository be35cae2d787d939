"""Which imports must be looked at again, and when: one listing an import a round, however many executions it has.

Values and arithmetic only. Moments are monotonic seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from mics_iac.core.ledger import Loaded
from mics_iac.core.observed import RemoteExecution

# Seconds between two looks at an import: the first pause, and the longest. The vendor's own pages look every 5
# (mediarithmics-api.md 3.3, seen in client code).
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 10.0
_GROWTH = 1.5


@dataclass(slots=True, eq=False)
class Watched:
    """One import of the platform that is looked at in rounds.

    `unsettled` are executions of ours by id. `due` is the moment of the next look, None while there is nothing to look
    for or a look is under way. `failed` counts the looks in a row that brought nothing.
    """

    address: str
    import_id: str
    datamart_id: str
    unsettled: dict[str, Loaded] = field(default_factory=dict)
    due: float | None = None
    pause: float = FIRST_PAUSE
    failed: int = 0
    busy: bool = False

    def look_at(self, moment: float) -> None:
        """Be looked at no later than this."""
        self.due = moment if self.due is None else min(self.due, moment)

    def next_round(self, now: float) -> None:
        """Be looked at after a pause that grows from round to round."""
        self.look_at(now + self.pause)
        self.pause = min(self.pause * _GROWTH, LONGEST_PAUSE)

    def hurry(self, now: float) -> None:
        """Something new is to be looked for: begin with short pauses again."""
        self.pause = FIRST_PAUSE
        self.next_round(now)

    def enough(self, read: Sequence[RemoteExecution]) -> bool:
        """Whether these executions of a listing, newest first, include all that are waited for."""
        return self.unsettled.keys() <= {e.id for e in read}
