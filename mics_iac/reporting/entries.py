"""What is told while a run goes on, one human line each, or none where a line would say nothing. Pure."""

from __future__ import annotations

from typing import assert_never

from mics_iac.core import journal
from mics_iac.core.observed import SUCCEEDED
from mics_iac.core.progress import Decided, Failure, Listing, Notice, Reading, Sending, Told, Waiting
from mics_iac.reporting.figures import counted, number, size


class Narration:
    """Puts what is told into words; remembers which attempt is which file. Not thread-safe."""

    def __init__(self) -> None:
        self._attempts: dict[str, str] = {}
        self._executions: dict[tuple[str, str], str] = {}

    def line(self, told: Told) -> str | None:
        """The line, None where there is nothing worth one."""
        match told:
            case Reading() | Listing() | Sending() | Waiting():
                return progress_line(told)
            case Failure():
                where = told.address if told.source is None else f"{told.address}: {told.source}"
                return f"{where}: failed: {told.error.message}"
            case Notice():
                return told.text
            case Decided():
                return None
            case _:
                return self._entry(told)

    def _entry(self, entry: journal.Entry) -> str | None:
        match entry:
            case (
                journal.RunBegun()
                | journal.CreateBegun()
                | journal.ChangeBegun()
                | journal.CreateAbandoned()
                | journal.StrangerRead()
                | journal.SourceCut()
            ):
                return None
            case journal.ImportCreated():
                return f"{entry.address}: created ({entry.id})"
            case journal.ImportAdopted():
                why = ", the outcome of a creation whose answer was lost" if entry.ours else ""
                return f"{entry.address}: adopted {entry.id}{why}"
            case journal.ImportChanged():
                return f"{entry.address}: changed"
            case journal.GuardChanged():
                return f"{entry.address}: {'protected' if entry.protect else 'no longer protected'}"
            case journal.ImportGone():
                return f"{entry.address}: the platform no longer has import {entry.id}"
            case journal.ImportMoved():
                return f"{entry.target}: renamed from {entry.source}"
            case journal.ImportForgotten():
                return f"{entry.address}: forgotten"
            case journal.StrangerDismissed():
                return f"{entry.address}: execution {entry.id} is none of ours"
            case _:
                return self._upload(entry)

    def _upload(
        self,
        entry: journal.UploadBegun
        | journal.UploadAccepted
        | journal.UploadDoubted
        | journal.UploadAbandoned
        | journal.UploadRefused
        | journal.ExecutionAdopted
        | journal.ExecutionSettled,
    ) -> str | None:
        match entry:
            case journal.UploadBegun():
                self._attempts[entry.attempt] = _file(entry.source, entry.part)
                return None
            case journal.UploadAccepted():
                file = self._attempts.pop(entry.attempt, "a file")
                self._executions[entry.address, entry.id] = file
                return f"{entry.address}: {file} sent, execution {entry.id}"
            case journal.UploadDoubted():
                file = self._attempts.get(entry.attempt, "a file")
                return f"{entry.address}: {file}: the answer was lost, looking for its execution ({entry.reason})"
            case journal.UploadAbandoned():
                file = self._attempts.pop(entry.attempt, "a file")
                # Of those that were not even tried, the end of the run tells how many there are.
                return f"{entry.address}: {file} did not arrive: {entry.reason}" if entry.reason else None
            case journal.UploadRefused():
                file = self._attempts.pop(entry.attempt, "a file")
                return f"{entry.address}: {file} refused with HTTP {entry.status}: {entry.reason}"
            case journal.ExecutionAdopted():
                file = _file(entry.source, entry.part)
                self._executions[entry.address, entry.id] = file
                return f"{entry.address}: {file} is execution {entry.id}: the bytes are equal"
            case journal.ExecutionSettled():
                return self._settled(entry)
            case _:
                assert_never(entry)

    def _settled(self, entry: journal.ExecutionSettled) -> str:
        file = self._executions.pop((entry.address, entry.id), f"execution {entry.id}")
        if entry.status not in SUCCEEDED:
            return f"{entry.address}: {file} {entry.status}" + (f": {entry.message}" if entry.message else "")
        ok = counted(entry.total_success or 0, "record")
        return f"{entry.address}: {file} loaded ({ok} ok, {number(entry.total_failure or 0)} rejected)"


def progress_line(told: Reading | Listing | Sending | Waiting) -> str:
    """What is going on right now."""
    match told:
        case Reading():
            return f"reading files: {size(told.done)} of {size(told.total)}"
        case Listing():
            return f"asking the platform: {number(told.done)} of {number(told.total)} lists"
        case Sending():
            return f"sending {told.address}: {_file(told.source, told.part)}: {size(told.sent)} of {size(told.total)}"
        case Waiting():
            doubts = f"{counted(told.doubts, 'upload')} in doubt"
            if not told.unsettled and told.doubts:
                return f"waiting to find out about {doubts}"
            also = f", {doubts}" if told.doubts else ""
            return f"waiting for {counted(told.unsettled, 'execution')} to end{also}"


def _file(source: str, part: int) -> str:
    return source if part == 1 else f"{source} [part {part}]"
