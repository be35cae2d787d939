"""Whatever goes wrong on the way: nothing is loaded twice, and once the platform is well everything is loaded."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from mics_iac.errors import ApiError, GuardRefused
from mics_iac.sandbox.faults import Fault
from tests.laws.projects import IMPORTS, TROUBLES, Import, lay_out, rig_of
from tests.laws.test_apply_then_plan import there, wanted
from tests.rig import Rig

EVENTS = st.one_of(
    st.lists(TROUBLES, min_size=1, max_size=4),
    st.sampled_from(["lose the state", "put an older state back", "rename by hand", "let the queue move", "stop"]),
)


def befall(rig: Rig, event: list[Fault] | str, older: list[bytes]) -> None:
    """Let something happen between two runs, or arrange that it does in the next."""
    match event:
        case list():
            rig.fault(*event)
        case "lose the state" if rig.state_path.exists():
            rig.state_path.unlink()
            for path in rig.state_path.parent.glob("*.journal.*"):
                path.unlink()
        case "put an older state back" if older:
            rig.state_path.write_bytes(older[0])
        case "rename by hand":
            for made in rig.sandbox.imports()[:1]:
                if rig.state_path.exists():
                    rig.sandbox.change_import(made.id, priority="LOW" if made.priority == "HIGH" else "HIGH")
        case "let the queue move":
            rig.sandbox.release()
        case "stop":
            rig.on_tell = lambda told: rig.stop.request(2) if type(told).__name__ == "UploadBegun" else None
        case _:
            pass


def run(rig: Rig, older: list[bytes]) -> int:
    try:
        code = rig.apply().exit_code
    except ApiError:
        code = 1
    rig.stop, rig.on_tell = type(rig.stop)(), lambda _: None
    if rig.state_path.exists():
        older.append(rig.state_path.read_bytes())
    return code


@given(IMPORTS, st.lists(EVENTS, min_size=1, max_size=4))
@settings(max_examples=40, deadline=None)
def test_nothing_twice_and_nothing_lost(imports: list[Import], events: list[list[Fault] | str]) -> None:
    older: list[bytes] = []
    with rig_of(imports) as rig:
        rig.limit(wait_timeout=120)
        for event in events:
            befall(rig, event, older)
            run(rig, older)
            loaded = there(rig)
            assert len(loaded) == len(set(loaded)), "loaded twice"
        rig.faults.clear()
        rig.sandbox.release()
        code = next((c for c in (run(rig, older) for _ in range(3)) if c == 0), None)
        assert code == 0
        assert there(rig) == wanted(imports)
        assert len(rig.sandbox.imports()) == len(imports)
        assert rig.plan().empty


@given(IMPORTS, IMPORTS, st.lists(TROUBLES, min_size=1, max_size=4), st.booleans())
@settings(max_examples=25, deadline=None)
def test_nothing_twice_where_an_import_is_deleted_meanwhile(
    before: list[Import], after: list[Import], troubles: list[Fault], stuck: bool
) -> None:
    with rig_of(before) as rig:
        rig.limit(wait_timeout=120)
        rig.fault(*troubles)
        run(rig, [])
        for made in rig.sandbox.imports()[:1]:
            rig.sandbox.delete_import(made.id)
        rig.faults.clear()
        rig.sandbox.release()
        lay_out(rig, after)
        try:
            run(rig, [])
            run(rig, [])
            assert rig.plan().empty
        except GuardRefused as refused:
            assert "--ignore-history" in str(refused)  # noqa: PT017 - or it goes through, as above
        loaded = there(rig)
        assert len(loaded) == len(set(loaded))
