"""What stands behind each address, for the eye and for machines. Pure values; made by `engine/workflow.status`."""

from __future__ import annotations

import msgspec

from mics_iac.core.settings import Settings
from mics_iac.core.state import Cut, Doubt, Execution


class ImportStatus(msgspec.Struct, frozen=True):
    """One import and its executions, newest last.

    `id` is None where nothing was created yet; `gone` where the platform no longer has it. `declared` is False for an
    address that only the state holds. `former` are ids of imports that it replaced. `cuts` say how sources were loaded
    that did not go out as they lie there.
    """

    address: str
    id: str | None
    settings: Settings
    declared: bool
    protect: bool
    adopted: bool
    gone: bool
    executions: tuple[Execution, ...]
    doubts: tuple[Doubt, ...]
    former: tuple[str, ...] = ()
    cuts: tuple[Cut, ...] = ()

    @property
    def by_status(self) -> dict[str, int]:
        """How many executions there are of each status."""
        counts: dict[str, int] = {}
        for execution in self.executions:
            counts[execution.status] = counts.get(execution.status, 0) + 1
        return counts


class Status(msgspec.Struct, frozen=True):
    """All imports of one environment, by address. `refreshed`: the platform was asked, not the state alone."""

    api_url: str
    environment: str | None
    lineage: str | None
    serial: int
    refreshed: bool
    imports: tuple[ImportStatus, ...]
