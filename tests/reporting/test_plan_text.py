"""The plan as people read it."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mics_iac.core.plan import Checked, Keep, Move, Plan, Skip
from mics_iac.reporting.lines import Palette, columns, write
from mics_iac.reporting.text import plan_lines, refusal_lines
from tests.conftest import Golden
from tests.reporting.plans import (
    HOSTILE,
    PLANS,
    hostile,
    invalid,
    plan,
    rich,
    settings,
    skip,
    unchanged,
    unread,
    upload,
    uploads_alone,
)

# What Atlantis looks for in the output of a plan, as its sources have it.
ATLANTIS = re.compile(
    r"Plan: (?:(\d+) to import, )?(\d+) to add, (\d+) to change, (\d+) to destroy(?:, (\d+) to forget)?\."
)
NO_CHANGES = "No changes. Your infrastructure matches the configuration."
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def text(of: Plan, *, color: bool = False, width: int | None = None, every: bool = False) -> str:
    return write(plan_lines(of, every=every, hint="mics-iac apply"), palette=Palette(on=color), width=width)


@pytest.mark.parametrize("name", PLANS)
def test_golden(name: str, golden: Golden) -> None:
    made = PLANS[name]()
    refusals = write(refusal_lines(made), palette=Palette(on=False))
    golden(f"plan_{name}.txt", text(made) + refusals)
    golden(f"plan_{name}.ansi", text(made, color=True) + write(refusal_lines(made), palette=Palette(on=True)))


@pytest.mark.parametrize("name", PLANS)
def test_colour_changes_no_character(name: str) -> None:
    made = PLANS[name]()
    for width in (None, 40, 80):
        assert ESCAPE.sub("", text(made, color=True, width=width)) == text(made, width=width)


def test_lines_that_tools_parse() -> None:
    lines = text(rich()).splitlines()
    assert "Plan: 1 to import, 2 to add, 2 to change, 0 to destroy." in lines
    assert lines[lines.index("Plan: 1 to import, 2 to add, 2 to change, 0 to destroy.") + 1] == (
        "Uploads: 5 to load (1.6 GB, 5,410,333 records), 87 already loaded, 1 failed before."
    )
    found = ATLANTIS.search(text(rich()))
    assert found is not None
    assert found.groups() == ("1", "2", "2", "0", None)


def test_uploads_alone_are_changes() -> None:
    lines = text(uploads_alone()).splitlines()
    at = lines.index("Plan: 0 to add, 0 to change, 0 to destroy.")
    assert lines[at + 1] == "Uploads: 1 to load (1.0 MB, 4,000 records), 1 already loaded."
    assert NO_CHANGES not in lines


def test_no_changes_says_so_and_gives_no_hint() -> None:
    lines = text(unchanged()).splitlines()
    assert NO_CHANGES in lines
    assert not any(one.startswith(("Plan:", "Uploads:", "Digest:", "To do this")) for one in lines)


def test_nothing_to_do_is_not_claimed_where_something_failed_or_was_refused() -> None:
    for name in ("rich", "refused"):
        assert NO_CHANGES not in text(PLANS[name]())


def test_an_unchanged_import_is_shown_on_demand_only() -> None:
    assert "fr/quiet" not in text(rich())
    assert "fr/quiet" in text(rich(), every=True)


def test_many_loaded_files_are_counted_and_few_are_named() -> None:
    assert "= 86 files already loaded (172.0 kB, 860 records)" in text(rich())
    assert "data/crm/05.ndjson" not in text(rich())
    assert "data/crm/05.ndjson" in text(rich(), every=True)
    assert "= data/1.ndjson" in text(uploads_alone())


def test_parts_of_one_file_are_one_line() -> None:
    assert text(rich()).count("data/große Segmente.csv") == 1
    assert "data/große Segmente.csv  297.0 MB in 3 parts  3,000,000 records  new" in text(rich())


def test_parts_with_different_fates_stand_under_their_file() -> None:
    lines = text(unread()).splitlines()
    at = next(n for n, one in enumerate(lines) if "data/big.ndjson" in one)
    assert lines[at].split() == ["^", "data/big.ndjson", "600.0", "MB", "in", "6", "parts", "1,500,000", "records"]
    fates = [one.split()[:3] for one in lines[at + 1 : at + 4]]
    assert fates == [["=", "parts", "1-3"], ["!", "part", "4"], ["^", "parts", "5-6"]]


def test_remote_files_that_were_not_read_are_changes() -> None:
    lines = text(unread()).splitlines()
    assert "Plan: 0 to add, 0 to change, 0 to destroy." in lines
    assert (
        "Uploads: 3 to load (200.0 MB, 500,005 records), 5 already loaded, 1 failed before, "
        "3 remote files (1.2 GB) to read first."
    ) in lines
    assert "(560) will read 2 remote files first" in text(unread())
    assert "s3://acme/visits/1.ndjson.gz   12.3 MB  records unknown  not read yet" in text(unread())


def test_findings_are_one_line_for_each_code() -> None:
    many = [Checked("fr/a", f"data/{n:05}.ndjson", {}, {"MICS380": 1}, ()) for n in range(1000)]
    made = plan(*unread().actions, checked=(*many, many[0]))
    assert "  warning: MICS380 few records in the file: 1,000 files, first data/00000.ndjson\n" in text(made)
    assert len(text(made).splitlines()) < 30


def test_verbose_tells_each_warning_at_its_place() -> None:
    shown = text(unread(), every=True)
    assert "  data/part.ndjson:0:0: warning: MICS380: 5 records: the platform" in shown
    assert "  ... and 30 more of MICS312 in data/part.ndjson\n" in shown


def test_of_very_many_files_with_records_left_out_the_first_are_named() -> None:
    some = [
        Checked("fr/a", f"data/{n}", {"MICS306": 2}, {}, (), dropped=2, rejects=f".mics-iac/rejects/{n}")
        for n in range(200)
    ]
    made = plan(*unread().actions, checked=tuple(some))
    assert "data/0: 2 invalid records will be left out, kept in .mics-iac/rejects/0\n" in text(made)
    assert "... and 190 more files, 380 invalid records left out\n" in text(made)
    assert ".mics-iac/rejects/199" in text(made, every=True)


def test_a_plan_with_invalid_records_cannot_be_applied_even_if_it_does_nothing() -> None:
    assert "This plan cannot be applied: 1 refusal, 1 file with invalid records." in text(invalid())
    alone = plan(Keep("fr/visits", "559", settings("Visits")), checked=invalid().checked)
    assert "This plan cannot be applied: 1 file with invalid records." in text(alone)
    assert NO_CHANGES not in text(alone)


def test_a_change_shows_what_changes_and_hides_the_rest() -> None:
    shown = text(rich())
    assert 'name           "CRM profiles" -> CRM\n' in shown
    assert "priority       MEDIUM -> HIGH\n" in shown
    assert "# (4 unchanged attributes hidden)" in shown


def test_what_comes_from_outside_cannot_act_on_the_terminal() -> None:
    for made in (text(hostile(), every=True), write(refusal_lines(hostile()), palette=Palette(on=False))):
        assert all(c.isprintable() or c == "\n" for c in made)
    lines = [one for one in text(hostile()).splitlines() if "will be created" in one]
    # A line end in a name or a path starts no line; in a message of several lines it starts an indented one.
    assert all(not one.startswith(("+", "  +", "Plan", "Error")) for one in lines)
    assert "\\x1b[2J" in text(hostile())
    assert "\\u202e" in text(hostile())
    assert "\\u200b" in text(hostile())


@given(width=st.integers(40, 160))
def test_wrapping_breaks_no_path_and_loses_no_word(width: int) -> None:
    narrow = text(rich(), width=width)
    assert narrow.split() == text(rich()).split()
    for path in ("data/store-visits/2026-01-15.ndjson", "data/große Segmente.csv", "fr/crm-profiles"):
        assert path in narrow
    for one in narrow.splitlines():
        # Only the lines that tools parse, and words wider than the terminal, go over its edge.
        summing_up = one.startswith(("Plan:", "Uploads:", "Digest:"))
        assert columns(one) <= width or summing_up or " " not in one.strip() or "data/" in one or "mics-iac" in one


def test_a_long_path_is_never_cut() -> None:
    path = "data/" + "x" * 500 + "/" + "y" * 200 + ".ndjson"
    made = plan(Keep("fr/quiet", "560", settings("Quiet")), upload("fr/quiet", path, size=1, records=1))
    assert path in text(made, width=80)


@pytest.mark.parametrize("order", [lambda actions: actions, lambda actions: tuple(reversed(actions))])
def test_imports_stand_in_the_order_of_their_addresses(order: Callable[..., object]) -> None:
    made = msgspec.structs.replace(rich(), actions=order(rich().actions))
    found = re.findall(r"^  \S+ +(\w+/[\w-]+) .*will", text(made), re.MULTILINE)
    assert found == sorted(found)
    assert len(found) == 5


def test_a_rename_alone_says_from_where() -> None:
    made = plan(Move("fr/new", "fr/old"), Keep("fr/new", "559", settings("Opt-ins")))
    assert "fr/new (559) will be renamed here\n       # renamed from fr/old\n" in text(made)


def test_hint_and_narrowing() -> None:
    assert text(rich()).endswith("To do this, run: mics-iac apply\n")
    assert "To do this" not in write(plan_lines(rich()), palette=Palette(on=False))
    assert "a part of the manifest only: --target fr/*" in text(PLANS["refused"]())


def test_counts_of_files_not_of_parts() -> None:
    parts = [skip("fr/a", "data/big.csv") for _ in range(5)]
    numbered = [msgspec.structs.replace(p, part=n) for n, p in enumerate(parts, 1)]
    made = plan(Keep("fr/a", "1", settings("A")), *numbered, upload("fr/a", "data/new.csv", size=1, records=1))
    assert all(isinstance(a, Skip) for a in numbered)
    assert len(re.findall(r"= data/big.csv +10.0 kB in 5 parts", text(made))) == 1
    assert HOSTILE not in text(made)
