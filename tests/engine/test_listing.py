"""What the platform is asked, how often, and that its pages are not trusted."""

from __future__ import annotations

import sqlite3

import pytest

from mics_iac.core.plan import Adopt, Create
from mics_iac.sandbox.faults import Fault
from mics_iac.sandbox.profile import Profile
from mics_iac.sandbox.sandbox import Sandbox
from tests.rig import Rig, manifest, visits

IMPORTS = "/document_imports"


def declare(rig: Rig, count: int) -> None:
    rig.declare(manifest({f"fr/import-{n:03d}": {"name": f"Import {n:03d}"} for n in range(count)}))


def profile(rig: Rig, **settings: object) -> None:
    """The same platform, behaving otherwise."""
    given = Profile(**{"queue_ms": 1000, "run_ms": 1000, **settings})  # type: ignore[arg-type]  # a test names real fields
    path = rig.folder.parent / "platform.sqlite"
    rig.sandbox = Sandbox(path, now=lambda: int(rig.clock.now() * 1000), profile=given)


def test_imports_are_listed_by_pages_and_never_one_by_one(rig: Rig) -> None:
    rig.sandbox.add_import("1502", "first")
    rows = [("1502", "USER_PROFILE", "APPLICATION_X_NDJSON", "utf-8", f"import {n}", "MEDIUM") for n in range(4_999)]
    statement = (
        "INSERT INTO imports (datamart_id, document_type, mime_type, encoding, name, priority) VALUES (?,?,?,?,?,?)"
    )
    rig.sandbox.close()
    with sqlite3.connect(rig.folder.parent / "project.platform.sqlite") as db:
        db.executemany(statement, rows)
    db.close()
    declare(rig, 20)
    rig.plan()
    assert len(rig.calls()) == 10
    assert all(call.startswith("GET /v1/datamarts/1502/document_imports?") for call in rig.calls())


def test_a_plan_without_uploads_asks_for_no_executions(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 2))
    rig.apply()
    rig.sandbox.forget_requests()
    assert rig.plan().empty
    assert len(rig.calls()) == 1


@pytest.mark.parametrize("settings", [{"page_limit": 3}, {"total": False}, {"page_limit": 3, "total": False}])
def test_pages_that_are_capped_or_have_no_total_show_everything(rig: Rig, settings: dict[str, object]) -> None:
    profile(rig, **settings)
    declare(rig, 10)
    assert rig.apply().exit_code == 0
    assert len(rig.sandbox.imports()) == 10
    assert rig.plan().empty
    rig.state_path.unlink()
    assert [type(a) for a in rig.plan().actions] == [Adopt] * 10


@pytest.mark.parametrize("total", [True, False])
@pytest.mark.parametrize("kind", ["shift_insert", "shift_remove"])
def test_pages_that_shift_lead_to_no_second_import(rig: Rig, kind: str, total: bool) -> None:
    profile(rig, page_limit=3, total=total)
    victims = [rig.sandbox.add_import("1502", f"Victim {n}") for n in range(30)]
    declare(rig, 10)
    rig.apply()
    # At each page somebody else inserts or removes an import before all others, so that others slip off its edge.
    rig.fault(Fault(kind, path=f"*{IMPORTS}", times=12))  # type: ignore[arg-type]  # one of the kinds
    plan = rig.plan()
    assert not [a for a in plan.actions if isinstance(a, Create)]
    assert rig.apply().tally.added == 0
    assert len({i.name for i in rig.sandbox.imports() if i.name.startswith("Import ")}) == 10
    assert victims


def test_pages_that_shift_make_nobody_forget_an_import_outside_the_target(rig: Rig) -> None:
    profile(rig, page_limit=3, total=False)
    for n in range(30):
        rig.sandbox.add_import("1502", f"Victim {n}")
    declare(rig, 10)
    rig.apply()
    rig.fault(Fault("shift_remove", path=f"*{IMPORTS}", times=None))
    rig.apply(target=("fr/import-000",))
    rig.faults.clear()
    assert not [a for a in rig.plan().actions if isinstance(a, Create)]
    assert not any(value.current.gone for value in rig.state().imports.values())


def test_each_round_of_waiting_lists_each_import_once(rig: Rig) -> None:
    profile(rig, run_ms=60_000)
    for n in range(8):
        rig.write(f"data/{n}.ndjson", visits(n * 10, 2))
    rig.limit(transfers=1)
    assert rig.apply().exit_code == 0
    lists = [r for r in rig.sandbox.requests(method="GET") if r.path.endswith("/executions")]
    # 61 seconds at pauses of 0.5 s that grow by half up to 10 s are 12 rounds, whatever the number of executions; a
    # few more because uploads that end later begin with short pauses again.
    assert len(lists) <= 12 + 8
    assert {r.path for r in lists} == {f"/v1/datamarts/1502/document_imports/{rig.sandbox.imports()[0].id}/executions"}


def test_executions_are_read_only_as_far_as_needed(rig: Rig) -> None:
    rig.page_size = 5
    for n in range(40):
        rig.write(f"data/{n:02d}.ndjson", visits(n * 10, 2))
    rig.apply()
    rig.write("data/new.ndjson", visits(9000, 2))
    plan = rig.plan()
    assert len(plan.uploads) == 1
    rig.sandbox.forget_requests()
    assert rig.apply().exit_code == 0
    pages = len([r for r in rig.sandbox.requests(method="GET") if r.path.endswith("/executions")])
    # 9 pages once, to compare; then the newest page alone at each look.
    assert pages <= 9 + 6
