"""Errors as people and machines read them."""

from __future__ import annotations

import re

from mics_iac.core.progress import Failure
from mics_iac.errors import ApiRefused, Locked, ManifestInvalid, MicsError, PlanStale, Problem, RecordsInvalid
from mics_iac.reporting.failure import error_json, error_lines, failure_json, failure_lines
from mics_iac.reporting.lines import Palette, write
from tests.reporting.plans import HOSTILE


def text(error: MicsError) -> str:
    return write(error_lines(error), palette=Palette(on=False))


def test_message_then_remedy() -> None:
    assert text(Locked("alice holds the state", remedy="wait")) == "Error: alice holds the state\n  wait\n"


def test_each_problem_of_a_manifest_stands_on_a_line_that_editors_parse() -> None:
    error = ManifestInvalid(
        [
            Problem("imports.yaml", 14, 3, "MICS101", 'unknown key "nmae"'),
            Problem("imports.yaml", 2, 1, "MICS105", "version"),
        ]
    )
    lines = text(error).splitlines()
    assert lines == [
        "imports.yaml:2:1: MICS105: version",
        'imports.yaml:14:3: MICS101: unknown key "nmae"',
        "Error: the manifest is not valid: 2 problems",
    ]
    assert error_json(error) == {
        "error": {
            "kind": "ManifestInvalid",
            "message": "the manifest is not valid: 2 problems",
            "remedy": None,
            "problems": [
                {"file": "imports.yaml", "line": 2, "column": 1, "code": "MICS105", "message": "version"},
                {"file": "imports.yaml", "line": 14, "column": 3, "code": "MICS101", "message": 'unknown key "nmae"'},
            ],
            "exit_code": 4,
        }
    }


def test_records_beyond_those_told_are_counted() -> None:
    error = RecordsInvalid("1,244 errors", [Problem("data/1", 3, 1, "MICS306", "not valid JSON")], more=1243)
    assert text(error).splitlines()[:3] == [
        "data/1:3:1: MICS306: not valid JSON",
        "... and 1,243 more problems",
        "Error: 1,244 errors",
    ]
    assert error_json(error)["error"]["more_problems"] == 1243  # type: ignore[index]


def test_a_stale_plan_names_what_moved() -> None:
    error = PlanStale("stale", moved=("import 558", "the manifest: imports.yaml"), remedy="plan again")
    assert text(error).splitlines()[1:] == [
        "  moved: import 558",
        "  moved: the manifest: imports.yaml",
        "  plan again",
    ]


def test_the_error_id_is_told_once() -> None:
    error = ApiRefused("the platform said no", status=400, error_id="0000-0000000007")
    assert "error id: 0000-0000000007" in text(error)
    assert text(ApiRefused("no (error id 0000-7)", status=400, error_id="0000-7")).count("0000-7") == 1
    assert error_json(error)["error"]["error_id"] == "0000-0000000007"  # type: ignore[index]  # the value is an object


def test_what_went_wrong_besides_is_told_too() -> None:
    error = MicsError("no luck", remedy="try again")
    error.add_note("the state could not be saved")
    assert text(error) == "Error: no luck\n  also: the state could not be saved\n  try again\n"
    assert error_json(error)["error"]["notes"] == ["the state could not be saved"]  # type: ignore[index]  # an object


def test_a_failure_names_its_import_and_file() -> None:
    failure = Failure("fr/a", "data/1.ndjson", ApiRefused("too large", status=413, remedy="cut it"))
    shown = write(failure_lines(failure), palette=Palette(on=False))
    assert shown == "Error: fr/a: data/1.ndjson: too large\n  cut it\n"
    assert failure_json(failure)["source"] == "data/1.ndjson"
    assert failure_json(failure)["status"] == 413


def test_hostile_text_starts_no_line_of_its_own() -> None:
    shown = text(MicsError(HOSTILE, remedy=HOSTILE))
    assert all(c.isprintable() or c == "\n" for c in shown)
    assert re.findall(r"^\S.*", shown, re.MULTILINE) == [shown.splitlines()[0]]
