"""A plan is saved over nothing but a plan, and applied as what it was made for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run


@pytest.mark.parametrize("name", ["imports.yaml", "link", "pipe", "other.json"])
def test_a_plan_never_replaces_anything_but_a_plan(project: Path, run: Run, name: str) -> None:
    (project / "other.json").write_text('{"mine": true}')
    (project / "link").symlink_to("other.json")
    os.mkfifo(project / "pipe")
    before = (project / "imports.yaml").read_bytes()
    result = run("plan", "--sandbox", "--out", name)
    assert result.code == 1
    assert "is no saved plan" in result.err
    assert (project / "imports.yaml").read_bytes() == before
    assert (project / "other.json").read_text() == '{"mine": true}'


def test_a_plan_replaces_an_older_plan(project: Path, run: Run) -> None:
    assert [run("plan", "--sandbox", "--out", "plan.json").code for _ in range(2)] == [0, 0]


@pytest.mark.parametrize("choice", [("--env", "production"), ("--var", "x=1")])
def test_a_saved_plan_takes_no_other_environment_or_variables(project: Path, run: Run, choice: tuple[str, str]) -> None:
    assert run("plan", "--sandbox", "--out", "plan.json").code == 0
    assert run("apply", "--sandbox", *choice, "plan.json").code == 64
    assert run("apply", "--sandbox", "plan.json").code == 0


@pytest.mark.parametrize("closed", [">&-", "2>&-"])
def test_a_closed_stream_is_no_traceback(project: Path, closed: str) -> None:
    command = f'"{sys.executable}" -m mics_iac validate {closed}'
    done = subprocess.run(["sh", "-c", command], cwd=project, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stdout + done.stderr
