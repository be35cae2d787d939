"""`--state`: where the state is, who decides that, and what of it is said again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import msgspec
import pytest

import mics_iac
from mics_iac.core.place import BucketPlace, FilePlace
from mics_iac.core.plan import Plan, decode_plan, digest_of
from mics_iac.errors import PlanStale
from tests.cli.conftest import MANIFEST, Run

OWN = ".mics-iac/sandbox/imports.state.json"


def plan_of(path: Path) -> Plan:
    return decode_plan(path.read_bytes(), name="plan.json")


def test_a_state_that_is_named_is_used_with_the_sandbox_too(project: Path, run: Run) -> None:
    (project / "states").mkdir()
    assert run("apply", "--sandbox", "--state", "states/a.json", "-y").code == 0
    assert (project / "states/a.json").is_file()
    assert not (project / OWN).exists()
    assert "fr/visits" in run("state", "list", "--sandbox", "--state", "states/a.json").out
    assert "fr/visits" not in run("state", "list", "--sandbox").out
    locked = json.loads(run("lock", "status", "--sandbox", "--state", "states/a.json", "--format", "json").out)
    assert locked["state"] == "states/a.json"


@pytest.mark.parametrize("block", ["{path: here.json}", "{backend: s3, bucket: acme}"])
def test_the_manifests_block_is_not_for_the_sandbox(project: Path, run: Run, block: str) -> None:
    (project / "imports.yaml").write_text(f"{MANIFEST}state: {block}\n", encoding="utf-8")
    assert run("apply", "--sandbox", "-y", "--no-wait").code == 0
    assert (project / OWN).is_file()
    assert not (project / "here.json").exists()


def test_it_wins_over_the_manifest(project: Path, run: Run) -> None:
    (project / "imports.yaml").write_text(MANIFEST + "state: {path: here.json}\n", encoding="utf-8")
    assert json.loads(run("lock", "status", "--format", "json").out)["state"] == "here.json"
    given = run("lock", "status", "--state", "there.json", "--format", "json")
    assert json.loads(given.out)["state"] == "there.json"
    assert (
        json.loads(run("lock", "status", "--state", "file:", "--format", "json").out)["state"] == "imports.state.json"
    )


def test_a_relative_path_is_seen_from_the_folder_of_chdir(
    project: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "sub").mkdir()
    shutil.move(project / "imports.yaml", project / "sub/imports.yaml")
    shutil.move(project / "data", project / "sub/data")
    assert run("apply", "--sandbox", "-f", "sub/imports.yaml", "--state", "a.json", "-y", "--no-wait").code == 0
    assert (project / "a.json").is_file()
    monkeypatch.chdir("/")
    shown = run("apply", "--sandbox", "-C", str(project / "sub"), "--state", "b.json", "-y", "--no-wait")
    assert shown.code == 0
    assert (project / "sub/b.json").is_file()


def test_a_path_is_kept_as_seen_from_the_manifest_so_that_a_plan_can_travel(
    project: Path, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (project / "sub").mkdir()
    shutil.move(project / "imports.yaml", project / "sub/imports.yaml")
    shutil.move(project / "data", project / "sub/data")
    words = ("--sandbox", "-f", "sub/imports.yaml", "--state", "./a.json")
    assert run("plan", *words, "--out", "plan.json").code == 0
    assert plan_of(project / "plan.json").state == FilePlace("../a.json")
    other = tmp_path_factory.mktemp("other")
    shutil.copytree(project, other, dirs_exist_ok=True)
    monkeypatch.chdir(other)
    assert run("apply", *words, "plan.json", "--no-wait").code == 0
    assert (other / "a.json").is_file()
    assert not (project / "a.json").exists()


def test_links_in_the_way_are_followed_as_the_shell_does(
    project: Path, run: Run, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path_factory.mktemp("other")
    (other / "links").mkdir()
    (other / "links/project").symlink_to(project)
    monkeypatch.chdir(other / "links")
    assert run("apply", "--sandbox", "-f", "project/imports.yaml", "--state", "a.json", "-y", "--no-wait").code == 0
    assert (other / "links/a.json").is_file()
    (project / "deep").mkdir()
    (other / "links/deep").symlink_to(project / "deep")
    words = ("-f", "project/imports.yaml", "--state", "deep/../b.json", "-y", "--no-wait")
    assert run("apply", "--sandbox", *words).code == 0
    assert (project / "b.json").is_file()


def test_the_next_command_names_it_again(project: Path, run: Run) -> None:
    words = "--state 'a b.json' --sandbox"
    assert run("plan", "--sandbox", "--state", "a b.json").out.endswith(f"To do this, run: mics-iac apply {words}\n")


def test_a_saved_plan_has_its_own_state(project: Path, run: Run) -> None:
    assert run("plan", "--sandbox", "--state", "a.json", "--out", "plan.json").code == 0
    refused = run("apply", "--sandbox", "--state", "b.json", "plan.json")
    assert refused.code == 64
    assert "the plan was made on a.json, not on b.json" in refused.err
    assert "leave --state out" in refused.err
    assert run("apply", "--sandbox", "plan.json").code == 0
    assert (project / "a.json").is_file()
    assert not (project / OWN).exists()


def test_the_same_state_may_be_named_beside_a_saved_plan(project: Path, run: Run) -> None:
    assert run("plan", "--sandbox", "--state", "a.json", "--out", "plan.json").code == 0
    assert run("apply", "--sandbox", "--state", "file:./a.json", "plan.json", "--no-wait").code == 0


def test_a_plan_on_the_sandboxs_own_state_takes_no_other(project: Path, run: Run) -> None:
    assert run("plan", "--sandbox", "--out", "plan.json").code == 0
    assert plan_of(project / "plan.json").state is None
    refused = run("apply", "--sandbox", "--state", "s3://acme", "plan.json")
    assert refused.code == 64
    assert "the sandbox's own state, not on s3://acme" in refused.err


def test_the_place_is_no_part_of_what_is_done(project: Path, run: Run) -> None:
    assert run("plan", "--sandbox", "--out", "plan.json").code == 0
    plan = plan_of(project / "plan.json")
    assert digest_of(msgspec.structs.replace(plan, state=BucketPlace("s3", "acme"))) == plan.digest


def test_a_variable_of_the_environment_names_the_platforms_state_and_not_the_sandboxs(
    project: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MICS_IAC_STATE", "a.json")
    assert json.loads(run("lock", "status", "--format", "json").out)["state"] == "a.json"
    planned = run("plan", "--sandbox")
    assert planned.out.endswith("run: mics-iac apply --sandbox\n")
    assert run("apply", "--sandbox", "-y", "--no-wait").code == 0
    assert (project / OWN).is_file()
    assert not (project / "a.json").exists()


@pytest.mark.parametrize("command", ["plan", "apply", "status"])
def test_a_secret_is_never_shown(project: Path, run: Run, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told = run(command, "--state", "s3://AKIA:hunter2@acme/p")
    assert told.code == 64
    assert "AWS_ACCESS_KEY_ID" in told.err
    assert "hunter2" not in told.out + told.err
    monkeypatch.setenv("MICS_IAC_STATE", "https://me:hunter2@h/s")
    told = run(command, "--sandbox", "--format", "json")
    assert told.code == 64
    assert json.loads(told.err)["error"]["exit_code"] == 64
    assert "hunter2" not in told.out + told.err


def test_what_is_no_place_is_refused_before_anything_else(project: Path, run: Run) -> None:
    told = run("plan", "--state", "gcs://acme")
    assert (told.code, told.out) == (64, "")
    assert 'Did you mean "gs"?' in told.err


def test_in_ci_the_warning_is_about_files_alone(project: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    assert "CI runner" in run("apply", "-y").err
    assert "CI runner" in run("apply", "-y", "--state", "a.json").err
    assert "CI runner" not in run("apply", "-y", "--state", "s3://acme").err
    assert "CI runner" not in run("apply", "--sandbox", "--state", "a.json", "-y", "--no-wait").err


def test_a_script_names_a_state_too(project: Path) -> None:
    with mics_iac.open_project("imports.yaml", sandbox=True, state="a.json") as opened:
        plan = mics_iac.plan(opened)
        assert plan.state == FilePlace("a.json")
    with mics_iac.open_project("imports.yaml", sandbox=True) as opened, pytest.raises(PlanStale) as caught:
        mics_iac.apply(opened, plan)
    assert caught.value.moved == ("the state: it is the sandbox's own, not a.json",)
    with mics_iac.open_project("imports.yaml", sandbox=True, state="a.json") as opened:
        assert mics_iac.apply(opened, plan).exit_code == 0
