"""What the loop looks at after each run would tell: a check that cannot fail checks nothing."""

from __future__ import annotations

from pathlib import Path

from mics_iac.core.state import State
from mics_iac.sandbox.sandbox import Sandbox
from tests.clocks import SteppingClock
from tests.crash import truths
from tests.crash.effects import Effects
from tests.crash.order import Order
from tests.crash.place import Place
from tests.crash.scenes import SCENES

WANTED = SCENES["fresh"].wanted


def test_what_is_wrong_is_told(tmp_path: Path) -> None:
    place = Place(tmp_path)
    WANTED.lay_out(place.project)
    ran = place.apply(WANTED, clock=SteppingClock(), effects=Effects(), order=Order({}))
    assert (ran.code, ran.wrong) == (0, [])
    with Sandbox(tmp_path / "platform.sqlite") as sandbox:
        assert list(truths.loaded_once(WANTED, sandbox)) == []
        first, second = sandbox.imports()
        sandbox.add_execution(first.id, WANTED.files["a/1.ndjson"].encode())
        sandbox.add_import("1502", second.name)
        imports, executions = truths.loaded_once(WANTED, sandbox)
        assert imports.startswith("imports [")
        assert executions.startswith("executions [")
        unrecorded = list(truths.recorded(State(lineage="", api_url=""), sandbox))
        assert len(unrecorded) == 2


def test_what_is_left_behind_is_told(tmp_path: Path) -> None:
    place, clock = Place(tmp_path), SteppingClock()
    WANTED.lay_out(place.project)
    place.apply(WANTED, clock=clock, effects=Effects(), order=Order({}))
    for name in ("imports.state.json.tmp", "imports.state.backup.1"):
        (place.project / "state" / name).touch()
    again = place.apply(WANTED, clock=clock, effects=Effects(), order=Order({}))
    assert (again.code, again.wrong) == (0, ["left beside the state: ['imports.state.json.tmp']"])
