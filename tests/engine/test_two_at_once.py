"""Two runs over one state: one that stood still, or whose lock was broken, neither sends nor saves behind the other."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mics_iac.core import journal
from mics_iac.core.outcome import Outcome
from mics_iac.core.progress import Sending, Told
from mics_iac.engine.world import FRESH
from mics_iac.errors import Locked
from mics_iac.store.backend import MARGIN
from mics_iac.store.file import FileBackend
from tests.engine.afar import EVERYWHERE
from tests.rig import Rig, digest, visits

pytestmark = EVERYWHERE

DAYS = 3 * 86_400.0


def beside(rig: Rig) -> Rig:
    """Another process over the same folder, the same platform and the same time."""
    other = Rig(rig.folder)
    other.sandbox.close()
    other.sandbox, other.clock = rig.sandbox, rig.clock
    return other


def when(kind: type[Told], do: Callable[[], object], rig: Rig) -> None:
    """Do this once, as soon as the run tells of such a thing."""
    done: list[object] = []

    def watch(told: Told) -> None:
        if isinstance(told, kind) and not done:
            done.append(told)
            do()

    rig.on_tell = watch


def unlock_by_hand(rig: Rig) -> None:
    backend = FileBackend(rig.state_path, clock=rig.clock)
    holder = backend.holder()
    assert holder is not None
    assert backend.break_lock(holder.id)


def is_right(rig: Rig, *contents: str) -> None:
    assert rig.loaded() == sorted(digest(c) for c in contents)
    assert len(rig.sandbox.imports()) == 1
    held = rig.state().imports["fr/visits"].current
    assert sorted(e.id for e in held.executions) == sorted(e.id for e in rig.sandbox.executions())
    assert held.doubts == ()


@pytest.mark.parametrize("kind", [journal.CreateBegun, journal.UploadBegun])
def test_who_stood_still_past_his_lease_sends_and_saves_nothing(rig: Rig, kind: type[Told]) -> None:
    rig.write("data/a.ndjson", visits(0, 3))
    rig.write("data/b.ndjson", visits(10, 3))
    rig.limit(transfers=1, parallelism=1)
    second: list[Outcome] = []

    def stand_still() -> None:
        rig.clock.sleep(DAYS)
        second.append(beside(rig).apply())

    when(kind, stand_still, rig)
    with pytest.raises(Locked, match="lost the lock"):
        rig.apply()
    assert second[0].exit_code == 0
    is_right(rig, visits(0, 3), visits(10, 3))
    assert rig.plan().empty


def test_who_stood_still_within_his_lease_goes_on(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 3))

    def stand_still() -> None:
        rig.clock.sleep(500 + MARGIN)
        other = beside(rig)
        with pytest.raises(Locked):
            other.apply()

    when(journal.UploadBegun, stand_still, rig)
    assert rig.apply().exit_code == 0
    is_right(rig, visits(0, 3))


@pytest.mark.parametrize("seconds", [FRESH + 1, 500.0])
def test_what_other_hands_loaded_while_a_run_stood_still_is_not_loaded_again(rig: Rig, seconds: float) -> None:
    """The lock is still held, so nothing but another look at the platform tells."""
    text = visits(0, 3)
    rig.write("data/a.ndjson", text)

    def stand_still() -> None:
        rig.clock.sleep(seconds)
        (made,) = rig.sandbox.imports()
        rig.sandbox.add_execution(made.id, text.encode())

    when(journal.UploadBegun, stand_still, rig)
    assert rig.apply().exit_code == 0
    is_right(rig, text)
    assert not any(isinstance(t, journal.UploadAccepted) for t in rig.told)
    assert rig.plan().empty


def test_who_stood_still_looks_again_and_sends(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 3))
    when(journal.UploadBegun, lambda: rig.clock.sleep(FRESH + 1), rig)
    assert rig.apply().exit_code == 0
    is_right(rig, visits(0, 3))
    assert len(rig.calls("GET", "/executions")) >= 2


def test_a_lock_broken_by_hand_between_intent_and_request(rig: Rig) -> None:
    """No time passes at all: what the other run does depends on the record, not on a clock."""
    rig.write("data/a.ndjson", visits(0, 3))
    second: list[Outcome] = []

    def broken() -> None:
        unlock_by_hand(rig)
        second.append(beside(rig).apply())

    when(journal.UploadBegun, broken, rig)
    with pytest.raises(Locked, match="lost the lock"):
        rig.apply()
    assert second[0].exit_code == 0
    is_right(rig, visits(0, 3))


def test_a_lock_broken_by_hand_while_a_file_is_sent(rig: Rig) -> None:
    """The file is never completed on the wire, so the run that took the lock may send it."""
    text = visits(0, 5000)
    rig.write("data/a.ndjson", text)

    def broken() -> None:
        unlock_by_hand(rig)
        rig.clock.sleep(1)

    when(Sending, broken, rig)
    with pytest.raises(Locked, match="lost the lock"):
        rig.apply()
    assert rig.loaded() == []
    assert beside(rig).apply().exit_code == 0
    is_right(rig, text)


def test_a_change_is_not_sent_by_who_lost_the_lock(rig: Rig) -> None:
    rig.write("data/a.ndjson", visits(0, 3))
    rig.apply()
    rig.declare(rig.manifest.read_text().replace("name: Visits", "name: Old wish"))

    def stand_still() -> None:
        other = beside(rig)
        rig.clock.sleep(DAYS)
        other.declare(rig.manifest.read_text().replace("name: Old wish", "name: New wish"))
        assert other.apply().exit_code == 0

    when(journal.ChangeBegun, stand_still, rig)
    with pytest.raises(Locked):
        rig.apply()
    (made,) = rig.sandbox.imports()
    assert made.name == "New wish"
