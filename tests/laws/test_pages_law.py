"""Law: pages of any size, capped, with or without a total, list the same; and no list is read for ever."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mics_iac.api.pages import read_pages
from mics_iac.api.wire import Page
from mics_iac.core.observed import RemoteExecution
from mics_iac.errors import ApiError
from mics_iac.sandbox.profile import Profile
from tests.api.stand import DATAMART, Stand, make_stand


def items(*numbers: int) -> tuple[RemoteExecution, ...]:
    return tuple(RemoteExecution(id=str(number), status="PENDING") for number in numbers)


@contextmanager
def standing(**options: object) -> Iterator[Stand]:
    with TemporaryDirectory() as folder:
        stand = make_stand(Path(folder), **options)  # type: ignore[arg-type]  # options of the stand, as drawn
        try:
            yield stand
        finally:
            stand.sandbox.close()


@settings(max_examples=25, deadline=None)
@given(
    count=st.integers(0, 23),
    page_size=st.integers(1, 30),
    page_limit=st.none() | st.integers(1, 30),
    total=st.booleans(),
)
def test_any_pages_list_the_same(count: int, page_size: int, page_limit: int | None, total: bool) -> None:
    profile = Profile(page_limit=page_limit, total=total)
    with standing(profile=profile, page_size=page_size) as stand:
        ids = [stand.sandbox.add_import(DATAMART, f"import {number}") for number in range(count)]
        listing = stand.api.list_imports(DATAMART)
        assert [one.id for one in listing.items] == ids
        assert listing.steady
        # No more calls than the pages that are there, and the empty one that ends a list without a total.
        size = min(page_size, page_limit or page_size)
        assert stand.sent <= max(1, -(-count // size)) + 1


@given(data=st.data(), size=st.integers(1, 6), removing=st.booleans())
def test_a_list_that_shrank_or_grew_meanwhile_is_complete_or_not_steady(
    data: st.DataObject, size: int, removing: bool
) -> None:
    """Somebody only removes, or only adds, items between two pages: both at once can hide from any count."""
    there = [str(number) for number in range(data.draw(st.integers(1, 20)))]
    always = set(there)

    def fetch(first: int) -> Page[RemoteExecution]:
        page = Page(tuple(RemoteExecution(id=one, status="PENDING") for one in there[first : first + size]), len(there))
        if data.draw(st.booleans()):
            place = data.draw(st.integers(0, len(there)))
            if not removing and len(there) < 60:
                there.insert(place, f"new-{len(there)}")
            elif removing and there:
                always.discard(there.pop(min(place, len(there) - 1)))
        return page

    try:
        listing = read_pages(fetch, what="things")
    except ApiError:
        # Items that are put in front faster than pages are read look like a page that comes for ever.
        assert not removing
        return
    ids = [one.id for one in listing.items]
    assert len(ids) == len(set(ids))
    assert not listing.steady or always <= set(ids)


def test_an_item_that_comes_twice_is_listed_once_and_the_list_is_not_steady() -> None:
    pages = [Page(items(1, 2), 4), Page(items(2, 3), 4)]
    listing = read_pages(lambda _: pages.pop(0), what="things")
    assert [one.id for one in listing.items] == ["1", "2", "3"]
    assert not listing.steady


@pytest.mark.parametrize(
    "pages",
    [
        [Page(items(1, 2), 4), Page(items(3), 3)],
        [Page(items(1, 2), 4), Page(items(3, 4), None), Page(items(), None)],
        [Page(items(1, 2), 4), Page(items(), 4)],
        [Page(items(1, 2, 3), 2)],
    ],
)
def test_a_total_that_moves_or_is_not_met_makes_a_list_unsteady(pages: list[Page[RemoteExecution]]) -> None:
    assert not read_pages(lambda _: pages.pop(0), what="things").steady


def test_a_page_that_comes_for_ever_ends_with_an_error() -> None:
    calls: list[int] = []

    def fetch(first: int) -> Page[RemoteExecution]:
        calls.append(first)
        return Page(items(1, 2), None)

    with pytest.raises(ApiError, match="no end"):
        read_pages(fetch, what="things")
    assert calls == [0, 2, 4]


def test_enough_is_enough() -> None:
    with standing(page_size=2) as stand:
        one = stand.sandbox.add_import(DATAMART, "There")
        ids = [stand.upload(one) for _ in range(7)]
        listing = stand.api.list_executions(DATAMART, one, enough=lambda read: any(x.id == ids[4] for x in read))
        assert [x.id for x in listing.items] == [ids[6], ids[5], ids[4], ids[3]]
        whole = stand.api.list_executions(DATAMART, one)
        assert [x.id for x in whole.items] == ids[::-1]
        assert whole.steady
