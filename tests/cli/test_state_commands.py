"""The commands about the state and its lock, as a user types them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mics_iac.store.backend import LockInfo, Process
from mics_iac.store.context import RunContext
from mics_iac.store.file import FileBackend
from mics_iac.store.held import hold
from tests.cli.conftest import ROOT, Run, write_data
from tests.cli.test_processes import at_terminal
from tests.clocks import SteppingClock

STATE = ".mics-iac/sandbox/imports.state.json"


@pytest.fixture
def applied(project: Path, run: Run) -> Path:
    """A project whose two files are loaded; its state."""
    assert run("apply", "--sandbox", "-y").code == 0
    return project / STATE


@contextmanager
def held(state: Path) -> Iterator[str]:
    """The state held by a run of this process; its id."""
    clock = SteppingClock(start=time.time())
    context = RunContext("5f0c2a37", "apply", "alice@there", "https://sandbox.invalid", None, "0.1.0", "lineage")
    with hold(FileBackend(state, clock=clock), clock=clock, context=context):
        yield "5f0c2a37"


def test_list_and_show(applied: Path, run: Run) -> None:
    listed = run("state", "list", "--sandbox")
    assert listed.code == 0
    assert listed.out == "fr/visits  31001  USER_CHOICE  2 executions\n"
    shown = run("state", "show", "fr/visits", "--sandbox").out
    for words in ("import 31001 in datamart 1502", '"Store visits"', "data/1.ndjson", "3 records, 3 ok, 0 rejected"):
        assert words in shown
    document = json.loads(run("state", "list", "fr/*", "--sandbox", "--format", "json").out)
    [one] = document["imports"]
    shown = json.loads(run("state", "show", "fr/visits", "--sandbox", "--format", "json").out)
    assert one.items() <= shown.items()
    assert shown["format_version"] == document["format_version"]
    assert sorted(e["source"] for e in one["current"]["executions"]) == ["data/1.ndjson", "data/2.ndjson"]


def test_a_state_that_was_removed_is_told_by_plan_and_apply(applied: Path, project: Path, run: Run) -> None:
    write_data(project / "data/3.ndjson", 20, 2)
    assert run("apply", "--sandbox", "-y").code == 0
    applied.unlink()
    words = "imports.state.json, but 1 backup of one: it was removed; `mics-iac state recover --sandbox` brings back"
    planned = run("plan", "--sandbox", "--format", "json")
    assert words in planned.err
    assert json.loads(planned.out)
    done = run("apply", "--sandbox", "-y")
    assert words in done.err
    assert (done.code, "1 imported" in done.out) == (0, True), done.out
    assert "it was removed" not in run("plan", "--sandbox").err


def test_what_the_state_does_not_hold_is_said(applied: Path, run: Run) -> None:
    for args in (["list", "fr/visit"], ["show", "fr/visit"], ["rm", "fr/visit"], ["resolve", "fr/visit", "--resend"]):
        found = run("state", *args, "--sandbox")
        assert found.code == 64
        assert 'Did you mean "fr/visits"?' in found.err


def test_before_the_first_apply_there_is_nothing_and_that_is_no_error(project: Path, run: Run) -> None:
    assert run("state", "list", "--sandbox").out == "The state holds no import.\n"
    found = run("state", "check", "--sandbox")
    assert found.code == 0
    assert "none was saved yet" in found.out
    assert run("lock", "status", "--sandbox").out.startswith("not locked: ")
    assert run("state", "recover", "--sandbox").code == 0
    assert not (project / STATE).exists()


def test_check_says_what_is_wrong_and_recover_mends_it(applied: Path, run: Run) -> None:
    sound = run("state", "check", "--sandbox")
    assert sound.code == 0
    assert "serial 1, 1 import, 2 executions" in sound.out
    assert "Sound: state and journals can be read." in sound.out
    data = bytearray(applied.read_bytes())
    data[200] ^= 1
    applied.write_bytes(data)
    for command in (["plan"], ["apply", "-y"], ["status"], ["state", "list"]):
        refused = run(*command, "--sandbox")
        assert refused.code == 10, command
        assert "`mics-iac state recover --sandbox` mends it" in refused.err
    damaged = run("state", "check", "--sandbox")
    assert damaged.code == 10
    assert "Wrong: " in damaged.out
    assert "`mics-iac state recover --sandbox` mends it" in damaged.out
    assert json.loads(run("state", "check", "--sandbox", "--format", "json").out)["sound"] is False
    mended = run("state", "recover", "--sandbox")
    assert mended.code == 0, mended.err
    assert "from nothing: there was no good backup" in mended.out
    assert "the damaged state is kept: " in mended.out
    assert "Recovered: 1 import and 2 executions found on the platform.\n" in mended.out
    assert "No changes." in run("plan", "--sandbox").out
    assert run("state", "check", "--sandbox").code == 0


def test_recover_tells_what_apply_will_load(applied: Path, project: Path, run: Run) -> None:
    write_data(project / "data/1.ndjson", 50, 6)
    found = json.loads(run("state", "recover", "--sandbox", "--format", "json").out)
    assert (found["missing"], found["executions_found"], found["exit_code"]) == (1, 0, 0)
    assert "1 file is not there: the next apply loads what is missing." in run("state", "recover", "--sandbox").out


def test_mv_and_rm(applied: Path, run: Run) -> None:
    assert run("state", "mv", "fr/visits", "fr/store", "--sandbox").out == "fr/visits -> fr/store\n"
    assert run("state", "list", "--sandbox").out.startswith("fr/store ")
    assert run("state", "mv", "fr/store", "fr/visits", "--sandbox").code == 0
    gone = run("state", "rm", "fr/visits", "--sandbox")
    assert gone.code == 0
    assert "the platform keeps import 31001" in gone.out
    assert run("state", "list", "--sandbox").out == "The state holds no import.\n"
    again = run("apply", "--sandbox", "-y")
    assert "Resources: 1 imported, 0 added, 0 changed, 0 destroyed." in again.out
    assert "Uploads complete! 0 loaded (0 records ok, 0 rejected), 2 skipped." in again.out


@pytest.mark.parametrize("args", [["fr/visits"], ["fr/visits", "--resend", "--execution", "1"]])
def test_resolve_wants_one_decision(applied: Path, run: Run, args: list[str]) -> None:
    found = run("state", "resolve", *args, "--sandbox")
    assert found.code == 64
    assert "either --execution ID or --resend" in found.err


def test_resolve_of_what_is_loaded_already(applied: Path, run: Run) -> None:
    found = run("state", "resolve", "fr/visits:data/1.ndjson", "--execution", "9200002", "--sandbox")
    assert found.code == 8
    assert "data/1.ndjson is not in doubt: execution " in found.err


def test_who_holds_the_state_is_shown_and_can_be_removed(applied: Path, run: Run) -> None:
    with held(applied) as lock_id:
        shown = run("lock", "status", "--sandbox")
        assert shown.code == 0
        for words in ("locked: ", lock_id, "alice@there", "apply", "yes: that process is running"):
            assert words in shown.out
        document = json.loads(run("lock", "status", "--sandbox", "--format", "json").out)
        assert (document["locked"], document["holder"]["id"], document["holder"]["alive"]) == (True, lock_id, True)
        locked = run("apply", "--sandbox", "-y")
        assert locked.code == 6
        assert f"mics-iac force-unlock --sandbox {lock_id}" in locked.err
        assert run("state", "rm", "fr/visits", "--sandbox").code == 6
        wrong = run("force-unlock", "other", "--force", "--sandbox")
        assert wrong.code == 6
        assert lock_id in wrong.err
        assert run("force-unlock", lock_id, "--sandbox").code == 64
        assert run("force-unlock", lock_id, "--force", "--sandbox").out == f"unlocked: {lock_id}\n"
        assert run("apply", "--sandbox", "-y").code == 0
    found = run("force-unlock", lock_id, "--force", "--sandbox")
    assert found.code == 1
    assert "there is no lock" in found.err


def test_the_lock_of_a_dead_process_and_of_another_machine(applied: Path, run: Run) -> None:
    lock = applied.with_name("imports.state.lock")
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    for process, alive in (
        (Process("elsewhere", 1), "not known from here"),
        (_dead(int(ended.stdout)), "the next run"),
    ):
        lock.write_bytes(_record(process))
        shown = run("lock", "status", "--sandbox")
        assert alive in shown.out
    assert run("apply", "--sandbox", "-y").code == 0
    assert not lock.exists()


def _dead(pid: int) -> Process:
    from mics_iac.store.process import this_process  # noqa: PLC0415 (the one test that needs it)

    ours = this_process()
    return Process(ours.host, pid, ours.boot_id, ours.pid_namespace, 1)


def _record(process: Process) -> bytes:
    import msgspec  # noqa: PLC0415 (the one test that needs it)

    now = int(time.time() * 1000)
    return msgspec.json.encode(LockInfo("abc", "bob", "apply", process, created=now, expires=now + 600_000))


def test_a_damaged_lock_is_shown_and_removed(applied: Path, run: Run) -> None:
    lock = applied.with_name("imports.state.lock")
    lock.write_bytes(b"\x1b[2Jnonsense")
    shown = run("lock", "status", "--sandbox")
    assert "damaged" in shown.out
    assert "\x1b" not in shown.out
    lock_id = json.loads(run("lock", "status", "--sandbox", "--format", "json").out)["holder"]["id"]
    assert run("apply", "--sandbox", "-y").code == 6
    assert run("force-unlock", lock_id, "--force", "--sandbox").code == 0
    assert run("apply", "--sandbox", "-y").code == 0


@pytest.mark.parametrize(("answer", "code"), [(b"yes\n", 0), (b"no\n", 1)])
def test_at_a_terminal_a_person_confirms(applied: Path, answer: bytes, code: int) -> None:
    with held(applied) as lock_id:
        ended, seen = at_terminal("force-unlock", lock_id, "--sandbox", answers=answer)
    assert ended == code
    assert "alice@there" in seen
    assert "Do you really want to take this lock away?" in seen


def test_the_commands_are_quick_and_import_what_they_need(project: Path) -> None:
    for command in (["state", "--help"], ["lock", "status", "--help"], ["force-unlock", "--help"]):
        text = (
            f"import sys; from mics_iac.cli.main import main; main({command!r}); print(*sys.modules, file=sys.stderr)"
        )
        done = subprocess.run(
            [sys.executable, "-c", text], env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
            timeout=60, check=True,
        )  # fmt: skip
        assert not set(done.stderr.split()) & {"rich", "pydantic", "requests", "yaml", "msgspec", "sqlite3"}
