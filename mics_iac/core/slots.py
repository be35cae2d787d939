"""What stands behind each address while it is being written: the values of the state, thawed.

Pure. Only `core/ledger` changes these, one entry at a time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias, assert_never

import msgspec

from mics_iac.core import journal
from mics_iac.core.observed import ENDED, RUNNING
from mics_iac.core.settings import Settings
from mics_iac.core.state import Cut, Doubt, Execution, Incarnation, Refusal, Stranger

Outcome: TypeAlias = journal.UploadAccepted | journal.UploadDoubted | journal.UploadAbandoned | journal.UploadRefused
"""What became of an upload that began."""


CutKey: TypeAlias = tuple[str, str, tuple[int, ...]]
"""Path and sha256 of a source, and where its pieces end: what was sent of one cut is not forgotten for another one."""


def cut_key(cut: Cut) -> CutKey:
    """What tells a cut apart from others of the same import."""
    return cut.source, cut.sha256, tuple(piece.end for piece in cut.pieces)


@dataclass(slots=True)
class HeldImport:
    """One incarnation while it is being written."""

    id: str
    settings: Settings
    adopted: bool = False
    gone: bool = False
    executions: dict[str, Execution] = field(default_factory=dict)
    doubts: dict[str, Doubt] = field(default_factory=dict)
    refusals: dict[tuple[str, int, str], Refusal] = field(default_factory=dict)
    strangers: dict[str, Stranger] = field(default_factory=dict)
    cuts: dict[CutKey, Cut] = field(default_factory=dict)

    @classmethod
    def thaw(cls, value: Incarnation) -> HeldImport:
        """The same, to be written to."""
        return cls(
            value.id,
            value.settings,
            value.adopted,
            value.gone,
            {e.id: e for e in value.executions},
            {d.attempt: d for d in value.doubts},
            {(r.source, r.part, r.sha256): r for r in value.refusals},
            {s.id: s for s in value.strangers},
            {cut_key(c): c for c in value.cuts},
        )

    def freeze(self) -> Incarnation:
        """The same as a value; what the ledger holds is no stranger any more."""
        return Incarnation(
            self.id,
            self.settings,
            self.adopted,
            self.gone,
            tuple(self.executions.values()),
            tuple(self.doubts.values()),
            tuple(self.refusals.values()),
            tuple(s for s in self.strangers.values() if s.id not in self.executions),
            tuple(self.cuts.values()),
        )

    def begin(self, entry: journal.UploadBegun) -> None:
        """An upload into this import began: a doubt from now on."""
        self.doubts[entry.attempt] = Doubt(
            entry.attempt,
            entry.source,
            entry.part,
            entry.sha256,
            entry.bytes,
            entry.records,
            entry.lines,
            entry.strangers,
        )

    def end(self, entry: Outcome) -> Execution | None:
        """An upload of this import came to this; the execution that it became, if it did."""
        doubt = self.doubts[entry.attempt]
        match entry:
            case journal.UploadDoubted():
                self.doubts[entry.attempt] = msgspec.structs.replace(doubt, body_left=entry.body_left)
                return None
            case journal.UploadAbandoned():
                del self.doubts[entry.attempt]
                return None
            case journal.UploadRefused():
                del self.doubts[entry.attempt]
                refusal = Refusal(doubt.source, doubt.part, doubt.sha256, entry.status)
                self.refusals[refusal.source, refusal.part, refusal.sha256] = refusal
                return None
            case journal.UploadAccepted():
                del self.doubts[entry.attempt]
                return self._accept(doubt, entry)
            case _:
                assert_never(entry)

    def adopt(self, entry: journal.ExecutionAdopted) -> Execution:
        """An execution of this import turned out to be this part: what was in doubt about these bytes is settled."""
        for attempt in [a for a, d in self.doubts.items() if d.sha256 == entry.sha256]:
            del self.doubts[attempt]
        return self._accept(entry, entry)

    def read(self, entry: journal.StrangerRead | journal.StrangerDismissed) -> None:
        """Something was learned of the bytes of an execution that somebody else made."""
        known = self.strangers.get(entry.id, Stranger(entry.id))
        match entry:
            case journal.StrangerRead():
                known = msgspec.structs.replace(known, sha256=entry.sha256)
            case journal.StrangerDismissed():
                known = msgspec.structs.replace(known, not_=tuple(sorted({*known.not_, entry.sha256})))
            case _:
                assert_never(entry)
        self.strangers[entry.id] = known

    def bring(self, other: HeldImport) -> None:
        """Take over what is known of the same import from when a person forgot it."""
        self.executions = {**other.executions, **self.executions}
        self.refusals = {**other.refusals, **self.refusals}
        self.strangers = {**other.strangers, **self.strangers}
        self.cuts = {**other.cuts, **self.cuts}

    def _accept(
        self,
        part: Doubt | journal.ExecutionAdopted,
        answer: journal.UploadAccepted | journal.ExecutionAdopted,
    ) -> Execution:
        self.refusals.pop((part.source, part.part, part.sha256), None)
        self.strangers.pop(answer.id, None)
        # One that has ended already is waited for all the same: its counts are recorded by its settling alone, and the
        # run may die before that.
        status = RUNNING if answer.status in ENDED else answer.status
        self.executions[answer.id] = Execution(
            answer.id,
            part.source,
            part.part,
            part.sha256,
            part.bytes,
            part.records,
            status,
            answer.creation_date,
        )
        return self.executions[answer.id]


@dataclass(slots=True)
class Slot:
    """What stands behind one address while it is being written; `former` holds the newest last."""

    current: HeldImport
    protect: bool
    former: list[HeldImport]

    def all(self) -> list[HeldImport]:
        """Every import that stood here, that of today first."""
        return [self.current, *reversed(self.former)]

    def of(self, import_id: str) -> HeldImport | None:
        """The import of this id that stands or stood here."""
        return next((i for i in self.all() if i.id == import_id), None)

    def sending(self, attempt: str) -> HeldImport | None:
        """The import that this upload began to go into, while its outcome is not known."""
        return next((i for i in self.all() if attempt in i.doubts), None)
