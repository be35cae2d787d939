"""The demo, and the commands that it ends with."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from mics_iac.cli.demo_files import demo_files
from tests.cli.conftest import Run


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_demo_and_what_it_says_to_try_next(folder: Path, run: Run) -> None:
    shown = run("demo")
    assert shown.code == 0
    announced = re.findall(r"^\$ mics-iac (\w+)", shown.out, re.MULTILINE)
    assert announced == ["validate", "plan", "apply", "status", "plan"]
    assert "2026-01-15.ndjson:98:14: MICS322: operation: " in shown.err
    assert "8 loaded (3,985 records ok, 0 rejected, 5 left out), 0 skipped.\n" in shown.out
    [rejects] = re.findall(r"5 invalid records left out, kept in (\S+)\n", shown.out)
    assert (folder / "mics-iac-demo" / rejects).read_text().count('"operation":"UPDATE"') == 5
    assert shown.out.count("No changes. Your infrastructure matches the configuration.\n") == 1
    assert (folder / "mics-iac-demo/imports.yaml").is_file()

    tried = re.findall(r"^  ((?:mics-iac|mv) .*)$", shown.out[shown.out.index("Try next:") :], re.MULTILINE)
    assert len(tried) == 4
    answers = []
    for command in tried:
        program, *words = shlex.split(command)
        if program == "mv":
            Path(words[0]).rename(words[1])
        else:
            found = run(*words)
            assert found.code == 0
            answers.append(found.out)
    assert "Uploads complete! 1 loaded (800 records ok, 0 rejected), 7 skipped.\n" in answers[0]
    assert "No changes." in answers[1]  # a renamed file is not loaded again
    assert '"applyable": false' in answers[2]


def test_each_command_is_announced_as_it_can_be_typed(folder: Path, run: Run) -> None:
    shown = run("demo", "a folder")
    commands = [shlex.split(one) for one in re.findall(r"^\$ mics-iac (.+)$", shown.out, re.MULTILINE)]
    assert all(words[1:3] == ["-C", "a folder"] for words in commands)
    assert run(*commands[-1]).code == 0


def test_nothing_is_overwritten(folder: Path, run: Run) -> None:
    (folder / "used").mkdir()
    (folder / "used/notes").write_text("mine")
    found = run("demo", "used")
    assert found.code == 1
    assert "is not an empty folder" in found.err
    (folder / "file").write_text("mine")
    assert run("demo", "file").code == 1
    assert (folder / "file").read_text() == "mine"


def test_the_files_are_the_same_every_time() -> None:
    assert demo_files() == demo_files()
    assert not [name for name in demo_files() if name.startswith(("/", ".."))]
