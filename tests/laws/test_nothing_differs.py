"""Where nothing differs, nothing is done: no write, no request but reads, and the plan is empty."""

from __future__ import annotations

from hypothesis import given, settings

from tests.laws.projects import IMPORTS, Import, rig_of


@given(IMPORTS)
@settings(max_examples=15, deadline=None)
def test_nothing_differs_nothing_is_done(imports: list[Import]) -> None:
    with rig_of(imports) as rig:
        rig.apply()
        rig.sandbox.forget_requests()
        before = {p: p.read_bytes() for p in rig.folder.rglob("*") if p.is_file()}
        assert rig.plan().empty
        assert rig.apply().exit_code == 0
        assert {p: p.read_bytes() for p in rig.folder.rglob("*") if p.is_file()} == before
        assert {r.method for r in rig.sandbox.requests()} <= {"GET"}
