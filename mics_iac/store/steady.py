"""A bucket whose requests are repeated until it is known what became of them.

A put whose answer was lost is a doubt like any other: it is settled by reading. Knows nothing of what objects mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from mics_iac.clouds.attempts import Attempts, Unsure
from mics_iac.core.clock import Clock
from mics_iac.store.bucket import ANY, Bucket, Changed, Stored

# How many objects are read at once.
_AT_ONCE = 16


class Steady:
    """One client's way to a bucket. Safe for threads. Raises StoreFailed where the store does not answer."""

    def __init__(self, bucket: Bucket, *, clock: Clock) -> None:
        self._bucket = bucket
        self._attempts = Attempts(where=bucket.where + bucket.at, clock=clock)

    @property
    def where(self) -> str:
        """The bucket, as messages call it."""
        return self._bucket.where

    def get(self, key: str) -> Stored | None:
        """The object, None where there is none."""
        return self._attempts.until_answered(lambda: self._bucket.get(key))

    def get_all(self, keys: Sequence[str]) -> list[Stored | None]:
        """Many objects, in the order of their keys."""
        if len(keys) < 2:
            return [self.get(key) for key in keys]
        with ThreadPoolExecutor(min(_AT_ONCE, len(keys)), thread_name_prefix="store") as pool:
            return list(pool.map(self.get, keys))

    def keys(self, folder: str) -> list[str]:
        """The keys of all objects below a folder, in their order."""
        return self._attempts.until_answered(lambda: self._bucket.keys(folder))

    def copy(self, key: str, target: str) -> None:
        """Copy an object within the store."""
        self._attempts.until_answered(lambda: self._bucket.copy(key, target))

    def remove(self, keys: Sequence[str]) -> None:
        """Remove objects; one that is not there is passed over."""
        if keys:
            self._attempts.until_answered(lambda: self._bucket.remove(keys))

    def put(self, key: str, data: bytes, *, expected: str | None) -> str:
        """Put an object in the place of the version `expected` (None: of none), and return its version.

        Raises Changed if it is another one. `data` must be such as nobody else would put there: bytes that are found
        there after a lost answer are taken for ours.
        """
        lost = False
        for last in self._attempts:
            try:
                return self._bucket.put(key, data, expected=expected)
            except (Changed, Unsure) as error:
                lost = lost or isinstance(error, Unsure)
                found = self.get(key)
                if lost and found is not None and found.data == data:
                    return found.version
                # Where it is still the expected one, the answer was lost on the way there; or the store refused the put
                # only because another one of the same object was under way.
                if (found.version if found is not None else None) != expected:
                    raise Changed(key) from error
                if last:
                    raise error if isinstance(error, Changed) else self._attempts.silent(error) from error
        raise AssertionError  # the last attempt returns or raises

    def now(self, key: str, *, mark: str) -> float:
        """The store's own time (epoch seconds): that of an object which is put for the purpose.

        `mark` makes its bytes unlike any other's: some stores know a version by its bytes.
        """

        def stamped() -> float:
            self._bucket.put(key, f"the time is that of this object ({mark})\n".encode(), expected=ANY)
            found = self._bucket.get(key)
            if found is None:
                raise Unsure("an object that was just put is not there")
            return found.modified

        return self._attempts.until_answered(stamped)
