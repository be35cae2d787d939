"""A state that moves: whole, with its history, never live at two places, and whenever it is killed it goes on."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mics_iac.core.migration import Migration
from mics_iac.core.place import parse_place
from mics_iac.core.state import State, decode_state, encode_state
from mics_iac.engine.moving import End, move
from mics_iac.errors import GuardRefused, Locked, MicsError, StateUnreadable, StoreFailed, UsageError
from mics_iac.store.backend import LEASE, MARGIN, RING, Backend, Snapshot
from mics_iac.store.file import FileBackend
from mics_iac.store.held import hold
from mics_iac.store.history import read_saved
from mics_iac.store.memory import MemoryBackend, MemoryPlace
from tests.store.stand import API, SetClock, context, created, upload
from tests.store.test_held import crash

HERE, THERE = "file:imports.state.json", "s3://acme-states/mics?region=eu-west-3"


class Died(BaseException):
    """The process that moves the state is no more."""


class Fuse:
    """Counts the calls of all backends it is given to; the n-th fails, and with `Died` every one after it too.

    `late`: what the call does is done, and only its answer is lost.
    """

    def __init__(self, at: int = 0, error: type[BaseException] = Died, *, late: bool = False) -> None:
        self.calls = 0
        self.failed = ""
        self._at = at
        self._error = error
        self._late = late

    def call(self, real: Callable[..., Any], *args: Any, **options: Any) -> Any:
        self.calls += 1
        if self.calls == self._at:
            self.failed = real.__name__
        if self.calls == self._at and self._late:
            real(*args, **options)
        if self.calls == self._at or (self._error is Died and self._at and self.calls > self._at):
            raise self._error("the store does not answer")
        return real(*args, **options)

    def wrap(self, backend: Backend) -> Backend:
        return _Fused(backend, self)


class _Fused:
    def __init__(self, backend: Backend, fuse: Fuse) -> None:
        self._backend = backend
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._backend, name)
        if not callable(found) or name.startswith("describe"):
            return found
        return lambda *args, **options: self._fuse.call(found, *args, **options)


class Stage:
    """Two places, each with as many clients as it takes, and one clock."""

    def __init__(self, source: Callable[[SetClock], Backend], target: Callable[[SetClock], Backend]) -> None:
        self.clock = SetClock()
        self._source = source
        self._target = target
        self._run = itertools.count(1)

    @property
    def source(self) -> Backend:
        return self._source(self.clock)

    @property
    def target(self) -> Backend:
        return self._target(self.clock)

    def move(self, fuse: Fuse | None = None, *, back: bool = False) -> Migration:
        fuse = fuse or Fuse()
        ends = [End(parse_place(HERE), fuse.wrap(self.source)), End(parse_place(THERE), fuse.wrap(self.target))]
        one, other = reversed(ends) if back else ends
        run = context(f"move-{next(self._run)}")
        with hold(one.backend, clock=self.clock, context=run, also_moved=True) as held:
            return move(held, one, other, clock=self.clock, api_url=API, environment=None)

    def apply(self, backend: Backend, address: str) -> None:
        """A run that creates an import and loads a file into it."""
        run = context(f"run-{next(self._run)}")
        with hold(backend, clock=self.clock, context=run) as held:
            held.record(created(address, str(next(self._run))))

    def live(self) -> list[str]:
        """Which of the places has a state that a run would go on from."""
        found = {"source": read_saved(self.source), "target": read_saved(self.target)}
        return [name for name, state in found.items() if state is not None and not state.moved_to]

    def wait(self) -> None:
        """Until the locks of the dead have ended."""
        self.clock.advance(LEASE + MARGIN + 1)


def in_memory() -> Callable[[SetClock], Backend]:
    place = MemoryPlace()
    return lambda clock: MemoryBackend(clock=clock, place=place)


def in_folder(path: Path) -> Callable[[SetClock], Backend]:
    path.mkdir()
    return lambda clock: FileBackend(path / "imports.state.json", clock=clock)


@pytest.fixture(params=["memory to memory", "file to memory", "memory to file", "file to file"])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Stage:
    source, target = request.param.split(" to ")
    return Stage(
        in_memory() if source == "memory" else in_folder(tmp_path / "source"),
        in_memory() if target == "memory" else in_folder(tmp_path / "target"),
    )


def filled(stage: Stage, saves: int = 3) -> State:
    """A state with so many saves behind it, and a run that was killed before it saved; all that is known at its end."""
    for number in range(saves):
        stage.apply(stage.source, f"fr/i{number}")
    crash(stage.source, stage.clock, created("fr/late", "99"), *upload(9, "fr/late", "99"), run="dead")
    stage.wait()
    with hold(Quiet(stage.source), clock=stage.clock, context=context("look")) as held, held.reading() as ledger:
        return ledger.state()


class Quiet:
    """A backend on which nothing is written, for a look under the lock."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def __getattr__(self, name: str) -> Any:
        if name in {"write", "drop"}:
            return lambda *_, **__: ""
        return getattr(self._backend, name)


def content(state: State | None) -> object:
    assert state is not None
    return state.lineage, state.imports, state.creating, state.forgotten


def backups(backend: Backend) -> list[State]:
    return [decode_state(blob.data, name=blob.where) for blob in backend.backups()]


def test_it_is_there_whole_and_says_here_where_it_went(stage: Stage) -> None:
    known = filled(stage)
    moved = stage.move()
    there, here = read_saved(stage.target), read_saved(stage.source)
    assert content(there) == content(here) == content(known)
    assert there is not None
    assert here is not None
    assert (there.moved_to, here.moved_to) == ("", THERE)
    # Three saves, the one of the journal, the mark; and one more for what is live.
    assert (here.serial, there.serial) == (5, 6)
    assert encode_state(there) == encode_state(moved.state)
    assert stage.source.journals() == stage.target.journals() == []
    assert stage.source.holder() is None
    assert stage.target.holder() is None
    stage.apply(stage.target, "fr/new")
    with pytest.raises(StateUnreadable, match="the state is at s3://acme-states"):
        stage.apply(stage.source, "fr/new")


@pytest.mark.parametrize("saves", [1, 3, 9])
def test_its_history_goes_with_it(stage: Stage, saves: int) -> None:
    known = filled(stage, saves)
    before = [list(s.imports) for s in backups(stage.source)]
    moved = stage.move()
    history = [list(s.imports) for s in backups(stage.target)]
    # The state as it was before the journal was saved comes in too; the newest is the state itself, as it arrived.
    assert history == [list(known.imports), [f"fr/i{n}" for n in range(saves)], *before][:RING]
    assert moved.backups == len(history)
    assert all(state.moved_to == HERE for state in backups(stage.target))


def test_again_is_nothing_to_do_even_beside_a_run(stage: Stage) -> None:
    filled(stage)
    stage.move()
    stage.apply(stage.target, "fr/new")
    crash(stage.target, stage.clock, created("fr/newer", "98"), run="dead-2")
    stage.wait()
    before = stage.target.read(), stage.source.read()
    again = stage.move()
    assert again.already
    assert (stage.target.read(), stage.source.read()) == before


def test_back_again_with_what_was_done_meanwhile(stage: Stage) -> None:
    filled(stage)
    stage.move()
    stage.apply(stage.target, "fr/new")
    there = read_saved(stage.target)
    stage.move(back=True)
    here, left = read_saved(stage.source), read_saved(stage.target)
    assert content(here) == content(there)
    assert here is not None
    assert there is not None
    assert left is not None
    assert there.serial < left.serial < here.serial
    assert stage.live() == ["source"]
    stage.apply(stage.source, "fr/newest")
    stage.move()
    assert stage.live() == ["target"]
    assert "fr/newest" in read_saved(stage.target).imports  # type: ignore[union-attr]


def test_from_one_place_to_the_next_and_back_to_the_first() -> None:
    """A to B, B to C, C to A: what stands at A says that the state is at B, and is older than the live one."""
    clock, addresses = SetClock(), ("s3://acme-a/a", "s3://acme-b/b", "gs://acme-c/c")
    ends = [End(parse_place(address), in_memory()(clock)) for address in addresses]
    with hold(ends[0].backend, clock=clock, context=context("first")) as held:
        held.record(created("fr/a", "1"))
    for one, other in itertools.pairwise([*ends, ends[0]]):
        with hold(one.backend, clock=clock, context=context(one.address), also_moved=True) as held:
            move(held, one, other, clock=clock, api_url=API, environment=None)
    found = [read_saved(end.backend) for end in ends]
    assert [state.moved_to for state in found if state is not None] == ["", *(e.address for e in (ends[2], ends[0]))]


def test_one_place_twice_is_no_move(tmp_path: Path) -> None:
    folder, link = tmp_path / "folder", tmp_path / "link"
    link.symlink_to(folder)
    stage = Stage(in_folder(folder), lambda clock: FileBackend(link / "imports.state.json", clock=clock))
    stage.apply(stage.source, "fr/a")
    for one, other in (("file:folder/a.json", "file:link/a.json"), (THERE, THERE.partition("?")[0])):
        source, target = End(parse_place(one), stage.source), End(parse_place(other), stage.target)
        with (
            hold(source.backend, clock=stage.clock, context=context("mover")) as held,
            pytest.raises(UsageError, match="the state is there already"),
        ):
            move(held, source, target, clock=stage.clock, api_url=API, environment=None)


def test_where_there_is_no_state_there_is_nothing_to_move(stage: Stage) -> None:
    with pytest.raises(MicsError, match="there is no state to move"):
        stage.move()
    assert stage.target.read() is None


def other(stage: Stage) -> None:
    stage.apply(stage.target, "fr/theirs")


def copy(stage: Stage) -> None:
    state = read_saved(stage.source)
    assert state is not None
    stage.target.write(encode_state(state), expected=None)


def newer_memory(stage: Stage) -> None:
    """One of this lineage that says it is elsewhere, and that saw more saves than the live one here."""
    state = read_saved(stage.source)
    assert state is not None
    ahead = msgspec.structs.replace(state, moved_to="gs://another", serial=state.serial + 9)
    stage.target.write(encode_state(ahead), expected=None)


def journal(stage: Stage) -> None:
    crash(stage.target, stage.clock, created("fr/theirs", "1"), run="theirs")


def moved_on(stage: Stage) -> None:
    state = State(lineage="theirs", api_url=API, serial=4, moved_to="gs://theirs")
    stage.target.write(encode_state(state), expected=None)


def foreign(stage: Stage) -> None:
    stage.target.write(encode_state(State(lineage="l", api_url="https://b.test")), expected=None)


def damaged(stage: Stage) -> None:
    stage.target.write(b"{}", expected=None)


TAKEN: dict[Callable[[Stage], None], tuple[type[MicsError], str]] = {
    other: (GuardRefused, "already: of lineage lineage-of-run-"),
    copy: (GuardRefused, "already: of this state's lineage, serial 3"),
    newer_memory: (GuardRefused, "already: of this state's lineage, serial 12, moved to gs://another"),
    journal: (GuardRefused, "left journals at .*: 00000000-0001"),
    moved_on: (GuardRefused, "already: of lineage theirs, serial 4, moved to gs://theirs"),
    foreign: (StateUnreadable, "belongs to the platform at https://b.test"),
    damaged: (StateUnreadable, "is damaged"),
}


@pytest.mark.parametrize("case", TAKEN, ids=lambda case: case.__name__)
def test_a_target_that_is_taken_is_refused(stage: Stage, case: Callable[[Stage], None]) -> None:
    known = filled(stage)
    case(stage)
    stage.wait()
    before = stage.target.read(), stage.target.journals()
    error, words = TAKEN[case]
    with pytest.raises(error, match=words):
        stage.move()
    assert (stage.target.read(), stage.target.journals()) == before
    here = read_saved(stage.source)
    assert content(here) == content(known)
    assert here is not None
    assert here.moved_to == ""


def test_a_state_that_moved_elsewhere_is_not_moved_again(stage: Stage) -> None:
    filled(stage)
    with hold(stage.source, clock=stage.clock, context=context("elsewhere")) as held:
        held.save()
        state = read_saved(stage.source)
        assert state is not None
        held.replace(msgspec.structs.replace(state, moved_to="gs://another", serial=state.serial + 1))
    with pytest.raises(StateUnreadable, match="the state is at gs://another"):
        stage.move()


def test_what_was_lost_at_the_target_is_not_replaced_by_what_was_left_behind(tmp_path: Path) -> None:
    stage = Stage(in_memory(), in_folder(tmp_path / "target"))
    filled(stage)
    stage.move()
    (tmp_path / "target" / "imports.state.json").unlink()
    with pytest.raises(GuardRefused, match="there is none there any more") as refused:
        stage.move()
    assert "state push FILE --force" in str(refused.value.remedy)


@pytest.mark.parametrize("which", ["source", "target"])
def test_both_locks_are_needed(stage: Stage, which: str) -> None:
    filled(stage)
    busy: Backend = getattr(stage, which)
    with (
        hold(busy, clock=stage.clock, context=context("theirs", environment=None)),
        pytest.raises(Locked, match="theirs"),
    ):
        stage.move()
    assert stage.live() == ["source"]
    stage.move()
    assert stage.live() == ["target"]


def test_what_is_read_back_must_be_what_was_written() -> None:
    class Lossy(MemoryBackend):
        def read(self) -> Snapshot | None:
            found = super().read()
            return Snapshot(found.data.replace(b"late", b"last"), found.version) if found is not None else None

    place = MemoryPlace()
    stage = Stage(in_memory(), lambda clock: Lossy(clock=clock, place=place))
    filled(stage)
    with pytest.raises(StoreFailed, match="what was written is not what is read again") as failed:
        stage.move()
    assert any("it goes on" in note for note in failed.value.__notes__)
    state = read_saved(stage.source)
    assert state is not None
    assert state.moved_to == ""


# Killed, and run again.


def steps() -> int:
    """How many calls a move takes."""
    stage = Stage(in_memory(), in_memory())
    filled(stage)
    fuse = Fuse()
    stage.move(fuse)
    return fuse.calls


STEPS = steps()


def ended_well(stage: Stage, known: State) -> None:
    assert stage.live() == ["target"]
    there, here = read_saved(stage.target), read_saved(stage.source)
    assert content(there) == content(known)
    assert here is not None
    assert here.moved_to == THERE
    assert stage.source.journals() == stage.target.journals() == []
    history = backups(stage.target)
    assert len(history) >= 4
    assert all(set(s.imports) <= set(known.imports) for s in history)
    assert stage.source.holder() is None
    assert stage.target.holder() is None


def nothing_lost(stage: Stage, known: State) -> None:
    """Never two live ones, and one place has it all: saved, or in a journal beside."""
    assert len(stage.live()) <= 1
    found = [read_saved(stage.source), read_saved(stage.target)]
    whole = [s is not None and content(s) == content(known) for s in found]
    assert any(whole) or stage.source.journals()


@pytest.mark.parametrize("late", [False, True], ids=["before it acts", "after it acted"])
@pytest.mark.parametrize("at", range(1, STEPS + 1))
def test_killed_at_any_call_it_goes_on(stage: Stage, at: int, late: bool) -> None:
    known = filled(stage)
    with pytest.raises(Died):
        stage.move(Fuse(at, late=late))
    nothing_lost(stage, known)
    stage.wait()
    stage.move()
    ended_well(stage, known)


@pytest.mark.parametrize("late", [False, True], ids=["before it acts", "after it acted"])
@pytest.mark.parametrize("at", range(1, STEPS + 1))
def test_killed_at_any_call_it_goes_on_where_its_history_is_of_another_state(at: int, late: bool) -> None:
    """Another state was put in the place of this one by hand: that one is among the backups, which go first."""
    stage = Stage(in_memory(), in_memory())
    known = filled(stage)
    with hold(stage.source, clock=stage.clock, context=context("push")) as held:
        held.save()
        held.replace(State(lineage="another", api_url=API, serial=70, imports=known.imports))
    stage.apply(stage.source, "fr/a")
    known = msgspec.structs.replace(known, lineage="another", imports=read_saved(stage.source).imports)  # type: ignore[union-attr]
    with contextlib.suppress(Died):
        stage.move(Fuse(at, late=late))
    nothing_lost(stage, known)
    stage.wait()
    stage.move()
    ended_well(stage, known)


def test_a_mover_who_was_asleep_when_the_source_was_taken_from_him_does_not_go_on() -> None:
    class Asleep(MemoryBackend):
        """Once the state here was marked as moved, its lock is taken away."""

        def write(self, data: bytes, *, expected: str | None) -> str:
            version = super().write(data, expected=expected)
            holder = self.holder()
            if holder is not None and decode_state(data, name="state").moved_to:
                self.break_lock(holder.id)
            return version

    place = MemoryPlace()
    stage = Stage(lambda clock: Asleep(clock=clock, place=place), in_memory())
    known = filled(stage)
    with pytest.raises(Locked, match="lost the lock"):
        stage.move()
    assert stage.live() == []
    stage.move()
    ended_well(stage, known)


@pytest.mark.parametrize("late", [False, True], ids=["before it acts", "after it acted"])
@pytest.mark.parametrize("at", range(1, STEPS + 1))
def test_killed_at_any_call_a_run_and_then_it_goes_on(at: int, late: bool) -> None:
    """Whoever goes on where the state is live loses nothing by the move that follows."""
    stage = Stage(in_memory(), in_memory())
    filled(stage)
    with pytest.raises(Died):
        stage.move(Fuse(at, late=late))
    stage.wait()
    for name in stage.live():
        stage.apply(getattr(stage, name), "fr/meanwhile")
    meanwhile = bool(stage.live())
    stage.move()
    assert stage.live() == ["target"]
    assert ("fr/meanwhile" in read_saved(stage.target).imports) == meanwhile  # type: ignore[union-attr]
    assert "fr/late" in read_saved(stage.target).imports  # type: ignore[union-attr]


@pytest.mark.parametrize("late", [False, True], ids=["before it acts", "after it acted"])
@pytest.mark.parametrize("at", range(1, STEPS + 1))
def test_killed_at_any_call_it_can_be_turned_back(at: int, late: bool) -> None:
    """The move is run the other way: either it was there already, or it comes back; nothing is lost."""
    stage = Stage(in_memory(), in_memory())
    known = filled(stage)
    with pytest.raises(Died):
        stage.move(Fuse(at, late=late))
    stage.wait()
    if stage.target.read() is None:
        with pytest.raises(MicsError, match="there is no state to move"):
            stage.move(back=True)
        return
    stage.move(back=True)
    assert stage.live() == ["source"]
    if stage.source.journals():
        stage.apply(stage.source, "fr/late")
    assert content(read_saved(stage.source)) == content(known)


@pytest.mark.parametrize("first", range(1, STEPS + 1))
def test_killed_twice_it_goes_on(first: int) -> None:
    for second, late in itertools.product(range(1, STEPS + 1, 3), [False, True]):
        stage = Stage(in_memory(), in_memory())
        known = filled(stage)
        for fuse in (Fuse(first, late=late), Fuse(second, late=not late)):
            with contextlib.suppress(Died):
                stage.move(fuse)
            nothing_lost(stage, known)
            stage.wait()
        stage.move()
        ended_well(stage, known)


@pytest.mark.parametrize("late", [False, True], ids=["before it acts", "after it acted"])
@pytest.mark.parametrize("at", range(1, STEPS + 1))
def test_a_store_that_fails_once_is_told_and_it_goes_on(at: int, late: bool) -> None:
    stage = Stage(in_memory(), in_memory())
    known = filled(stage)
    fuse, failed = Fuse(at, StoreFailed, late=late), True
    with contextlib.suppress(StoreFailed):
        stage.move(fuse)
        failed = False
    # A journal that is saved and could not be removed is no reason to stop; everything else is.
    assert failed or (fuse.failed == "drop" and stage.live() == ["target"])
    nothing_lost(stage, known)
    stage.wait()  # for a lock that could not be let go
    stage.move()
    ended_well(stage, known)
