"""Data files in stores of objects: S3, Google Cloud Storage, Azure's blobs; found by their keys, read as they are.

Reading is pinned to the content that was found: by its etag in each request, by size and etag in each answer, by the
count of bytes. What opens a bucket is `clouds`'; what the bytes mean is not known here.
"""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from mics_iac.clouds.attempts import Attempts, Unsure
from mics_iac.clouds.faults import is_missing, reason, translated
from mics_iac.clouds.opened import at_of, open_store, where_of
from mics_iac.clouds.use import FILES
from mics_iac.core.clock import Clock
from mics_iac.core.manifest import SourceSpec
from mics_iac.core.place import BucketKind, BucketPlace
from mics_iac.core.remote import ObjectPath, is_glob
from mics_iac.core.weburl import BadUrl, read_url
from mics_iac.core.wording import visible
from mics_iac.errors import Problem, SourceFailed
from mics_iac.sources.globs import Pattern
from mics_iac.sources.raw import Raw, encoding_refused, gone, not_planned, read_seal, wrong
from mics_iac.sources.resuming import Resuming
from mics_iac.sources.seal import Seal
from mics_iac.sources.source import Found

if TYPE_CHECKING:
    from obstore import BytesStream, ObjectMeta
    from obstore.store import ObjectStore

T = TypeVar("T")

# Bytes of one block at least: few enough to hold many, enough that handing them over costs nothing.
_BLOCK = 1 << 20
# How many objects are listed in one go; how many one glob may find, and look at: a store that never ends ends there.
_PAGE = 1000
_MOST = 1_000_000
_MOST_SEEN = 20_000_000
# A request with all of its answer may take as long as the file does; silence within it is bounded all the same.
_WHOLE = "48h"
# Where each cloud's own tools, or the library, take the address of a store from that is not the cloud's own.
ENDPOINTS: Mapping[BucketKind, tuple[str, ...]] = {
    "s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
    "gs": ("GOOGLE_BASE_URL",),
    "az": ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
}


# What is said where a range begins behind the end of an object.
_TOO_SHORT = re.compile(r"status code: 416\b|Wanted range starting at")


class ObjectSource:
    """Files in buckets, with the credentials that `environ` leads to. Safe for threads."""

    def __init__(
        self, environ: Mapping[str, str], *, clock: Clock, chance: Callable[[], float] = random.random
    ) -> None:
        self._environ = environ
        self._clock = clock
        self._chance = chance
        self._guard = threading.Lock()
        self._buckets: dict[str, _Bucket] = {}

    def find(self, spec: SourceSpec, path: ObjectPath) -> tuple[list[Found], list[Problem]]:
        """See `Source.find`; `path` is that of the source.

        Raises SourceFailed where the bucket cannot be asked, SourceRefused where it does not take the credentials.
        """
        bucket = self._bucket(path)
        try:
            sizes = bucket.matching(Pattern(path.key)) if is_glob(path.key) else bucket.named(path.key)
        except _OddKey as odd:
            message = f"{visible(spec.path)} cannot be looked up: {odd}; rename that object, or write a narrower path"
            return [], [wrong(spec, "MICS204", message)]
        if not sizes and not spec.allow_empty:
            what = "matches no object" if is_glob(path.key) else "is not there"
            message = f"{visible(spec.path)} {what}: correct the path, or set `allow_empty: true`"
            return [], [wrong(spec, "MICS201", message)]
        found: list[Found] = []
        problems: list[Problem] = []
        for key, seal in sorted(sizes.items(), key=lambda item: item[0].encode("utf-8", "surrogatepass")):
            if seal.size:
                found.append(Found(path.root + key, seal.size, str(seal)))
            elif bucket.has(key):
                # A key that ends with a slash, as some tools make for a folder, is listed without it.
                message = f"{visible(path.root + key)} is empty: remove the object, or write its records first"
                problems.append(wrong(spec, "MICS205", message))
        return found, problems

    def open_raw(self, path: ObjectPath, *, seal: str | None, start: int = 0, end: int | None = None) -> Raw:
        """See `Stored.open_raw`."""
        planned = None if seal is None else read_seal(str(path), seal)
        bucket = self._bucket(path)
        size = None if planned is None else planned.size
        if size is not None:
            end = size if end is None else min(end, size)
        opener = _Opener(bucket, path, planned, end)
        return Resuming(
            opener, start=start, end=end, attempts=bucket.attempts, wrong=lambda how: not_planned(str(path), how)
        )

    def _bucket(self, path: ObjectPath) -> _Bucket:
        with self._guard:
            if path.root not in self._buckets:
                place = _place_of(path, self._environ)
                self._buckets[path.root] = _Bucket(place, self._environ, clock=self._clock, chance=self._chance)
            return self._buckets[path.root]


class _OddKey(Exception):
    """A key that the library cannot speak of; its text says which."""


class _Bucket:
    """One bucket, and the requests that are made of it, each until it is answered."""

    def __init__(
        self, place: BucketPlace, environ: Mapping[str, str], *, clock: Clock, chance: Callable[[], float]
    ) -> None:
        self._place = place
        self._environ = environ
        self._guard = threading.Lock()
        self._open: ObjectStore | None = None
        self.where = where_of(place)
        self.attempts = Attempts(where=self.where + at_of(place), clock=clock, use=FILES, chance=chance)

    @property
    def store(self) -> ObjectStore:
        """The bucket as the library knows it, opened with the first request."""
        with self._guard:
            if self._open is None:
                self._open = open_store(self._place, self._environ, use=FILES, timeout=_WHOLE)
            return self._open

    def named(self, key: str) -> dict[str, Seal]:
        """The one object of that key, none where it is not there."""
        meta = self._asked(lambda: self._head(key))
        if meta is not None:
            return {key: _seal_of(meta)}
        # Where a HEAD finds nothing it does not say whether there is such a bucket.
        self._asked(lambda: self._probe(key))
        return {}

    def has(self, key: str) -> bool:
        """Whether there is an object of exactly this key."""
        return self._asked(lambda: self._head(key)) is not None

    def matching(self, pattern: Pattern) -> dict[str, Seal]:
        """All objects that a pattern covers, by key; the one alone whose key it is, letter by letter."""
        found: dict[str, Seal] = {}
        if pattern.is_flat:
            metas = self._asked(lambda: self._children(pattern.folder))
            self._take(metas, pattern, found)
        else:
            self._walk(pattern, found)
        return {pattern.text: found[pattern.text]} if pattern.text in found else found

    def _take(self, metas: Sequence[ObjectMeta], pattern: Pattern, found: dict[str, Seal]) -> None:
        for meta in metas:
            key = meta["path"]
            if pattern.matches(key) or key == pattern.text:
                found[key] = _seal_of(meta)
        if len(found) > _MOST:
            raise self._too_many(f"more than {_MOST:,} objects of {self.where} match {visible(pattern.text)}")

    def _too_many(self, message: str) -> SourceFailed:
        return SourceFailed(message, remedy="write a narrower path, or several imports")

    def _walk(self, pattern: Pattern, found: dict[str, Seal]) -> None:
        """Take all that matches of what lies below the pattern's folder, page by page, going on where one broke off."""
        prefix = pattern.prefix
        # A store lists what is behind the offset: with the last letter left out, the prefix itself is among it.
        offset: str | None = prefix[:-1]
        if prefix[:-1].rpartition("/")[2] in {"", ".", ".."}:
            offset = None
        turns, last = self._turns()
        seen = 0
        while True:
            try:
                for page in self._pages(pattern.folder, offset):
                    self._take(page, pattern, found)
                    seen += len(page)
                    if seen > _MOST_SEEN:
                        raise self._too_many(f"{self.where} has more than {_MOST_SEEN:,} objects to look through")
                    turns, last = self._turns()
                    offset = page[-1]["path"]
                    # Azure has accounts whose lists are in another order.
                    if self._place.backend != "az" and _is_past(offset, prefix):
                        return
            except Unsure as error:
                if last:
                    raise self.attempts.silent(error) from error
                last = next(turns)
            else:
                return

    def _turns(self) -> tuple[Iterator[bool], bool]:
        """All attempts, the first of which is taken."""
        turns = iter(self.attempts)
        return turns, next(turns)

    def _pages(self, folder: str, offset: str | None) -> Iterator[Sequence[ObjectMeta]]:
        """The pages of a list, none of them empty."""
        store = self.store
        import obstore  # noqa: PLC0415 (an extra)

        try:
            for page in obstore.list(store, folder or None, offset=offset, chunk_size=_PAGE):
                if page:
                    yield page
        except Exception as error:
            raise self.translated(error) from error

    def _children(self, folder: str) -> Sequence[ObjectMeta]:
        store = self.store
        import obstore  # noqa: PLC0415

        return obstore.list_with_delimiter(store, folder or None)["objects"]

    def _head(self, key: str) -> ObjectMeta | None:
        store = self.store
        import obstore  # noqa: PLC0415

        try:
            return obstore.head(store, key)
        except FileNotFoundError as error:
            if is_missing(error):
                return None
            raise

    def _probe(self, key: str) -> None:
        store = self.store
        import obstore  # noqa: PLC0415

        try:
            obstore.get(store, key, options={"range": (0, 1)})
        except FileNotFoundError as error:
            if not is_missing(error):
                raise

    def _asked(self, ask: Callable[[], T]) -> T:
        """What comes of a request."""

        def once() -> T:
            try:
                return ask()
            except SourceFailed:
                raise
            except Exception as error:
                raise self.translated(error) from error

        return self.attempts.until_answered(once)

    def translated(self, error: Exception) -> Exception:
        """What the library raised as what it means."""
        from obstore import exceptions  # noqa: PLC0415

        if isinstance(error, exceptions.InvalidPathError) or (
            isinstance(error, ValueError) and "parse path" in str(error)
        ):
            return _OddKey(visible(reason(error)))
        return translated(error, where=self.where, at=at_of(self._place), use=FILES)


class _Opener:
    """Opens one object at any place, always the same content of it: the planned one, or the one met first."""

    def __init__(self, bucket: _Bucket, path: ObjectPath, seal: Seal | None, end: int | None) -> None:
        self._bucket = bucket
        self._path = path
        self._seal = seal
        self._end = end

    def __call__(self, at: int) -> _Piece:
        """The bytes from there."""
        store = self._bucket.store
        import obstore  # noqa: PLC0415
        from obstore import exceptions  # noqa: PLC0415

        options: Any = {}
        if self._seal is not None and self._seal.etag is not None:
            options["if_match"] = self._seal.etag
        if self._end is not None:
            options["range"] = (at, self._end)
        elif at:
            options["range"] = {"offset": at}
        path = str(self._path)
        try:
            answer = obstore.get(store, self._path.key, options=options)
        except exceptions.PreconditionError as error:
            # Azure says so of one that is not there, too.
            there = self._bucket.has(self._path.key)
            raise (not_planned(path, "its etag is another one") if there else gone(path)) from error
        except Exception as error:
            if is_missing(error):
                raise gone(path) from error
            if _TOO_SHORT.search(str(error)):
                raise not_planned(path, f"it holds no more than {at:,} bytes") from error
            raised = self._bucket.translated(error)
            if isinstance(raised, _OddKey):
                raise SourceFailed(f"{visible(path)} cannot be read: {raised}", remedy="rename that object") from error
            raise raised from error
        seal = _seal_of(answer.meta)
        if self._seal is not None and (how := self._seal.difference(seal)) is not None:
            raise not_planned(path, how)
        if (refused := encoding_refused(path, answer.attributes.get("Content-Encoding"))) is not None:
            raise refused
        self._seal = seal
        first, behind = answer.range
        if first != at:
            raise Unsure("it answers with other bytes than were asked for")
        return _Piece(self._bucket, answer.stream(min_chunk_size=_BLOCK), behind - first, size=answer.meta["size"])


class _Piece:
    """The bytes of one answer, of which there are so many."""

    def __init__(self, bucket: _Bucket, stream: BytesStream, left: int, *, size: int) -> None:
        self.size: int | None = size
        self._bucket = bucket
        self._stream: BytesStream | None = stream
        self._left = left

    def next(self) -> bytes:
        """See `Piece.next`."""
        if self._left == 0 or self._stream is None:
            return b""
        try:
            block = bytes(next(self._stream, b""))
        except Exception as error:
            raise self._bucket.translated(error) from error
        if not block:
            raise Unsure("the connection broke off")
        self._left -= len(block)
        if self._left < 0:
            raise Unsure("it sends more bytes than it says")
        return block

    def close(self) -> None:
        """Let go of the stream, and with it of its connection."""
        self._stream = None


def _seal_of(meta: ObjectMeta) -> Seal:
    """The seal of an object; some stores quote their etags in one kind of answer and not in another."""
    etag = meta["e_tag"]
    if etag is not None and not etag.endswith('"'):
        etag = f'"{etag}"'
    return Seal.of(size=meta["size"], etag=etag) or Seal(meta["size"], modified=_date_of(meta))


def _date_of(meta: ObjectMeta) -> str:
    return meta["last_modified"].strftime("%Y-%m-%d %H:%M:%S %z")


def _is_past(key: str, prefix: str) -> bool:
    return not key.startswith(prefix) and key.encode("utf-8", "surrogatepass") > prefix.encode("utf-8", "surrogatepass")


def _place_of(path: ObjectPath, environ: Mapping[str, str]) -> BucketPlace:
    """The place of a bucket; where it is not the cloud's own, the environment says so."""
    endpoint = None
    for name in ENDPOINTS[path.kind]:
        if text := environ.get(name, "").strip():
            try:
                endpoint = read_url(text).rstrip("/")
            except BadUrl as bad:
                raise SourceFailed(
                    f"{name} cannot be used: {bad.message}", remedy=f"correct {name}, or unset it"
                ) from bad
            break
    return BucketPlace(path.kind, path.bucket, account=path.account, endpoint=endpoint)
