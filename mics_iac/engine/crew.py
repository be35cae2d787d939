"""The threads that make calls, and the way their outcomes come back to the one thread that decides.

Knows nothing of what is called. A job runs in a worker; what it returns is given to `then` in the deciding thread.
"""

from __future__ import annotations

import queue
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self, TypeVar

T = TypeVar("T")


class Crew:
    """Two pools, one for control calls and one for uploads, and the queue of what they brought back.

    Jobs must turn what they expect to fail into values; what they raise all the same is raised by `react`.
    """

    def __init__(self, *, calls: int, sends: int) -> None:
        self._calls = ThreadPoolExecutor(calls, thread_name_prefix="call")
        self._sends = ThreadPoolExecutor(sends, thread_name_prefix="send")
        self._capacity = sends
        self._sending = 0
        self._running = 0
        self._outcomes: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pool in (self._sends, self._calls):
            pool.shutdown(cancel_futures=error is not None)

    @property
    def running(self) -> int:
        """How many jobs were begun whose outcome was not reacted to."""
        return self._running

    @property
    def free(self) -> bool:
        """Whether an upload would begin at once."""
        return self._sending < self._capacity

    def call(self, job: Callable[[], T], then: Callable[[T], None]) -> None:
        """Make a control call."""
        self._begin(self._calls, job, then)

    def send(self, job: Callable[[], T], then: Callable[[T], None]) -> None:
        """Make an upload."""

        def ended(result: T) -> None:
            self._sending -= 1
            then(result)

        self._sending += 1
        self._begin(self._sends, job, ended)

    def _begin(self, pool: ThreadPoolExecutor, job: Callable[[], T], then: Callable[[T], None]) -> None:
        def done(future: Future[T]) -> None:
            self._outcomes.put(lambda: then(future.result()))

        self._running += 1
        pool.submit(job).add_done_callback(done)

    def react(self, *, timeout: float | None) -> None:
        """Let the deciding thread take one outcome in; returns without one after `timeout` seconds."""
        try:
            outcome = self._outcomes.get(timeout=timeout)
        except queue.Empty:
            return
        self._running -= 1
        outcome()
