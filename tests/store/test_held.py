"""Holding a state: what is recorded is durable, what is saved is the fold of it, what does not belong is refused."""

# ruff: noqa: PT012 (what a run raises comes out of the whole block in which it holds the state)

from __future__ import annotations

import contextlib
import threading
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from mics_iac.core.journal import Entry, ImportGone, RunBegun, decode_journal, encode_entries
from mics_iac.core.state import State, decode_state, encode_state
from mics_iac.errors import Locked, MicsError, StateConflict, StateUnreadable, StoreFailed
from mics_iac.store.backend import LEASE, MARGIN, Backend, Blob, Snapshot
from mics_iac.store.file import FileBackend
from mics_iac.store.held import Held, hold
from mics_iac.store.history import peek
from mics_iac.store.memory import MemoryBackend, MemoryPlace
from tests.store.stand import ADDRESS, API, SetClock, claim, context, created, executions, upload


class Gated(MemoryBackend):
    """A backend whose appends can be held up, counted and failed."""

    def __init__(self, *, clock: SetClock, place: MemoryPlace | None = None) -> None:
        super().__init__(clock=clock, place=place)
        self.appends: list[bytes] = []
        self.reads = 0
        self.failing: BaseException | None = None
        self.failing_writes = False
        self.arrived = threading.Semaphore(0)
        self.gate = threading.Event()
        self.gate.set()

    def append(self, name: str, data: bytes) -> None:
        self.arrived.release()
        assert self.gate.wait(30)
        if self.failing is not None:
            raise self.failing
        super().append(name, data)
        self.appends.append(data)

    def write(self, data: bytes, *, expected: str | None) -> str:
        if self.failing_writes:
            raise StoreFailed("cannot write the state: the disk is full")
        return super().write(data, expected=expected)


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def place() -> MemoryPlace:
    return MemoryPlace()


@pytest.fixture
def backend(clock: SetClock, place: MemoryPlace) -> Gated:
    return Gated(clock=clock, place=place)


def saved(backend: Backend) -> State:
    snapshot = backend.read()
    assert snapshot is not None
    return decode_state(snapshot.data, name="the state")


def journal_of(backend: Backend) -> tuple[Entry, ...]:
    [blob] = backend.journals()
    return decode_journal(blob.data, name=blob.where).entries


def crash(backend: Backend, clock: SetClock, *entries: Entry, run: str = "run-1") -> None:
    """A run that records and is killed before it saves."""

    class Killed(BaseException):
        pass

    def nothing() -> None:
        pass

    with contextlib.suppress(Killed), hold(backend, clock=clock, context=context(run)) as held:
        held.record(*entries)
        held.save = nothing  # type: ignore[method-assign]  # the dead do not save
        raise Killed


# Recording and saving.


def test_a_run_that_changes_nothing_leaves_nothing(backend: Gated, clock: SetClock) -> None:
    with hold(backend, clock=clock, context=context()) as held:
        held.fence(1)
        with held.reading() as ledger:
            assert ledger.addresses() == []
    assert backend.read() is None
    assert backend.journals() == []
    assert backend.holder() is None


def test_what_was_recorded_is_in_the_state_at_the_end(backend: Gated, clock: SetClock) -> None:
    begun, accepted = upload(1)
    with hold(backend, clock=clock, context=context()) as held:
        held.record(created())
        held.record(begun, accepted)
        assert held.serial == 0
        with held.reading() as ledger:
            assert ledger.known_executions(ADDRESS) == {accepted.id}
    state = saved(backend)
    assert (state.serial, state.lineage, state.api_url) == (1, "lineage-of-run-1", API)
    assert state.mics_iac_version == "0.1.0"
    assert [e.id for e in state.imports[ADDRESS].current.executions] == [accepted.id]
    assert backend.journals() == []


def test_the_next_run_goes_on_and_leaves_the_state_alone_if_it_changes_nothing(backend: Gated, clock: SetClock) -> None:
    with hold(backend, clock=clock, context=context("run-1")) as held:
        held.record(created())
    before = backend.read()
    with hold(backend, clock=clock, context=context("run-2")) as held:
        assert (held.serial, held.lineage) == (1, "lineage-of-run-1")
    assert backend.read() == before
    with hold(backend, clock=clock, context=context("run-3")) as held:
        held.record(*upload(1))
    assert saved(backend).serial == 2
    assert saved(backend).lineage == "lineage-of-run-1"


def test_an_entry_is_durable_when_record_returns(backend: Gated, clock: SetClock) -> None:
    with hold(backend, clock=clock, context=context()) as held:
        held.record(created())
        held.record(*upload(1))
        begun, *entries = journal_of(backend)
        assert isinstance(begun, RunBegun)
        assert (begun.run, begun.serial, begun.lineage) == ("run-1", 0, "lineage-of-run-1")
        assert begun.at == int(clock.now() * 1000)
        assert entries == [created(), *upload(1)]
        assert backend.read() is None


def test_everything_durable_is_told_once_and_in_order(backend: Gated, clock: SetClock) -> None:
    told: list[Entry] = []
    with hold(backend, clock=clock, context=context(), tell=told.append) as held:
        held.record(created())
        held.record(*upload(1))
        held.record()
        assert tuple(told) == journal_of(backend)
    assert len(told) == 4


def test_nothing_is_told_that_is_not_durable(backend: Gated, clock: SetClock) -> None:
    told: list[Entry] = []
    with pytest.raises(StoreFailed), hold(backend, clock=clock, context=context(), tell=told.append) as held:
        backend.failing = StoreFailed("no space")
        held.record(created())
    assert told == []


def test_a_long_run_may_save_in_between(backend: Gated, clock: SetClock) -> None:
    with hold(backend, clock=clock, context=context()) as held:
        held.record(created())
        held.save()
        assert (saved(backend).serial, held.serial) == (1, 1)
        assert backend.journals() == []
        held.save()
        assert saved(backend).serial == 1
        held.record(*upload(1))
        assert [blob.name for blob in backend.journals()] == ["00000001-0001"]
    assert saved(backend).serial == 2
    assert len(saved(backend).imports[ADDRESS].current.executions) == 1


# Group commit.


def test_what_queues_while_an_append_runs_goes_in_one(backend: Gated, clock: SetClock) -> None:
    with hold(backend, clock=clock, context=context()) as held, ThreadPoolExecutor(9) as pool:
        held.record(created())
        backend.arrived.acquire()
        backend.gate.clear()
        first = pool.submit(held.record, *upload(0))
        assert backend.arrived.acquire(timeout=30)
        others = [pool.submit(held.record, *upload(number)) for number in range(1, 9)]
        _until(lambda: len(held._waiting) == 8)
        assert not any(future.done() for future in [first, *others])
        backend.gate.set()
        for future in [first, *others]:
            future.result(30)
        assert len(backend.appends) == 3
        assert sorted(executions(list(journal_of(backend)))) == sorted(upload(n)[1].id for n in range(9))
        _assert_pairs(journal_of(backend))


def _until(reached: object) -> None:
    assert callable(reached)
    pause = threading.Event()
    for _ in range(3000):
        if reached():
            return
        pause.wait(0.01)
    pytest.fail("it never came so far")


def _assert_pairs(entries: tuple[Entry, ...]) -> None:
    """What one call recorded stands together: intent, then outcome."""
    pairs = entries[2:]
    for begun, accepted in zip(pairs[::2], pairs[1::2], strict=True):
        assert getattr(begun, "attempt", "") == getattr(accepted, "attempt", None)


def test_many_threads_lose_nothing_and_keep_their_order(tmp_path: Path, clock: SetClock) -> None:
    told: list[Entry] = []
    backend = FileBackend(tmp_path / "imports.state.json", clock=clock)

    def work(held: Held, thread: int) -> None:
        for number in range(50):
            begun, accepted = upload(thread * 1000 + number)
            held.record(begun)
            held.fence(1)
            held.record(accepted)
            with held.reading() as ledger:
                assert accepted.id in ledger.known_executions(ADDRESS)

    with hold(backend, clock=clock, context=context(), tell=told.append) as held, ThreadPoolExecutor(6) as pool:
        held.record(created())
        for future in [pool.submit(work, held, thread) for thread in range(6)]:
            future.result()
        assert tuple(told) == journal_of(backend)
    assert {e.id for e in saved(backend).imports[ADDRESS].current.executions} == {
        upload(thread * 1000 + number)[1].id for thread in range(6) for number in range(50)
    }


def test_saving_beside_recording_loses_nothing(tmp_path: Path, clock: SetClock) -> None:
    backend = FileBackend(tmp_path / "imports.state.json", clock=clock)

    def work(held: Held, thread: int) -> None:
        for number in range(30):
            held.record(*upload(thread * 1000 + number))
            if number % 10 == 0:
                held.save()

    with hold(backend, clock=clock, context=context()) as held, ThreadPoolExecutor(4) as pool:
        held.record(created())
        for future in [pool.submit(work, held, thread) for thread in range(4)]:
            future.result()
    assert len(saved(backend).imports[ADDRESS].current.executions) == 120
    assert backend.journals() == []


# A journal that cannot be written.


def test_when_an_append_fails_every_waiter_is_told_and_nothing_more_goes(backend: Gated, clock: SetClock) -> None:
    caught: list[BaseException | None] = []
    with (
        pytest.raises(StoreFailed, match="no space") as left,
        hold(backend, clock=clock, context=context()) as held,
        ThreadPoolExecutor(4) as pool,
    ):
        held.record(created())
        backend.arrived.acquire()
        backend.gate.clear()
        futures = [pool.submit(held.record, *upload(0))]
        assert backend.arrived.acquire(timeout=30)
        futures += [pool.submit(held.record, *upload(number)) for number in range(1, 4)]
        _until(lambda: len(held._waiting) == 3)
        backend.failing = StoreFailed("no space", remedy="make some")
        backend.gate.set()
        caught += [future.exception(30) for future in futures]
        backend.failing = None
        with pytest.raises(StoreFailed, match="no space"):
            held.record(*upload(9))
        with pytest.raises(StoreFailed, match="no space"):
            held.fence(1)
        with pytest.raises(StoreFailed, match="no space"):
            held.save()
        with held.reading() as ledger:
            assert ledger.known_executions(ADDRESS) == frozenset()
        assert backend.arrived.acquire(blocking=False) is False
    assert all(isinstance(error, StoreFailed) and "no space" in error.message for error in caught)
    assert any("journal" in note for note in left.value.__notes__)
    assert backend.holder() is None
    assert backend.read() is None
    assert len(journal_of(backend)) == 2


def test_an_interrupt_in_the_middle_of_a_record_stops_the_others_too(backend: Gated, clock: SetClock) -> None:
    with pytest.raises(KeyboardInterrupt) as left, hold(backend, clock=clock, context=context()) as held:
        held.record(created())
        backend.failing = KeyboardInterrupt()
        try:
            held.record(*upload(1))
        finally:
            backend.failing = None
            with pytest.raises(StoreFailed):
                held.record(*upload(2))
    assert "journal" in left.value.__notes__[0]
    assert backend.holder() is None
    with hold(backend, clock=clock, context=context("run-2")):
        pass
    assert list(saved(backend).imports) == [ADDRESS]


def test_a_tell_that_fails_takes_nothing_back(backend: Gated, clock: SetClock) -> None:
    def broken(entry: Entry) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError), hold(backend, clock=clock, context=context(), tell=broken) as held:
        held.record(created())
    assert list(saved(backend).imports) == [ADDRESS]


# The end of a run.


def test_after_an_error_the_state_is_saved_and_the_error_goes_on(backend: Gated, clock: SetClock) -> None:
    for number, error in enumerate([MicsError("no"), KeyboardInterrupt(), ValueError("bug")]):
        with pytest.raises(type(error)), hold(backend, clock=clock, context=context(f"run-{number}")) as held:
            held.record(created(f"fr/{number}", str(number)))
            raise error
        assert f"fr/{number}" in saved(backend).imports
        assert backend.journals() == []
        assert backend.holder() is None


def test_a_save_that_fails_is_told_and_the_next_run_has_it_all(backend: Gated, clock: SetClock) -> None:
    backend.failing_writes = True
    with pytest.raises(StoreFailed, match="disk is full") as caught, hold(backend, clock=clock, context=context()) as h:
        h.record(created())
    assert "journal" in caught.value.__notes__[0]
    assert backend.read() is None
    backend.failing_writes = False
    with hold(backend, clock=clock, context=context("run-2")) as held, held.reading() as ledger:
        assert ledger.addresses() == [ADDRESS]
    assert list(saved(backend).imports) == [ADDRESS]
    assert backend.journals() == []


def test_a_save_that_fails_after_another_error_hides_neither(backend: Gated, clock: SetClock) -> None:
    backend.failing_writes = True
    with pytest.raises(MicsError, match="the first") as caught, hold(backend, clock=clock, context=context()) as held:
        held.record(created())
        raise MicsError("the first")
    [note] = caught.value.__notes__
    assert "disk is full" in note
    assert "journal" in note
    assert backend.holder() is None


def test_who_lost_the_lock_neither_goes_on_nor_saves(backend: Gated, clock: SetClock, place: MemoryPlace) -> None:
    with pytest.raises(Locked, match="lost the lock"), hold(backend, clock=clock, context=context()) as held:
        held.record(created())
        held.fence(60)
        MemoryBackend(clock=clock, place=place).break_lock("run-1")
        with pytest.raises(Locked, match="lost the lock"):
            held.fence(60)
    assert backend.read() is None
    assert len(journal_of(backend)) == 2


def test_a_state_written_behind_the_lock_is_not_overwritten(
    backend: Gated, clock: SetClock, place: MemoryPlace
) -> None:
    theirs = encode_state(State(lineage="theirs", api_url=API, serial=7))
    with pytest.raises(StateConflict), hold(backend, clock=clock, context=context()) as held:
        held.record(created())
        place.state = Snapshot(theirs, "other")
    assert place.state == Snapshot(theirs, "other")


def test_two_runs_do_not_hold_it_at_once(backend: Gated, clock: SetClock, place: MemoryPlace) -> None:
    with (
        hold(backend, clock=clock, context=context("run-1")),
        pytest.raises(Locked, match="run-1"),
        hold(MemoryBackend(clock=clock, place=place), clock=clock, context=context("run-2")),
    ):
        pytest.fail("both hold it")


def test_the_lock_says_who_and_why(backend: Gated, clock: SetClock) -> None:
    with hold(backend, clock=clock, context=context()) as held:
        assert backend.holder() == held.lock
        assert (held.lock.id, held.lock.who, held.lock.operation) == ("run-1", "ana@build-7", "apply")
        assert held.lock.run_url == "https://ci.example.test/jobs/42"


# What is found at the beginning.


def test_what_a_killed_run_did_is_folded_and_saved_by_the_next(backend: Gated, clock: SetClock) -> None:
    crash(backend, clock, created(), *upload(1), upload(2)[0])
    with hold(backend, clock=clock, context=context("run-2")) as held:
        assert held.lineage == "lineage-of-run-1"
        with held.reading() as ledger:
            assert ledger.known_executions(ADDRESS) == {upload(1)[1].id}
            assert [doubt.attempt for doubt in ledger.doubts(ADDRESS)] == ["attempt-2"]
    state = saved(backend)
    assert (state.serial, state.lineage) == (1, "lineage-of-run-1")
    assert backend.journals() == []


def test_journals_of_several_killed_runs_are_folded_in_their_order(backend: Gated, clock: SetClock) -> None:
    crash(backend, clock, created(), run="run-1")
    crash(Gated(clock=clock, place=backend._place), clock, upload(1)[0], run="run-2")
    crash(Gated(clock=clock, place=backend._place), clock, upload(1)[1], run="run-3")
    assert [blob.name for blob in backend.journals()] == ["00000000-0001", "00000000-0002", "00000000-0003"]
    ledger = peek(backend, api_url=API, environment=None)
    assert ledger.doubts(ADDRESS) == []
    assert ledger.known_executions(ADDRESS) == {upload(1)[1].id}


def test_a_journal_that_a_save_folded_already_is_dropped_unread(backend: Gated, clock: SetClock) -> None:
    """A crash between the save and the drop of its journals."""
    crash(backend, clock, created(), *upload(1))
    [left] = backend.journals()
    with hold(Gated(clock=clock, place=backend._place), clock=clock, context=context("run-2")) as held:
        held.record(ImportGone(ADDRESS, "558"))
    before = backend.read()
    backend._place.journals[left.name] = left.data
    assert peek(backend, api_url=API, environment=None).import_id(ADDRESS) is None
    with hold(Gated(clock=clock, place=backend._place), clock=clock, context=context("run-3")) as held:
        with held.reading() as ledger:
            assert ledger.import_id(ADDRESS) is None
        assert backend.journals() == []
    assert backend.read() == before


def test_an_older_state_put_back_is_folded_as_far_as_it_goes(backend: Gated, clock: SetClock) -> None:
    with hold(backend, clock=clock, context=context("run-1")) as held:
        held.record(created("fr/a", "1"))
    older = backend.read()
    with hold(backend, clock=clock, context=context("run-2")) as held:
        held.record(created("fr/b", "2"))
    crash(backend, clock, *upload(1, "fr/a", "1"), *upload(2, "fr/b", "2"), run="run-3")
    backend._place.state = older
    fresh = Gated(clock=clock, place=backend._place)
    with hold(fresh, clock=clock, context=context("run-4")) as held:
        assert held.serial == 2
        with held.reading() as ledger:
            assert ledger.addresses() == ["fr/a"]
            assert ledger.known_executions("fr/a") == {upload(1)[1].id}
        held.record(*upload(3, "fr/a", "1"))
        assert [blob.name for blob in fresh.journals()] == ["00000002-0001", "00000002-0002"]
    assert saved(backend).serial == 3
    assert backend.journals() == []


def test_a_lost_state_is_made_again_from_the_journals_that_are_left(backend: Gated, clock: SetClock) -> None:
    with hold(backend, clock=clock, context=context("run-1")) as held:
        held.record(created("fr/a", "1"))
    crash(backend, clock, created("fr/b", "2"), run="run-2")
    backend._place.state = None
    with hold(Gated(clock=clock, place=backend._place), clock=clock, context=context("run-3")) as held:
        assert (held.lineage, held.serial) == ("lineage-of-run-1", 1)
    assert list(saved(backend).imports) == ["fr/b"]
    assert saved(backend).serial == 2


def test_a_state_that_was_removed_is_told_where_backups_are_left(
    backend: Gated, clock: SetClock, place: MemoryPlace
) -> None:
    def told() -> list[str]:
        notices: list[str] = []
        peek(backend, api_url=API, environment=None, notice=notices.append)
        return notices

    assert told() == []
    for number in range(3):
        with hold(Gated(clock=clock, place=place), clock=clock, context=context()) as held:
            held.record(created(f"fr/{number}", str(number)))
        assert held.notices == told() == []
    place.state = None
    [notice] = told()
    assert "there is no state at the state in memory, but 2 backups of one: it was removed" in notice
    with hold(backend, clock=clock, context=context("run-2")) as held:
        assert held.notices == [notice]
        # It is no obstacle: the run goes on, and what the state held is found again on the platform.
        held.record(created())
    assert told() == []


def test_where_the_backups_cannot_be_read_either_the_run_goes_on(clock: SetClock) -> None:
    class Closed(MemoryBackend):
        def backups(self) -> list[Blob]:
            raise StoreFailed("the backups cannot be listed")

    with hold(Closed(clock=clock), clock=clock, context=context()) as held:
        assert held.notices == []


def test_a_run_that_died_in_its_first_line_left_nothing(backend: Gated, clock: SetClock) -> None:
    backend._place.journals["00000000-0001"] = b'1234abcd {"entry":"run-be'
    assert peek(backend, api_url=API, environment=None).addresses() == []
    with hold(backend, clock=clock, context=context("run-2")) as held:
        assert backend.journals() == []
        held.record(created())
    assert list(saved(backend).imports) == [ADDRESS]


def test_an_empty_state_never_replaces_a_full_one(backend: Gated, clock: SetClock) -> None:
    with hold(backend, clock=clock, context=context("run-1")) as held:
        held.record(created())
    before = backend.read()
    with (
        pytest.raises(StateConflict, match="empty") as caught,
        hold(backend, clock=clock, context=context("run-2")) as held,
    ):
        held.record(*upload(1))
        with held.reading() as ledger:
            ledger._slots.clear()
    assert "state check" in str(caught.value.remedy)
    assert backend.read() == before


# What is refused.


def refuse(backend: Backend, clock: SetClock, words: str, **changes: str) -> None:
    run = context("run-9", **changes)
    with pytest.raises(StateUnreadable, match=words), hold(backend, clock=clock, context=run):
        pytest.fail("it was not refused")
    with pytest.raises(StateUnreadable, match=words) as caught:
        peek(backend, api_url=run.api_url, environment=run.environment)
    assert caught.value.remedy is not None
    assert backend.holder() is None


def test_a_state_of_another_platform_or_environment_is_refused(backend: Gated, clock: SetClock) -> None:
    with hold(backend, clock=clock, context=context(environment="staging")) as held:
        held.record(created())
    refuse(backend, clock, "environment staging, and this run is for no environment")
    refuse(backend, clock, "environment staging, and this run is for environment production", environment="production")
    refuse(backend, clock, r"api\.example\.test, and this run is for https://b\.test", api_url="https://b.test")


def test_a_journal_of_another_platform_or_environment_is_refused(backend: Gated, clock: SetClock) -> None:
    crash(backend, clock, created())
    refuse(backend, clock, "journal 00000000-0001.*environment production", environment="production")
    refuse(backend, clock, r"journal 00000000-0001.*b\.test", api_url="https://b.test")


def test_a_journal_of_another_state_is_refused_by_name(backend: Gated, clock: SetClock) -> None:
    crash(backend, clock, created())
    backend._place.state = Snapshot(encode_state(State(lineage="another", api_url=API, serial=0)), "v")
    refuse(backend, clock, "journal 00000000-0001 is the journal of another state")


def test_damage_is_refused_and_nothing_is_changed(backend: Gated, clock: SetClock) -> None:
    crash(backend, clock, created(), *upload(1))
    name = "00000000-0001"
    backend._place.journals[name] = backend._place.journals[name].replace(b"558", b"559")
    refuse(backend, clock, "journal 00000000-0001:2: the journal is damaged")
    assert [blob.name for blob in backend.journals()] == [name]
    backend._place.journals.clear()
    backend._place.state = Snapshot(b'{"version": 1}', "v")
    refuse(backend, clock, "the state in memory is damaged")
    newer = encode_state(State(lineage="l", api_url=API, version=2))
    backend._place.state = Snapshot(newer, "v")
    refuse(backend, clock, "format 2")
    backend._place.state = Snapshot(newer.replace(b"lineage", b"lineagE", 1), "v")
    refuse(backend, clock, "is damaged")


def test_an_entry_of_a_newer_version_is_refused_as_such(backend: Gated, clock: SetClock) -> None:
    crash(backend, clock, created())
    _, crc = encode_entries(journal_of(backend))
    text = b'{"entry":"import-painted","address":"fr/a"}'
    backend._place.journals["00000000-0001"] += b"%08x %b\n" % (zlib.crc32(text, crc), text)
    refuse(backend, clock, "newer mics-iac")


# Peeking.


def test_peek_sees_what_is_saved_and_what_is_being_done(backend: Gated, clock: SetClock, place: MemoryPlace) -> None:
    assert peek(backend, api_url=API, environment=None).state().lineage == ""
    with hold(backend, clock=clock, context=context()) as held:
        held.record(created())
        ledger = peek(MemoryBackend(clock=clock, place=place), api_url=API, environment=None)
        assert ledger.addresses() == [ADDRESS]
        held.record(*upload(1))
        place.journals["00000000-0001"] += b"1234abcd {"
        ledger = peek(backend, api_url=API, environment=None)
        assert ledger.known_executions(ADDRESS) == {upload(1)[1].id}
        assert (ledger.state().lineage, ledger.state().serial) == ("lineage-of-run-1", 0)
        place.journals["00000000-0001"] = place.journals["00000000-0001"][:-10]


def test_peek_writes_nothing_and_needs_no_lock(tmp_path: Path, clock: SetClock) -> None:
    backend = FileBackend(tmp_path / "imports.state.json", clock=clock)
    backend.lock(claim("theirs"), lease=600)
    before = sorted(path.name for path in tmp_path.iterdir())
    peek(FileBackend(tmp_path / "imports.state.json", clock=clock), api_url=API, environment=None)
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    backend.unlock("theirs")


def test_peek_beside_a_save_sees_either_all_or_all(clock: SetClock, place: MemoryPlace) -> None:
    """The save comes between the reading of the journals and that of the state."""
    writer = Gated(clock=clock, place=place)

    class Slow(MemoryBackend):
        def read(self) -> Snapshot | None:
            held.save()
            return super().read()

    with hold(writer, clock=clock, context=context()) as held:
        held.record(created(), *upload(1))
        ledger = peek(Slow(clock=clock, place=place), api_url=API, environment=None)
        assert ledger.known_executions(ADDRESS) == {upload(1)[1].id}
        assert ledger.state() == saved(writer)


# A state that is somewhere else by now, and one that takes another's place.


def moved(backend: Backend, clock: SetClock, to: str = "s3://acme/mics") -> State:
    """The state of `backend`, marked as one that was moved."""
    with hold(backend, clock=clock, context=context("mover"), also_moved=True) as held:
        state = saved(backend)
        held.replace(msgspec.structs.replace(state, moved_to=to, serial=state.serial + 1))
    return saved(backend)


def test_no_run_goes_on_from_a_state_that_was_moved(backend: Gated, clock: SetClock) -> None:
    with hold(backend, clock=clock, context=context()) as held:
        held.record(created())
    there = moved(backend, clock)
    assert (there.moved_to, there.serial) == ("s3://acme/mics", 2)
    refuse(backend, clock, "the state is at s3://acme/mics and not at the state in memory")
    with pytest.raises(StateUnreadable) as caught:
        peek(backend, api_url=API, environment=None)
    remedy = str(caught.value.remedy)
    assert "use --state s3://acme/mics, or say in the manifest:\nstate:\n  backend: s3\n  bucket: acme\n" in remedy
    ledger = peek(backend, api_url=API, environment=None, also_moved=True)
    assert (ledger.addresses(), ledger.state().moved_to) == ([ADDRESS], "s3://acme/mics")
    with pytest.raises(StateUnreadable), hold(backend, clock=clock, context=context("mender"), repair=True):
        pytest.fail("it was not refused")
    assert saved(backend) == there


def test_another_state_takes_the_place_of_the_one_that_is_there(backend: Gated, clock: SetClock) -> None:
    crash(backend, clock, created("fr/a", "1"))
    other = State(lineage="another", api_url=API, serial=7)
    with hold(Gated(clock=clock, place=backend._place), clock=clock, context=context("run-2")) as held:
        held.record(created("fr/b", "2"))
        held.replace(other)
        assert (held.lineage, held.serial) == ("another", 7)
        with held.reading() as ledger:
            assert ledger.addresses() == []
        # It is the state by now: what is recorded goes on from it.
        held.record(created("fr/c", "3"))
    now = saved(backend)
    assert (now.lineage, now.serial, list(now.imports)) == ("another", 8, ["fr/c"])
    assert backend.journals() == []
    before = [decode_state(blob.data, name="") for blob in backend.backups()]
    assert [(s.lineage, s.serial, list(s.imports)) for s in before] == [
        ("another", 7, []),
        ("lineage-of-run-1", 1, ["fr/a", "fr/b"]),
    ]


def test_a_journal_that_could_not_be_removed_is_no_stray_of_the_new_state(backend: Gated, clock: SetClock) -> None:
    class Stuck(Gated):
        stuck = True

        def drop(self, names: list[str]) -> None:
            if self.stuck and names:
                raise StoreFailed("cannot remove a journal")
            super().drop(names)

    client = Stuck(clock=clock, place=backend._place)
    with hold(client, clock=clock, context=context()) as held:
        held.record(created())
        with pytest.raises(StoreFailed, match="cannot remove"):
            held.replace(State(lineage="another", api_url=API, serial=7))
        assert saved(backend).lineage == "lineage-of-run-1"
        client.stuck = False
        held.replace(State(lineage="another", api_url=API, serial=7))
    assert backend.journals() == []
    assert peek(backend, api_url=API, environment=None).lineage == "another"


def test_what_somebody_else_recorded_meanwhile_keeps_the_other_state_out(backend: Gated, clock: SetClock) -> None:
    """A run that lost its lock and does not know it yet writes down an intent."""
    with hold(backend, clock=clock, context=context()) as held:
        held.record(created())
    with (
        pytest.raises(StateConflict, match="recorded something meanwhile"),
        hold(backend, clock=clock, context=context("run-2")) as held,
    ):
        begin = RunBegun("run-0", "lineage-of-run-1", 1, API, None, "apply", "bob", 0, "0.1.0")
        backend._place.journals["00000001-0009"], _ = encode_entries([begin, created("fr/z", "9")])
        held.replace(State(lineage="another", api_url=API, serial=7))
    assert peek(backend, api_url=API, environment=None).addresses() == ["fr/store-visits", "fr/z"]


class Far(MemoryBackend):
    """A backend that is far away: its client may fall asleep between the last look at the lock and its put."""

    distant = True

    def __init__(self, *, clock: SetClock, place: MemoryPlace) -> None:
        super().__init__(clock=clock, place=place)
        self.asleep: Callable[[], None] | None = None

    def write(self, data: bytes, *, expected: str | None) -> str:
        asleep, self.asleep = self.asleep, None
        if asleep is not None:
            asleep()
        return super().write(data, expected=expected)


def test_a_sleeper_whose_put_was_allowed_and_who_left_no_journal_comes_too_late(
    clock: SetClock, place: MemoryPlace
) -> None:
    """He pushes another state; meanwhile his lease ends, and the next run has the state and nothing to fold."""
    sleeper, other = Far(clock=clock, place=place), Far(clock=clock, place=place)
    with hold(other, clock=clock, context=context()) as held:
        held.record(created())

    with contextlib.ExitStack() as stack:

        def overtaken() -> None:
            clock.advance(LEASE + MARGIN + 1)
            held = stack.enter_context(hold(other, clock=clock, context=context("run-2")))
            assert held.lock.after == "sleeper"
            assert (saved(other).serial, held.serial) == (2, 2)

        with (
            pytest.raises(StateConflict),
            hold(sleeper, clock=clock, context=context("sleeper")) as held,
        ):
            sleeper.asleep = overtaken
            held.replace(State(lineage="another", api_url=API, serial=7))
    assert (saved(other).lineage, saved(other).serial) == ("lineage-of-run-1", 2)


def test_a_lock_that_was_let_go_and_a_place_without_a_state_cost_no_save(clock: SetClock, place: MemoryPlace) -> None:
    Far(clock=clock, place=place).lock(claim("dead"), lease=600)
    clock.advance(LEASE + MARGIN + 1)
    with hold(Far(clock=clock, place=place), clock=clock, context=context()) as held:
        assert held.lock.after == "dead"
        assert place.state is None
        held.record(created())
    with hold(Far(clock=clock, place=place), clock=clock, context=context("run-2")):
        pass
    assert place.writes == 1
