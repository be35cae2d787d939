"""Ctrl-C and SIGTERM: the first asks the run to end well, the second leaves at once. Knows nothing of what is running.

Leaving at once loses nothing: the journal holds every intent before its request leaves.
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
    """What the handlers know: whom to ask to stop, and whether a person is being asked something."""

    def __init__(self, request: Callable[[int], None]) -> None:
        self._request = request
        self._asked = False
        self.prompting = False

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        """Handle a signal; runs between any two instructions of the main thread."""
        if self.prompting:
            raise KeyboardInterrupt if number == signal.SIGINT else Interrupted(signal=number)
        if self._asked:
            with suppress(OSError):
                os.write(_STDERR, _SHOW_CURSOR if os.isatty(_STDERR) else b"")
            os._exit(128 + number)
        self._asked = True
        # Not through sys.stderr: the main thread may be in the middle of writing to it.
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
    former = [(number, signal.signal(number, handler)) for number in _SIGNALS]
    try:
        yield handler
    finally:
        for number, was in former:
            signal.signal(number, was)
