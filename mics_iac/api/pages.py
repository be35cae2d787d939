"""Reading a paged list to its end, without trusting its pages.

Pure: it is given a function that fetches one page. Pages may be shorter than asked (servers cap silently), repeat
items, hold some that cannot be read, lose their total, give their own length for it, or shift while they are read;
design.md section 4.1 says what then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

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


@dataclass(slots=True)
class _Reading(Generic[T]):
    """What was read so far. `whole` turns false once something came twice, or cannot be read."""

    items: dict[str, T] = field(default_factory=dict)
    offset: int = 0
    whole: bool = True
    totals: set[int | None] = field(default_factory=set)
    counted: bool = True
    """Whether a total may be believed: not once things came from behind it."""
    barren: int = 0
    """How many pages brought nothing new, since the last that did."""

    def take(self, page: Page[T]) -> None:
        """Add a page."""
        if page.length and page.total is not None and 0 < self.offset >= page.total:
            self.counted = False
        known = len(self.items)
        # The later copy is the fresher one; its place in the order stays.
        self.items.update((item.id, item) for item in page.items)
        fresh = len(self.items) - known
        self.whole = self.whole and fresh == page.length
        self.barren = 0 if fresh else self.barren + 1
        self.totals.add(page.total)
        self.offset += page.length

    def ended_by(self, page: Page[T]) -> bool:
        """Whether that page, taken already, is the last one as far as it says."""
        return not page.length or (self.counted and page.total is not None and self.offset >= page.total)

    def listing(self, *, ended: bool) -> Listing[T]:
        """What was read; of a list that `ended` it must be as much as was announced, else the list is not steady."""
        one = len(self.totals) == 1
        met = one and (not ended or self.totals <= {None, len(self.items)})
        return Listing(items=tuple(self.items.values()), steady=self.whole and (met or not self.counted))


def read_pages(
    fetch: Callable[[int], Page[T]],
    *,
    what: str,
    asked: int | None = None,
    enough: Callable[[Sequence[T]], bool] | None = None,
) -> Listing[T]:
    """Every item once, in the order of the pages; `fetch` is given the offset of the first item wanted.

    `asked` is the page size that `fetch` asks for. `enough` is asked after each page with what was read so far, and
    ends the reading early. Raises ApiError when pages bring nothing new again and again.
    """
    reading: _Reading[T] = _Reading()
    for number in range(_MOST_PAGES):
        page = fetch(reading.offset)
        if number == 1 and not page.length and reading.totals == {reading.offset}:
            # The first page held all, as it said itself.
            return reading.listing(ended=True)
        reading.take(page)
        if reading.ended_by(page) and not (number == 0 and _is_full(page, asked)):
            return reading.listing(ended=True)
        if enough is not None and enough(tuple(reading.items.values())):
            return reading.listing(ended=False)
        if reading.barren == 2:
            break
    raise ApiError(
        f"the list of {what} has no end: its pages bring nothing new that can be read after {len(reading.items)} items",
        remedy="run again; if it stays so, tell the platform's support",
    )


def _is_full(page: Page[T], asked: int | None) -> bool:
    # `total` is documented for some lists and may be no more than the length of the page (mediarithmics-api.md 1.4:
    # the vendor's client takes either). Where the page is as long as a page gets, one more look tells them apart.
    return asked is not None and page.total == page.length > 0 and page.length == min(asked, page.size or asked)
