"""After an apply that exits 0, plan says no changes; and every content is loaded once."""

from __future__ import annotations

from hypothesis import given, settings

from mics_iac.core.plan import Keep, Skip, count
from tests.laws.projects import DATAMARTS, IMPORTS, Import, lay_out, rig_of
from tests.rig import Rig, digest


def wanted(imports: list[Import]) -> list[tuple[str, str]]:
    """Datamart and digest of everything that should be loaded, each once."""
    return sorted(
        {(DATAMARTS[i.key.partition("/")[0]], digest(i.content(n))) for i in imports for n in i.files.values()}
    )


def there(rig: Rig) -> list[tuple[str, str]]:
    return sorted((e.datamart_id, e.sha256) for e in rig.sandbox.executions(deleted=True))


@given(IMPORTS)
@settings(max_examples=25, deadline=None)
def test_apply_then_plan_is_empty(imports: list[Import]) -> None:
    with rig_of(imports) as rig:
        plan = rig.plan()
        outcome = rig.apply(expect_digest=plan.digest)
        counts, tally = count(plan), outcome.tally
        assert outcome.exit_code == 0
        assert (counts.add, counts.adopt, counts.change) == (tally.added, tally.adopted, tally.changed)
        assert (counts.load, counts.load_records) == (tally.loaded, tally.ok + tally.rejected)
        after = rig.plan()
        assert after.empty
        assert {type(a) for a in after.actions} <= {Keep, Skip}
        assert there(rig) == wanted(imports)


@given(IMPORTS, IMPORTS)
@settings(max_examples=25, deadline=None)
def test_so_it_is_after_any_change_of_the_manifest(before: list[Import], after: list[Import]) -> None:
    with rig_of(before) as rig:
        assert rig.apply().exit_code == 0
        lay_out(rig, after)
        plan = rig.plan()
        outcome = rig.apply_saved(plan)
        counts, tally = count(plan), outcome.tally
        assert outcome.exit_code == 0
        assert (counts.add, counts.adopt, counts.change) == (tally.added, tally.adopted, tally.changed)
        assert rig.plan().empty
        assert there(rig) == sorted({*wanted(before), *wanted(after)})
        assert {i.name for i in rig.sandbox.imports()} >= {i.body()["name"].replace("$$", "$") for i in after}  # type: ignore[attr-defined]  # a text


@given(IMPORTS)
@settings(max_examples=15, deadline=None)
def test_so_it_is_after_the_state_was_lost(imports: list[Import]) -> None:
    with rig_of(imports) as rig:
        assert rig.apply().exit_code == 0
        rig.state_path.unlink(missing_ok=True)
        assert rig.apply().exit_code == 0
        assert rig.plan().empty
        assert there(rig) == wanted(imports)
        assert len(rig.sandbox.imports()) == len(imports)
