"""Who runs what, against which platform: what a run says of itself in lock and journal."""

from __future__ import annotations

from dataclasses import dataclass, field

from mics_iac.store.backend import LockInfo, Process
from mics_iac.store.process import this_process
from mics_iac.store.shelter import Shelter


@dataclass(frozen=True, slots=True)
class RunContext:
    """Who runs what, against which platform: what goes into lock and journal.

    `run` is a new id, which is the lock's id too; `lineage` is the one that the state gets if there is none yet.
    `version` is that of mics-iac. `reason` and `run_url` are for people who meet the lock.
    """

    run: str
    command: str
    who: str
    api_url: str
    environment: str | None
    version: str
    lineage: str
    reason: str | None = None
    run_url: str | None = None
    process: Process = field(default_factory=this_process)
    shelter: Shelter | None = None

    def claim(self) -> LockInfo:
        """The lock that the run asks for."""
        return LockInfo(
            id=self.run,
            who=self.who,
            operation=self.command,
            process=self.process,
            reason=self.reason,
            run_url=self.run_url,
        )
