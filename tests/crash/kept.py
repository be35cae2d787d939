"""Where the state of a scene is kept: in its folder, in a bucket, at a state server. The calls to each are effects.

Knows nothing of what goes wrong; a bucket and a server stand on the loopback, in processes of their own.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

from mics_iac.clouds.attempts import Unsure
from mics_iac.core.clock import Clock
from mics_iac.core.place import BucketPlace, HttpPlace
from mics_iac.store.backend import Backend
from mics_iac.store.bucket import Bucket, open_bucket
from mics_iac.store.document import decode_document
from mics_iac.store.file import FileBackend
from mics_iac.store.http import HttpBackend
from mics_iac.store.objects import ObjectBackend
from mics_iac.store.stateserver import Access, Answered, StateServer
from tests.crash.effects import CountedDisk, Effects

STATE = "imports.state.json"


class Kept(Protocol):
    """One place of one state."""

    def backend(self, clock: Clock, effects: Effects) -> Backend:
        """A client whose calls are counted, as a process of its own would make it."""
        ...

    def strays(self) -> Iterator[str]:
        """What lies there beside the state and former ones, and should not after a run that ended well."""
        ...

    def copy_to(self, other: Kept) -> None:
        """Put the same at another place of the kind; called by a process that ends after it."""
        ...


class InFolder:
    """A file in a folder, which is copied with all the rest."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "project" / "state" / STATE

    def backend(self, clock: Clock, effects: Effects) -> Backend:
        return FileBackend(self._path, clock=clock, disk=CountedDisk(effects))

    def strays(self) -> Iterator[str]:
        kept = f"{self._path.stem}.backup."
        yield from (p.name for p in self._path.parent.iterdir() if p != self._path and not p.name.startswith(kept))

    def copy_to(self, other: Kept) -> None:
        pass


class InBucket:
    """A folder of a bucket, which stands behind an endpoint that speaks S3."""

    def __init__(self, url: str, name: str) -> None:
        endpoint, _, bucket = url.rpartition("/")
        self.place = BucketPlace("s3", bucket, prefix=name, region="us-east-1", endpoint=endpoint)

    def bucket(self) -> Bucket:
        """The bucket itself."""
        return open_bucket(self.place, ENVIRON)

    def backend(self, clock: Clock, effects: Effects) -> Backend:
        bucket = CountedBucket(self.bucket(), effects)
        return ObjectBackend(bucket, folder=self.place.prefix, name=STATE, clock=clock)

    def strays(self) -> Iterator[str]:
        stem = f"{self.place.prefix}/imports.state"
        stay = {f"{stem}.json", f"{stem}.lock", f"{stem}.clock"}
        bucket = self.bucket()
        yield from (k for k in bucket.keys(self.place.prefix) if k not in stay and not k.startswith(f"{stem}.backup/"))
        lock = bucket.get(f"{stem}.lock")
        if lock is None or b'"lock":null' not in lock.data:
            yield "a lock that is held"

    def copy_to(self, other: Kept) -> None:
        assert isinstance(other, InBucket)
        bucket = self.bucket()
        for key in bucket.keys(self.place.prefix):
            found = bucket.get(key)
            assert found is not None
            bucket.put(other.place.prefix + key.removeprefix(self.place.prefix), found.data)


class AtServer:
    """A document of a state server."""

    def __init__(self, url: str, name: str) -> None:
        self.place = HttpPlace(f"{url}/states/{name}")

    def backend(self, clock: Clock, effects: Effects) -> Backend:
        return HttpBackend(CountedServer(self.place, effects, clock), clock=clock)

    def strays(self) -> Iterator[str]:
        document = decode_document(StateServer(self.place, Access()).get().data, name="the document")
        assert document is not None
        yield from document.journals
        if (document.lock is not None and document.lock.lease) or document.aside:
            yield "a lock, or what was set aside"

    def copy_to(self, other: Kept) -> None:
        assert isinstance(other, AtServer)
        data = StateServer(self.place, Access()).get().data
        if data:
            StateServer(other.place, Access()).post(data, lock_id=None)


# The credentials of the imitated bucket stand in the environment of the process, where those of a real one do.
ENVIRON = {"AWS_ACCESS_KEY_ID": "test"}


def kept_at(where: str, folder: Path, name: str) -> Kept:
    """The place that a command line names: `file`, `s3=ENDPOINT/BUCKET` or `http=URL`; `name` is this copy's own."""
    kind, _, url = where.partition("=")
    match kind:
        case "s3":
            return InBucket(url, name)
        case "http":
            return AtServer(url, name)
        case _:
            return InFolder(folder)


class CountedBucket(Bucket):
    """A bucket whose requests are counted; one that goes wrong is not answered."""

    def __init__(self, bucket: Bucket, effects: Effects) -> None:
        super().__init__(bucket.opened, where=bucket.where)
        self._effects = effects


class CountedServer(StateServer):
    """A state server whose requests are counted; one that goes wrong is not answered. Its time is our clock's."""

    def __init__(self, place: HttpPlace, effects: Effects, clock: Clock) -> None:
        super().__init__(place, Access())
        self._effects = effects
        self._clock = clock


def _counted(base: type, call: str, *, divisible: bool) -> Callable[..., Any]:
    real: Callable[..., Any] = getattr(base, call)

    @functools.wraps(real)
    def counted(self: Any, *args: Any, **options: Any) -> Any:
        name = f"{base.__name__}.{call}"
        mishap = self._effects.count(name, divisible=divisible)
        if mishap is None:
            return _timed(self, real(self, *args, **options))
        if mishap.when == "after":
            with contextlib.suppress(Exception):  # it did not act, and how it said so is not heard
                real(self, *args, **options)
        self._effects.end(mishap, name)
        raise Unsure("the connection was closed by the other side")

    return counted


def _timed(owner: Any, result: Any) -> Any:
    if isinstance(owner, CountedServer) and isinstance(result, Answered):
        return Answered(result.status, result.data, owner._clock.now())
    return result


for _call in ("get", "put", "keys", "copy", "remove"):
    setattr(CountedBucket, _call, _counted(Bucket, _call, divisible=False))
for _call in ("get", "post", "lock", "unlock"):
    setattr(CountedServer, _call, _counted(StateServer, _call, divisible=False))
