"""The threads that make calls, and the way their outcomes come back to the one thread that decides.

Knows nothing of what is called. A job runs in a worker; what it returns is given to `then` in the deciding thread.
"""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self, TypeVar

T = TypeVar("T")
R = TypeVar("R")


# How many jobs are under way for each one whose request may be, where records cross a network: with 30 ms a call of the
# store, a small upload waits about seven times as long for its records and its fence as for its own answer. And how
# many at the most: each is an intent that is in doubt if the process dies.
_AHEAD = 10
_MOST_AHEAD = 64
# Bytes of the uploads that wait for one transfer, the others being taken by the largest: so many leave within a minute
# on a slow line, and what was seen of the platform before they were begun holds for that long; on a fast line they are
# on their way while a record is.
_MOST_BYTES = 8_000_000


class Crew:
    """Two pools, one for control calls and one for uploads, and the queue of what they brought back.

    `calls` and `transfers` are how many requests may be under way at once; whoever makes them sees to that. `distant`:
    the pools are deeper, so that some jobs record what they are about to do, or did, while others wait for the
    platform. Where one request is allowed at a time, jobs come strictly one after the other all the same.

    Jobs must turn what they expect to fail into values; what they raise all the same is raised by `react`.
    """

    def __init__(self, *, calls: int, transfers: int, distant: bool) -> None:
        self.most_calls = _deep(calls) if distant else calls
        """How many control calls are under way at once, those that only record among them."""
        self._transfers = transfers
        self._most_sends = _deep(transfers) if distant else transfers
        self._calls = ThreadPoolExecutor(self.most_calls, thread_name_prefix="call")
        self._sends = ThreadPoolExecutor(self._most_sends, thread_name_prefix="send")
        self._sizes: list[int] = []
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

    def has_room(self, size: int) -> bool:
        """Whether an upload of so many bytes would begin at once."""
        if len(self._sizes) >= self._transfers:
            smaller = sorted([*self._sizes, size], reverse=True)[self._transfers - 1 :]
            return len(self._sizes) < self._most_sends and sum(smaller) <= _MOST_BYTES
        return True

    def call(self, job: Callable[[], T], then: Callable[[T], None]) -> None:
        """Make a control call."""
        self._begin(self._calls, job, then)

    def send(self, job: Callable[[], T], then: Callable[[T], None], *, size: int) -> None:
        """Make an upload of so many bytes."""

        def ended(result: T) -> None:
            self._sizes.remove(size)
            then(result)

        self._sizes.append(size)
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


def _deep(requests: int) -> int:
    return max(requests, min(requests * _AHEAD, _MOST_AHEAD)) if requests > 1 else 1


def side_by_side(work: Callable[[T], R], jobs: Iterable[T], *, workers: int) -> list[R]:
    """`work` of each job, in order, several at once; the first error ends it, once what runs has ended."""
    left = deque(enumerate(jobs))
    results: dict[int, R] = {}
    errors: dict[int, BaseException] = {}

    def go_on() -> None:
        # One task a thread, not one a job: of thousands of small jobs the handing over is what would cost.
        while True:
            try:
                number, job = left.popleft()
            except IndexError:
                return
            try:
                results[number] = work(job)
            except BaseException as error:  # noqa: BLE001 - raised by the caller's thread
                errors[number] = error
                left.clear()

    threads = max(1, min(workers, len(left)))
    with ThreadPoolExecutor(max_workers=threads) as pool:
        futures = [pool.submit(go_on) for _ in range(threads)]
        try:
            for future in futures:
                future.result()
        except BaseException:
            left.clear()
            raise
    if errors:
        raise errors[min(errors)]
    return [results[number] for number in range(len(results))]
