"""Where the token comes from, and that it is never shown."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mics_iac.cli.token import token_source
from mics_iac.errors import NotAllowed

SECRET = "token-Zx81-canary"


def fetch(
    folder: Path,
    *,
    file: Path | None = None,
    command: str | None = None,
    environ: dict[str, str] | None = None,
    timeout: float = 30,
) -> str:
    given = {"PATH": "/usr/bin:/bin", **(environ or {})}
    return token_source(given, file=file, command=command, folder=folder, timeout=timeout)()


def refused(folder: Path, *, file: Path | None = None, command: str | None = None, timeout: float = 30) -> str:
    """The text of the refusal, which holds no secret."""
    with pytest.raises(NotAllowed) as caught:
        fetch(folder, file=file, command=command, timeout=timeout)
    error = caught.value
    chain = [repr(error), repr(error.__cause__), str(error.remedy)]
    assert SECRET not in "".join(chain)
    return f"{error.message}\n{error.remedy}"


def python(folder: Path, text: str) -> str:
    """A command line that runs this program."""
    (folder / "program.py").write_text(text)
    return f"{sys.executable} program.py"


def test_from_the_environment(tmp_path: Path) -> None:
    assert fetch(tmp_path, environ={"MICS_API_TOKEN": f"{SECRET}\n"}) == SECRET


def test_from_a_file_without_its_line_end(tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(SECRET.encode() + b"\r\n")
    assert fetch(tmp_path, file=tmp_path / "token", environ={"MICS_API_TOKEN": "other"}) == SECRET


def test_from_a_command_that_runs_in_the_folder_without_a_shell(tmp_path: Path) -> None:
    assert fetch(tmp_path, command=python(tmp_path, f"print('{SECRET}')")) == SECRET
    assert fetch(tmp_path, command="echo $HOME;x") == "$HOME;x"
    assert fetch(tmp_path, command="echo 'a b'") == "a b"


def test_none_at_all_says_how(tmp_path: Path) -> None:
    said = refused(tmp_path)
    for way in ("MICS_API_TOKEN", "--token-file", "--token-command"):
        assert way in said


def test_files_that_hold_no_token(tmp_path: Path) -> None:
    assert "No such file" in refused(tmp_path, file=tmp_path / "missing")
    assert "Is a directory" in refused(tmp_path, file=tmp_path)
    (tmp_path / "empty").write_text(" \n")
    assert "is empty" in refused(tmp_path, file=tmp_path / "empty")
    (tmp_path / "two").write_text(f"{SECRET}\n{SECRET}\n")
    assert "more than one line" in refused(tmp_path, file=tmp_path / "two")
    (tmp_path / "huge").write_text(SECRET * 10_000)
    assert "more than one line" in refused(tmp_path, file=tmp_path / "huge")


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_command_that_fails_is_named_with_its_exit_code_and_nothing_it_said(tmp_path: Path, stream: str) -> None:
    """What a shell with `-x` says on stderr is the very command, token and all."""
    said = refused(tmp_path, command=python(tmp_path, f"import sys; print('{SECRET}', file=sys.{stream}); sys.exit(3)"))
    assert "ended with exit code 3\n" in said
    assert "run it in a terminal" in said


def test_a_traced_shell_shows_no_token(tmp_path: Path) -> None:
    assert "exit code 4" in refused(tmp_path, command=f"sh -xc 'TOKEN={SECRET}; echo $TOKEN; exit 4'")


def test_commands_that_give_no_token(tmp_path: Path) -> None:
    assert "cannot be read" in refused(tmp_path, command="echo 'open")
    assert "is empty" in refused(tmp_path, command="   ")
    assert "No such file" in refused(tmp_path, command="no-such-program-at-all")
    assert "is empty" in refused(tmp_path, command="true")


def test_a_command_that_hangs_is_given_up(tmp_path: Path) -> None:
    slow = f"import time; print('{SECRET}', flush=True); time.sleep(60)"  # it hangs, on purpose: given up long before
    assert "did not end within" in refused(tmp_path, command=python(tmp_path, slow), timeout=0.5)
