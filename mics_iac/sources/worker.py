"""A process that reads local files for another one: jobs come in by its standard input, answers go out.

It ends when the other one does, whatever became of it: the pipe between them ends then. It never prints.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypeAlias

from mics_iac.core.content import Content
from mics_iac.documents.report import Report
from mics_iac.errors import SourceFailed, SourceUnfit
from mics_iac.sources.files import LocalFiles
from mics_iac.sources.source import Found, Reading
from mics_iac.sources.streams import Streams

# Stored bytes after which is told how far it came.
_STEP = 1_000_000


@dataclass(frozen=True, slots=True)
class Job:
    """A file to be read as `Source.read` does; with `check`, for the report of its records alone."""

    found: Found
    how: Reading
    check: bool = False


@dataclass(frozen=True, slots=True)
class More:
    """So many more stored bytes were read."""

    bytes: int


@dataclass(frozen=True, slots=True)
class Failed:
    """The job came to a SourceFailed; with a code, to a SourceUnfit, of which `message` leaves the path out."""

    message: str
    remedy: str | None
    code: str | None = None


Answer: TypeAlias = More | Content | Report | Failed


def work(root: str) -> None:
    """Do what comes in until nothing comes any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the other one's to act on
    jobs = Connection(os.dup(0), writable=False)
    answers = Connection(os.dup(1), readable=False)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):  # nothing else may come between the answers
        os.dup2(nowhere, descriptor)
    streams = Streams(LocalFiles(Path(root)), spool=Path(root))
    try:
        while True:
            job = jobs.recv()
            told = _Told(answers)
            answer: Content | Report | Failed
            try:
                do = streams.check if job.check else streams.read
                answer = do(job.found, job.how, watch=told.more)
            except SourceUnfit as unfit:
                answer = Failed(unfit.what, unfit.remedy, unfit.problem.code)
            except SourceFailed as failed:
                answer = Failed(failed.message, failed.remedy)
            told.flush()
            answers.send(answer)
    except (EOFError, OSError):
        return


class _Told:
    """Tells of bytes that were read, some at a time."""

    def __init__(self, answers: Connection) -> None:
        self._answers = answers
        self._more = 0

    def more(self, more: int) -> None:
        self._more += more
        if self._more >= _STEP:
            self.flush()

    def flush(self) -> None:
        if self._more:
            self._answers.send(More(self._more))
            self._more = 0
