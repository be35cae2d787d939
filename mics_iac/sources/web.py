"""Data files at web servers: one address, one file, read as it is.

A server tells little: an etag or a date by which its content is known again, whether it can begin in the middle. What
it does not tell is not made up. Redirects are not followed, and no encoding is undone: bytes are as they are stored.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping
from typing import TypeAlias

import urllib3

from mics_iac import __version__
from mics_iac.clouds.attempts import Attempts, Unsure
from mics_iac.clouds.use import FILES
from mics_iac.clouds.web import open_pool, why_broken
from mics_iac.core.clock import Clock
from mics_iac.core.manifest import SourceSpec
from mics_iac.core.remote import WebPath
from mics_iac.errors import Problem, SourceFailed
from mics_iac.sources.answers import Elsewhere, Missing, Unfit, extent, judge, length_of, seal_of
from mics_iac.sources.login import login_headers
from mics_iac.sources.raw import Raw, encoding_refused, gone, not_planned, read_seal, wrong
from mics_iac.sources.resuming import Resuming
from mics_iac.sources.seal import Seal
from mics_iac.sources.source import Found

_BLOCK = 1 << 20
# Statuses of a HEAD after which a GET may do better: not known, not made, not allowed.
_NO_HEAD = frozenset({400, 403, 405, 501})

Way: TypeAlias = Callable[[str], tuple[str | None, str | None]]
"""The proxy (a URL, which may hold a password) and the file of certificates for an address."""


class WebSource:
    """Files at web servers, reached as `way` says. Safe for threads."""

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        clock: Clock,
        way: Way,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._environ = environ
        self._clock = clock
        self._way = way
        self._chance = chance
        self._guard = threading.Lock()
        self._pools: dict[tuple[str | None, str | None], urllib3.PoolManager] = {}

    def find(self, spec: SourceSpec, path: WebPath) -> tuple[list[Found], list[Problem]]:
        """See `Source.find`; `path` is that of the source. Its body is not read.

        The file has no seal where the server says nothing that tells contents apart: to know them, it has to be read.
        Its size is 0 where the server does not tell it. Raises SourceFailed where the server cannot be asked,
        SourceRefused where it wants to know who asks.
        """
        url = path.url
        try:
            head = self._attempts(url).until_answered(lambda: self._look(url))
        except Missing:
            if spec.allow_empty:
                return [], []
            message = f"{url} is not there: correct the address, or set `allow_empty: true`"
            return [], [wrong(spec, "MICS201", message)]
        except Elsewhere as elsewhere:
            return [], [wrong(spec, "MICS212", f"{url} {elsewhere}")]
        except Unfit as unfit:
            return [], [wrong(spec, "MICS204", f"{url} {unfit}")]
        if (refused := encoding_refused(url, head.get("Content-Encoding"))) is not None:
            return [], [wrong(spec, "MICS204", f"{refused.message}; {refused.remedy}")]
        size = length_of(head)
        if size == 0:
            return [], [wrong(spec, "MICS205", f"{url} is empty: remove the file, or write its records first")]
        seal = seal_of(head, size)
        return [Found(url, size or 0, None if seal is None else str(seal))], []

    def open_raw(self, path: WebPath, *, seal: str | None, start: int = 0, end: int | None = None) -> Raw:
        """See `Stored.open_raw`."""
        url = path.url
        planned = None if seal is None else read_seal(url, seal)
        size = None if planned is None else planned.size
        bounded = end is not None and (size is None or end < size)
        if not bounded:
            end = size
        opener = _Opener(self, url, planned, end if bounded else None)
        return Resuming(
            opener, start=start, end=end, attempts=self._attempts(url), wrong=lambda how: not_planned(url, how)
        )

    def close(self) -> None:
        """Let idle connections go; new ones are made where they are needed."""
        with self._guard:
            pools, self._pools = self._pools, {}
        for pool in pools.values():
            pool.clear()

    def ask(self, method: str, url: str, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        """One request and its answer, whatever its status; the body is still to be read. Raises Unsure."""
        sent = {
            "User-Agent": f"mics-iac/{__version__}",
            "Accept": "*/*",
            "Accept-Encoding": "identity",
            **login_headers(url, self._environ),
            **headers,
        }
        try:
            response = self._pool(url).request(
                method, url, headers=sent, redirect=False, preload_content=False, retries=False
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Unsure(why_broken(error)) from error
        if response.status < 200 or not response.headers:
            # One that broke off within its head passes for a whole one.
            response.close()
            raise Unsure("its answer broke off")
        return response

    def _look(self, url: str) -> Mapping[str, str]:
        """The headers of the file."""
        response = self.ask("HEAD", url, {})
        response.drain_conn()
        if response.status in _NO_HEAD or (response.status == 200 and "Content-Length" not in response.headers):
            response = self.ask("GET", url, {})
            # Its body stays unread, and the connection is of no use after that.
            response.close()
        judge(url, response)
        return response.headers

    def _attempts(self, url: str) -> Attempts:
        return Attempts(where=url, clock=self._clock, use=FILES, chance=self._chance)

    def _pool(self, url: str) -> urllib3.PoolManager:
        way = self._way(url)
        with self._guard:
            if way not in self._pools:
                self._pools[way] = open_pool(proxy=way[0], ca_bundle=way[1])
            return self._pools[way]


class _Opener:
    """Opens one file at any place, always the same content of it: the planned one, or the one met first."""

    def __init__(self, web: WebSource, url: str, seal: Seal | None, end: int | None) -> None:
        self._web = web
        self._url = url
        self._seal = seal
        self._end = end
        """Where reading ends before the file does; None: with the file."""
        self._opened = False

    def __call__(self, at: int) -> _Piece:
        """The bytes from there."""
        if self._opened and self._seal is None:
            raise SourceFailed(
                f"{self._url} broke off, and the server tells nothing by which its content is known again",
                remedy="run again; or let the server send an ETag",
            )
        response = self._web.ask("GET", self._url, self._headers(at))
        try:
            return self._piece(at, response)
        except BaseException:
            response.close()
            raise

    def _headers(self, at: int) -> dict[str, str]:
        headers: dict[str, str] = {}
        if at or self._end is not None:
            headers["Range"] = f"bytes={at}-{'' if self._end is None else self._end - 1}"
        if self._seal is not None and self._seal.etag is not None and self._seal.is_strong:
            headers["If-Match"] = self._seal.etag
        elif self._seal is not None and self._seal.modified is not None:
            headers["If-Unmodified-Since"] = self._seal.modified
        return headers

    def _piece(self, at: int, response: urllib3.BaseHTTPResponse) -> _Piece:
        url = self._url
        if response.status in {412, 416}:
            how = "its content is another one" if response.status == 412 else f"it holds no more than {at:,} bytes"
            raise not_planned(url, how)
        try:
            judge(url, response)
        except Missing as missing:
            raise gone(url) from missing
        except (Elsewhere, Unfit) as other:
            raise SourceFailed(f"{url} {other}", remedy="plan again") from other
        if (refused := encoding_refused(url, response.headers.get("Content-Encoding"))) is not None:
            raise refused
        first, size, length = extent(response)
        seal = seal_of(response.headers, size)
        if self._seal is not None and (how_other := self._seal.difference(seal or Seal(size))) is not None:
            raise not_planned(url, how_other)
        if first not in {0, at}:
            raise Unsure("it answers with other bytes than were asked for")
        known = length is not None or (self._seal is not None and self._seal.size is not None)
        if not known and response.headers.get("Transfer-Encoding", "").lower() != "chunked":
            raise SourceFailed(
                f"{url} does not say how long it is, so that a part of it would pass for the whole",
                remedy="let the server send a Content-Length",
            )
        self._opened = True
        self._seal = self._seal or seal
        # A server that cannot begin in the middle sends what is before it once more.
        most = None if self._end is None else self._end - at
        return _Piece(response, skip=at - first, most=most, size=size)


class _Piece:
    """The bytes of one answer, but for so many first ones, and at most so many."""

    def __init__(self, response: urllib3.BaseHTTPResponse, *, skip: int, most: int | None, size: int | None) -> None:
        self.size = size
        self._response = response
        self._skip = skip
        self._left = most

    def next(self) -> bytes:
        """See `Piece.next`."""
        while self._skip:
            self._skip -= len(self._read(min(self._skip, _BLOCK), needed=True))
        if self._left is None:
            return self._read(_BLOCK)
        block = self._read(min(self._left, _BLOCK)) if self._left else b""
        self._left -= len(block)
        return block

    def _read(self, size: int, *, needed: bool = False) -> bytes:
        try:
            block = self._response.read(size, decode_content=False)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Unsure(why_broken(error)) from error
        if needed and not block:
            raise Unsure("the connection broke off")
        return block

    def close(self) -> None:
        """Let go of the connection; it is used again where its answer was read to the end."""
        if self._response.closed:
            self._response.release_conn()
        else:
            self._response.close()
