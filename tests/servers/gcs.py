"""Google Cloud Storage, imitated: the part of its XML API that obstore's GCSStore calls. Never compared with Google's.

    python -m tests.servers.gcs --port 0

says `listening on URL` and serves until SIGTERM; in this process, `gcs_server`. Written from Google's documentation and
from what obstore 0.12.1 sends: PUT (whole, or a copy), GET, HEAD and DELETE of objects, their generations and the
preconditions on them, and the list of version 2. Nothing here was tried against Google. Any credentials do. All is kept
in memory.

What it has not: uploads in parts (400: what is 5xx is retried), versions of objects, and the limit of about one write a
second to one object, over which Google answers 429.
"""

from __future__ import annotations

import json
import re
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import formatdate
from hashlib import md5
from urllib.parse import quote, unquote
from uuid import uuid4
from xml.sax.saxutils import escape, unescape

import requests

from tests.servers.entry import options, serve
from tests.servers.server import Server, Wall
from tests.servers.wire import Answer, Request

_MOST_KEYS = 1000
_PRECONDITION = "x-goog-if-generation-match"


@dataclass(frozen=True, slots=True)
class Blob:
    """One object. Its generation is new with every write, its `at` (epoch seconds) is when it was written."""

    data: bytes
    content_type: str
    generation: int
    at: float

    @property
    def etag(self) -> str:
        """The MD5 of its bytes, quoted."""
        return f'"{md5(self.data, usedforsecurity=False).hexdigest()}"'

    @property
    def headers(self) -> dict[str, str]:
        """What is told of it beside its bytes."""
        return {
            "content-type": self.content_type,
            "etag": self.etag,
            "last-modified": formatdate(self.at, usegmt=True),
            "x-goog-generation": str(self.generation),
            "x-goog-metageneration": "1",
        }


class Refused(Exception):
    """An answer of another kind than was asked for."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        text = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
        self.answer = _xml(text, status)


class Buckets:
    """All buckets: an `Application`, one request at a time. `now` (epoch seconds) dates objects."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._buckets: dict[str, dict[str, Blob]] = {}
        self._generation = 0

    def __call__(self, request: Request) -> Answer:
        """Answer a request."""
        name, _, key = request.path.removeprefix("/").partition("/")
        with self._lock:
            try:
                return self._object(request, name, key) if key else self._bucket(request, name)
            except Refused as refused:
                return refused.answer

    def _bucket(self, request: Request, name: str) -> Answer:
        if request.method == "PUT":
            if name in self._buckets:
                raise Refused(409, "BucketAlreadyOwnedByYou", "Your previous request to create it succeeded.")
            self._buckets[name] = {}
            return Answer(200)
        objects = self._objects(name)
        if request.method == "DELETE":
            if objects:
                raise Refused(409, "BucketNotEmpty", "The bucket you tried to delete is not empty.")
            del self._buckets[name]
            return Answer(204)
        if request.method != "GET" or request.query.get("list-type") != "2":
            raise Refused(400, "NotImplemented", "of a bucket, this imitation has list-type=2 alone")
        return _xml(list_of(name, objects, request.query))

    def _objects(self, name: str) -> dict[str, Blob]:
        try:
            return self._buckets[name]
        except KeyError:
            raise Refused(404, "NoSuchBucket", "The specified bucket does not exist.") from None

    def _object(self, request: Request, name: str, key: str) -> Answer:
        objects = self._objects(name)
        there = objects.get(key)
        if {"uploads", "uploadId", "partNumber"} & request.query.keys():
            raise Refused(400, "NotImplemented", "this imitation has no uploads in parts")
        wanted = request.headers.get(_PRECONDITION)
        if wanted is not None and wanted != str(there.generation if there else 0):
            raise Refused(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold.")
        if request.method == "PUT":
            return self._put(request, objects, key)
        if there is None or request.query.get("generation", str(there.generation)) != str(there.generation):
            raise Refused(404, "NoSuchKey", "The specified key does not exist.")
        match request.method:
            case "GET" | "HEAD":
                return _get(request.headers, there)
            case "DELETE":
                del objects[key]
                return Answer(204)
            case _:
                raise Refused(405, "MethodNotAllowed", "The specified method is not allowed against this resource.")

    def _put(self, request: Request, objects: dict[str, Blob], key: str) -> Answer:
        data, content_type = request.body, request.headers.get("content-type", "application/octet-stream")
        source = request.headers.get("x-goog-copy-source")
        if source is not None:
            bucket, _, copied = unquote(source).removeprefix("/").partition("/")
            blob = self._objects(bucket).get(copied)
            if blob is None:
                raise Refused(404, "NoSuchKey", "The specified key does not exist.")
            data, content_type = blob.data, blob.content_type
        at = self._now()
        # Microseconds, as Google's look; but never the same twice, nor lower than one before, whatever the clock does.
        self._generation = max(self._generation + 1, int(at * 1_000_000))
        written = objects[key] = Blob(data, content_type, self._generation, at)
        if source is None:
            return Answer(200, b"", written.headers)
        return _xml(f"<CopyObjectResult><ETag>{escape(written.etag)}</ETag></CopyObjectResult>", more=written.headers)


def _get(headers: Mapping[str, str], blob: Blob) -> Answer:
    if headers.get("if-match", blob.etag) not in {blob.etag, "*"}:
        raise Refused(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold.")
    if headers.get("if-none-match") in {blob.etag, "*"}:
        return Answer(304, b"", blob.headers)
    if "range" not in headers:
        return Answer(200, blob.data, blob.headers)
    asked = re.fullmatch(r"bytes=(\d*)-(\d*)", headers["range"])
    size = len(blob.data)
    if asked is None or asked[0] == "bytes=-":
        return Answer(200, blob.data, blob.headers)
    first = int(asked[1]) if asked[1] else max(0, size - int(asked[2]))
    end = min(size, int(asked[2]) + 1) if asked[1] and asked[2] else size
    if first >= end:
        raise Refused(416, "InvalidRange", "The requested range cannot be satisfied.")
    told = {**blob.headers, "content-range": f"bytes {first}-{end - 1}/{size}"}
    return Answer(206, blob.data[first:end], told)


def list_of(bucket: str, objects: Mapping[str, Blob], query: Mapping[str, str]) -> str:
    """One page of a list of objects, as XML; keys are in the order of their UTF-8 bytes."""
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    most = min(_MOST_KEYS, int(query.get("max-keys", _MOST_KEYS)))
    # A token is the last name of the page before: a key, or the common prefix of some.
    after = query.get("continuation-token") or query.get("start-after", "")
    shown: list[tuple[str, Blob | None]] = []
    for key in sorted((key for key in objects if key.startswith(prefix)), key=str.encode):
        cut = key.find(delimiter, len(prefix)) if delimiter else -1
        entry = (key, objects[key]) if cut < 0 else (key[: cut + len(delimiter)], None)
        if not shown or shown[-1] != entry:
            shown.append(entry)
    start = bisect_right([name.encode() for name, _ in shown], after.encode())
    page = shown[start : start + most]
    more = start + most < len(shown)
    contents = "".join(_entry(name, blob) for name, blob in page)
    token = f"<NextContinuationToken>{escape(page[-1][0])}</NextContinuationToken>" if more and page else ""
    return (
        f"<ListBucketResult><Name>{bucket}</Name><Prefix>{escape(prefix)}</Prefix><KeyCount>{len(page)}</KeyCount>"
        f"<MaxKeys>{most}</MaxKeys><IsTruncated>{str(more).lower()}</IsTruncated>{token}{contents}</ListBucketResult>"
    )


def _entry(name: str, blob: Blob | None) -> str:
    if blob is None:
        return f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>"
    at = datetime.fromtimestamp(blob.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return (
        f"<Contents><Key>{escape(name)}</Key><Generation>{blob.generation}</Generation><LastModified>{at}</LastModified>"
        f"<ETag>{escape(blob.etag)}</ETag><Size>{len(blob.data)}</Size></Contents>"
    )


def _xml(text: str, status: int = 200, *, more: Mapping[str, str] | None = None) -> Answer:
    body = f"<?xml version='1.0' encoding='UTF-8'?>{text}".encode()
    return Answer(status, body, {**(more or {}), "content-type": "application/xml; charset=UTF-8"})


def service_account(url: str) -> str:
    """What stands in the key file of a service account that makes obstore use the server at this URL, unsigned."""
    empty = {"client_email": "", "private_key": "", "private_key_id": ""}
    return json.dumps({"gcs_base_url": url, "disable_oauth": True, **empty})


def make_bucket(url: str) -> str:
    """Make a bucket of a new name, which is returned, in the server at this URL."""
    name = f"bucket-{uuid4().hex[:12]}"
    _ask("PUT", f"{url}/{name}")
    return name


def remove_bucket(url: str, name: str) -> None:
    """Remove a bucket with all that is in it."""
    while keys := re.findall(r"<Key>(.*?)</Key>", _ask("GET", f"{url}/{name}?list-type=2")):
        for key in keys:
            _ask("DELETE", f"{url}/{name}/{quote(unescape(key))}")
    _ask("DELETE", f"{url}/{name}")


def _ask(method: str, url: str) -> str:
    with requests.Session() as session:
        session.trust_env = False
        answer = session.request(method, url, timeout=30)
    answer.raise_for_status()
    return answer.text


@contextmanager
def gcs_server(*, now: Callable[[], float] | None = None) -> Iterator[Server]:
    """Serve from threads of this process while the block runs. `now` is in epoch seconds."""
    clock = Wall() if now is None else now
    with Server(Buckets(clock), now=clock) as server:
        yield server


def main() -> None:
    """Serve as a process of its own."""
    given = options("gcs").parse_args()
    clock = Wall()
    serve(Server(Buckets(clock), port=given.port, now=clock), given)


if __name__ == "__main__":
    main()
