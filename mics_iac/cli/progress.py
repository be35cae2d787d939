"""What is seen while a run goes on: nothing, plain lines now and then, or bars on a terminal (`bars.py`).

Told from many threads at once. What is worth a line is decided by `reporting/scene.py`.
"""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Protocol, Self

from mics_iac.cli.screen import Screen
from mics_iac.core.plan import Plan
from mics_iac.core.progress import Told
from mics_iac.reporting.lines import line
from mics_iac.reporting.scene import Scene

BEAT = 10.0  # seconds between two signs of life


class Display(Protocol):
    """Shows a run; a context manager around it."""

    scene: Scene

    def tell(self, told: Told) -> None:
        """One thing happened; from any thread."""
        ...

    def expect(self, plan: Plan) -> None:
        """This is what will be done from now on."""
        ...

    def pause(self) -> None:
        """Leave the terminal alone: somebody else writes to it now."""
        ...

    def resume(self) -> None:
        """Go on."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Heartbeat:
    """Plain lines: what is worth one at once, where it stands every ten seconds. With `quiet` it only counts."""

    def __init__(self, screen: Screen, *, beat: float = BEAT) -> None:
        self.scene = Scene(every=screen.verbose)
        self._screen = screen
        self._beat = beat
        self._guard = threading.Lock()
        self._over = threading.Event()
        self._quiet_until_resumed = False
        self._pulse = threading.Thread(target=self._live, name="heartbeat", daemon=True)

    def tell(self, told: Told) -> None:
        """Count it, and say what is worth a line."""
        with self._guard:
            self._say(self.scene.tell(told))

    def expect(self, plan: Plan) -> None:
        """Know the totals."""
        with self._guard:
            self.scene.expect(plan)

    def pause(self) -> None:
        """No sign of life until resumed."""
        self._quiet_until_resumed = True

    def resume(self) -> None:
        """Signs of life again."""
        self._quiet_until_resumed = False

    def _live(self) -> None:
        while not self._over.wait(self._beat):
            if not self._quiet_until_resumed:
                with self._guard:
                    self._say(self.scene.beat())

    def _say(self, lines: list[str]) -> None:
        if lines and not self._screen.quiet:
            self._screen.warn([line(text) for text in lines])

    def __enter__(self) -> Self:
        if not self._screen.quiet:
            self._pulse.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._pulse.is_alive():
            self._pulse.join()


def display_for(screen: Screen) -> Display:
    """Bars where somebody sees them, lines elsewhere."""
    if screen.err_terminal and not screen.quiet and screen.environ.get("TERM") != "dumb":
        from mics_iac.cli.bars import Bars  # noqa: PLC0415 (rich costs 100 ms that a run without a terminal need not pay)

        return Bars(screen)
    return Heartbeat(screen)
