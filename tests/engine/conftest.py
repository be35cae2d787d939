"""A whole project on a sandbox, with one import declared and nothing done yet.

Its state is in a file; where a module asks for `EVERYWHERE`, each of its tests is run with a distant store too.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.afar import AfarBackend
from tests.rig import ONE_IMPORT, Rig


@pytest.fixture
def rig(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Rig]:
    folder = tmp_path / "project"
    folder.mkdir()
    made = Rig(folder)
    made.declare(ONE_IMPORT)
    if getattr(request, "param", "file") == "distant":
        made.backend = lambda: AfarBackend(made.state_path, clock=made.clock)
    with made.sandbox:
        yield made
