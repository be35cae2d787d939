"""Lists that end too early, or hold what cannot be read: the real client over a platform in a few lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3 import HTTPResponse

from mics_iac.api.client import MicsApi
from mics_iac.api.limits import Limits, Patience
from mics_iac.api.transport import Transport
from mics_iac.errors import ApiError
from tests.api.stand import DATAMART, TOKEN, SteppingClock

Answers = Callable[[int, int], Mapping[str, object]]
"""The list's envelope for an offset and a page size."""


class Lister(BaseAdapter):
    """A platform that knows nothing but a list; `asked` holds the offsets that were asked for."""

    def __init__(self, answers: Answers) -> None:
        super().__init__()
        self._answers = answers
        self.asked: list[int] = []

    def send(self, request: requests.PreparedRequest, *_args: Any, **_kwargs: Any) -> requests.Response:
        query = parse_qs(urlsplit(request.url or "").query)
        first, size = (int(query[key][0]) for key in ("first_result", "max_results"))
        self.asked.append(first)
        body = json.dumps({"status": "ok", **self._answers(first, size)}).encode()
        raw = HTTPResponse(BytesIO(body), status=HTTPStatus.OK, preload_content=False)
        return HTTPAdapter().build_response(request, raw)

    def close(self) -> None:
        """Nothing is open."""


def client(lister: Lister, *, page_size: int) -> MicsApi:
    limits = Limits(patience=Patience(attempts=1))
    transport = Transport("https://api.example.test", token=TOKEN, clock=SteppingClock(), adapter=lister, limits=limits)
    return MicsApi(transport, page_size=page_size)


def things(count: int) -> list[dict[str, object]]:
    return [
        {"id": str(number), "name": f"n{number}", "document_type": "USER_PROFILE", "mime_type": "APPLICATION_X_NDJSON"}
        for number in range(count)
    ]


def total_of_the_page(count: int, *, cap: int = 1000) -> Answers:
    """A platform that says as `total` how many items the page has (the client's own rule takes either)."""

    def answers(first: int, size: int) -> Mapping[str, object]:
        size = min(size, cap)
        page = things(count)[first : first + size]
        return {"data": page, "count": len(page), "total": len(page), "max_results": size}

    return answers


@pytest.mark.parametrize("cap", [1000, 4])
@pytest.mark.parametrize("count", [0, 1, 4, 5, 9, 10, 11, 20, 23])
def test_a_total_that_is_the_length_of_the_page_hides_nothing(count: int, cap: int) -> None:
    lister = Lister(total_of_the_page(count, cap=cap))
    listing = client(lister, page_size=10).list_imports(DATAMART)
    assert [one.id for one in listing.items] == [str(number) for number in range(count)]
    assert listing.steady
    size = min(cap, 10)
    assert len(lister.asked) <= count // size + 2


@pytest.mark.parametrize(("count", "calls"), [(0, 1), (9, 1), (10, 2), (11, 2), (20, 2), (50, 5)])
def test_an_honest_total_costs_a_second_look_only_where_one_page_is_full_to_the_brim(count: int, calls: int) -> None:
    def answers(first: int, size: int) -> Mapping[str, object]:
        return {"data": things(count)[first : first + size], "total": count, "max_results": size}

    lister = Lister(answers)
    listing = client(lister, page_size=10).list_imports(DATAMART)
    assert (len(listing.items), listing.steady, len(lister.asked)) == (count, True, calls)


def test_what_came_to_be_behind_a_full_page_is_listed_and_the_list_is_not_steady() -> None:
    def answers(first: int, size: int) -> Mapping[str, object]:
        count = 10 if first == 0 else 11
        return {"data": things(count)[first : first + size], "total": count}

    listing = client(Lister(answers), page_size=10).list_imports(DATAMART)
    assert (len(listing.items), listing.steady) == (11, False)


@pytest.mark.parametrize("page_size", [1, 2, 10])
@pytest.mark.parametrize("total", [True, False])
def test_a_list_with_something_unreadable_shows_the_others_and_is_not_steady(page_size: int, total: bool) -> None:
    rows: list[object] = [*things(3), {"name": "no id"}, *things(6)[3:]]

    def answers(first: int, size: int) -> Mapping[str, object]:
        more = {"total": len(rows)} if total else {}
        return {"data": rows[first : first + size], **more}

    for listing in (
        client(Lister(answers), page_size=page_size).list_imports(DATAMART),
        client(Lister(answers), page_size=page_size).list_executions(DATAMART, "1"),
    ):
        assert [one.id for one in listing.items] == ["0", "1", "2", "3", "4", "5"]
        assert not listing.steady


def test_unreadable_things_for_ever_end_with_an_error() -> None:
    lister = Lister(lambda _first, size: {"data": [None] * size})
    with pytest.raises(ApiError, match="no end"):
        client(lister, page_size=10).list_executions(DATAMART, "1")
    assert len(lister.asked) == 2


@pytest.mark.parametrize("odd", ["x", -1, 0, None, [], 2**70])
def test_an_odd_page_size_of_the_platforms_is_passed_over(odd: object) -> None:
    def answers(first: int, _size: int) -> Mapping[str, object]:
        return {"data": things(3)[first:], "total": 3, "max_results": odd}

    lister = Lister(answers)
    listing = client(lister, page_size=10).list_imports(DATAMART)
    assert (len(listing.items), listing.steady, lister.asked) == (3, True, [0])


def test_a_page_that_is_longer_than_asked_is_read_as_it_is() -> None:
    lister = Lister(lambda _first, _size: {"data": things(12), "total": 12})
    listing = client(lister, page_size=10).list_imports(DATAMART)
    assert (len(listing.items), listing.steady, lister.asked) == (12, True, [0])
