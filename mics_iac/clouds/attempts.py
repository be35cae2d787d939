"""Asking a store that is far away until it answers, or until it is plain that it will not.

Knows nothing of what is asked, nor how.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from typing import TypeVar

from mics_iac.clouds.use import STATE, Use
from mics_iac.core.clock import Clock
from mics_iac.errors import Interrupted, MicsError

T = TypeVar("T")

# How often one request is made, and the first of the longest pauses between (seconds), which double: some twelve
# seconds together. A store that answers with errors for a moment stops nobody, and one that is gone is told soon.
_ATTEMPTS = 6
_FIRST_PAUSE = 0.4
# Seconds after which none is made any more: where each of them only ends by its own timeout, one does not wait for six.
_ENOUGH = 20.0


class Unsure(Exception):
    """No answer, or one that tells nothing: what was asked may have been done, or may yet be."""


class Attempts:
    """The patience of one client with the store at `where`; `chance` gives random numbers in [0, 1) for the pauses."""

    def __init__(
        self, *, where: str, clock: Clock, use: Use = STATE, chance: Callable[[], float] = random.random
    ) -> None:
        self._where = where
        self._clock = clock
        self._use = use
        self._chance = chance

    def __iter__(self) -> Iterator[bool]:
        """One turn an attempt, with a pause before each but the first; whether it is the last."""
        begun = self._clock.monotonic()
        for number in range(_ATTEMPTS):
            if number:
                # A run that was asked to end still has to record what it did: it waits no more, but tries.
                with contextlib.suppress(Interrupted) if self._use.records else contextlib.nullcontext():
                    self._clock.sleep(_FIRST_PAUSE * 2 ** (number - 1) * self._chance())
            last = number == _ATTEMPTS - 1 or self._clock.monotonic() - begun > _ENOUGH
            yield last
            if last:
                return

    def until_answered(self, ask: Callable[[], T]) -> T:
        """What comes of a request that may be made as often as one likes; the use's error where nothing does."""
        for last in self:
            try:
                return ask()
            except Unsure as error:
                if last:
                    raise self.silent(error) from error
        raise AssertionError  # the last attempt returns or raises

    def silent(self, error: Unsure) -> MicsError:
        """The error of one who has asked often enough."""
        return self._use.failed(
            f"{self._where} does not answer as it should: {error}",
            remedy=f"check the network, the proxy variables and {self._use.where}, then run again",
        )
