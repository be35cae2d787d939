"""A state that is pulled and pushed: nothing that was recorded is lost, and nothing is replaced by less by mistake."""

# ruff: noqa: PT012 (what a run raises comes out of the whole block in which it holds the state)

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import msgspec
import pytest

from mics_iac.core.journal import RunBegun
from mics_iac.core.state import Creating, Doubt, Execution, ImportState, Incarnation, State, decode_state, encode_state
from mics_iac.engine import carrying, workflow
from mics_iac.errors import GuardRefused, Locked, MicsError, StateUnreadable
from mics_iac.store.file import FileBackend
from mics_iac.store.held import hold
from mics_iac.store.shelter import Shelter
from tests.rig import Rig, visits
from tests.store.stand import SETTINGS, created, upload

SANDBOX = "https://sandbox.invalid"
DOUBT = Doubt("attempt-9", "data/9.ndjson", 1, f"{9:064x}", 1000, 10, 10)


@pytest.fixture
def loaded(rig: Rig) -> State:
    """The state of a project whose four files were loaded."""
    for number in range(4):
        rig.write(f"data/{number}.ndjson", visits(10 * number, 3))
    assert rig.apply().exit_code == 0
    return rig.state()


def push(rig: Rig, state: State, *, force: bool = False) -> carrying.Pushed:
    return carrying.push(rig.open(), encode_state(state), name="pulled.json", force=force)


def changed(state: State, **changes: object) -> State:
    return msgspec.structs.replace(state, checksum="", **changes)


def unsaved(rig: Rig) -> None:
    """A run that creates an import and sends a file, and is killed before it saves."""
    backend = FileBackend(rig.state_path, clock=rig.clock)
    context = rig.open().context("apply")

    class Killed(BaseException):
        pass

    def nothing() -> None:
        pass

    with pytest.raises(Killed), hold(backend, clock=rig.clock, context=context) as held:
        held.record(created("fr/late", "77"), *upload(77, "fr/late", "77"))
        held.save = nothing  # type: ignore[method-assign]  # the dead do not save
        raise Killed


def test_what_is_pulled_is_what_is_there(rig: Rig, loaded: State) -> None:
    assert encode_state(carrying.pull(rig.open())) == rig.state_path.read_bytes()
    assert push(rig, loaded).changed is False


def test_where_there_is_no_state_there_is_nothing_to_pull(rig: Rig) -> None:
    with pytest.raises(MicsError, match="there is no state yet"):
        carrying.pull(rig.open())


def test_what_a_run_left_unsaved_is_pulled_too_and_saved_before_a_push(rig: Rig, loaded: State) -> None:
    unsaved(rig)
    pulled = carrying.pull(rig.open())
    assert (sorted(pulled.imports), pulled.serial) == (["fr/late", "fr/visits"], loaded.serial + 1)
    assert rig.state() == loaded
    # The next save writes exactly this; so there is nothing to do after it.
    assert push(rig, pulled).changed is False
    assert encode_state(rig.state()) == encode_state(pulled)


def test_what_a_run_left_unsaved_is_among_the_backups_after_a_push(rig: Rig, loaded: State) -> None:
    unsaved(rig)
    done = push(rig, changed(loaded, serial=loaded.serial + 5))
    assert done.former is not None
    assert "fr/late" in done.former.imports
    assert list(rig.state().imports) == ["fr/visits"]
    newest = FileBackend(rig.state_path, clock=rig.clock).backups()[0]
    assert "fr/late" in decode_state(newest.data, name="backup").imports
    assert rig.journals() == b""


def test_what_a_run_kept_on_this_machine_is_pulled_too(rig: Rig, loaded: State) -> None:
    """Its store went away between the intent and the outcome of an upload."""
    begun, accepted = upload(9, "fr/visits", loaded.imports["fr/visits"].current.id)
    with hold(FileBackend(rig.state_path, clock=rig.clock), clock=rig.clock, context=rig.open().context("x")) as held:
        held.record(begun)
    project = rig.open()
    shelter = Shelter(rig.folder / "emergency")
    run = RunBegun("dead", loaded.lineage, loaded.serial, SANDBOX, None, "apply", "ana", 0, "0.1.0")
    assert shelter.keep(run, [accepted]) is not None
    before = carrying.pull(project)
    there = carrying.pull(replace(project, world=replace(project.world, shelter=shelter)))
    assert len(before.imports["fr/visits"].current.doubts) == 1
    assert there.imports["fr/visits"].current.doubts == ()
    assert there.serial == before.serial + 1


def test_a_state_goes_where_there_is_none(rig: Rig, loaded: State) -> None:
    rig.state_path.unlink()
    done = push(rig, loaded)
    assert (done.changed, done.former) == (True, None)
    assert rig.state() == loaded
    assert rig.plan().empty


def test_a_newer_state_is_pushed_as_it_is(rig: Rig, loaded: State) -> None:
    newer = changed(loaded, serial=loaded.serial + 1, mics_iac_version="0.0.9")
    assert push(rig, newer).changed
    assert rig.state_path.read_bytes() == encode_state(newer)
    assert push(rig, newer).changed is False


def test_another_lineage_and_an_older_serial_are_refused_with_both_values(rig: Rig, loaded: State) -> None:
    before = rig.state_path.read_bytes()
    other = changed(loaded, lineage="another", serial=0)
    with pytest.raises(GuardRefused) as refused:
        push(rig, other)
    message = refused.value.message
    assert f"pulled.json is of lineage another, {rig.state_path} of {loaded.lineage}" in message
    assert f"pulled.json is of serial 0, {rig.state_path} of {loaded.serial}" in message
    assert "--force" in str(refused.value.remedy)
    assert rig.state_path.read_bytes() == before
    push(rig, other, force=True)
    assert (rig.state().lineage, rig.state().serial) == ("another", loaded.serial + 1)
    assert rig.plan().empty
    with pytest.raises(GuardRefused, match="it is another state") as refused:
        push(rig, changed(loaded, serial=99))
    assert "not newer" not in refused.value.message
    push(rig, changed(loaded, serial=99), force=True)
    assert (rig.state().lineage, rig.state().serial) == (loaded.lineage, 100)


def addresses(count: int, *, executions: int = 0) -> State:
    """A state with so many addresses, each with so many contents of its own."""
    imports = {
        f"fr/i{n}": ImportState(
            Incarnation(
                str(n),
                SETTINGS,
                executions=tuple(
                    Execution(f"{n}{e}", f"data/{e}.ndjson", 1, f"{n:032x}{e:032x}", 100, 1, "SUCCEEDED")
                    for e in range(executions)
                ),
            )
        )
        for n in range(count)
    }
    return State(lineage="lineage", api_url=SANDBOX, serial=1, imports=imports)


def some_contents(state: State, count: int) -> State:
    """The same, with only so many contents in its one import."""
    [(address, value)] = state.imports.items()
    current = msgspec.structs.replace(value.current, executions=value.current.executions[:count])
    return changed(state, imports={address: msgspec.structs.replace(value, current=current)})


SHRINKS: dict[str, tuple[State, State, State, str]] = {
    "addresses": (addresses(4), addresses(2), addresses(1), "3 of the 4 addresses that are there: fr/i1, fr/i2 and"),
    "contents": (
        addresses(1, executions=4),
        some_contents(addresses(1, executions=4), 2),
        some_contents(addresses(1, executions=4), 1),
        "3 of the 4 contents that were loaded",
    ),
    "one address": (addresses(1), addresses(1), addresses(0), "1 of the 1 addresses that are there: fr/i0"),
    "a doubt": (
        changed(addresses(1), imports={"fr/i0": ImportState(Incarnation("0", SETTINGS, doubts=(DOUBT,)))}),
        changed(addresses(1), imports={"fr/i0": ImportState(Incarnation("0", SETTINGS, doubts=(DOUBT,)))}),
        addresses(1),
        "fr/i0:data/9.ndjson is in doubt",
    ),
    "a creation": (
        changed(addresses(0), creating={"fr/new": Creating(SETTINGS)}),
        changed(addresses(1), imports={"fr/new": ImportState(Incarnation("0", SETTINGS))}),
        addresses(0),
        "an import of fr/new may have been created",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SHRINKS)
def test_a_state_that_knows_too_little_is_refused(rig: Rig, case: str) -> None:
    there, enough, too_little, words = SHRINKS[case]
    push(rig, there)
    with pytest.raises(GuardRefused) as refused:
        push(rig, changed(too_little, serial=2))
    assert words in refused.value.message
    assert "serial" not in refused.value.message
    assert rig.state().serial == 1
    push(rig, changed(enough, serial=2))
    push(rig, changed(there, serial=3), force=True)
    push(rig, changed(too_little, serial=7), force=True)
    assert rig.state().serial == 7


BAD: dict[str, tuple[Callable[[State], bytes], str]] = {
    "torn": (lambda s: encode_state(s)[:-20], "is not the JSON of a state"),
    "edited": (lambda s: encode_state(s).replace(b"fr/visits", b"fr/vizits"), "checksum does not fit"),
    "no state": (lambda _: b"{}", "is damaged"),
    "newer": (lambda s: encode_state(changed(s, version=2)), "format 2"),
    "elsewhere": (lambda s: encode_state(changed(s, api_url="https://api.example.test")), "https://api.example.test"),
    "staging": (lambda s: encode_state(changed(s, environment="staging")), "belongs to environment staging"),
    "nobody's": (lambda s: encode_state(changed(s, lineage="")), "the state has no lineage"),
    "moved": (lambda s: encode_state(changed(s, moved_to="s3://acme", serial=9)), "the state is at s3://acme"),
}


@pytest.mark.parametrize("case", BAD)
def test_only_a_good_state_is_pushed(rig: Rig, loaded: State, case: str) -> None:
    make, words = BAD[case]
    before = rig.state_path.read_bytes()
    with pytest.raises(StateUnreadable) as refused:
        carrying.push(rig.open(), make(loaded), name="pulled.json")
    assert words in refused.value.message
    assert "pulled.json" in refused.value.message
    assert "state recover" not in str(refused.value.remedy)
    assert rig.state_path.read_bytes() == before


def test_a_state_that_was_moved_is_revived_by_force_alone(rig: Rig, loaded: State) -> None:
    backend = FileBackend(rig.state_path, clock=rig.clock)
    with hold(backend, clock=rig.clock, context=rig.open().context("move")) as held:
        held.replace(changed(loaded, moved_to="s3://acme/mics", serial=loaded.serial + 1))
    pulled = carrying.pull(rig.open())
    assert pulled.moved_to == "s3://acme/mics"
    assert list(workflow.read_state(rig.open()).imports) == ["fr/visits"]
    for state in (pulled, changed(loaded, serial=99)):
        with pytest.raises(StateUnreadable, match="the state is at s3://acme/mics"):
            push(rig, state)
    push(rig, pulled, force=True)
    assert (rig.state().moved_to, rig.state().serial) == ("", pulled.serial + 1)
    assert rig.plan().empty


def test_nothing_is_pushed_under_somebody_elses_lock(rig: Rig, loaded: State) -> None:
    backend = FileBackend(rig.state_path, clock=rig.clock)
    with (
        hold(backend, clock=rig.clock, context=rig.open().context("apply")),
        pytest.raises(Locked, match="tester@host"),
    ):
        push(rig, changed(loaded, serial=99))
