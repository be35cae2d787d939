"""The figures of a run, counted from its journal alone, so that they are true on every path out of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from mics_iac.core import journal
from mics_iac.core.observed import FAILED, SUCCEEDED
from mics_iac.core.state import Cut


@dataclass(slots=True)
class Tally:
    """What a run did so far.

    `found` are parts that turned out to be loaded already. `ok` and `rejected` are records of the parts that this run
    sent, as far as it saw them settle. `cuts` say how it loaded what does not go out as it lies there, by address and
    path.
    """

    adopted: int = 0
    added: int = 0
    found: int = 0
    ok: int = 0
    rejected: int = 0
    cuts: dict[tuple[str, str], Cut] = field(default_factory=dict)
    _new: set[str] = field(default_factory=set)
    _creating: set[str] = field(default_factory=set)
    _changing: set[str] = field(default_factory=set)
    _sent: set[tuple[str, str]] = field(default_factory=set)
    _mine: set[tuple[str, str]] = field(default_factory=set)
    _failed: set[tuple[str, str]] = field(default_factory=set)
    _changed: set[str] = field(default_factory=set)
    _renamed: set[str] = field(default_factory=set)

    @property
    def loaded(self) -> int:
        """How many parts this run sent that were accepted and did not come to nothing, as far as it saw."""
        return len(self._mine - self._failed)

    @property
    def changed(self) -> int:
        """How many imports were changed in place; one that is new under its address was not, by a new key or guard."""
        return len(self._changed | (self._renamed - self._new))

    @property
    def left_out(self) -> int:
        """How many invalid records were left out of the files that this run loaded."""
        return sum(cut.dropped for cut in self.cuts.values())

    def add(self, entry: journal.Entry) -> None:
        """Count one entry."""
        match entry:
            case journal.ImportCreated():
                self.added += 1
                self._new.add(entry.address)
            case journal.CreateBegun():
                self._creating.add(entry.address)
            case journal.ImportAdopted() if entry.ours and entry.address in self._creating:
                # This run created it; only the answer was lost.
                self.added += 1
                self._new.add(entry.address)
            case journal.ImportAdopted():
                self.adopted += 1
                self._new.add(entry.address)
            case journal.ChangeBegun():
                self._changing.add(entry.address)
            case journal.ImportChanged() if entry.address in self._changing:
                self._changed.add(entry.address)
            case journal.GuardChanged():
                self._renamed.add(entry.address)
            case journal.ImportMoved():
                self._renamed.add(entry.target)
            case journal.SourceCut():
                self.cuts[entry.address, entry.cut.source] = entry.cut
            case journal.UploadBegun():
                self._sent.add((entry.address, entry.sha256))
            case journal.UploadAccepted():
                self._mine.add((entry.address, entry.id))
            case journal.ExecutionAdopted() if (entry.address, entry.sha256) in self._sent:
                self._mine.add((entry.address, entry.id))
            case journal.ExecutionAdopted():
                self.found += 1
            case journal.ExecutionSettled() if entry.status in FAILED:
                self._failed.add((entry.address, entry.id))
            case journal.ExecutionSettled() if (entry.address, entry.id) in self._mine and entry.status in SUCCEEDED:
                self._failed.discard((entry.address, entry.id))
                self.ok += entry.total_success or 0
                self.rejected += entry.total_failure or 0
            case _:
                pass
