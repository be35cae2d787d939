"""The requests that the object backends make, one method each: an object is read, put, listed, copied, removed.

Nothing is decided and nothing is repeated here. It is the seam at which a test lets the n-th request go wrong, and for
states the only place that knows obstore: whatever it raises becomes `Changed`, `Unsure` or one of our own errors.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mics_iac.clouds.faults import is_missing, reason, translated
from mics_iac.clouds.opened import at_of, open_store, where_of
from mics_iac.clouds.use import STATE
from mics_iac.core.place import BucketPlace
from mics_iac.errors import StoreFailed

if TYPE_CHECKING:
    from obstore.store import ObjectStore

ANY = object()
"""Put whatever version is there, if any."""


class Changed(Exception):
    """The condition of a put does not hold: the object is not the version that was expected."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An object: its bytes, the token of this very version, and when it was put (epoch seconds, the store's clock)."""

    data: bytes
    version: str
    modified: float


def open_bucket(place: BucketPlace, environ: Mapping[str, str]) -> Bucket:
    """The bucket; nothing is opened yet.

    Its first request raises StoreFailed where obstore is missing, or cannot make sense of the place.
    """
    return Bucket(lambda: open_store(place, environ, use=STATE), where=where_of(place), at=at_of(place))


class Bucket:
    """A real bucket or container; `where` is how messages call it, `at` what they add where it is not the cloud's own.

    It is opened with the first request (`opened`): a command that has nothing to ask needs neither credentials nor the
    library.
    """

    def __init__(self, opened: Callable[[], ObjectStore], *, where: str, at: str = "") -> None:
        self.opened = opened
        self.where = where
        self.at = at
        self._guard = threading.Lock()
        self._open: ObjectStore | None = None

    @property
    def _store(self) -> ObjectStore:
        with self._guard:
            if self._open is None:
                self._open = self.opened()
            return self._open

    def get(self, key: str) -> Stored | None:
        """The object, None where there is none."""
        store = self._store
        import obstore  # noqa: PLC0415 (an extra, wanted only where the state is in a bucket)

        try:
            found = obstore.get(store, key)
            data = found.bytes().to_bytes()
        except Exception as error:
            if is_missing(error):
                return None
            raise self._translated(error) from error
        meta = found.meta
        return Stored(data, _token(meta["e_tag"], meta["version"]), meta["last_modified"].timestamp())

    def put(self, key: str, data: bytes, *, expected: object = ANY) -> str:
        """Put an object in one step and return its version; a string is the one expected, None: there must be none."""
        store = self._store
        import obstore  # noqa: PLC0415

        mode: Any = "overwrite"
        if expected is None:
            mode = "create"
        elif isinstance(expected, str):
            mode = _condition(expected)
        try:
            # In parts it could not be put under a condition.
            put = obstore.put(store, key, data, mode=mode, use_multipart=False)
        except Exception as error:
            if mode != "overwrite" and _is_condition(error):
                raise Changed(key) from error
            raise self._translated(error) from error
        return _token(put["e_tag"], put["version"])

    def keys(self, folder: str) -> list[str]:
        """The keys of all objects below a folder, in their order."""
        store = self._store
        import obstore  # noqa: PLC0415

        try:
            return sorted(meta["path"] for page in obstore.list(store, folder) for meta in page)
        except Exception as error:
            raise self._translated(error) from error

    def copy(self, key: str, target: str) -> None:
        """Copy an object within the store."""
        store = self._store
        import obstore  # noqa: PLC0415

        try:
            obstore.copy(store, key, target)
        except Exception as error:
            raise self._translated(error) from error

    def remove(self, keys: Sequence[str]) -> None:
        """Remove objects; one that is not there is passed over."""
        store = self._store
        import obstore  # noqa: PLC0415

        for some in ([*keys],) if len(keys) > 1 else [[key] for key in keys]:
            try:
                obstore.delete(store, some)
            except Exception as error:
                if not is_missing(error):
                    raise self._translated(error) from error
                # Some stores stop at the first that is missing.
                for key in some if len(some) > 1 else ():
                    self.remove([key])

    def _translated(self, error: Exception) -> Exception:
        if _IMPOSSIBLE.search(str(error)):
            return StoreFailed(
                f"{self.where} cannot put an object under a condition, so that it cannot keep two runs apart: "
                f"{reason(error)}",
                remedy="keep the state in a store that can (S3, Google Cloud Storage and Azure Blob Storage do)",
            )
        return translated(error, where=self.where, at=self.at, use=STATE)


_IMPOSSIBLE = re.compile(r"<Code>NotImplemented|501 Not Implemented")


def _is_condition(error: Exception) -> bool:
    from obstore import exceptions  # noqa: PLC0415

    # An object that is to be replaced and is not there is another version, too.
    refused = isinstance(error, exceptions.AlreadyExistsError | exceptions.PreconditionError)
    return refused or is_missing(error)


def _token(e_tag: str | None, version: str | None) -> str:
    return json.dumps([e_tag, version])


def _condition(token: str) -> dict[str, str]:
    try:
        e_tag, version = json.loads(token)
    except (ValueError, TypeError):
        # No token of this store's: none of its versions is that one.
        e_tag, version = token, None
    return {name: text for name, text in (("e_tag", e_tag), ("version", version)) if text is not None}
