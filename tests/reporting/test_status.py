"""Status, as a table and as JSON."""

from __future__ import annotations

import json

import pytest

from mics_iac.core.state import Cut, Doubt, Execution, Piece
from mics_iac.core.status import ImportStatus, Status
from mics_iac.reporting.lines import Palette, json_text, write
from mics_iac.reporting.status import status_json, status_lines
from tests.conftest import Golden
from tests.reporting.plans import HOSTILE, digest, settings


def execution(number: int, status: str = "SUCCEEDED", *, ok: int | None = 10, rejected: int | None = 0) -> Execution:
    source = f"data/{number}.ndjson"
    return Execution(str(987000 + number), source, 1, digest(source), 2000, 10, status, 1605262037783, ok, rejected)


def status(*imports: ImportStatus, refreshed: bool = True) -> Status:
    return Status("https://api.mediarithmics.com", "production", "lineage", 12, refreshed, imports)


def full() -> Status:
    doubt = Doubt("attempt", "data/9.ndjson", 1, digest("9"), 100, 1, 1)
    return status(
        ImportStatus(
            "fr/store-visits", "558", settings("Store visits"), True, False, False, False,
            tuple(execution(n) for n in range(5)), (),
        ),
        ImportStatus(
            "fr/crm-profiles@2026-01-15", "559", settings("CRM", "USER_PROFILE"), True, True, True, False,
            (
                execution(11, ok=8, rejected=2),
                execution(12, "FAILED", ok=None, rejected=None),
                execution(13, "RUNNING", ok=None, rejected=None),
            ),
            (doubt,), ("501", "502"),
        ),
        ImportStatus("de/new", None, settings("New"), True, False, False, False, (), ()),
        ImportStatus("de/old", "560", settings("Old"), False, False, False, True, (), ()),
    )  # fmt: skip


def text(of: Status, *, every: bool = False) -> str:
    return write(status_lines(of, every=every), palette=Palette(on=False))


def test_golden(golden: Golden) -> None:
    golden("status.txt", text(full()))
    golden("status_every.txt", text(full(), every=True))
    golden("status.json", json_text(status_json(full())))


def test_what_did_not_end_well_is_named() -> None:
    shown = text(full())
    assert "987012  FAILED" in shown
    assert "987011  SUCCEEDED" in shown  # two records rejected
    assert "987013  RUNNING" in shown
    assert "987001" not in shown
    assert "987001" in text(full(), every=True)
    assert "in doubt data/9.ndjson" in shown


def test_totals() -> None:
    assert text(full()).splitlines()[-1] == "4 imports, 8 executions (58 records ok, 2 rejected, 1 still running)."


def test_nothing_there() -> None:
    assert "No imports" in text(status())


def test_an_answer_from_the_state_alone_says_so() -> None:
    assert "--no-refresh" in text(status(refreshed=False))


def test_json_is_sorted_and_counts() -> None:
    found = json.loads(json_text(status_json(full())))
    addresses = [one["address"] for one in found["imports"]]
    assert addresses == sorted(addresses)
    assert found["imports"][2]["by_status"] == {"FAILED": 1, "RUNNING": 1, "SUCCEEDED": 1}


@pytest.mark.parametrize("every", [True, False])
def test_hostile_text(*, every: bool) -> None:
    row = ImportStatus(f"fr/{HOSTILE}", HOSTILE, settings(HOSTILE, HOSTILE), True, False, False, False, (), ())
    shown = text(status(row), every=every)
    assert all(c.isprintable() or c == "\n" for c in shown)
    assert "+ fr/fake" not in [one.strip() for one in shown.splitlines()]


def test_a_cut_is_shown_under_the_name_that_its_parts_were_sent_under() -> None:
    pieces = tuple(Piece(n * 10, n * 10 + 10, digest(str(n))) for n in range(3))
    sent = tuple(
        Execution(str(n), "data/new", n + 1, piece.sha256, 10, 1, "SUCCEEDED", 1, 1, 0)
        for n, piece in enumerate(pieces)
    )
    old, new = Cut("data/old", digest("all"), 30, pieces), Cut("data/new", digest("all"), 30, pieces)
    grown = Cut("data/new", digest("more"), 40, (*pieces[:2], Piece(20, 40, digest("longer"))))
    waiting = Cut("data/next", digest("next"), 10, (Piece(0, 10, digest("next part")),))

    def shown(executions: tuple[Execution, ...], *cuts: Cut) -> str:
        row = ImportStatus("fr/a", "1", settings("A"), True, False, False, False, executions, (), cuts=cuts)
        return text(status(row), every=True)

    for cuts in ((old, new, waiting), (old, grown, waiting)):
        assert "data/old" not in shown(sent[:2], *cuts)
        assert "data/next  10 B, 0 sent" in shown(sent[:2], *cuts)
    assert "data/old  30 B in 3 parts, 0 sent" in shown((), old)
