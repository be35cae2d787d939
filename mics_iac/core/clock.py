"""The clock as a value: who needs the time, or needs to wait, is given one of these.

Pure. The real clock lives in `engine/world`; tests bring one that moves by itself.
"""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """What time it is, how long something took, and a wait that can be woken."""

    def now(self) -> float:
        """Seconds since the epoch; may jump when somebody sets the machine's clock."""
        ...

    def monotonic(self) -> float:
        """Seconds since some moment; never jumps. For measuring and for deadlines."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait that long; raises `Interrupted` at once when the run is asked to stop."""
        ...
