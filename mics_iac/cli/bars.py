"""Progress bars on a terminal. The only module that knows rich.

All text goes through `safe`, and none is read as rich's own markup: a file name cannot recolour or move anything.
"""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from mics_iac.cli.screen import Screen
from mics_iac.core.plan import Plan
from mics_iac.core.progress import Listing, Reading, Sending, Told, Waiting
from mics_iac.reporting.entries import progress_line
from mics_iac.reporting.lines import safe
from mics_iac.reporting.scene import Part, Scene

_BARS = 4  # so many files at once get a bar of their own; there are as many transfers, as a rule


class Bars:
    """One bar for each stage, one for each file on its way, and the lines that are worth one above them."""

    def __init__(self, screen: Screen, *, console: Console | None = None) -> None:
        self.scene = Scene(every=screen.verbose)
        self._guard = threading.Lock()
        self._console = console or Console(
            stderr=True, no_color=not screen.colored_err, highlight=False, markup=False, emoji=False
        )
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
        )
        self._stages: dict[str, TaskID] = {}
        self._files: dict[Part, TaskID] = {}

    def tell(self, told: Told) -> None:
        """Count it, move the bars, and print what is worth a line."""
        with self._guard:
            lines = self.scene.tell(told)
            match told:
                case Reading():
                    self._stage("reading", progress_line(told), told.done, told.total)
                case Listing():
                    self._stage("listing", progress_line(told), told.done, told.total)
                case Waiting():
                    self._stage("waiting", progress_line(told), 0, None)
                case Sending():
                    self._file(told)
                    self._stage_of_files()
                case _:
                    self._drop_landed()
                    self._stage_of_files()
            for text in lines:
                self._console.print(Text(safe(text)), soft_wrap=True)

    def expect(self, plan: Plan) -> None:
        """Know the totals; the stages that led to the plan are over."""
        with self._guard:
            self.scene.expect(plan)
            for task in self._stages.values():
                self._progress.remove_task(task)
            self._stages.clear()

    def pause(self) -> None:
        """Take the bars off the terminal."""
        self._progress.stop()

    def resume(self) -> None:
        """Put them back."""
        self._progress.start()

    def _stage(self, name: str, text: str, done: int, total: int | None) -> None:
        if total is not None and done >= total:
            if name in self._stages:
                self._progress.remove_task(self._stages.pop(name))
        elif name in self._stages:
            self._progress.update(self._stages[name], description=safe(text), completed=done, total=total)
        else:
            self._stages[name] = self._progress.add_task(safe(text), completed=done, total=total)

    def _stage_of_files(self) -> None:
        if self.scene.files:
            sent = self.scene.bytes_sent + sum(s.sent for s in self.scene.in_flight.values())
            self._stage("sending", self.scene.sending(), sent, self.scene.bytes)

    def _file(self, sending: Sending) -> None:
        part = (sending.address, sending.source, sending.part)
        text = safe(progress_line(sending))
        if part in self._files:
            self._progress.update(self._files[part], description=text, completed=sending.sent, total=sending.total)
        elif len(self._files) < _BARS:
            self._files[part] = self._progress.add_task(text, completed=sending.sent, total=sending.total)

    def _drop_landed(self) -> None:
        for part in [p for p in self._files if p not in self.scene.in_flight]:
            self._progress.remove_task(self._files.pop(part))

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
