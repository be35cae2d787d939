"""What stands behind each address while it is being written: the values of the state, thawed.

Pure. Only `core/ledger` changes these, one entry at a time.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mics_iac.core.settings import Settings
from mics_iac.core.state import Doubt, Execution, Incarnation, Refusal, Stranger


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
        )


@dataclass(slots=True)
class Slot:
    """What stands behind one address while it is being written; `former` holds the newest last."""

    current: HeldImport
    protect: bool
    former: list[HeldImport]

    def all(self) -> list[HeldImport]:
        """Every import that stood here, that of today first."""
        return [self.current, *reversed(self.former)]
