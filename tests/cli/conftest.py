"""A project in a folder of its own, and commands run on it: in this process, or as real ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mics_iac.cli.main import main
from tests.servers import azurite

ROOT = Path(__file__).parents[2]

MANIFEST = """\
version: 1
datamarts:
  fr:
    id: "1502"
    imports:
      visits:
        name: Store visits
        document_type: USER_CHOICE
        sources: [data/*.ndjson]
"""


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


Run = Callable[..., Result]


def choice(number: int, *, good: bool = True) -> str:
    """A line of a USER_CHOICE file; a bad one has no operation that the platform knows."""
    operation = "UPSERT" if good else "SING"
    value = {"$processing_id": "1207", "$choice_ts": 1605262037783 + number, "$choice_acceptance_value": True}
    return json.dumps(
        {"operation": operation, "email_hash": f"{number:064x}", "force_replace": True, "user_choice": value}
    )


def write_data(path: Path, first: int, count: int, *, bad: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [choice(first + n, good=n >= bad) for n in range(count)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in set(os.environ) - {azurite.VARIABLE}:
        if name.startswith(("MICS_", "AWS_", "AZURE_", "GOOGLE_", "TF_", "GITHUB_", "CI", "GITLAB_")) or name.endswith(
            ("_PROXY", "_proxy")
        ):
            monkeypatch.delenv(name)
    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "BUILD_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a manifest of one import and two files, which is the current one."""
    (tmp_path / "imports.yaml").write_text(MANIFEST, encoding="utf-8")
    write_data(tmp_path / "data/1.ndjson", 0, 3)
    write_data(tmp_path / "data/2.ndjson", 10, 4)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line in this process."""

    def invoke(*args: str) -> Result:
        capsys.readouterr()
        code = main(args)
        out, err = capsys.readouterr()
        return Result(code, out, err)

    return invoke


@pytest.fixture
def spawn() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a command line as a process of its own, without a terminal; none outlives the test."""
    running: list[subprocess.Popen[str]] = []

    def start(*args: str, **environ: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "mics_iac", *args],
            env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield start
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()
