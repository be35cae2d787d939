"""Findings at their places."""

from __future__ import annotations

from collections.abc import Sequence

from mics_iac.core.plan import Checked
from mics_iac.documents.report import Finding
from mics_iac.reporting.findings import fate_lines, finding_lines
from mics_iac.reporting.lines import Line, Palette, write
from tests.reporting.plans import HOSTILE, hostile, invalid, unread


def text(lines: Sequence[Line]) -> str:
    return write(lines, palette=Palette(on=False))


def test_each_finding_stands_on_a_line_that_editors_parse_and_the_rest_is_counted() -> None:
    lines = text(finding_lines(invalid().checked, at=lambda path: f"sub/{path}")).splitlines()
    assert lines[0] == "sub/data/bad.ndjson:1:3: MICS306: not valid JSON"
    assert lines[10] == "sub/data/bad.ndjson:12:40: MICS321: $events[0].$ts: wrong type: write a number"
    assert lines[11] == "... and 1,234 more of MICS306 in sub/data/bad.ndjson"
    assert len(lines) == 12


def test_errors_stand_after_all_warnings_which_say_what_they_are() -> None:
    lines = text(finding_lines(unread().checked)).splitlines()
    assert lines[0].startswith("data/part.ndjson:0:0: warning: MICS380: 5 records")
    assert [one for one in lines if ": warning: " not in one] == [
        "... and 30 more of MICS312 in data/part.ndjson",
        "data/skip.ndjson:7:2: MICS306: not valid JSON",
        "... and 2 more of MICS306 in data/skip.ndjson",
        "data/send.ndjson:9:1: MICS320: $ts: missing field",
        "... and 1 more of MICS320 in data/send.ndjson",
    ]


def test_a_file_of_two_imports_has_its_findings_once() -> None:
    one = Checked("fr/a", "data/1", {"MICS306": 1}, {}, (Finding(1, 1, "MICS306", "", "not valid JSON"),))
    other = Checked("fr/b", "data/1", {"MICS306": 1}, {}, one.findings)
    assert text(finding_lines([one, other])).splitlines() == ["data/1:1:1: MICS306: not valid JSON"]


def test_what_becomes_of_files_with_errors_that_are_loaded_all_the_same() -> None:
    planned = text(fate_lines(unread().checked)).splitlines()
    assert planned[0].startswith("data/skip.ndjson: 3 invalid records will be left out, kept in .mics-iac/rejects/")
    assert planned[1] == "data/send.ndjson: will be sent with 2 errors in its records (on_invalid: send)"
    only = Checked("fr/a", "data/1", {"MICS306": 1}, {}, (), dropped=1)
    assert text(fate_lines([only])) == "data/1: 1 invalid record will be left out (on_invalid: skip)\n"
    assert fate_lines(invalid().checked) == []


def test_a_name_from_outside_starts_no_line() -> None:
    lines = text([*finding_lines(hostile().checked), *fate_lines(hostile().checked)]).splitlines()
    assert len(lines) == 4
    assert all(one.isprintable() and one.startswith(("data/", "more/", "... and")) for one in lines)
    assert HOSTILE not in "".join(lines)
