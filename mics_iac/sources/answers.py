"""What the answer of a web server means for a data file: that it has it, how much of it comes, which content it is.

Reads heads alone. Nothing is asked here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urljoin

import urllib3

from mics_iac.clouds.attempts import Unsure
from mics_iac.core.weburl import holds_user
from mics_iac.core.wording import visible
from mics_iac.errors import SourceFailed, SourceRefused
from mics_iac.sources.seal import Seal

_REDIRECTS = frozenset({300, 301, 302, 303, 305, 307, 308})
# These may be over soon.
_PASSING = frozenset({408, 425, 429})
_NUMBER = re.compile(r"[0-9]{1,19}")
_RANGE = re.compile(r"bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19}|\*)")


class Missing(Exception):
    """The server has no such file."""


class Elsewhere(Exception):
    """It answers with a redirect; the text, which goes behind the address, says where to."""


class Unfit(Exception):
    """It answers with something that is no data file; the text goes behind the address."""


def judge(url: str, response: urllib3.BaseHTTPResponse) -> None:
    """Go on where the answer has the file, or a part of it.

    Raises Missing, Elsewhere or Unfit; Unsure where it may have it soon; SourceRefused, SourceFailed.
    """
    status = response.status
    if status in _REDIRECTS:
        raise Elsewhere(_where_to(url, response.headers.get("Location")))
    if status in {401, 403, 407}:
        what = "wants to know who asks" if status == 401 else "does not allow to read it"
        raise SourceRefused(
            f"{url}: the {'proxy' if status == 407 else 'server'} {what} ({status})",
            remedy="give ~/.netrc (or the file that NETRC names) a line for this host, with one who may read it",
        )
    if status in {404, 410}:
        raise Missing
    if status in _PASSING or status >= 500:
        raise Unsure(f"it answers with {status}")
    if status not in {200, 206}:
        raise SourceFailed(f"{url}: the server answers with {status}", remedy="correct the source's path")
    kind = response.headers.get("Content-Type", "").lower()
    if kind.startswith("text/html"):
        raise Unfit("answers with a web page, not with a data file: perhaps to log in")
    if kind.startswith("multipart/"):
        raise Unfit("answers with several parts at once, which was not asked for")


def _where_to(url: str, location: str | None) -> str:
    refused = "answers with a redirect, which is not followed"
    if not location:
        return f"{refused}; it does not say where to"
    try:
        whole = urljoin(url, location)
    except ValueError:
        return f"{refused}; where to is no address"
    if holds_user(whole) or "?" in whole:
        # A signature, most likely: neither shown, nor fit for a manifest.
        return f"{refused}, to an address that may stand in no manifest (it holds a query, a user or a password)"
    return f"{refused}: write {visible(whole[:500])} if that is the file"


def length_of(headers: Mapping[str, str]) -> int | None:
    """How many bytes the body has; None where that is not said."""
    text = headers.get("Content-Length", "")
    return int(text) if _NUMBER.fullmatch(text) else None


def seal_of(headers: Mapping[str, str], size: int | None) -> Seal | None:
    """What the answer says of the content of the whole file, whose size is this; None where it says too little."""
    return Seal.of(size=size, etag=headers.get("ETag"), modified=headers.get("Last-Modified"))


def extent(response: urllib3.BaseHTTPResponse) -> tuple[int, int | None, int | None]:
    """Where the bytes of an answer begin in the file; the file's size; the answer's length. None where it is not said.

    Raises Unsure where the head contradicts itself.
    """
    length = length_of(response.headers)
    if response.status == 200:
        return 0, length, length
    found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if found is None:
        raise Unsure("it answers with a part of the file, and does not say with which")
    first, last, size = int(found[1]), int(found[2]), None if found[3] == "*" else int(found[3])
    if last < first or (size is not None and last >= size) or (length is not None and length != last - first + 1):
        raise Unsure("it answers with a part of the file, and contradicts itself about which")
    return first, size, last - first + 1
