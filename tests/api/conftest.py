from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.api.stand import MakeStand, Stand, make_stand


@pytest.fixture
def make(tmp_path: Path) -> Iterator[MakeStand]:
    with ExitStack() as stack:

        def one(**options: Any) -> Stand:
            stand = make_stand(tmp_path, **options)
            stack.callback(stand.sandbox.close)
            stack.callback(stand.api.transport.close)
            return stand

        yield one


@pytest.fixture
def stand(make: MakeStand) -> Stand:
    return make()
