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


def test_what_was_found_in_one_file_stands_together_in_order_of_place() -> None:
    bad, blank = Finding(2, 1, "MICS306", "", "not valid JSON"), Finding(1, 1, "MICS312", "", "blank line: remove it")
    few = Finding(0, 0, "MICS380", "", "3 records")
    checked = [
        Checked("fr/b", "data/b", {"MICS306": 1}, {"MICS312": 1}, (blank, bad)),
        Checked("fr/a", "data/a", {"MICS306": 3}, {"MICS312": 1, "MICS380": 1}, (few, blank, bad)),
    ]
    assert text(finding_lines(checked)).splitlines() == [
        "data/a:0:0: warning: MICS380: 3 records",
        "data/a:1:1: warning: MICS312: blank line: remove it",
        "data/a:2:1: MICS306: not valid JSON",
        "... and 2 more of MICS306 in data/a",
        "data/b:1:1: warning: MICS312: blank line: remove it",
        "data/b:2:1: MICS306: not valid JSON",
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
