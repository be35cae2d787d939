"""Worker processes, started when they are needed and kept for the next job.

They are started as a plain program, not by `multiprocessing`: that would run the user's script once more in each of
them. Two pipes are all that they have in common with this process.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path

from mics_iac.core.content import Content
from mics_iac.documents.report import Report
from mics_iac.errors import SourceFailed, SourceUnfit
from mics_iac.sources.source import Watch
from mics_iac.sources.worker import Failed, Job, More

# It finds the modules where this process found them.
_PROGRAM = "import sys; sys.path[:] = sys.argv[2:]; from mics_iac.sources.worker import work; work(sys.argv[1])"
# Seconds that a worker has to end by itself.
_PATIENCE = 2.0


class Gone(Exception):
    """A worker could not be started, or ended before it answered."""


class Worker:
    """One process. For one thread at a time."""

    def __init__(self, root: Path) -> None:
        try:
            theirs, ours = os.pipe()
            self._jobs = Connection(ours, readable=False)
            answers, theirs_too = os.pipe()
            self._answers = Connection(answers, writable=False)
            try:
                # A group of its own: Ctrl-C at the terminal is for this process.
                self._process = subprocess.Popen(  # noqa: S603 - this very interpreter
                    [sys.executable, "-c", _PROGRAM, str(root), *sys.path],
                    stdin=theirs,
                    stdout=theirs_too,
                    stderr=subprocess.DEVNULL,
                    process_group=0,
                )
            finally:
                os.close(theirs)
                os.close(theirs_too)
        except (OSError, ValueError) as error:
            raise Gone from error

    def do(self, job: Job, *, watch: Watch) -> Content | Report:
        """What a job comes to; SourceFailed, or Gone. Whatever `watch` raises ends the process."""
        done = False
        try:
            self._jobs.send(job)
            while isinstance(answer := self._answers.recv(), More):
                watch(answer.bytes)
            done = True
        except (EOFError, OSError) as error:
            raise Gone from error
        finally:
            if not done:
                self.stop()
                self.end()
        if isinstance(answer, Failed):
            if answer.code is not None:
                raise SourceUnfit(job.found.path, answer.message, code=answer.code, remedy=answer.remedy or "")
            raise SourceFailed(answer.message, remedy=answer.remedy)
        assert isinstance(answer, Content | Report)
        return answer

    @property
    def process_id(self) -> int:
        """As the system knows it."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it may be given a job."""
        return not self._jobs.closed and self._process.poll() is None

    def stop(self) -> None:
        """End the process at once, whoever waits for its answer."""
        self._process.kill()

    def end(self) -> None:
        """Let it end; may be called again."""
        self._jobs.close()
        self._answers.close()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Workers:
    """At most so many processes. Safe for threads."""

    def __init__(self, root: Path, most: int) -> None:
        self._root = root
        self._free = threading.Semaphore(most)
        self._idle: list[Worker] = []
        weakref.finalize(self, _end, self._idle)

    @contextmanager
    def one(self) -> Iterator[Worker]:
        """A process for the time being, once there is one; Gone when none can be started."""
        with self._free, self._lent() as worker:
            yield worker

    @contextmanager
    def another(self) -> Iterator[Worker | None]:
        """A process for the time being, if there is one at once."""
        if not self._free.acquire(blocking=False):
            yield None
            return
        try:
            with self._lent() as worker:
                yield worker
        finally:
            self._free.release()

    @contextmanager
    def _lent(self) -> Iterator[Worker]:
        worker = None
        while self._idle and worker is None:
            with suppress(IndexError):  # another thread may have been faster
                worker = self._idle.pop()
            if worker is not None and not worker.alive:
                worker.end()
                worker = None
        worker = worker or Worker(self._root)
        try:
            yield worker
        finally:
            if worker.alive:
                self._idle.append(worker)
            else:
                worker.end()

    def close(self) -> None:
        """End those that have nothing to do; others are started when they are needed again."""
        _end(self._idle)


def _end(idle: list[Worker]) -> None:
    while idle:
        with suppress(IndexError):
            idle.pop().end()
