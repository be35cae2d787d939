"""What came of moving a state to another place. A pure value; made by `engine/moving`, shown by `state migrate`."""

from __future__ import annotations

from dataclasses import dataclass

from mics_iac.core.place import StatePlace
from mics_iac.core.state import State


@dataclass(frozen=True, slots=True)
class Migration:
    """The state that is live at the target, and how many backups stand there. `already`: it was so before."""

    source: StatePlace
    target: StatePlace
    state: State
    backups: int
    already: bool = False
