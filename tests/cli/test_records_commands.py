"""Records that are not valid, as the commands treat them: refused, left out, or sent."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import MANIFEST, Run, choice, write_data
from tests.servers.files import Files, file_server

BAD = "data/3.ndjson"


@pytest.fixture
def bad(project: Path) -> Path:
    """The project with a third file, whose first three records are not valid."""
    write_data(project / BAD, 100, 1000, bad=3)
    declare(project)
    return project


def declare(project: Path, **keys: str) -> None:
    """Small files are fine here; what else the import says."""
    lines = "".join(f"        {key}: {value}\n" for key, value in {"ignore": "[MICS380]", **keys}.items())
    (project / "imports.yaml").write_text(MANIFEST + lines)


def test_validate_tells_each_finding_at_its_place(bad: Path, run: Run) -> None:
    found = run("validate")
    assert found.code == 4
    assert re.fullmatch(r"Not valid: 1 import in 1 datamart, 3 files \(.+, 1,007 records\), 3 errors\.\n", found.out)
    lines = found.err.splitlines()
    assert [re.match(r"data/3\.ndjson:(\d):15: MICS322: operation: ", one)[1] for one in lines[1:4]] == ["1", "2", "3"]  # type: ignore[index]
    assert lines[4] == "Error: there are 3 errors in the records of data/3.ndjson"
    assert "on_invalid: skip" in lines[5]
    assert "SING" not in found.out + found.err
    assert not (bad / ".mics-iac").exists() or not list((bad / ".mics-iac").glob("rejects"))


def test_validate_counts_what_it_does_not_tell(project: Path, run: Run) -> None:
    write_data(project / BAD, 100, 1000, bad=900)
    found = run("validate")
    assert found.err.count(f"{BAD}:") == 10
    assert f"... and 890 more of MICS322 in {BAD}\n" in found.err
    assert ", 900 errors, 2 warnings." in found.out
    assert found.err.index("warning: MICS380") < found.err.index("MICS322")


def test_validate_no_records_reads_no_file(bad: Path, run: Run) -> None:
    found = run("validate", "--no-records")
    assert found.code == 0
    assert re.fullmatch(r"Valid: 1 import in 1 datamart, 3 files \(.+, not read\)\.\n", found.out)
    assert json.loads(run("validate", "--no-records", "--format", "json").out)["unread"] == 3
    (bad / "imports.yaml").write_text(MANIFEST.replace("*.ndjson", "none/*.ndjson"))
    assert "MICS201" in run("validate", "--no-records").err
    assert run("validate", "--no-records", "--fetch").code == 64


def test_validate_json_is_one_document_whatever_is_found(bad: Path, run: Run) -> None:
    found = run("validate", "--format", "json")
    assert found.code == 4
    document = json.loads(found.out)
    assert (document["valid"], document["files"], document["errors"], document["warnings"]) == (False, 3, 3, 0)
    [file] = document["checked"]
    assert (file["source"], file["refused"], file["errors"]) == (BAD, True, {"MICS322": 3})
    assert [(f["line"], f["code"], f["severity"], f["field"]) for f in file["findings"]] == [
        (n, "MICS322", "error", "operation") for n in (1, 2, 3)
    ]
    assert "SING" not in found.out
    (bad / BAD).unlink()
    assert json.loads(run("validate", "--format", "json").out)["valid"] is True


def test_validate_says_what_becomes_of_files_that_are_loaded_all_the_same(bad: Path, run: Run) -> None:
    declare(bad, on_invalid="skip")
    found = run("validate")
    assert found.code == 0
    assert f"{BAD}: 3 invalid records will be left out (on_invalid: skip)\n" in found.err
    assert re.fullmatch(r"Valid: .+ 1,004 records\), 3 errors\.\n", found.out)
    declare(bad, on_invalid="send")
    found = run("validate")
    assert found.code == 0
    assert f"{BAD}: will be sent with 3 errors in its records (on_invalid: send)\n" in found.err


def test_ignore_and_strict(bad: Path, run: Run) -> None:
    declare(bad, ignore="[MICS322, MICS380]")
    assert run("validate").code == 0
    declare(bad, ignore="[MICS322]", strict="true")
    found = run("validate")
    assert found.code == 4
    assert "data/1.ndjson:0:0: MICS380: " in found.err
    assert "warning" not in found.err


def test_annotations_stand_at_the_lines_of_the_repository(bad: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_WORKSPACE", str(bad.parent))
    monkeypatch.chdir(bad.parent)
    found = run("validate", "-C", bad.name, "--format", "github")
    assert found.code == 4
    lines = found.out.splitlines()
    place = f"file={bad.name}/data/3.ndjson,line=1,col=15,title=MICS322"
    assert lines[0].startswith(f"::error {place}::operation: ")
    assert len(lines) == 4
    assert lines[3].startswith("Not valid: ")
    monkeypatch.chdir(bad)
    assert place in run("validate", "--format", "github").out


def test_annotations_for_a_manifest_and_for_what_else_may_be_wrong(project: Path, run: Run) -> None:
    (project / "imports.yaml").write_text(MANIFEST.replace("USER_CHOICE", "USER_CHOISE,\n%").replace("name:", "nmae:"))
    found = run("validate", "--format", "github")
    assert found.code == 4
    assert found.out.startswith("::error file=imports.yaml,line=")
    assert "Error: the manifest is not valid" in found.err
    assert found.err.count("MICS") == 0
    missing = run("validate", "-f", "no.yaml", "--format", "github")
    assert missing.code == 64
    assert missing.out.startswith("::error title=mics-iac::there is no file no.yaml%0A")


def test_no_name_of_a_file_is_a_command_for_the_runner(project: Path, run: Run) -> None:
    name = "::warning title=a,file=b::##[error]"
    (project / "imports.yaml").write_text(
        MANIFEST.replace("data/*.ndjson", "'*.ndjson'") + "        on_invalid: send\n"
    )
    write_data(project / f"{name}.ndjson", 0, 5, bad=2)
    found = run("validate", "--format", "github")
    assert found.code == 0
    for one in found.err.splitlines():
        assert not one.lstrip().startswith("::")
        assert "##[" not in one
    assert [one.partition(" ")[0] for one in found.out.splitlines()[:-1]] == ["::error", "::error", "::warning"]
    assert "file=%3A%3Awarning title=a%2Cfile=b%3A%3A##[error].ndjson,line=1" in found.out


def test_plan_shows_the_plan_and_then_the_errors_and_saves_none(bad: Path, run: Run) -> None:
    found = run("plan", "--sandbox", "--out", "plan.json")
    assert found.code == 4
    assert f"Records:\n  error: MICS322 value is not one of the choices: 3 in {BAD}\n" in found.out
    assert "This plan cannot be applied: 1 file with invalid records.\n" in found.out
    assert "To do this" not in found.out
    assert found.err.count(f"{BAD}:") == 3
    assert "Error: there are 3 errors in the records of" in found.err
    assert not (bad / "plan.json").exists()
    document = run("plan", "--sandbox", "--format", "json")
    assert document.code == 4
    planned = json.loads(document.out)
    assert (planned["errored"], planned["applyable"]) == (True, False)
    assert planned["records"][0]["errors"] == {"MICS322": 3}
    error = json.loads(document.err[document.err.index("{") :])["error"]
    assert (error["kind"], error["exit_code"], len(error["problems"])) == ("RecordsInvalid", 4, 3)
    assert "SING" not in found.out + found.err + document.out + document.err


def test_apply_refuses_before_it_does_anything(bad: Path, run: Run) -> None:
    found = run("apply", "--sandbox", "-y")
    assert found.code == 4
    assert found.err.count(f"{BAD}:") == 3
    assert "Apply" not in found.out
    assert "no state yet" in run("status", "--sandbox").out


def test_invalid_records_go_before_a_refusal(bad: Path, run: Run) -> None:
    other = (bad / "imports.yaml").read_text().partition("      visits:")[2].replace("Store", "Other")
    (bad / "imports.yaml").write_text((bad / "imports.yaml").read_text() + "      other:" + other)
    found = run("plan", "--sandbox")
    assert found.code == 4
    assert "Refused: fr/" in found.err
    applied = run("apply", "--sandbox", "-y")
    assert applied.code == 4
    assert "allow_shared_content" in applied.err


def test_records_that_are_left_out_are_kept_counted_and_named(bad: Path, run: Run) -> None:
    declare(bad, on_invalid="skip")
    planned = run("plan", "--sandbox")
    assert planned.code == 0
    told = re.search(rf"  {BAD}: 3 invalid records will be left out, kept in (\.mics-iac/rejects/\S+)\n", planned.out)
    assert told is not None
    assert "Uploads: 3 to load (" in planned.out
    applied = run("apply", "--sandbox", "-y")
    assert applied.code == 0
    assert f"fr/visits: {BAD}: 3 invalid records left out, kept in {told[1]}\n" in applied.out
    assert "Uploads complete! 3 loaded (1,004 records ok, 0 rejected, 3 left out), 0 skipped.\n" in applied.out
    assert (bad / told[1]).read_text() == "".join(choice(100 + n, good=False) + "\n" for n in range(3))
    assert "No changes." in run("plan", "--sandbox").out
    assert f"3 invalid records left out, kept in {told[1]}\n" in run("state", "show", "fr/visits", "--sandbox").out
    assert "1,004 records ok, 0 rejected, 3 left out" in run("status", "--sandbox").out


def test_json_names_the_files_of_rejects(bad: Path, run: Run) -> None:
    declare(bad, on_invalid="skip")
    found = json.loads(run("apply", "--sandbox", "-y", "--format", "json").out)
    assert found["uploads"]["records_left_out"] == 3
    [rejects] = found["rejects"]
    assert (rejects["address"], rejects["source"], rejects["records"]) == ("fr/visits", BAD, 3)
    assert (bad / rejects["file"]).is_file()


def test_parts_stand_under_their_file(project: Path, run: Run) -> None:
    write_data(project / BAD, 100, 20)
    declare(project, split="1kB")
    planned = run("plan", "--sandbox")
    parts = re.search(rf"\^ {BAD} +\d\.\d kB in (\d+) parts +20 records  new\n", planned.out)
    assert parts is not None
    assert run("apply", "--sandbox", "-y").code == 0
    shown = run("state", "show", "fr/visits", "--sandbox").out
    assert re.search(rf"\n      {BAD}  4.. kB in {parts[1]} parts  sha256:", shown)
    assert re.search(rf"\n    {BAD}  .+ in {parts[1]} parts", run("status", "--sandbox", "-v").out)
    declare(project)
    assert "No changes." in run("plan", "--sandbox").out


@pytest.fixture
def remote(project: Path) -> Iterator[tuple[str, Files]]:
    """The project with one more file, at a web server: its address, and what the server has."""
    with file_server() as (server, files):
        url = f"{server.url}/visits.ndjson"
        declare(project, on_invalid="skip")
        text = (project / "imports.yaml").read_text().replace("data/*.ndjson", f"data/*.ndjson, {url}")
        (project / "imports.yaml").write_text(text)
        write_data(project / "remote", 100, 1000, bad=3)
        files.put("/visits.ndjson", (project / "remote").read_bytes())
        yield url, files


def test_a_remote_file_is_shown_unread_then_read_and_what_was_found_is_told(
    remote: tuple[str, Files], run: Run
) -> None:
    url, _ = remote
    planned = run("plan", "--sandbox")
    assert re.search(rf"\^ {url} +\d+\.\d kB  records unknown  not read yet\n", planned.out)
    assert re.search(
        r"Uploads: 2 to load \(.+\), 0 already loaded, 1 remote file \(.+\) to read first\.\n", planned.out
    )
    changes = {
        c["address"]: c for c in json.loads(run("plan", "--sandbox", "--format", "json").out)["resource_changes"]
    }
    assert changes[f"fr/visits:{url}"]["change"]["after_unknown"]["sha256"] is True
    applied = run("apply", "--sandbox", "-y")
    assert applied.code == 0
    assert "remote files are read\nUploads: 3 to load (" in applied.err
    assert f"{url}: 3 invalid records will be left out, kept in .mics-iac/rejects/" in applied.err
    assert "Uploads complete! 3 loaded (1,004 records ok, 0 rejected, 3 left out), 0 skipped.\n" in applied.out
    assert "as its store had it: " in run("state", "show", "fr/visits", "--sandbox").out


def test_fetch_reads_it_and_so_does_a_plan_that_is_saved(remote: tuple[str, Files], project: Path, run: Run) -> None:
    url, files = remote
    assert f"{url}:" not in run("validate").err
    assert "; 1 remote file not read)" in run("validate").out
    assert f"{url}:1:15: MICS322: " in run("validate", "--fetch").err
    assert f"{url}: 3 invalid records will be left out" in run("plan", "--sandbox", "--fetch").out
    saved = run("plan", "--sandbox", "--out", "plan.json")
    assert "Uploads: 3 to load (" in saved.out
    assert "unknown" not in saved.out
    assert run("apply", "--sandbox", "plan.json").code == 0
    files.put("/visits.ndjson", b"[\n")
    found = run("validate", "--fetch", "--format", "github")
    assert found.code == 4
    assert re.search(rf"^::error title=MICS304::{url}:\d:\d: ", found.out)


def test_an_apply_that_finds_a_remote_file_invalid_has_done_nothing(
    remote: tuple[str, Files], project: Path, run: Run
) -> None:
    declared = (project / "imports.yaml").read_text().replace("on_invalid: skip", "on_invalid: refuse")
    (project / "imports.yaml").write_text(declared)
    found = run("apply", "--sandbox", "-y")
    assert found.code == 4
    assert "Resources: 0 added, 0 changed, 0 destroyed." in found.err
    assert found.err.count(":15: MICS322: ") == 3
    assert "no state yet" in run("status", "--sandbox").out


def test_warnings_of_many_files_are_a_line(project: Path, run: Run) -> None:
    for number in range(10, 40):
        write_data(project / f"data/{number}.ndjson", number * 10, 3)
    found = run("plan", "--sandbox")
    assert found.code == 0
    assert "Records:\n  warning: MICS380 few records in the file: 32 files, first data/1.ndjson\n\n" in found.out
    every = run("plan", "--sandbox", "--verbose")
    assert every.out.count(": warning: MICS380: ") == 32


def test_files_that_cannot_be_read_hide_nothing_of_the_others(bad: Path, run: Run) -> None:
    declare(bad, sources="['data/*']")
    (bad / "imports.yaml").write_text(
        (bad / "imports.yaml").read_text().replace("        sources: [data/*.ndjson]\n", "")
    )
    whole = gzip.compress((bad / BAD).read_bytes())
    (bad / "data/cut.ndjson.gz").write_bytes(whole[:-9])
    (bad / "data/named.ndjson.gz").write_bytes((bad / BAD).read_bytes())
    (bad / "data/plain.ndjson").write_bytes(whole)
    (bad / "data/empty.ndjson").write_bytes(b"")
    found = run("validate")
    assert found.code == 4
    for start in (
        "data/cut.ndjson.gz:0:0: MICS213: this file is cut off",
        "data/named.ndjson.gz:0:0: MICS214: this file does not hold",
        "data/plain.ndjson:0:0: MICS214: this file holds compressed bytes",
        f"{BAD}:1:15: MICS322: ",
        "imports.yaml:10:19: MICS205: data/empty.ndjson is empty",
    ):
        assert f"\n{start}" in found.err
    assert ", 6 files (" in found.out
    assert found.out.startswith("Not valid: ")
    assert ", 7 errors" in found.out
    document = json.loads(run("validate", "--format", "json").out)
    assert [p["code"] for p in document["problems"]] == ["MICS205"]
    assert len([one for one in document["checked"] if one["refused"]]) == 4
    annotated = run("validate", "--format", "github").out
    assert "::error file=data/cut.ndjson.gz,title=MICS213::" in annotated
    assert "::error file=imports.yaml,line=10,col=19,title=MICS205::" in annotated
    (bad / "data/empty.ndjson").unlink()
    for command in (["plan", "--sandbox"], ["apply", "--sandbox", "--auto-approve"]):
        found = run(*command)
        assert found.code == 4
        assert len(re.findall(r"^data/\S+:0:0: MICS21[34]: ", found.err, re.MULTILINE)) == 3
        assert "Error: 3 data files cannot be read\n" in found.err


def test_what_cannot_be_left_out_is_not_told_to_be_skipped(bad: Path, run: Run) -> None:
    declare(bad, on_invalid="skip")
    write_data(bad / BAD, 0, 2, bad=2)
    (bad / "data/1.ndjson").unlink()
    found = run("plan", "--sandbox")
    assert found.code == 4
    assert f"errors in the records of {BAD}; none of its records is valid\n" in found.err
    assert "on_invalid" not in found.err
    assert BAD in found.out
    write_data(bad / BAD, 0, 2)
    (bad / BAD).write_bytes(b"\xef\xbb\xbf" + (bad / BAD).read_bytes())
    found = run("validate")
    assert "on_invalid" not in found.err
    assert "cannot be left out: the file as a whole is wrong" in found.err
