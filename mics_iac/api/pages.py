"""Reading a paged list to its end, without trusting its pages.

Pure: it is given a function that fetches one page. Pages may be shorter than asked (servers cap silently), repeat
items, lose their total, or shift while they are read; design.md section 4.1 says what then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from mics_iac.api.wire import Page
from mics_iac.core.observed import Listing
from mics_iac.errors import ApiError

# Past this a list has no end: 100,000 pages of 500 are fifty million imports.
_MOST_PAGES = 100_000


class HasId(Protocol):
    """An item with the platform's id."""

    @property
    def id(self) -> str:
        """The id."""
        ...


T = TypeVar("T", bound=HasId)


def read_pages(
    fetch: Callable[[int], Page[T]],
    *,
    what: str,
    enough: Callable[[Sequence[T]], bool] | None = None,
) -> Listing[T]:
    """Every item once, in the order of the pages; `fetch` is given the offset of the first item wanted.

    `enough` is asked after each page with what was read so far, and ends the reading early. Raises ApiError when the
    same page comes again and again.
    """
    items: dict[str, T] = {}
    totals: set[int | None] = set()
    steady = True
    offset = barren = 0
    for _ in range(_MOST_PAGES):
        page = fetch(offset)
        totals.add(page.total)
        known = len(items)
        # The later copy is the fresher one; its place in the order stays.
        items.update((item.id, item) for item in page.items)
        fresh = len(items) - known
        steady = steady and fresh == len(page.items) and len(totals) == 1
        offset += len(page.items)
        if not page.items or (page.total is not None and offset >= page.total):
            whole = page.total is None or page.total == len(items)
            return Listing(items=tuple(items.values()), steady=steady and whole)
        if enough is not None and enough(tuple(items.values())):
            return Listing(items=tuple(items.values()), steady=steady)
        barren = 0 if fresh else barren + 1
        if barren == 2:
            break
    raise ApiError(
        f"the list of {what} has no end: its pages bring nothing new after {len(items)} items",
        remedy="run again; if it stays so, tell the platform's support",
    )
