"""Where a run stands: figures folded from all that is told, for progress bars and for heartbeats.

Pure. What is worth a line of its own is decided here, so that 10,000 files do not make 10,000 lines; how often
somebody looks, and where lines go, is the caller's. Not thread-safe.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from mics_iac.core import journal
from mics_iac.core.observed import SUCCEEDED
from mics_iac.core.plan import Plan, Upload, count
from mics_iac.core.progress import Decided, Failure, Listing, Notice, Reading, Sending, Told, Waiting
from mics_iac.core.tally import Tally
from mics_iac.reporting.entries import Narration, progress_line
from mics_iac.reporting.figures import counted, number, size
from mics_iac.reporting.findings import record_lines
from mics_iac.reporting.summary import uploads_summary

Part: TypeAlias = tuple[str, str, int]  # address, source, number

LINES_A_BEAT = 20  # more than a person reads in ten seconds


@dataclass(slots=True)
class _Loading:
    """What became of the parts of one import so far."""

    planned: int
    noun: str
    ended: int = 0
    loaded: int = 0
    ok: int = 0
    rejected: int = 0


@dataclass(slots=True)
class Scene:
    """The figures; `every` makes a line of each thing that happens."""

    every: bool = False
    reading: Reading | None = None
    listing: Listing | None = None
    waiting: Waiting | None = None
    files: int = 0
    files_sent: int = 0
    bytes: int = 0
    bytes_sent: int = 0
    noun: str = "file"
    in_flight: dict[Part, Sending] = field(default_factory=dict)
    failures: int = 0
    unsettled: set[tuple[str, str]] = field(default_factory=set)  # (address, execution) that this run began
    tally: Tally = field(default_factory=Tally)
    plan: Plan | None = None
    happened: Counter[str] = field(default_factory=Counter)
    _imports: dict[str, _Loading] = field(default_factory=dict)
    _sizes: dict[Part, int] = field(default_factory=dict)
    _attempts: dict[str, Part] = field(default_factory=dict)
    _narration: Narration = field(default_factory=Narration)
    _lines: int = 0
    _unsaid: int = 0

    def expect(self, plan: Plan) -> None:
        """Know what there is to do, once it is decided to do it; of what must be read first nothing is known yet."""
        self.plan = plan
        if plan.fetches:
            return
        self.files, self.bytes = len(plan.uploads), sum(u.bytes for u in plan.uploads)
        self._sizes = {(u.address, u.source, u.part): u.bytes for u in plan.uploads}
        self.noun = _noun(plan.uploads)
        by_address: dict[str, list[Upload]] = {}
        for upload in plan.uploads:
            by_address.setdefault(upload.address, []).append(upload)
        self._imports = {address: _Loading(len(some), _noun(some)) for address, some in by_address.items()}

    def tell(self, told: Told) -> list[str]:
        """Fold one thing in; the lines that it is worth."""
        text = self._narration.line(told)
        lines: list[str] = []
        match told:
            case Reading():
                # It may begin once more after the platform was asked.
                self.reading, self.listing = told, None
            case Listing():
                self.listing = told
            case Sending():
                self.waiting = None
                self.in_flight[told.address, told.source, told.part] = told
            case Waiting():
                self.waiting = told
            case Failure():
                self.failures += 1
                lines += [text] if text is not None else []
                lines += self._ended(told.address) if told.source is not None else []
            case Notice():
                lines += [text] if text is not None else []
            case Decided():
                self.expect(told.plan)
                lines += _decided_lines(told.plan)
            case _:
                self.tally.add(told)
                lines += self._entry(told, text)
        return self._rationed(lines)

    def beat(self) -> list[str]:
        """What to say when some time has gone by: where the run stands now, and how many lines were held back."""
        held, self._lines, self._unsaid = self._unsaid, 0, 0
        lines = [f"... and {counted(held, 'more line')} not shown (all with --verbose)"] if held else []
        return [*lines, self.now()]

    def now(self) -> str:
        """Where the run stands, in one line."""
        if self.waiting is None and self.files and (self.files_sent < self.files or self.in_flight):
            return self.sending() + self._also()
        for stage in (self.waiting, self.listing, self.reading):
            if stage is not None:
                return progress_line(stage) + self._also()
        return "working" + self._also()

    def sending(self) -> str:
        """How many of the files, and of their bytes, have left."""
        sent = self.bytes_sent + sum(s.sent for s in self.in_flight.values())
        figures = f"{number(self.files_sent)} of {counted(self.files, self.noun)}, {size(sent)} of {size(self.bytes)}"
        return f"sending: {figures}"

    def _also(self) -> str:
        done = [f"{number(n)} {what}" for what, n in self.happened.items()]
        done += [f"{number(self.failures)} failed"] if self.failures else []
        return f" ({', '.join(done)})" if done else ""

    def _entry(self, entry: journal.Entry, text: str | None) -> list[str]:
        """The lines of an entry: of imports each one, of parts those that went wrong and the last of an import."""
        line = [text] if text is not None else []
        shown = line if self.every else []
        match entry:
            case journal.ImportCreated():
                self.happened["created"] += 1
                return line
            case journal.UploadBegun():
                self._attempts[entry.attempt] = (entry.address, entry.source, entry.part)
                return shown
            case journal.UploadAccepted():
                self.unsettled.add((entry.address, entry.id))
                self._sent(self._attempts.pop(entry.attempt, None))
                return shown
            case journal.ExecutionAdopted():
                self.unsettled.add((entry.address, entry.id))
                self._sent((entry.address, entry.source, entry.part))
                return line
            case journal.UploadAbandoned() | journal.UploadRefused():
                self.in_flight.pop(self._attempts.pop(entry.attempt, ("", "", 0)), None)
                return line
            case journal.ExecutionSettled():
                self.unsettled.discard((entry.address, entry.id))
                well = entry.status in SUCCEEDED and not entry.total_failure
                return [*(shown if well else line), *self._settled(entry)]
            case _:
                return line

    def _sent(self, part: Part | None) -> None:
        if part is not None:
            self.in_flight.pop(part, None)
            self.files_sent += 1
            self.bytes_sent += self._sizes.get(part, 0)

    def _settled(self, entry: journal.ExecutionSettled) -> list[str]:
        if (loading := self._imports.get(entry.address)) is not None:
            loading.loaded += entry.status in SUCCEEDED
            loading.ok += entry.total_success or 0
            loading.rejected += entry.total_failure or 0
        return self._ended(entry.address)

    def _ended(self, address: str) -> list[str]:
        """Count a part that came to its end; the line of its import when it was the last one."""
        loading = self._imports.get(address)
        if loading is None:
            return []
        loading.ended += 1
        if loading.ended != loading.planned:
            return []
        figures = f"{counted(loading.ok, 'record')} ok, {number(loading.rejected)} rejected"
        return [f"{address}: {number(loading.loaded)} of {counted(loading.planned, loading.noun)} loaded ({figures})"]

    def _rationed(self, lines: list[str]) -> list[str]:
        if self.every:
            return lines
        room = max(0, LINES_A_BEAT - self._lines)
        self._lines += min(room, len(lines))
        self._unsaid += max(0, len(lines) - room)
        return lines[:room]


def _noun(uploads: Sequence[Upload]) -> str:
    """What these are: files, or parts of files where there are more of them than files."""
    return "file" if len({(u.address, u.source) for u in uploads}) == len(uploads) else "part"


def _decided_lines(plan: Plan) -> list[str]:
    """What the plan came to once the remote files were read: nobody has seen that yet."""
    found = record_lines(plan.checked)
    return [
        "remote files are read",
        uploads_summary(count(plan)),
        *("".join(s.text for s in one.spans) for one in found),
    ]
