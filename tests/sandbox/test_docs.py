"""The page about the sandbox says what is there, and its examples run."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mics_iac.sandbox.control import routes
from mics_iac.sandbox.faults import KINDS, FaultPlan
from mics_iac.sandbox.sandbox import Sandbox
from mics_iac.sandbox.server import serving

PAGE = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_every_kind_of_fault_stands_in_the_table() -> None:
    named = {
        kind for row in re.findall(r"^\| (`[a-z_`, ]+) \|", PAGE, re.MULTILINE) for kind in re.findall(r"`(\w+)`", row)
    }
    assert named == KINDS


def test_every_route_of_the_control_endpoint_is_told(sandbox: Sandbox) -> None:
    told = {
        (method, path)
        for row in re.findall(r"^\|.*`.*/_sandbox/.*\|$", PAGE, re.MULTILINE)
        for path in re.findall(r"/_sandbox(/\w+)", row)
        for method in re.findall(r"GET|POST|DELETE", row)
    }
    there = {(m, one.path) for one in routes(sandbox, FaultPlan()) for m in one.methods or () if m != "HEAD"}
    assert told == there


@pytest.mark.parametrize("example", blocks("python"))
def test_the_python_example_runs(example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "docs/sandbox.md", "exec"), {})


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_curl_calls_run(sandbox: Sandbox) -> None:
    with serving(sandbox) as base:
        scripts = [block.replace("http://127.0.0.1:8080", base) for block in blocks("sh")]
        answers = [
            subprocess.run(["sh", "-ec", script], capture_output=True, text=True, check=True).stdout
            for script in scripts
        ]
    made, uploaded, ticked, ended = _values(answers[0])
    assert len(made["data"]) == 8
    assert (uploaded["data"]["status"], uploaded["data"]["result"], uploaded["data"]["parameters"]) == (
        "PENDING",
        None,
        None,
    )
    assert ticked["now"] > 0
    assert (ended["data"]["status"], ended["data"]["result"]["total_success"]) == ("SUCCEEDED", 1)
    assert [len(value) for value in _values(answers[1])] == [1, 1, 0]


def _values(text: str) -> list[Any]:
    """JSON values that stand one after the other."""
    found, at = [], 0
    while at < len(text):
        value, at = json.JSONDecoder().raw_decode(text, at)
        found.append(value)
    return found
