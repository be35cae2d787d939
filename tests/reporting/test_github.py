"""Annotations, read back as the runner reads them."""

from __future__ import annotations

from urllib.parse import unquote

from hypothesis import given
from hypothesis import strategies as st

from mics_iac.core.plan import Checked
from mics_iac.documents.report import Finding
from mics_iac.errors import Locked, ManifestInvalid, Problem
from mics_iac.reporting.github import annotation, error_annotations, finding_annotations, harmless
from tests.reporting.plans import HOSTILE, invalid, unread


def read(line: str) -> tuple[str, dict[str, str], str]:
    """What the runner makes of a line: the command, its properties and its message, by its own steps."""
    line = line.lstrip()
    assert line.startswith("::")
    head, _, message = line[2:].partition("::")
    command, _, properties = head.partition(" ")
    pairs = [one.partition("=") for one in properties.split(",")]
    return command, {name: unquote(value) for name, _, value in pairs}, unquote(message)


def test_a_finding_stands_at_its_line() -> None:
    lines = finding_annotations(invalid().checked, at=lambda path: f"sub/{path}")
    assert read(lines[0]) == (
        "error",
        {"file": "sub/data/bad.ndjson", "line": "1", "col": "3", "title": "MICS306"},
        "not valid JSON",
    )
    assert read(lines[-1]) == (
        "error",
        {"file": "sub/data/bad.ndjson", "title": "MICS306"},
        "... and 1,234 more of MICS306 in data/bad.ndjson",
    )


def test_errors_stand_first_and_what_concerns_the_whole_file_has_no_line() -> None:
    found = [read(line) for line in finding_annotations(unread().checked, at=str)]
    kinds = [command for command, _, _ in found]
    assert kinds == sorted(kinds)
    assert {"file": "data/part.ndjson", "title": "MICS380"} in [properties for _, properties, _ in found]


def test_an_object_in_a_bucket_is_no_file_of_the_repository() -> None:
    one = Checked("fr/a", "s3://acme/1", {"MICS306": 1}, {}, (Finding(4, 2, "MICS306", "", "not valid JSON"),))
    assert finding_annotations([one], at=str) == ["::error title=MICS306::s3://acme/1:4:2: not valid JSON"]


def test_the_problems_of_a_manifest_and_any_other_error() -> None:
    error = ManifestInvalid([Problem("imports.yaml", 2, 1, "MICS101", "unknown key, 100% wrong")])
    assert error_annotations(error, at=str) == [
        "::error file=imports.yaml,line=2,col=1,title=MICS101::unknown key, 100%25 wrong"
    ]
    [line] = error_annotations(Locked("alice holds the state", remedy="wait"), at=str)
    assert read(line) == ("error", {"title": "mics-iac"}, "alice holds the state\nwait")


@given(text=st.text(max_size=40), file=st.text(max_size=40))
def test_nothing_breaks_out_of_an_annotation(text: str, file: str) -> None:
    line = annotation("error", text, title=text, file=file, line=1)
    assert len(line.splitlines()) == 1
    command, properties, _ = read(line)
    assert command == "error"
    assert properties.keys() == {"file", "line", "title"}
    assert properties["line"] == "1"


def test_hostile_text_stays_one_message() -> None:
    _, properties, message = read(annotation("warning", f"a\n::error::{HOSTILE}", title="x,y=z:1", file="a:b,c=d"))
    assert properties == {"file": "a:b,c=d", "title": "x,y=z:1"}
    assert message.startswith("a\n::error::evil\\x1b")


def test_no_other_text_begins_a_command() -> None:
    for text in ("::error::x", "  ::add-mask::x", "fine\n\t::stop-commands::x", "a ##[command]b", "##[group]"):
        shown = harmless(text)
        assert not any(one.lstrip().startswith("::") for one in shown.splitlines())
        assert "##[" not in shown
    for text in ("Valid: 3 imports", "a::b", "data/x.ndjson:3:1: MICS306: x", "# [x]"):
        assert harmless(text) == text
