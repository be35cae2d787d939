"""A place of the state that is far away and cannot be reached any more: what was done is kept here, and taken in."""

# ruff: noqa: PT012 (what a run raises comes out of the whole block in which it holds the state)

from __future__ import annotations

import errno
import stat
import zlib
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from mics_iac.core import journal
from mics_iac.core.journal import Entry, RunBegun
from mics_iac.core.state import decode_state
from mics_iac.errors import StoreFailed
from mics_iac.reporting.health import health_lines
from mics_iac.store.context import RunContext
from mics_iac.store.file import FileBackend
from mics_iac.store.held import Held, hold
from mics_iac.store.history import peek
from mics_iac.store.memory import MemoryBackend, MemoryPlace
from mics_iac.store.shelter import Shelter
from mics_iac.store.survey import health, survey
from tests.store.stand import ADDRESS, API, FaultyDisk, SetClock, context, created, executions, upload


class Remote(MemoryBackend):
    """A backend that is far away, and that takes nothing while it is `away`."""

    distant = True
    away = False

    def append(self, name: str, data: bytes) -> None:
        self._reach()
        super().append(name, data)

    def write(self, data: bytes, *, expected: str | None) -> str:
        self._reach()
        return super().write(data, expected=expected)

    def _reach(self) -> None:
        if self.away:
            raise StoreFailed("the store does not answer", remedy="check the network")


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def place() -> MemoryPlace:
    return MemoryPlace()


@pytest.fixture
def backend(clock: SetClock, place: MemoryPlace) -> Remote:
    return Remote(clock=clock, place=place)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "emergency"


def sheltered(folder: Path, run: str = "run-1") -> RunContext:
    return replace(context(run), shelter=Shelter(folder))


def cut_off(backend: Remote, clock: SetClock, folder: Path, *entries: Entry, run: str = "run-1") -> StoreFailed:
    """A run whose store is gone when two uploads were begun; `entries` is what it cannot record then."""
    with (
        pytest.raises(StoreFailed) as caught,
        hold(backend, clock=clock, context=sheltered(folder, run)) as held,
    ):
        held.record(created())
        held.record(upload(1)[0], upload(2)[0])
        backend.away = True
        for entry in entries:
            refused(held, entry)
        held.fence(1)
    backend.away = False
    return caught.value


def refused(held: Held, entry: Entry) -> None:
    with pytest.raises(StoreFailed):
        held.record(entry)


def loaded(place: MemoryPlace) -> list[str]:
    assert place.state is not None
    state = decode_state(place.state.data, name="the state")
    return [e.id for e in state.imports[ADDRESS].current.executions]


def test_what_cannot_be_recorded_is_kept_and_taken_in_by_the_next_run(
    backend: Remote, clock: SetClock, place: MemoryPlace, folder: Path
) -> None:
    error = cut_off(backend, clock, folder, upload(1)[1], upload(2)[1])
    [kept] = folder.iterdir()
    assert str(kept) in "\n".join(error.__notes__)
    told: list[Entry] = []
    with hold(backend, clock=clock, context=sheltered(folder, "run-2"), tell=told.append):
        # It is a part of the state before anything else is done.
        assert loaded(place) == executions([*upload(1), *upload(2)])
        # An earlier run loaded it: it does not count as loaded by this one.
        assert told == []
        assert list(folder.iterdir()) == []
    assert peek(backend, api_url=API, environment=None).doubts(ADDRESS) == []


def test_a_reader_sees_it_too_and_leaves_it_there(backend: Remote, clock: SetClock, folder: Path) -> None:
    cut_off(backend, clock, folder, upload(1)[1])
    ledger = peek(backend, api_url=API, environment=None, shelter=Shelter(folder))
    assert ledger.known_executions(ADDRESS) == set(executions(list(upload(1))))
    assert [doubt.attempt for doubt in ledger.doubts(ADDRESS)] == ["attempt-2"]
    assert len(list(folder.iterdir())) == 1


def test_an_intent_that_was_not_recorded_is_not_kept(backend: Remote, clock: SetClock, folder: Path) -> None:
    cut_off(backend, clock, folder, upload(3)[0], journal.CreateBegun("fr/other", created().settings))
    assert not folder.exists()


def test_what_somebody_else_found_out_in_between_is_passed_over(
    backend: Remote, clock: SetClock, place: MemoryPlace, folder: Path
) -> None:
    cut_off(backend, clock, folder, upload(1)[1], upload(2)[1])
    begun, accepted = upload(1)
    adopted = journal.ExecutionAdopted(
        ADDRESS, "558", accepted.id, begun.source, 1, begun.sha256, begun.bytes, begun.records, "SUCCEEDED"
    )
    with hold(backend, clock=clock, context=context("elsewhere")) as held:
        held.record(adopted)
    with hold(backend, clock=clock, context=sheltered(folder, "run-2")):
        pass
    assert sorted(loaded(place)) == sorted(executions([*upload(1), *upload(2)]))


def test_a_lost_creation_is_taken_in_as_well(
    backend: Remote, clock: SetClock, place: MemoryPlace, folder: Path
) -> None:
    with (
        pytest.raises(StoreFailed),
        hold(backend, clock=clock, context=sheltered(folder)) as held,
    ):
        held.record(journal.CreateBegun(ADDRESS, created().settings))
        backend.away = True
        refused(held, created())
        held.fence(1)
    backend.away = False
    with (
        hold(backend, clock=clock, context=sheltered(folder, "run-2")) as held,
        held.reading() as ledger,
    ):
        assert ledger.import_id(ADDRESS) == "558"
        assert ledger.creations() == []


def test_a_lost_creation_is_not_taken_for_a_later_one_of_another_title(
    backend: Remote, clock: SetClock, folder: Path
) -> None:
    cut_off(backend, clock, folder)
    lost = created("fr/other", "559")
    begun = RunBegun("run-1", "lineage-of-run-1", 1, API, None, "apply", "ana", 0, "0.1.0")
    Shelter(folder).keep(begun, [lost])
    with hold(backend, clock=clock, context=context("elsewhere")) as held:
        later = msgspec.structs.replace(lost.settings, name="Renamed since")
        held.record(journal.CreateBegun("fr/other", later))
    with (
        hold(backend, clock=clock, context=sheltered(folder, "run-2")) as held,
        held.reading() as ledger,
    ):
        assert ledger.import_id("fr/other") is None
        assert ledger.creating("fr/other") is not None


@pytest.mark.parametrize("damage", [b"\x00\xff", b"00000000 {}\n"], ids=["alien", "wrong"])
def test_a_damaged_one_stops_nobody_is_told_and_stays(
    backend: Remote, clock: SetClock, folder: Path, damage: bytes
) -> None:
    cut_off(backend, clock, folder, upload(1)[1])
    [kept] = folder.iterdir()
    kept.write_bytes(damage)
    with (
        hold(backend, clock=clock, context=sheltered(folder, "run-2")) as held,
        held.reading() as ledger,
    ):
        assert len(ledger.doubts(ADDRESS)) == 2
    [aside] = folder.iterdir()
    assert (aside.name, aside.read_bytes()) == (f"{kept.name}.damaged", damage)
    [notice] = held.notices
    assert str(aside) in notice
    with hold(backend, clock=clock, context=sheltered(folder, "run-3")) as held:
        assert held.notices == []


def test_of_one_that_is_damaged_further_down_or_newer_its_beginning_is_taken_in(
    backend: Remote, clock: SetClock, place: MemoryPlace, folder: Path
) -> None:
    cut_off(backend, clock, folder, upload(1)[1], run="run-1")
    [kept] = folder.iterdir()
    whole = kept.read_bytes()
    newer = b'{"entry":"something-new"}'
    chain = zlib.crc32(b"".join(text[9:] for text in whole.split(b"\n")))
    for more in (b"%08x %b\n" % (zlib.crc32(newer, chain), newer), b"00000000 {}\n", b"0123"):
        kept.write_bytes(whole + more)
        with hold(backend, clock=clock, context=sheltered(folder, "run-2")) as held:
            assert len(held.notices) == 1
        assert loaded(place) == executions(list(upload(1)))
    # One that has that name already is not replaced.
    assert sorted(path.read_bytes() for path in folder.iterdir()) == sorted(
        whole + more for more in (b"%08x %b\n" % (zlib.crc32(newer, chain), newer), b"00000000 {}\n", b"0123")
    )


def test_an_empty_one_is_of_no_use_to_anybody(backend: Remote, clock: SetClock, folder: Path) -> None:
    cut_off(backend, clock, folder, upload(1)[1])
    [kept] = folder.iterdir()
    kept.write_bytes(b"")
    with hold(backend, clock=clock, context=sheltered(folder, "run-2")) as held:
        assert held.notices == []
    assert list(folder.iterdir()) == []


def test_one_that_cannot_be_read_hides_no_other_and_stays(
    backend: Remote, clock: SetClock, place: MemoryPlace, folder: Path
) -> None:
    cut_off(backend, clock, folder, upload(1)[1], run="run-1")
    strange = folder / "lineage-of-run-1.another.journal"
    strange.mkdir()
    assert peek(backend, api_url=API, environment=None, shelter=Shelter(folder)).doubts(ADDRESS) != []
    with hold(backend, clock=clock, context=sheltered(folder, "run-2")) as held:
        assert loaded(place) == executions(list(upload(1)))
        assert [str(strange) in notice for notice in held.notices] == [True]
    assert list(folder.iterdir()) == [strange]


def test_it_is_for_its_owner_alone(backend: Remote, clock: SetClock, folder: Path) -> None:
    cut_off(backend, clock, folder, upload(1)[1])
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())]
    assert modes == [0o700, 0o600]


def test_a_run_that_still_adds_to_one_that_was_taken_in_begins_it_again(folder: Path) -> None:
    shelter, begun = Shelter(folder), RunBegun("run-1", "lineage", 1, API, None, "apply", "ana", 0, "0.1.0")
    path = shelter.keep(begun, [upload(1)[1]])
    assert path is not None
    assert list(Shelter(folder).clear(Shelter(folder).kept("lineage"))) == []
    assert not path.exists()
    assert shelter.keep(begun, [upload(2)[1]]) == path
    assert shelter.keep(begun, [upload(3)[1]]) == path
    assert [(one.entries, one.fault) for one in Shelter(folder).kept("lineage")] == [
        ((upload(2)[1], upload(3)[1]), None)
    ]


def test_what_was_added_since_it_was_read_is_not_removed(folder: Path) -> None:
    shelter, begun = Shelter(folder), RunBegun("run-1", "lineage", 1, API, None, "apply", "ana", 0, "0.1.0")
    shelter.keep(begun, [upload(1)[1]])
    read = Shelter(folder).kept("lineage")
    shelter.keep(begun, [upload(2)[1]])
    assert list(Shelter(folder).clear(read)) == []
    assert [one.entries for one in Shelter(folder).kept("lineage")] == [(upload(1)[1], upload(2)[1])]


def test_after_a_write_that_failed_it_goes_on_behind_the_last_whole_line(folder: Path) -> None:
    disk, begun = FaultyDisk(), RunBegun("run-1", "lineage", 1, API, None, "apply", "ana", 0, "0.1.0")
    shelter = Shelter(folder, disk=disk)
    for at in range(1, 12):
        disk.fail(at, errno.ENOSPC)
        shelter.keep(begun, [upload(at)[1]])
    disk.fail(0, None)
    assert shelter.keep(begun, [upload(99)[1]]) is not None
    [kept] = shelter.kept("lineage")
    assert (kept.entries[-1], kept.fault) == (upload(99)[1], None)


def test_in_a_file_there_is_nothing_to_keep_and_what_was_kept_is_taken_in(
    backend: Remote, clock: SetClock, folder: Path, tmp_path: Path
) -> None:
    """The state was moved from a bucket to a file."""
    cut_off(backend, clock, folder, upload(1)[1])
    state = tmp_path / "imports.state.json"
    with hold(backend, clock=clock, context=context("mover")):
        pass
    found = backend.read()
    assert found is not None
    state.write_bytes(found.data)
    with (
        hold(FileBackend(state, clock=clock), clock=clock, context=sheltered(folder, "run-2")) as held,
        held.reading() as ledger,
    ):
        assert ledger.known_executions(ADDRESS) == {upload(1)[1].id}
    assert list(folder.iterdir()) == []
    near = Remote(clock=clock)
    near.distant = False
    cut_off(near, clock, folder, upload(1)[1])
    assert list(folder.iterdir()) == []


def test_one_of_another_state_is_left_alone(backend: Remote, clock: SetClock, folder: Path) -> None:
    cut_off(backend, clock, folder, upload(1)[1])
    other = Remote(clock=clock)
    with hold(other, clock=clock, context=sheltered(folder, "run-2")) as held:
        held.record(created())
    assert len(list(folder.iterdir())) == 1


def test_where_the_disk_fails_too_the_run_ends_as_it_would(backend: Remote, clock: SetClock, folder: Path) -> None:
    folder.write_text("no folder")
    error = cut_off(backend, clock, folder, upload(1)[1])
    assert "does not answer" in error.message


def test_what_a_dead_run_left_is_saved_before_anything_is_done(
    backend: Remote, clock: SetClock, place: MemoryPlace, folder: Path
) -> None:
    cut_off(backend, clock, folder)
    with hold(backend, clock=clock, context=context("run-2")) as held:
        assert (held.serial, place.journals) == (1, {})
        # Whoever was about to save when he fell asleep comes too late.
        assert place.state is not None


def test_what_was_kept_is_for_the_place_that_the_state_was_moved_to(
    backend: Remote, clock: SetClock, folder: Path
) -> None:
    cut_off(backend, clock, folder, upload(1)[1])
    there = Remote(clock=clock)
    with hold(backend, clock=clock, context=context("mover")) as held:
        held.save()
        here = backend.read()
        assert here is not None
        state = decode_state(here.data, name="state")
        there.write(here.data, expected=None)
        held.replace(msgspec.structs.replace(state, moved_to="gs://acme-states", serial=state.serial + 1))
    left = backend.read()
    # Somebody moves it once more, or looks at it, on the machine where it is kept.
    with hold(backend, clock=clock, context=sheltered(folder, "mover-2"), also_moved=True):
        pass
    assert backend.read() == left
    assert list(folder.iterdir()) != []
    old = peek(backend, api_url=API, environment=None, also_moved=True, shelter=Shelter(folder))
    assert old.known_executions(ADDRESS) == set()
    with hold(there, clock=clock, context=sheltered(folder, "run-2")) as held, held.reading() as ledger:
        assert ledger.known_executions(ADDRESS) == {upload(1)[1].id}
    assert list(folder.iterdir()) == []


def test_a_look_at_the_health_of_the_state_counts_it_in(backend: Remote, clock: SetClock, folder: Path) -> None:
    cut_off(backend, clock, folder, upload(1)[1])
    found = survey(backend, api_url=API, environment=None)
    kept = Shelter(folder).kept(found.base.lineage)
    shown = health(found, kept)
    assert [(one.entries, one.damage) for one in shown.kept] == [(1, None)]
    assert len(shown.doubts) == 1
    assert any("kept:" in span.text for one in health_lines(shown) for span in one.spans)
