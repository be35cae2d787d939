"""A state in a file that is treated like one in a distant store: much under way at once, and answers that are trusted.

No time passes on the way to it, so what it shows does not depend on how fast the machine is.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mics_iac.core.clock import Clock
from mics_iac.store.backend import LockInfo
from mics_iac.store.file import FileBackend

EVERYWHERE = pytest.mark.parametrize("rig", ["file", "distant"], indirect=True)


class AfarBackend(FileBackend):
    """`on_check` happens when it was found that the lock is held, and before anybody is told."""

    distant = True

    def __init__(self, path: Path, *, clock: Clock, on_check: Callable[[], None] = lambda: None) -> None:
        super().__init__(path, clock=clock)
        self._on_check = on_check

    def check(self, info: LockInfo) -> None:
        super().check(info)
        self._on_check()
