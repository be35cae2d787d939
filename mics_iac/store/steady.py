"""A bucket whose requests are repeated until it is known what became of them.

A put whose answer was lost is a doubt like any other: it is settled by reading. Knows nothing of what objects mean.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from mics_iac.core.clock import Clock
from mics_iac.errors import Interrupted, StoreFailed
from mics_iac.store.bucket import ANY, Bucket, Changed, Stored, Unsure

T = TypeVar("T")

# How often one request is made, and the longest pauses between (seconds): some twelve seconds together, so that a
# store that answers with errors for a moment stops nobody, and one that is gone is told soon.
_ATTEMPTS = 6
_FIRST_PAUSE = 0.4
# How many objects are read at once.
_AT_ONCE = 16


class Steady:
    """One client's way to a bucket. Safe for threads. Raises StoreFailed where the store does not answer."""

    def __init__(self, bucket: Bucket, *, clock: Clock, chance: Callable[[], float] = random.random) -> None:
        self._bucket = bucket
        self._clock = clock
        self._chance = chance

    @property
    def where(self) -> str:
        """The bucket, as messages call it."""
        return self._bucket.where

    def get(self, key: str) -> Stored | None:
        """The object, None where there is none."""
        return self._repeated(lambda: self._bucket.get(key))

    def get_all(self, keys: Sequence[str]) -> list[Stored | None]:
        """Many objects, in the order of their keys."""
        if len(keys) < 2:
            return [self.get(key) for key in keys]
        with ThreadPoolExecutor(min(_AT_ONCE, len(keys)), thread_name_prefix="store") as pool:
            return list(pool.map(self.get, keys))

    def keys(self, folder: str) -> list[str]:
        """The keys of all objects below a folder, in their order."""
        return self._repeated(lambda: self._bucket.keys(folder))

    def copy(self, key: str, target: str) -> None:
        """Copy an object within the store."""
        self._repeated(lambda: self._bucket.copy(key, target))

    def remove(self, keys: Sequence[str]) -> None:
        """Remove objects; one that is not there is passed over."""
        if keys:
            self._repeated(lambda: self._bucket.remove(keys))

    def put(self, key: str, data: bytes, *, expected: str | None) -> str:
        """Put an object in the place of the version `expected` (None: of none), and return its version.

        Raises Changed if it is another one. `data` must be such as nobody else would put there: bytes that are found
        there after a lost answer are taken for ours.
        """
        lost = False
        for last in self._attempts():
            try:
                return self._bucket.put(key, data, expected=expected)
            except Changed:
                found = self.get(key)
                if lost and found is not None and found.data == data:
                    return found.version
                # A store may refuse a put only because another one of the same object was under way.
                if last or (found.version if found is not None else None) != expected:
                    raise
            except Unsure as error:
                lost = True
                found = self.get(key)
                if found is not None and found.data == data:
                    return found.version
                if (found.version if found is not None else None) != expected:
                    raise Changed(key) from error
                if last:
                    raise self._silent(error) from error
        raise AssertionError  # the last attempt returns or raises

    def now(self, key: str) -> float:
        """The store's own time (epoch seconds): that of an object which is put for the purpose."""

        def stamped() -> float:
            self._bucket.put(key, b"the time is that of this object\n", expected=ANY)
            found = self._bucket.get(key)
            if found is None:
                raise Unsure("an object that was just put is not there")
            return found.modified

        return self._repeated(stamped)

    def _repeated(self, ask: Callable[[], T]) -> T:
        for last in self._attempts():
            try:
                return ask()
            except Unsure as error:
                if last:
                    raise self._silent(error) from error
        raise AssertionError  # the last attempt returns or raises

    def _attempts(self) -> Iterator[bool]:
        """One turn an attempt, with a pause before each but the first; whether it is the last."""
        for number in range(_ATTEMPTS):
            if number:
                # A run that was asked to end still has to record what it did: it waits no more, but tries.
                with contextlib.suppress(Interrupted):
                    self._clock.sleep(_FIRST_PAUSE * 2 ** (number - 1) * self._chance())
            yield number == _ATTEMPTS - 1

    def _silent(self, error: Unsure) -> StoreFailed:
        return StoreFailed(
            f"{self._bucket.where} does not answer as it should: {error}",
            remedy="check the network, the proxy variables and where the state is, then run again",
        )
