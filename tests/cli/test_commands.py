"""The commands on the sandbox, from an empty project to nothing left to do."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path

import pytest

from mics_iac.core.plan import decode_plan
from tests.cli.conftest import Run, write_data

NO_CHANGES = "No changes. Your infrastructure matches the configuration."


def test_from_nothing_to_nothing_left_to_do(project: Path, run: Run) -> None:
    assert run("validate").out.startswith("Valid: 1 import in 1 datamart, 2 files (")
    planned = run("plan", "--sandbox")
    assert planned.code == 0
    assert "Plan: 1 to add, 0 to change, 0 to destroy.\nUploads: 2 to load (" in planned.out
    assert planned.out.endswith("To do this, run: mics-iac apply --sandbox\n")
    assert run("plan", "--sandbox", "--detailed-exitcode").code == 2

    applied = run("apply", "--sandbox", "--auto-approve")
    assert applied.code == 0
    assert applied.out.endswith(
        "Apply complete! Resources: 1 added, 0 changed, 0 destroyed.\n"
        "Uploads complete! 2 loaded (7 records ok, 0 rejected), 0 skipped.\n"
    )
    assert "fr/visits: 2 of 2 files loaded (7 records ok, 0 rejected)\n" in applied.err

    again = run("plan", "--sandbox", "--detailed-exitcode")
    assert (again.code, again.out.splitlines()[2]) == (0, NO_CHANGES)
    idle = run("apply", "--sandbox", "--auto-approve")
    assert idle.code == 0
    assert NO_CHANGES in idle.out
    assert "Uploads complete! 0 loaded (0 records ok, 0 rejected), 2 skipped.\n" in idle.out

    shown = run("status", "--sandbox")
    assert shown.code == 0
    assert "1 import, 2 executions (7 records ok, 0 rejected).\n" in shown.out
    found = json.loads(run("status", "--sandbox", "--no-refresh", "--format", "json").out)
    assert found["refreshed"] is False
    assert found["imports"][0]["by_status"] == {"SUCCEEDED": 2}


def test_a_saved_plan_is_done_as_it_was_saved(project: Path, run: Run) -> None:
    saved = run("plan", "--sandbox", "--out", "plan.json")
    assert saved.code == 0
    assert saved.out.endswith("To do this, run: mics-iac apply --sandbox plan.json\n")
    assert stat.S_IMODE((project / "plan.json").stat().st_mode) == 0o600
    decode_plan((project / "plan.json").read_bytes(), name="plan.json")
    assert sorted(p.name for p in project.iterdir()) == [".mics-iac", "data", "imports.yaml", "plan.json"]
    applied = run("apply", "--sandbox", "plan.json")
    assert applied.code == 0
    assert "Uploads complete! 2 loaded (7 records ok, 0 rejected), 0 skipped.\n" in applied.out


def test_expect_digest(project: Path, run: Run) -> None:
    digest = json.loads(run("plan", "--sandbox", "--format", "json").out)["digest"]
    wrong = run("apply", "--sandbox", "-y", "--expect-digest", "sha256:0")
    assert wrong.code == 5
    assert digest in wrong.err
    assert "No imports" not in run("status", "--sandbox").out
    assert run("apply", "--sandbox", "-y", "--expect-digest", digest, "--no-wait").code == 0


def test_another_folder(
    project: Path, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    planned = run("plan", "-C", str(project), "--sandbox", "--out", "plan.json")
    assert planned.code == 0
    assert (project / "plan.json").is_file()
    assert f"mics-iac apply -C {project} --sandbox plan.json\n" in planned.out
    assert run("apply", "-C", str(project), "--sandbox", "plan.json", "--no-wait").code == 0


def test_a_saved_plan_knows_its_manifest(project: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("plan", "-f", str(project / "imports.yaml"), "--sandbox", "--out", str(project / "p.json")).code == 0
    (project / "below").mkdir()
    monkeypatch.chdir(project / "below")
    assert run("apply", "--sandbox", "../p.json", "--no-wait").code == 0


def test_variables_from_every_place(project: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (project / "imports.yaml").read_text()
    text = text.replace("version: 1", "version: 1\nvariables:\n  a: {}\n  b: {}\n  c: {}\n  d: {default: four}")
    (project / "imports.yaml").write_text(text.replace("Store visits", "${a}-${b}-${c}-${d}"))
    (project / "values.yaml").write_text("a: file\nb: file\n")
    monkeypatch.setenv("MICS_VAR_c", "process")
    monkeypatch.setenv("MICS_VAR_a", "weaker")
    planned = run("plan", "--sandbox", "--var", "b=flag=x", "--var-file", "values.yaml")
    assert 'name           "file-flag=x-process-four"\n' in planned.out
    assert "--var b=flag=x --var-file values.yaml" in planned.out


def test_options_from_the_environment(project: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MICS_IAC_SANDBOX", "1")
    monkeypatch.setenv("MICS_IAC_DETAILED_EXITCODE", "true")
    monkeypatch.setenv("MICS_IAC_FORMAT", "json")
    found = run("plan")
    assert found.code == 2
    assert json.loads(found.out)["applyable"] is True


def test_approval_and_reload_are_never_taken_from_the_environment(
    project: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MICS_IAC_AUTO_APPROVE", "1")
    monkeypatch.setenv("MICS_IAC_YES", "1")
    monkeypatch.setenv("MICS_IAC_RELOAD", "fr/visits")
    assert run("apply", "--sandbox").code == 64
    assert "--reload" not in run("plan", "--sandbox").out


def test_a_saved_plan_is_not_narrowed_by_the_environment(
    project: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("plan", "--sandbox", "--out", "plan.json").code == 0
    monkeypatch.setenv("MICS_IAC_TARGET", "de/*")
    monkeypatch.setenv("MICS_IAC_EXPECT_DIGEST", "sha256:0")
    assert run("apply", "--sandbox", "plan.json", "--no-wait").code == 0


def test_target_exclude_and_reload(project: Path, run: Run) -> None:
    assert run("apply", "--sandbox", "-y").code == 0
    again = run("plan", "--sandbox", "--reload", "fr/visits:data/1.ndjson")
    assert "Uploads: 1 to load (" in again.out
    assert "mics-iac apply --sandbox --reload fr/visits:data/1.ndjson\n" in again.out
    assert NO_CHANGES in run("plan", "--sandbox", "--target", "fr/visits").out
    excluded = run("plan", "--sandbox", "--exclude", "fr/*")
    assert excluded.code == 0
    assert "a part of the manifest only: --exclude fr/*" in excluded.out


def test_quiet_says_nothing_but_the_result(project: Path, run: Run) -> None:
    assert run("plan", "--sandbox", "-q").err == ""
    assert run("apply", "--sandbox", "-q", "-y").err == ""


def test_json_is_a_document_and_an_error_is_one_too(project: Path, run: Run) -> None:
    assert json.loads(run("validate", "--format", "json").out)["files"] == 2
    planned = json.loads(run("plan", "--sandbox", "--format", "json").out)
    assert [c["address"] for c in planned["resource_changes"]] == [
        "fr/visits",
        "fr/visits:data/1.ndjson",
        "fr/visits:data/2.ndjson",
    ]
    applied = run("apply", "--sandbox", "-y", "--format", "json")
    assert json.loads(applied.out)["uploads"]["records_ok"] == 7
    refused = run("plan", "--format", "json", "-q")
    assert refused.out == ""
    assert json.loads(refused.err)["error"]["exit_code"] == 9


def test_the_same_plan_twice_is_the_same_bytes(project: Path, run: Run) -> None:
    for form in ("text", "json"):
        assert run("plan", "--sandbox", "--format", form).out == run("plan", "--sandbox", "--format", form).out


def test_colour(project: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = run("plan", "--sandbox").out
    assert "\x1b" not in plain
    colored = run("plan", "--sandbox", "--color", "always").out
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == plain
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b" in run("plan", "--sandbox").out
    assert "\x1b" not in run("plan", "--sandbox", "--no-color").out
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in run("plan", "--sandbox").out
    assert "\x1b" in run("plan", "--sandbox", "--color", "always").out


def test_in_ci_there_is_no_hint_and_a_warning_about_the_state(
    project: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    assert "To do this" not in run("plan", "--sandbox").out
    assert "the state is a file on this CI runner's disk" in run("apply", "-y").err
    assert "CI runner" not in run("apply", "--sandbox", "-y", "--no-wait").err


def test_init_writes_what_validate_takes(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = run("init", "new")
    assert made.code == 0
    assert {p.name for p in (tmp_path / "new").iterdir()} == {"imports.yaml", ".gitignore", ".mics-iac"}
    assert json.loads((tmp_path / "new/.mics-iac/imports.schema.json").read_text())["$schema"].endswith("schema#")
    assert run("validate", "-C", "new").code == 0
    (tmp_path / "new/imports.yaml").write_text("mine")
    again = run("init", "new")
    assert "kept  new/imports.yaml\n" in again.out
    assert (tmp_path / "new/imports.yaml").read_text() == "mine"


def test_init_over_something_else(tmp_path: Path, run: Run) -> None:
    (tmp_path / "imports.yaml").mkdir()
    assert run("init", str(tmp_path)).code == 1
    (tmp_path / "file").write_text("")
    assert run("init", str(tmp_path / "file")).code == 1


def test_schema_version_and_completion(run: Run) -> None:
    assert json.loads(run("schema").out)["properties"]["version"]
    assert run("version").out.startswith("mics-iac ")
    assert run("--version").out.startswith("mics-iac ")
    assert "mics_iac_version" in json.loads(run("version", "--format", "json").out)
    for shell in ("bash", "zsh", "fish"):
        script = run("completion", shell)
        assert script.code == 0
        assert "_MICS_IAC_COMPLETE" in script.out
        assert f"mics-iac completion {shell}" in run("completion", shell, "--install").out
    assert run("completion", "tcsh").code == 64


def test_the_sandbox_can_be_emptied(project: Path, run: Run) -> None:
    assert run("apply", "--sandbox", "-y").code == 0
    (project / ".mics-iac/sandbox/notes.txt").write_text("mine")
    assert run("sandbox", "reset").out == "emptied .mics-iac/sandbox\n"
    assert [p.name for p in (project / ".mics-iac/sandbox").iterdir()] == ["notes.txt"]
    assert "Plan: 1 to add" in run("plan", "--sandbox").out
    assert run("sandbox", "reset", "-C", str(project / "data")).out.startswith("nothing to empty in ")


def test_verbose_shows_each_file(project: Path, run: Run) -> None:
    for number in range(3, 9):
        write_data(project / f"data/{number}.ndjson", number * 100, 2)
    assert "fr/visits: data/5.ndjson sent, execution" in run("apply", "--sandbox", "-y", "-v").err
    assert "data/5.ndjson" not in run("plan", "--sandbox").out
    assert "= data/5.ndjson" in run("plan", "--sandbox", "-v").out


def test_a_hostile_file_name_is_shown_and_loaded(project: Path, run: Run) -> None:
    write_data(project / "data/\x1b[31m\u202egnp\n+ fr.ndjson", 500, 1)
    for args in (
        ("validate",),
        ("plan", "--sandbox"),
        ("apply", "--sandbox", "-y", "-v"),
        ("status", "--sandbox", "-v"),
    ):
        found = run(*args)
        assert all(c.isprintable() or c == "\n" for c in found.out + found.err)


@pytest.mark.parametrize("command", [("plan", "--sandbox"), ("apply", "--sandbox", "-y"), ("sandbox", "serve")])
def test_a_folder_named_by_mistake_is_not_made(project: Path, run: Run, command: tuple[str, ...]) -> None:
    for folder in ("missing", "x" * 300):
        found = run(*command, "-C", folder)
        assert found.code == 64
        assert "imports.yaml" in found.err
    assert not (project / "missing").exists()
