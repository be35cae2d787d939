"""Commands as real processes: signals, pipes, terminals, start-up."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import MANIFEST, ROOT, write_data

Spawn = Callable[..., subprocess.Popen[str]]
PATIENCE = 60.0  # seconds after which a test gives up; none waits that long when all is well


def read_until(process: subprocess.Popen[str], words: str) -> str:
    """Lines of standard error up to the one with these words."""
    assert process.stderr is not None
    seen = ""
    while words not in seen:
        one = process.stderr.readline()
        assert one, f"it ended without saying {words!r}: {seen}"
        seen += one
    return seen


@pytest.fixture
def served(project: Path, spawn: Spawn) -> Callable[..., dict[str, str]]:
    """A sandbox behind a real port that the manifest names; gives the environment to reach it."""

    def serve(*faults: str) -> dict[str, str]:
        given = [word for fault in faults for word in ("--fault", fault)]
        process = spawn("sandbox", "serve", "--port", "0", "--queue-ms", "0", "--run-ms", "0", *given)
        assert process.stdout is not None
        url = process.stdout.readline().removeprefix("listening on ").strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
        (project / "imports.yaml").write_text(MANIFEST + f"api: {{url: {url}}}\n")
        return {"MICS_API_TOKEN": "any", "URL": url}

    return serve


def test_over_http_with_a_token(project: Path, spawn: Spawn, served: Callable[..., dict[str, str]]) -> None:
    environ = served()
    out, err = spawn("apply", "--auto-approve", **environ).communicate(timeout=PATIENCE)
    assert "Uploads complete! 2 loaded (7 records ok, 0 rejected), 0 skipped.\n" in out, err
    assert (project / "imports.state.json").is_file()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_well_and_the_next_run_goes_on(
    project: Path, spawn: Spawn, served: Callable[..., dict[str, str]], number: signal.Signals, code: int
) -> None:
    environ = served('{"kind":"stuck","times":2}')
    process = spawn("apply", "--auto-approve", "-v", **environ)
    read_until(process, "data/2.ndjson sent")
    process.send_signal(number)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == code
    assert "stopping:" in err
    assert "Traceback" not in err
    assert "complete!" not in out
    state = json.loads((project / "imports.state.json").read_text())
    assert len(state["imports"]["fr/visits"]["current"]["executions"]) == 2
    again, _ = spawn("plan", **environ).communicate(timeout=PATIENCE)
    assert "No changes." in again


@pytest.mark.parametrize("count", [2, 8])
def test_many_applies_at_the_same_moment(
    project: Path, spawn: Spawn, served: Callable[..., dict[str, str]], count: int
) -> None:
    """One works; those that wait find nothing left to do, those that do not say who holds the state."""
    environ = served()
    for number in range(3, 7):
        write_data(project / f"data/{number}.ndjson", 100 * number, 3)
    waits = ["60s" if number % 2 == 0 else "0s" for number in range(count)]
    running = [spawn("apply", "-y", "--lock-timeout", wait, **environ) for wait in waits]
    ended = [
        (wait, process.communicate(timeout=PATIENCE), process.returncode)
        for wait, process in zip(waits, running, strict=True)
    ]
    for wait, (_, err), code in ended:
        assert code in ({0} if wait == "60s" else {0, 6}), err
        assert code == 0 or "the state is locked" in err
        assert "Traceback" not in err
    loaded = sum(int(m[1]) for _, (out, _), _ in ended if (m := re.search(r"(\d+) loaded \(", out)))
    assert loaded == 6
    state = json.loads((project / "imports.state.json").read_text())
    held = state["imports"]["fr/visits"]["current"]["executions"]
    with urllib.request.urlopen(f"{environ['URL']}/_sandbox/state") as answer:
        platform = json.load(answer)
    assert len(platform["imports"]) == 1
    assert sorted(e["sha256"] for e in platform["executions"]) == sorted(e["sha256"] for e in held)
    assert len({e["sha256"] for e in held}) == len(held) == 6


def test_a_file_size_limit_stops_the_run_and_loses_nothing(
    project: Path, spawn: Spawn, served: Callable[..., dict[str, str]]
) -> None:
    """The nearest thing to a full disk that any machine can be made to have."""
    environ = served()
    limited = ["bash", "-c", 'ulimit -f 1; exec "$@"', "-", sys.executable, "-m", "mics_iac", "apply", "-y"]
    for number in range(3, 9):
        write_data(project / f"data/{number}.ndjson", 100 * number, 3)
    done = subprocess.run(
        limited, env={**os.environ, "PYTHONPATH": str(ROOT), **environ}, capture_output=True, text=True,
        timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "File too large" in done.stderr
    assert "ulimit -f" in done.stderr
    assert "Traceback" not in done.stderr
    # What was recorded as begun when the disk was full, and never left, is a doubt like any other.
    out, err = spawn("apply", "-y", "--settle-delay", "1s", **environ).communicate(timeout=PATIENCE)
    assert "Uploads complete!" in out, err
    with urllib.request.urlopen(f"{environ['URL']}/_sandbox/state") as answer:
        executions = json.load(answer)["executions"]
    assert len({e["sha256"] for e in executions}) == len(executions) == 8


def test_what_was_done_is_counted_when_the_run_breaks_off(
    project: Path, spawn: Spawn, served: Callable[..., dict[str, str]]
) -> None:
    environ = served('{"kind":"stuck","times":2}')
    process = spawn("apply", "--auto-approve", "-v", **environ)
    read_until(process, "data/2.ndjson sent")
    (project / "imports.state.json").write_text("somebody else was here")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode not in (0, None)
    assert "Apply incomplete. Resources: 1 added, 0 changed, 0 destroyed.\n" in err
    assert "2 loaded (0 records ok, 0 rejected, 2 executions still running)" in err
    assert "complete!" not in out


def test_a_second_signal_leaves_at_once(project: Path, spawn: Spawn) -> None:
    # A token command that takes its time; it writes down its process id under its final name at once.
    slow = "sh -c 'echo $$ > pid.new; mv pid.new pid; exec sleep 60'"
    process = spawn("plan", "--token-command", slow)
    deadline = time.monotonic() + PATIENCE
    while not (project / "pid").exists():
        assert time.monotonic() < deadline
    process.send_signal(signal.SIGINT)
    read_until(process, "stopping:")
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=PATIENCE) == 130
    os.kill(int((project / "pid").read_text()), signal.SIGKILL)


def test_without_a_terminal_nobody_is_asked(project: Path, spawn: Spawn) -> None:
    process = spawn("apply", "--sandbox")
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (64, "")
    assert "--auto-approve" in err


def test_a_reader_that_goes_away_changes_no_exit_code(project: Path, spawn: Spawn) -> None:
    process = spawn("plan", "--sandbox", "--detailed-exitcode", "-q")
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(timeout=PATIENCE) == 2
    assert process.stderr is not None
    assert process.stderr.read() == ""
    process.stdout = None


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_behind_standard_output_is_an_error(project: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "mics_iac", "plan", "--sandbox", "-q"],
            env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=full, stderr=subprocess.PIPE, text=True,
            timeout=PATIENCE, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("Error: cannot write the output: ")


def test_text_that_the_encoding_does_not_know(project: Path, spawn: Spawn) -> None:
    (project / "imports.yaml").write_text(MANIFEST.replace("Store visits", "Besuche 東京"), encoding="utf-8")
    process = spawn("plan", "--sandbox", PYTHONIOENCODING="ascii")
    out, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert "\\u6771" in out


def at_terminal(*args: str, answers: bytes | None = None, interrupt: bool = False) -> tuple[int, str]:
    """Run a command with a terminal for everything; answer its question, or press Ctrl-C at it."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ["PYTHONPATH"] = str(ROOT)
        os.execv(sys.executable, [sys.executable, "-m", "mics_iac", *args])
    seen, answered = b"", False
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                block = os.read(terminal, 65536)
            except OSError:  # the other side is gone
                break
            if not block:
                break
            seen += block
        if not answered and b"Enter a value:" in seen:
            os.write(terminal, b"\x03" if interrupt else answers or b"")
            answered = True
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), seen.decode().replace("\r\n", "\n")


def test_yes_at_the_terminal(project: Path) -> None:
    code, seen = at_terminal("apply", "--sandbox", answers=b"yes\n")
    assert code == 0
    assert "Do you want to perform these actions?" in seen
    assert "\x1b[" in seen
    assert "Uploads complete! 2 loaded (7 records ok, 0 rejected), 0 skipped." in seen
    assert "fr/visits: 2 of 2 files loaded" in seen


@pytest.mark.parametrize("answer", [b"no\n", b"y\n", b"\n", b"\x04"])
def test_anything_but_yes_is_a_no(project: Path, answer: bytes) -> None:
    code, seen = at_terminal("apply", "--sandbox", answers=answer)
    assert code == 1
    assert "Apply cancelled: nothing was done." in seen
    assert not list((project / ".mics-iac/sandbox").glob("*.state.json"))


def test_ctrl_c_at_the_question(project: Path) -> None:
    code, seen = at_terminal("apply", "--sandbox", interrupt=True)
    assert code == 130
    assert "Traceback" not in seen
    assert not list((project / ".mics-iac/sandbox").glob("*.state.json"))


def test_no_input_asks_nobody_at_a_terminal_either(project: Path) -> None:
    code, seen = at_terminal("apply", "--sandbox", "--no-input")
    assert code == 64
    assert "Enter a value" not in seen


def test_help_imports_no_command_and_nothing_heavy(project: Path) -> None:
    text = "import sys; from mics_iac.cli.main import main; main(['--help']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", text], env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
        timeout=PATIENCE, check=True,
    )  # fmt: skip
    loaded = set(done.stderr.split())
    assert not [name for name in loaded if name.startswith("mics_iac.cli.cmd_")]
    assert not loaded & {"rich", "pydantic", "requests", "yaml", "msgspec", "deepdiff", "sqlite3", "starlette"}
