"""The figures of a run, counted from its journal alone, so that they are true on every path out of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from mics_iac.core import journal
from mics_iac.core.observed import SUCCEEDED


@dataclass(slots=True)
class Tally:
    """What a run did so far. `ok` and `rejected` are records of the executions that this run saw settle."""

    adopted: int = 0
    added: int = 0
    loaded: int = 0
    ok: int = 0
    rejected: int = 0
    _changed: set[str] = field(default_factory=set)
    _fresh: set[str] = field(default_factory=set)

    @property
    def changed(self) -> int:
        """How many imports were changed in place."""
        return len(self._changed)

    def add(self, entry: journal.Entry) -> None:
        """Count one entry."""
        match entry:
            case journal.ImportCreated():
                self.added += 1
            case journal.ImportAdopted():
                self.adopted += 1
            case journal.ChangeBegun():
                self._fresh.add(entry.address)
            case journal.ImportChanged() if entry.address in self._fresh:
                self._changed.add(entry.address)
            case journal.GuardChanged():
                self._changed.add(entry.address)
            case journal.ImportMoved():
                self._changed.add(entry.target)
            case journal.UploadAccepted() | journal.ExecutionAdopted():
                self.loaded += 1
            case journal.ExecutionSettled() if entry.status in SUCCEEDED:
                self.ok += entry.total_success or 0
                self.rejected += entry.total_failure or 0
            case _:
                pass
