"""The token's source is asked once, however many calls begin at the same moment."""

from __future__ import annotations

import threading
from pathlib import Path

from mics_iac.core.plan import Options
from mics_iac.engine import workflow
from mics_iac.engine.project import Inputs, Project, open_project
from tests.api.loopback import always, serving
from tests.clocks import SteppingClock
from tests.rig import manifest

DATAMARTS = {f"d{n}": str(1500 + n) for n in range(8)}


class SlowSource:
    """A token that takes its time: whoever asks holds on until a second one asks, or it is clear that none will."""

    def __init__(self) -> None:
        self.asked = 0
        self._lock = threading.Lock()
        self._second = threading.Event()

    def __call__(self) -> str:
        with self._lock:
            self.asked += 1
            if self.asked > 1:
                self._second.set()
        self._second.wait(0.5)
        return "token-of-the-test"


def opened(folder: Path, url: str, source: SlowSource) -> Project:
    path = folder / "imports.yaml"
    path.write_text(manifest({f"{key}/one": {} for key in DATAMARTS}, DATAMARTS, api={"url": url}))
    return open_project(Inputs(manifest_path=path, token=source, clock=SteppingClock()))


def test_many_datamarts_listed_at_once_ask_for_one_token(tmp_path: Path) -> None:
    source = SlowSource()
    with serving(always()) as server:
        project = opened(tmp_path, server.url, source)
        plan = workflow.plan(project, Options())
    assert len(plan.effects) == len(DATAMARTS)
    assert server.connections > 1
    assert source.asked == 1


def test_nobody_is_asked_before_the_platform_is_called(tmp_path: Path) -> None:
    source = SlowSource()
    opened(tmp_path, "http://127.0.0.1:9", source)
    assert source.asked == 0
