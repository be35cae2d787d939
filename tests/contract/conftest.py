from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.contract.places import PLACES, Given, Place


@pytest.fixture
def given(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Given]:
    with ExitStack() as stack:
        yield Given(request, tmp_path, stack)


@pytest.fixture(params=sorted(PLACES))
def place(request: pytest.FixtureRequest, given: Given) -> Place:
    return PLACES[request.param](given)
