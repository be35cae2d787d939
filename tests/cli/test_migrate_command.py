"""`state migrate`, as a user types it: from a file to another and back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mics_iac.core.state import decode_state
from tests.cli.conftest import MANIFEST, Run, write_data

HERE, THERE = ("--sandbox", "--state", "here.json"), ("--sandbox", "--state", "states/there.json")


@pytest.fixture
def applied(project: Path, run: Run) -> Path:
    """A project whose two files are loaded, with its state in here.json."""
    assert run("apply", *HERE, "-y").code == 0
    return project


def test_it_moves_and_says_what_the_manifest_must_say(applied: Path, run: Run) -> None:
    moved = run("state", "migrate", "--to", "states/there.json", *HERE)
    assert moved.code == 0, moved.err
    assert moved.out == (
        "moved to states/there.json: serial 3, 1 import, 2 executions, 1 backup\n"
        "no run goes on from here.json any more\n"
        "\n"
        "The manifest must say from now on:\n"
        "\n"
        "state:\n"
        "  backend: file\n"
        "  path: states/there.json\n"
    )
    block = moved.out[moved.out.index("state:\n") :]
    (applied / "imports.yaml").write_text(MANIFEST + block, encoding="utf-8")
    assert json.loads(run("lock", "status", "--format", "json").out)["state"] == "states/there.json"
    assert "No changes." in run("plan", *THERE).out
    write_data(applied / "data/3.ndjson", 20, 2)
    assert "1 loaded" in run("apply", *THERE, "-y").out


def test_every_run_against_the_old_place_is_told_where_the_state_is(applied: Path, run: Run) -> None:
    assert run("plan", *HERE, "--out", "plan.json").code == 0
    assert run("state", "migrate", "--to", "states/there.json", *HERE).code == 0
    before = (applied / "here.json").read_bytes()
    for command in (
        ["plan"],
        ["apply", "-y"],
        ["status"],
        ["state", "rm", "fr/visits"],
        ["state", "mv", "fr/visits", "fr/x"],
        ["state", "recover"],
        ["state", "resolve", "fr/visits", "--resend"],
        ["state", "push", "here.json"],
        ["state", "migrate", "--to", "elsewhere.json"],
        ["lock", "acquire", "--reason", "repair"],
    ):
        refused = run(*command, *HERE)
        assert refused.code == 10, command
        assert "the state is at file:states/there.json and not at here.json: it was moved" in refused.err
        assert "    state:\n      backend: file\n      path: states/there.json\n" in refused.err
    assert run("apply", "--sandbox", "plan.json").code == 10
    assert (applied / "here.json").read_bytes() == before
    for command in (["list"], ["show", "fr/visits"], ["pull"]):
        shown = run("state", *command, *HERE)
        assert shown.code == 0
        assert "fr/visits" in shown.out
        assert "Warning: this state is not the one of today any more: that is at file:states/there.json" in shown.err
    checked = run("state", "check", *HERE)
    assert checked.code == 0
    assert "moved:    the state is at file:states/there.json by now\n" in checked.out
    found = json.loads(run("state", "check", *HERE, "--format", "json").out)
    assert found["state"]["moved_to"] == "file:states/there.json"
    assert run("lock", "status", *HERE).code == 0


def test_again_and_back(applied: Path, run: Run) -> None:
    assert run("state", "migrate", "--to", "states/there.json", *HERE).code == 0
    again = run("state", "migrate", "--to", "states/there.json", *HERE)
    assert again.code == 0
    assert again.out.startswith("nothing to do: the state is at states/there.json already (serial 3")
    assert "  path: states/there.json\n" in again.out
    back = json.loads(run("state", "migrate", "--to", "here.json", *THERE, "--format", "json").out)
    state = decode_state((applied / "here.json").read_bytes(), name="here")
    expected = {
        "moved": True,
        "from": "file:states/there.json",
        "to": "file:here.json",
        "lineage": state.lineage,
        "serial": state.serial,
        "imports": 1,
        "executions": 2,
        "manifest": {"state": {"backend": "file", "path": "here.json"}},
    }
    assert back.items() >= expected.items()
    assert state.moved_to == ""
    assert run("apply", *HERE, "-y").code == 0


def test_the_state_beside_the_manifest_moves_under_its_name(applied: Path, run: Run) -> None:
    assert run("state", "migrate", "--to", "file:", *HERE).code == 0
    assert decode_state((applied / "here.json").read_bytes(), name="here").moved_to == "file:imports.state.json"
    assert run("state", "migrate", "--to", "here.json", "--sandbox", "--state", "file:").code == 0
    assert decode_state((applied / "imports.state.json").read_bytes(), name="").moved_to == "file:here.json"


def test_what_is_refused(applied: Path, run: Run) -> None:
    same = run("state", "migrate", "--to", "./here.json", *HERE)
    assert same.code == 64
    assert "the state is there already" in same.err
    own = run("state", "migrate", "--to", "x.json", "--sandbox")
    assert own.code == 64
    assert "the sandbox keeps its own state" in own.err
    nothing = run("state", "migrate", "--to", "x.json", "--sandbox", "--state", "none.json")
    assert nothing.code == 1
    assert "there is no state to move: none.json" in nothing.err
    for wrong in ("ftp://acme/x", "s3://user:secret@acme/x"):
        unknown = run("state", "migrate", "--to", wrong, *HERE)
        assert unknown.code == 64
        assert "secret" not in unknown.err
    (applied / "other.json").write_bytes((applied / "here.json").read_bytes())
    taken = run("state", "migrate", "--to", "other.json", *HERE)
    assert taken.code == 8
    assert "there is a state at other.json already: of this state's lineage, serial 1" in taken.err
    assert run("apply", *HERE, "-y").code == 0


def test_a_place_that_is_lost_for_good(applied: Path, run: Run) -> None:
    assert run("state", "migrate", "--to", "states/there.json", *HERE).code == 0
    (applied / "states/there.json").unlink()
    lost = run("state", "migrate", "--to", "states/there.json", *HERE)
    assert lost.code == 8
    assert "there is none there any more" in lost.err
    assert run("state", "pull", "--out", "copy.json", *HERE).code == 0
    assert run("state", "push", "copy.json", "--force", *HERE).code == 0
    assert "No changes." in run("plan", *HERE).out
