"""Each exit code, and the message that comes with it."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

from mics_iac.cli.lazy import Entry
from mics_iac.cli.main import COMMANDS, EXIT_CODES
from mics_iac.errors import PRECEDENCE
from mics_iac.store.context import RunContext
from mics_iac.store.file import FileBackend
from mics_iac.store.held import hold
from tests.cli.conftest import MANIFEST, Run, write_data
from tests.clocks import SteppingClock


def test_0_and_2(project: Path, run: Run) -> None:
    assert run("validate").code == 0
    assert run("plan", "--sandbox").code == 0
    assert run("plan", "--sandbox", "--detailed-exitcode").code == 2


def test_1_where_a_plan_cannot_be_saved(project: Path, run: Run) -> None:
    for out in ("data", "no/such/plan.json", "x" * 300):
        found = run("plan", "--sandbox", "--out", out)
        assert found.code == 1
        assert found.err.splitlines()[-2].startswith("Error: cannot save the plan")
    assert sorted(p.name for p in project.iterdir()) == ["data", "imports.yaml"]


def test_1_where_a_saved_plan_was_changed(project: Path, run: Run) -> None:
    run("plan", "--sandbox", "--out", "plan.json")
    saved = json.loads((project / "plan.json").read_text())
    saved["actions"][0]["after"]["name"] = "Other"
    (project / "plan.json").write_text(json.dumps(saved))
    found = run("apply", "--sandbox", "plan.json")
    assert found.code == 1
    assert "was changed after it was saved" in found.err


def test_3_where_waiting_took_too_long(project: Path, run: Run) -> None:
    found = run("apply", "--sandbox", "-y", "--wait-timeout", "0s")
    assert found.code == 3
    assert "Not done: " in found.err
    assert "run apply again" in found.err
    assert "complete!" not in found.out
    assert run("apply", "--sandbox", "-y").code == 0


def test_4_with_every_mistake_at_once(project: Path, run: Run) -> None:
    text = MANIFEST.replace("USER_CHOICE", "USER_CHOISE").replace("name:", "nmae:")
    (project / "imports.yaml").write_text(text)
    for args in (("validate",), ("plan", "--sandbox"), ("apply", "--sandbox", "-y"), ("status", "--sandbox")):
        found = run(*args)
        assert found.code == 4
        places = re.findall(r"^imports\.yaml:\d+:\d+: MICS\d{3}: .+$", found.err, re.MULTILINE)
        assert len(places) >= 2
    found = run("validate", "--format", "json", "-q")
    assert {p["file"] for p in json.loads(found.err)["error"]["problems"]} == {"imports.yaml"}


def test_4_where_a_file_of_variables_is_wrong(project: Path, run: Run) -> None:
    (project / "values.yaml").write_text("a: [1]\n")
    assert run("validate", "--var-file", "values.yaml").code == 4


def test_5_names_what_moved(project: Path, run: Run) -> None:
    run("plan", "--sandbox", "--out", "plan.json")
    write_data(project / "data/1.ndjson", 700, 3)
    found = run("apply", "--sandbox", "plan.json")
    assert found.code == 5
    assert re.search(r"^  moved: .*data/1\.ndjson", found.err, re.MULTILINE)
    assert "plan again" in found.err


def test_6_names_the_holder(project: Path, run: Run) -> None:
    clock = SteppingClock(start=time.time())
    backend = FileBackend(project / ".mics-iac/sandbox/imports.state.json", clock=clock)
    run("plan", "--sandbox")
    context = RunContext("run-1", "apply", "alice@there", "https://sandbox.invalid", None, "0.1.0", "lineage")
    with hold(backend, clock=clock, context=context):
        found = run("apply", "--sandbox", "-y")
    assert found.code == 6
    assert "alice@there" in found.err
    assert run("apply", "--sandbox", "-y", "--no-wait").code == 0


def test_7_where_an_execution_goes_over_its_budget(project: Path, run: Run) -> None:
    (project / "imports.yaml").write_text(MANIFEST + "        on_invalid: send\n")
    write_data(project / "data/3.ndjson", 100, 10, bad=3)
    found = run("apply", "--sandbox", "-y")
    assert found.code == 7
    assert re.search(r"Error: fr/visits: data/3\.ndjson: execution \d+ ended SUCCEEDED: 3 rejected of 10", found.err)
    place = re.search(r"rejected lines: (\S+)", found.err)
    assert place is not None
    assert Path(place[1]).read_text().count("SING") == 3
    assert "14 records ok, 3 rejected" in found.out
    # Only the run that sees the execution settle says so.
    assert run("apply", "--sandbox", "-y").code == 0


def test_8_shows_the_plan_and_saves_none(project: Path, run: Run) -> None:
    second = MANIFEST[MANIFEST.index("      visits:") :].replace("visits", "other").replace("Store", "Other")
    (project / "imports.yaml").write_text(MANIFEST + second)
    found = run("plan", "--sandbox", "--out", "plan.json")
    assert found.code == 8
    assert "Plan: " in found.out
    assert "This plan cannot be applied: 2 refusals.\n" in found.out
    assert "To do this" not in found.out
    assert found.err.count("Refused: fr/") == 2
    assert not (project / "plan.json").exists()
    assert json.loads(run("plan", "--sandbox", "--format", "json").out)["errored"] is True
    refused = run("apply", "--sandbox", "-y")
    assert refused.code == 8
    assert "allow_shared_content" in refused.err


def test_9_says_how_to_give_a_token(project: Path, run: Run) -> None:
    for args in (("plan",), ("apply", "-y")):
        found = run(*args)
        assert found.code == 9
        assert "MICS_API_TOKEN" in found.err
        assert "--token-file" in found.err
    assert run("status").code == 0  # nothing was created, so nobody needs to be asked


def test_10_names_the_file(project: Path, run: Run) -> None:
    run("plan", "--sandbox")
    (project / ".mics-iac/sandbox/imports.state.json").write_text('{"version": 99}')
    newer = run("plan", "--sandbox")
    assert newer.code == 10
    assert "imports.state.json" in newer.err
    (project / ".mics-iac/sandbox/imports.state.json").write_text("oops")
    assert run("apply", "--sandbox", "-y").code == 10


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["plna"], "Did you mean 'plan'?"),
        (["plan", "--taget", "x"], "--target"),
        (["plan", "extra"], "unexpected extra argument"),
        (["plan", "--format", "xml"], "'xml' is not one of"),
        (["plan", "-f", "missing.yaml", "--sandbox"], "there is no file missing.yaml"),
        (["plan", "--sandbox", "--target", "fr/visit"], "did you mean fr/visits"),
        (["plan", "--var", "nonsense"], "write NAME=VALUE"),
        (["plan", "--parallelism", "0"], "0 is not in the range"),
        (["apply", "-y", "--transfers", "-1"], "-1 is not in the range"),
        (["apply", "-y", "--wait-timeout", "soon"], "write 90, 90s, 10m or 1h"),
        (["apply"], "nobody can be asked to approve"),
        (["apply", "missing.json"], "cannot read the saved plan missing.json"),
        (["apply", "plan.json", "--target", "fr/*", "--reload", "fr/*"], "--target, --reload cannot be given with it"),
        (["apply", "plan.json", "--expect-digest", "x"], "--expect-digest cannot be given with it"),
        (["sandbox", "serve", "--fault", "rest_after", "--port", "0"], "Did you mean reset_after?"),
        (["sandbox", "nonsense"], "No such command"),
        (["plan", "\x1b[31m"], "\\x1b[31m"),
    ],
)
def test_64_says_what_was_meant(project: Path, run: Run, args: list[str], words: str) -> None:
    found = run(*args)
    assert found.code == 64
    assert words in found.err
    assert found.out == ""
    assert "\x1b" not in found.err


def test_64_without_a_command_shows_the_help(run: Run) -> None:
    found = run()
    assert found.code == 64
    assert "Commands:" in found.err
    assert found.out == ""


def test_help_is_no_error(run: Run) -> None:
    for args in (["--help"], ["plan", "-h"], ["sandbox", "--help"], ["sandbox", "serve", "--help"]):
        assert run(*args).code == 0


@pytest.fixture
def _broken_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMMANDS, "broken", Entry("tests.cli.broken", "Goes wrong."))


@pytest.mark.usefixtures("_broken_command")
def test_1_for_an_error_of_ours_that_shows_no_data(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    found = run("broken", "ours")
    assert found.code == 1
    assert re.match(r"Error: internal error: KeyError in broken\.py:\d+ \(mics-iac .+\)\n", found.err)
    assert "report" in found.err
    assert "Traceback" not in found.err
    monkeypatch.setenv("MICS_IAC_DEBUG", "1")
    shown = run("broken", "ours").err
    assert 'broken.py", line' in shown
    assert "secret-token-or-record" not in found.err + shown


@pytest.mark.usefixtures("_broken_command")
def test_130_for_a_keyboard_interrupt(run: Run) -> None:
    assert run("broken", "interrupt").code == 130


def test_the_table_of_codes_is_the_one_of_the_errors() -> None:
    assert {code for code, _ in EXIT_CODES} == set(PRECEDENCE)
