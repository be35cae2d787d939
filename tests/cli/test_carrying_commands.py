"""`state pull` and `state push`, as a user types them."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from mics_iac.core.state import decode_state
from tests.cli.conftest import Run, write_data
from tests.cli.test_processes import at_terminal

STATE = ".mics-iac/sandbox/imports.state.json"


@pytest.fixture
def applied(project: Path, run: Run) -> Path:
    """A project whose two files are loaded; its state."""
    assert run("apply", "--sandbox", "-y").code == 0
    return project / STATE


def test_there_and_back(applied: Path, project: Path, run: Run) -> None:
    pulled = run("state", "pull", "--out", "pulled.json", "--sandbox")
    assert (pulled.code, pulled.out) == (0, "pulled: pulled.json serial 1, 1 import, 2 executions\n")
    assert (project / "pulled.json").read_bytes() == applied.read_bytes()
    assert (project / "pulled.json").stat().st_mode & 0o777 == 0o600
    same = run("state", "push", "pulled.json", "--sandbox")
    assert same.code == 0
    assert same.out == "nothing to do: that is the state already (serial 1, 1 import, 2 executions)\n"
    write_data(project / "data/3.ndjson", 20, 2)
    assert run("apply", "--sandbox", "-y").code == 0
    older = run("state", "push", "pulled.json", "--sandbox")
    assert older.code == 8
    assert f"it is not newer: pulled.json is of serial 1, {STATE} of 2" in older.err
    assert "`mics-iac state pull --sandbox`" in older.err
    forced = run("state", "push", "pulled.json", "--force", "--sandbox")
    assert forced.code == 0
    assert forced.out == "pushed: serial 3, 1 import, 2 executions, in the place of serial 2, which is a backup now\n"
    # What the older state does not know is found on the platform.
    again = run("apply", "--sandbox", "-y")
    assert "Uploads complete! 0 loaded" in again.out
    assert run("state", "pull", "--out", "pulled.json", "--sandbox").code == 0  # over an older copy


def test_the_bytes_on_standard_output_are_the_states_whatever_the_locale(applied: Path, run: Run) -> None:
    """A source whose name is not ASCII, in a locale that is."""
    write_data(Path("data/é.ndjson"), 30, 1)
    command = [sys.executable, "-X", "utf8=0", "-m", "mics_iac"]
    environ = {"PATH": "", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONPATH": str(Path(__file__).parents[2])}
    assert run("apply", "--sandbox", "-y").code == 0
    done = subprocess.run([*command, "state", "pull", "--sandbox"], env=environ, capture_output=True, check=True)
    assert done.stdout == applied.read_bytes()
    assert "é".encode() in done.stdout
    pushed = subprocess.run(
        [*command, "state", "push", "-", "--sandbox"], env=environ, input=done.stdout, capture_output=True, check=False
    )
    assert (pushed.returncode, pushed.stdout[:13]) == (0, b"nothing to do")


def test_as_documents(applied: Path, project: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    pulled = json.loads(run("state", "pull", "--out", "pulled.json", "--sandbox", "--format", "json").out)
    state = decode_state(applied.read_bytes(), name="state")
    figures = {"lineage": state.lineage, "serial": 1, "imports": 1, "executions": 2}
    assert pulled.items() >= {"out": "pulled.json", **figures}.items()
    assert run("state", "pull", "--sandbox", "--format", "json").out.encode() == applied.read_bytes()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(applied.read_bytes())))
    pushed = json.loads(run("state", "push", "-", "--sandbox", "--format", "json").out)
    assert pushed.items() >= {"changed": False, "former": figures, **figures}.items()


def test_a_copy_replaces_nothing_but_an_older_copy(applied: Path, project: Path, run: Run) -> None:
    (project / "notes.json").write_text("{}")
    (project / "link").symlink_to(applied)
    assert run("plan", "--sandbox", "--out", "plan.json").code == 0
    other = project / "other.json"
    other.write_text("")
    for name in ("imports.yaml", "notes.json", "link", "plan.json", "other.json", STATE, "data", "none/x.json"):
        refused = run("state", "pull", "--out", name, "--sandbox")
        assert refused.code == 1, name
        assert "cannot save the state" in refused.err
    assert (project / "notes.json").read_text() == "{}"
    assert not list(project.glob(".mics-iac-state*"))


def test_what_cannot_be_pushed_is_said(applied: Path, project: Path, run: Run) -> None:
    missing = run("state", "push", "pulled.json", "--sandbox")
    assert missing.code == 64
    assert "cannot read the state pulled.json: No such file or directory" in missing.err
    (project / "torn.json").write_bytes(applied.read_bytes()[:-3])
    torn = run("state", "push", "torn.json", "--force", "--sandbox")
    assert torn.code == 10
    assert "nothing was pushed" in torn.err


def test_before_the_first_apply(project: Path, run: Run) -> None:
    found = run("state", "pull", "--sandbox")
    assert found.code == 1
    assert "there is no state yet" in found.err


def test_at_a_terminal_nothing_acts_on_it(applied: Path) -> None:
    write_data(Path("data/\u202e.ndjson"), 30, 1)
    ended, _ = at_terminal("apply", "--sandbox", "-y", answers=b"")
    assert ended == 0
    ended, seen = at_terminal("state", "pull", "--sandbox", answers=b"")
    assert ended == 0
    assert '"serial": 2' in seen
    assert "\\u202e" in seen
    assert "\u202e" not in seen
