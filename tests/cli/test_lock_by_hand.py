"""A lock that a person takes: it outlasts the command, keeps runs out, and ends by its time or by force-unlock."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mics_iac.core.state import State, encode_state
from tests.cli.conftest import Run

Spawn = Callable[..., "subprocess.Popen[str]"]


def test_it_keeps_runs_out_until_it_is_let_go(project: Path, run: Run, spawn: Spawn) -> None:
    # A process of its own, which is gone afterwards: the kernel and /proc know of nobody who has the lock.
    taker = spawn("lock", "acquire", "--reason", "repairing visits, ask ana", "--ttl", "30m", "--sandbox")
    out, err = taker.communicate(timeout=60)
    assert taker.returncode == 0, err
    [lock_id] = re.findall(r"let it go with: mics-iac force-unlock --sandbox (\w+) --force", out)
    status = run("lock", "status", "--sandbox").out
    for shown in (out, status):
        for words in (lock_id, "lock acquire", "reason:    repairing visits, ask ana", "UTC (taken by hand)"):
            assert words in shown
        assert "process" not in shown
        assert "alive" not in shown
    document = json.loads(run("lock", "status", "--sandbox", "--format", "json").out)
    holder = document["holder"]
    assert (document["locked"], holder["by_hand"], holder["alive"]) == (True, True, None)
    assert holder["expires"] - holder["created"] == 30 * 60 * 1000
    for command in (["apply", "-y"], ["state", "recover"], ["lock", "acquire", "--reason", "me too"]):
        met = run(*command, "--sandbox")
        assert met.code == 6, command
        assert "repairing visits, ask ana" in met.err
        assert "(taken by hand)" in met.err
        assert f"mics-iac force-unlock --sandbox {lock_id}" in met.err
        assert "ask whoever took it" in met.err
    assert run("plan", "--sandbox").code == 0
    assert run("force-unlock", lock_id, "--force", "--sandbox").code == 0
    assert run("apply", "--sandbox", "-y").code == 0


def test_as_a_document(project: Path, run: Run) -> None:
    taken = json.loads(run("lock", "acquire", "--reason", "moving", "--sandbox", "--format", "json").out)
    assert taken == json.loads(run("lock", "status", "--sandbox", "--format", "json").out)
    assert taken["holder"]["expires"] - taken["holder"]["created"] == 3_600_000


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ([], "Missing option '--reason'"),
        (["--reason", " "], "needs a reason"),
        (["--reason", "x" * 501], "at most 500 characters"),
        (["--reason", "x", "--ttl", "25h"], "lasts 1s to 24h, not 90000s"),
        (["--reason", "x", "--ttl", "0"], "lasts 1s to 24h, not 0s"),
        (["--reason", "x", "--ttl", "soon"], "is no duration"),
    ],
)
def test_what_is_refused(project: Path, run: Run, args: list[str], words: str) -> None:
    refused = run("lock", "acquire", *args, "--sandbox")
    assert refused.code == 64
    assert words in refused.err
    assert run("lock", "status", "--sandbox").out.startswith("not locked")


def test_a_reason_cannot_move_the_cursor(project: Path, run: Run) -> None:
    taken = run("lock", "acquire", "--reason", "\x1b[2J\udcff", "--sandbox")
    assert taken.code == 0
    assert r"reason:    \x1b[2J\udcff" in taken.out


def test_a_damaged_state_can_be_held_and_another_environments_cannot(project: Path, run: Run) -> None:
    state = project / ".mics-iac/sandbox/imports.state.json"
    state.parent.mkdir(parents=True)
    state.write_bytes(encode_state(State(lineage="l", api_url="https://sandbox.invalid", environment="staging")))
    assert run("lock", "acquire", "--reason", "repair", "--sandbox").code == 10
    state.write_bytes(b"{}")
    assert run("lock", "acquire", "--reason", "repair", "--sandbox").code == 0
