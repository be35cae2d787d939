"""What the ledger answers when it is asked about contents: where one was loaded, where one is in doubt. Pure values."""

from __future__ import annotations

from dataclasses import dataclass

from mics_iac.core.observed import ENDED, FAILED
from mics_iac.core.settings import Settings
from mics_iac.core.state import Cut, Doubt, Execution


@dataclass(frozen=True, slots=True)
class Loaded:
    """Where a content stands in the ledger; `gone`: the platform no longer has the import that it went into."""

    address: str
    import_id: str
    execution: Execution
    gone: bool = False

    @property
    def failed(self) -> bool:
        """Whether its execution came to nothing, so that the content does not count as loaded."""
        return self.execution.status in FAILED

    @property
    def lost_sight(self) -> bool:
        """Whether nobody can tell any more what became of it: its import was deleted before it had ended."""
        return self.gone and self.execution.status not in ENDED

    @property
    def counts(self) -> bool:
        """Whether the content counts as loaded."""
        return not (self.failed or self.lost_sight)


@dataclass(frozen=True, slots=True)
class FoundCut:
    """How a source is loaded in pieces, and the import that it goes into."""

    address: str
    import_id: str
    kind: tuple[str, str]
    cut: Cut


@dataclass(frozen=True, slots=True)
class Doubting:
    """An import that is there, and its uploads whose outcome is not known; `current`: not replaced by another."""

    address: str
    import_id: str
    settings: Settings
    doubts: tuple[Doubt, ...]
    current: bool


@dataclass(frozen=True, slots=True)
class OpenDoubt:
    """An upload of this content into an import, whose answer was lost; `askable` while that import is there to ask."""

    address: str
    import_id: str
    kind: tuple[str, str]
    source: str
    part: int
    sha256: str
    askable: bool
