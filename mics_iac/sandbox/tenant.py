"""One account of the imitated platform, as its rules see it, and what the rules of every resource share.

Knows requests and pages; knows no resource.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from mics_iac.sandbox.faults import Fault
from mics_iac.sandbox.message import Refused, Request, Response
from mics_iac.sandbox.profile import Profile
from mics_iac.sandbox.store import Store

NOT_FOUND: Final = "Resource Not Found"
MOST_JSON_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Tenant:
    """Where it remembers, how it behaves, and its clock (epoch milliseconds)."""

    store: Store
    profile: Profile
    now: Callable[[], int]


@dataclass(frozen=True, slots=True)
class Call:
    """One request that has been let in: the ids in its path, and the faults that shape what is done with it."""

    tenant: Tenant
    request: Request
    ids: tuple[str, ...]
    shapes: tuple[Fault, ...] = ()

    def shape(self, *kinds: str) -> Fault | None:
        """The first fault of these kinds."""
        return next((fault for fault in self.shapes if fault.kind in kinds), None)


Handler = Callable[[Call], Response]


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a list that is asked for (mediarithmics-api.md 1.6, documented)."""

    first: int
    size: int
    shows_total: bool

    def total(self, count: int) -> int | None:
        """`count`, where the platform tells totals."""
        return count if self.shows_total else None


def window_of(call: Call) -> Window:
    """`first_result` and `max_results`, or their defaults; raises Refused (400)."""
    profile = call.tenant.profile
    size = _whole(call.request, "max_results", profile.page_size, least=1)
    capped = call.shape("capped")
    limits = [limit for limit in (profile.page_limit, capped.count if capped else None) if limit is not None]
    return Window(
        first=_whole(call.request, "first_result", 0, least=0),
        size=min([size, *limits]),
        shows_total=profile.total and call.shape("no_total") is None,
    )


def _whole(request: Request, name: str, default: int, *, least: int) -> int:
    text = request.asked(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 19) or int(text) < least:
        raise Refused(400, f"{name} is not a number of at least {least}")
    return int(text)


def json_body(request: Request) -> dict[str, Any]:
    """The JSON object of a request; raises Refused (415 without its content type, 413 too big, 400 otherwise)."""
    if media_type(request.header("content-type")) != "application/json":
        raise Refused(415, "Content-Type must be application/json")
    text = _gathered(request.body)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise Refused(400, "The body is not JSON") from None
    if not isinstance(value, dict):
        raise Refused(400, "The body is not a JSON object")
    return value


def _gathered(chunks: Iterable[bytes]) -> bytes:
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > MOST_JSON_BYTES:
            raise Refused(413, "The body is too large")
    return bytes(body)


def media_type(header: str) -> str:
    """A Content-Type without its parameters, in lower case."""
    return header.partition(";")[0].strip().lower()
