"""Ctrl-C and SIGTERM: the first asks the run to end well, the second leaves at once. Knows nothing of what is running.

Leaving at once loses nothing: the journal holds every intent before its request leaves.

A thread of its own acts on them. The main thread may be waiting in a place that no signal wakes it from (one that
arrives right before it begins to wait), or hold the very lock that asking the run to end takes.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from mics_iac.errors import Interrupted

_STDERR = 2
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SHOW_CURSOR = b"\x1b[?25h\n"  # progress bars hide it
_MESSAGE = b"\nstopping: what runs comes to its end and is recorded; press Ctrl-C again to leave at once\n"


class Interrupts:
    """What is known of the signals: whom to ask to stop, and whether a person is being asked something."""

    def __init__(self, request: Callable[[int], None]) -> None:
        self._request = request
        self._asked = False
        self._passed_on = False
        self.prompting = False

    def in_main(self, number: int, _frame: FrameType | None) -> None:
        """End a question; runs between any two instructions of the main thread, so it takes no lock."""
        if self.prompting or self._passed_on:
            self._passed_on = False
            raise KeyboardInterrupt if number == signal.SIGINT else Interrupted(signal=number)

    def answered(self) -> None:
        """The question is over; a signal that was left to it, and that it did not end of, ends the run now."""
        self.prompting = False
        if self._passed_on:
            self._passed_on = False
            raise KeyboardInterrupt

    def watch(self, arrivals: int) -> None:
        """Act on each signal as its number arrives at this end of a pipe, until the other end is closed."""
        while numbers := os.read(arrivals, 64):
            for number in (n for n in numbers if n in _SIGNALS):
                self._act(number)

    def _act(self, number: int) -> None:
        if self.prompting:
            # The answer may come in before the main thread gets to its handler: that is told by this mark.
            self._passed_on = True
            return
        # Not through sys.stderr: the main thread may be in the middle of writing to it.
        if self._asked:
            with suppress(OSError):
                os.write(_STDERR, _SHOW_CURSOR if os.isatty(_STDERR) else b"")
            os._exit(128 + number)
        self._asked = True
        with suppress(OSError):
            os.write(_STDERR, _MESSAGE)
        self._request(number)


@contextmanager
def interrupts(request: Callable[[int], None]) -> Iterator[Interrupts]:
    """Handle both signals while the block runs; elsewhere than in the main thread, none."""
    handler = Interrupts(request)
    if threading.current_thread() is not threading.main_thread():
        yield handler
        return
    arrivals, wakeups = os.pipe()
    os.set_blocking(wakeups, False)
    watcher = threading.Thread(target=handler.watch, args=(arrivals,), name="signals", daemon=True)
    watcher.start()
    woken = signal.set_wakeup_fd(wakeups, warn_on_full_buffer=False)
    former = [(number, signal.signal(number, handler.in_main)) for number in _SIGNALS]
    try:
        yield handler
    finally:
        for number, was in former:
            signal.signal(number, was)
        signal.set_wakeup_fd(woken)
        os.close(wakeups)
        watcher.join()
        os.close(arrivals)
