"""A whole project on a sandbox, with one import declared and nothing done yet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rig import ONE_IMPORT, Rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    folder = tmp_path / "project"
    folder.mkdir()
    made = Rig(folder)
    made.declare(ONE_IMPORT)
    with made.sandbox:
        yield made
