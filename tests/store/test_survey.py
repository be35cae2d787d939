"""What is damaged is seen whole, and mended without losing what can be read."""

from __future__ import annotations

import itertools
from pathlib import Path

import msgspec
import pytest

from mics_iac.core.health import Mended, audit
from mics_iac.core.ledger import Ledger
from mics_iac.core.state import State, decode_state, encode_state
from mics_iac.errors import StateDamaged, StateUnreadable
from mics_iac.store.backend import Backend, Snapshot
from mics_iac.store.file import FileBackend
from mics_iac.store.held import hold
from mics_iac.store.history import peek
from mics_iac.store.memory import MemoryBackend, MemoryPlace
from mics_iac.store.survey import Survey, health, survey
from tests.store.stand import ADDRESS, API, SetClock, context, created, upload
from tests.store.test_held import crash


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "imports.state.json"


def client(path: Path, clock: SetClock) -> FileBackend:
    return FileBackend(path, clock=clock)


def saves(path: Path, clock: SetClock, count: int) -> None:
    """So many runs, each of which created an import and loaded one file into it."""
    for number in range(1, count + 1):
        address, import_id = f"fr/i{number}", f"{number}"
        with hold(client(path, clock), clock=clock, context=context(f"run-{number}")) as held:
            held.record(created(address, import_id), *upload(number, address, import_id))


def look(backend: Backend) -> Survey:
    return survey(backend, api_url=API, environment=None)


def repaired(path: Path, clock: SetClock) -> Mended:
    with hold(client(path, clock), clock=clock, context=context("repair"), repair=True) as held:
        assert held.mended is not None
        return held.mended


def addresses(path: Path, clock: SetClock) -> list[str]:
    return peek(client(path, clock), api_url=API, environment=None).addresses()


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0x04
    path.write_bytes(data)


def test_a_sound_state_is_left_as_it_is(path: Path, clock: SetClock) -> None:
    saves(path, clock, 3)
    before = path.read_bytes()
    found = health(look(client(path, clock)))
    assert found.faults == ()
    assert found.state is not None
    assert (found.state.serial, found.state.imports, found.state.executions) == (3, 3, 3)
    assert [backup.serial for backup in found.backups] == [2, 1]
    mended = repaired(path, clock)
    assert mended == Mended(state=False, built_on=None, entries=0, aside=(), kept=None)
    assert path.read_bytes() == before


def test_where_there_is_nothing_there_is_nothing_to_mend(path: Path, clock: SetClock) -> None:
    found = health(look(client(path, clock)))
    assert (found.state, found.journals, found.backups, found.faults) == (None, (), (), ())
    assert repaired(path, clock).state is False
    assert not path.exists()


def test_a_damaged_state_is_made_again_from_its_newest_good_backup(path: Path, clock: SetClock) -> None:
    saves(path, clock, 4)
    flip(path, 100)
    flip(path.with_name("imports.state.backup.00000003"), 100)
    damaged = path.read_bytes()
    found = health(look(client(path, clock)))
    assert len(found.faults) == 1
    assert "is damaged" in found.faults[0].message
    assert "state recover" in found.faults[0].remedy
    assert [backup.damage is None for backup in found.backups] == [False, True, True]
    mended = repaired(path, clock)
    assert mended.state
    assert mended.built_on is not None
    assert mended.built_on.endswith("imports.state.backup.00000002")
    assert mended.kept is not None
    assert Path(mended.kept).read_bytes() == damaged
    assert addresses(path, clock) == ["fr/i1", "fr/i2"]
    state = decode_state(path.read_bytes(), name="state")
    assert (state.lineage, state.serial) == ("lineage-of-run-1", 4)


def test_a_lost_state_comes_back_from_its_backups_and_journals(path: Path, clock: SetClock) -> None:
    saves(path, clock, 3)
    crash(client(path, clock), clock, created("fr/late", "9"))
    path.unlink()
    mended = repaired(path, clock)
    assert (mended.state, mended.entries, mended.kept) == (True, 1, None)
    assert addresses(path, clock) == ["fr/i1", "fr/i2", "fr/late"]
    assert client(path, clock).journals() == []


def test_of_a_damaged_journal_all_before_the_damage_is_kept(path: Path, clock: SetClock) -> None:
    saves(path, clock, 1)
    crash(client(path, clock), clock, created("fr/a", "8"), *upload(5, "fr/a", "8"), created("fr/b", "9"))
    [journal] = path.parent.glob("*.journal.*")
    flip(journal, journal.read_bytes().rindex(b"fr/b"))
    damaged = journal.read_bytes()
    with pytest.raises(StateDamaged, match=":5: the journal is damaged") as refused:
        addresses(path, clock)
    assert "mics-iac state recover" in str(refused.value.remedy)
    mended = repaired(path, clock)
    assert (mended.state, mended.entries) == (False, 3)
    assert [Path(place).read_bytes() for place in mended.aside] == [damaged]
    ledger = peek(client(path, clock), api_url=API, environment=None)
    assert ledger.addresses() == ["fr/a", "fr/i1"]
    assert ledger.known_executions("fr/a") == {upload(5)[1].id}


def test_a_journal_of_another_state_is_set_aside(path: Path, clock: SetClock, tmp_path: Path) -> None:
    saves(path, clock, 2)
    other = tmp_path / "other" / "imports.state.json"
    other.parent.mkdir()
    with hold(client(other, clock), clock=clock, context=context("elsewhere")) as held:
        held.record(created("fr/x", "77"))
    crash(client(other, clock), clock, created("fr/y", "78"))
    [journal] = other.parent.glob("*.journal.*")
    journal.rename(path.parent / journal.name)
    before = path.read_bytes()
    with pytest.raises(StateDamaged, match="journal of another state"):
        addresses(path, clock)
    assert len(repaired(path, clock).aside) == 1
    assert path.read_bytes() == before
    assert addresses(path, clock) == ["fr/i1", "fr/i2"]


@pytest.mark.parametrize(("newer", "words"), [(True, "is of format 2"), (False, "belongs to the platform at")])
def test_what_is_newer_or_of_another_platform_is_never_mended(
    path: Path, clock: SetClock, newer: bool, words: str
) -> None:
    saves(path, clock, 2)
    if newer:
        state = decode_state(path.read_bytes(), name="state")
        path.write_bytes(encode_state(msgspec.structs.replace(state, version=2)))
    before = path.read_bytes()
    there = context("repair", api_url=API if newer else "https://other.example.test")
    with (
        pytest.raises(StateUnreadable, match=words),
        hold(client(path, clock), clock=clock, context=there, repair=True),
    ):
        pass
    assert path.read_bytes() == before


def small(path: Path, clock: SetClock) -> tuple[list[str], Path]:
    """A state with a backup, and a journal that goes on from it; all addresses that were ever recorded."""
    saves(path, clock, 2)
    crash(client(path, clock), clock, created("fr/j1", "31"), created("fr/j2", "32"))
    [journal] = path.parent.glob("*.journal.*")
    return ["fr/i1", "fr/i2", "fr/j1", "fr/j2"], journal


@pytest.mark.parametrize("victim", ["state", "journal"])
@pytest.mark.parametrize("how", ["cut", "flipped"])
def test_damaged_at_any_byte_it_opens_right_or_is_refused_and_can_be_mended(
    path: Path, clock: SetClock, victim: str, how: str
) -> None:
    known, journal = small(path, clock)
    [backup] = path.parent.glob("*.backup.*")
    name = journal.name.rpartition(".")[2]
    state_bytes, journal_bytes = path.read_bytes(), journal.read_bytes()
    data = state_bytes if victim == "state" else journal_bytes
    for at in range(len(data)):
        bad = data[:at] if how == "cut" else data[:at] + bytes([data[at] ^ 0x04]) + data[at + 1 :]
        place = MemoryPlace()
        place.state = Snapshot(bad if victim == "state" else state_bytes, "now")
        place.journals[name] = bad if victim == "journal" else journal_bytes
        place.backups.append(backup.read_bytes())
        backend = MemoryBackend(clock=clock, place=place)
        damaged = health(look(backend)).faults
        if damaged:
            with pytest.raises(StateDamaged) as refused:
                peek(backend, api_url=API, environment=None)
            assert "mics-iac state recover" in str(refused.value.remedy)
        else:
            # Only a journal's torn end is no damage.
            assert victim == "journal", at
            assert found_in(backend) in [known[: 2 + n] for n in range(3)], at
        with hold(backend, clock=clock, context=context("repair"), repair=True):
            pass
        # The state's newest backup is one save behind; whatever is missing is found again on the platform.
        assert set(found_in(backend)) >= ({"fr/i1"} if victim == "state" else {"fr/i1", "fr/i2"}), at
        assert set(found_in(backend)) <= set(known), at
        assert health(look(backend)).faults == ()
        assert not damaged or bad in [*place.backups, *place.aside.values()], "the damaged bytes are kept"


def found_in(backend: Backend) -> list[str]:
    return peek(backend, api_url=API, environment=None).addresses()


def test_an_interrupted_repair_is_begun_again(path: Path, clock: SetClock) -> None:
    """Killed after the state was made again and before the damaged journal was set aside."""
    known, journal = small(path, clock)
    data = journal.read_bytes()
    flip(journal, len(data) - 5)
    flip(path, 30)
    bad = journal.read_bytes()
    repaired(path, clock)
    after = addresses(path, clock)
    journal.write_bytes(bad)
    mended = repaired(path, clock)
    assert (mended.state, len(mended.aside)) == (False, 1)
    assert addresses(path, clock) == after == ["fr/i1", "fr/j1"]
    assert set(after) <= set(known)


def test_the_audit_sees_what_cannot_be() -> None:
    ledger = Ledger(State(lineage="l", api_url=API))
    ledger.extend([created(ADDRESS), *upload(1), created("fr/other", "558")])
    assert list(audit(ledger.state())) == ["import 558 of datamart 1502 stands 2 times in the state"]
    assert list(audit(State(lineage="", api_url=API))) == ["the state has no lineage"]
    assert not list(itertools.chain(audit(Ledger(State(lineage="l", api_url=API)).state())))


def test_where_a_backup_was_moved_to_says_nothing_about_the_state_that_replaced_it(path: Path, clock: SetClock) -> None:
    """A state that was moved away and back, and is damaged then."""
    saves(path, clock, 1)
    for to in ("s3://acme/mics", ""):
        with hold(client(path, clock), clock=clock, context=context("mover"), also_moved=True) as held:
            state = decode_state(path.read_bytes(), name="state")
            held.replace(msgspec.structs.replace(state, moved_to=to, serial=state.serial + 1))
    flip(path, 100)
    assert repaired(path, clock).state
    assert addresses(path, clock) == ["fr/i1"]


def test_a_look_says_where_the_state_was_moved_to(path: Path, clock: SetClock) -> None:
    saves(path, clock, 1)
    with hold(client(path, clock), clock=clock, context=context("mover")) as held:
        state = decode_state(path.read_bytes(), name="state")
        held.replace(msgspec.structs.replace(state, moved_to="s3://acme/mics", serial=2))
    found = health(look(client(path, clock)))
    assert found.state is not None
    assert found.state.moved_to == "s3://acme/mics"
    assert found.faults == ()
    with pytest.raises(StateUnreadable, match="the state is at s3://acme/mics"):
        repaired(path, clock)
