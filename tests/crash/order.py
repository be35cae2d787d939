"""Lets the threads of an apply take turns, so that its effects come in the same order whenever it is run.

Else the n-th effect would be another one each time, and one of them might never go wrong. Knows nothing of mishaps but
that after one the order does not matter.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping

from mics_iac.core.journal import ImportChanged, ImportCreated, UploadAccepted
from mics_iac.core.progress import Told
from mics_iac.engine.world import Stop


class Order(Stop):
    """Nothing is begun for an import before all parts of the one before it were accepted.

    It is where a run asks whether it may go on. `parts` says how many parts each import has to send; where it says
    nothing, nobody waits.
    """

    def __init__(self, parts: Mapping[str, int]) -> None:
        super().__init__()
        self._parts = parts
        self._turn = threading.Condition()
        self._awaited = 0
        self._over = False

    def tell(self, told: Told) -> None:
        """Take in what the run tells of itself."""
        with self._turn:
            match told:
                case ImportCreated() | ImportChanged():
                    self._awaited += self._parts.get(told.address, 0)
                case UploadAccepted():
                    self._awaited -= 1
                    self._turn.notify_all()
                case _:
                    pass

    def end(self) -> None:
        """From now on everything goes as it comes."""
        with self._turn:
            self._over = True
            self._turn.notify_all()

    def check(self) -> None:
        """Wait for one's turn."""
        super().check()
        with self._turn:
            self._turn.wait_for(lambda: self._over or self._awaited <= 0)
