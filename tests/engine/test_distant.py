"""A store far away: much is under way at once, little of it at the platform; nothing is lost or sent twice by that."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from functools import partial

import pytest

from mics_iac.core import journal
from mics_iac.core.outcome import Outcome
from mics_iac.core.progress import Sending, Told
from mics_iac.engine.crew import Crew
from mics_iac.engine.world import Limits
from mics_iac.errors import Locked, StoreFailed
from mics_iac.sandbox.faults import Fault
from mics_iac.store.file import FileBackend
from mics_iac.store.held import hold
from tests.clocks import SteppingClock
from tests.engine.afar import AfarBackend
from tests.engine.test_two_at_once import beside, unlock_by_hand, when
from tests.rig import Rig, digest, manifest, visits

pytestmark = pytest.mark.parametrize("rig", ["distant"], indirect=True)

UPLOADS, CREATES = "*/executions", "*/document_imports"
PARTS = 30
DAYS = 3 * 86_400.0


def texts(count: int = PARTS) -> list[str]:
    return [visits(10 * number, 3) for number in range(count)]


def write(rig: Rig, count: int = PARTS) -> list[str]:
    """That many parts of one import; the digests of their contents."""
    for number, text in enumerate(texts(count)):
        rig.write(f"data/{number:02d}.ndjson", text)
    return sorted(digest(text) for text in texts(count))


def declare_many(rig: Rig, count: int = PARTS) -> list[str]:
    """That many imports with one part each; the digests of their contents."""
    rig.declare(manifest({f"fr/i{n:02d}": {"sources": [f"data/{n:02d}.ndjson"]} for n in range(count)}))
    return write(rig, count)


def told(rig: Rig, kind: type) -> list[Told]:
    return [entry for entry in rig.told if isinstance(entry, kind)]


def is_right(rig: Rig, contents: list[str]) -> None:
    """Every content is loaded once, everything is known, nothing is in doubt, and nothing is left to do."""
    assert rig.loaded() == contents
    imports = rig.state().imports
    assert sorted(i.current.id for i in imports.values() if i.current.id) == sorted(i.id for i in rig.sandbox.imports())
    known = [e.id for i in imports.values() for e in i.current.executions]
    assert sorted(known) == sorted(e.id for e in rig.sandbox.executions())
    assert not any(i.current.doubts for i in imports.values())
    assert rig.plan().empty


# How much at once.


def test_many_are_prepared_while_few_are_at_the_platform(rig: Rig) -> None:
    contents = write(rig)
    rig.limit(transfers=2)
    rig.fault(Fault("delay", method="POST", path=UPLOADS, times=None, delay_ms=1))
    guard, prepared = threading.Lock(), threading.Event()
    busy: list[int] = []
    there = 0

    def count(entry: object) -> None:
        if len(told(rig, journal.UploadBegun)) >= 15:
            prepared.set()

    def at_the_platform() -> None:
        nonlocal there
        with guard:
            there += 1
            busy.append(there)
        assert prepared.wait(30)
        with guard:
            there -= 1

    rig.on_tell, rig.on_wait = count, at_the_platform
    assert rig.apply().exit_code == 0
    assert max(busy) <= 2
    is_right(rig, contents)


def test_one_transfer_is_strictly_one_after_the_other(rig: Rig) -> None:
    contents = write(rig, 6)
    rig.limit(transfers=1)
    assert rig.apply().exit_code == 0
    kinds = [type(t) for t in rig.told if isinstance(t, journal.UploadBegun | journal.UploadAccepted)]
    assert kinds == [journal.UploadBegun, journal.UploadAccepted] * 6
    is_right(rig, contents)


def test_one_call_at_a_time_makes_one_import_after_the_other(rig: Rig) -> None:
    contents = declare_many(rig, 6)
    rig.limit(parallelism=1)
    assert rig.apply().exit_code == 0
    kinds = [type(t) for t in rig.told if isinstance(t, journal.CreateBegun | journal.ImportCreated)]
    assert kinds == [journal.CreateBegun, journal.ImportCreated] * 6
    is_right(rig, contents)


def test_many_imports_at_once(rig: Rig) -> None:
    contents = declare_many(rig)
    assert rig.apply().exit_code == 0
    is_right(rig, contents)


def test_large_files_are_not_begun_far_ahead(rig: Rig) -> None:
    """What was seen of the platform would be old by the time that their turn comes."""
    go_on = threading.Event()

    def wait() -> bool:
        return go_on.wait(30)

    def nothing(_: bool) -> None:
        pass

    with Crew(calls=1, transfers=2, distant=True) as crew:
        assert crew.has_room(100_000_000)
        crew.send(wait, nothing, size=100_000_000)
        assert crew.has_room(100)
        assert crew.has_room(100_000_000)
        crew.send(wait, nothing, size=100_000_000)
        assert not crew.has_room(100)
        go_on.set()
        for _ in range(2):
            crew.react(timeout=30)
        ahead = 0
        go_on.clear()
        while crew.has_room(1_000_000):
            crew.send(wait, nothing, size=1_000_000)
            ahead += 1
        assert ahead == 9
        go_on.set()
        while crew.running:
            crew.react(timeout=30)


# Asked to stop.


def test_what_has_not_begun_to_leave_when_asked_to_stop_does_not_leave(rig: Rig) -> None:
    contents = write(rig)
    begun = threading.Event()

    def stop(entry: object) -> None:
        if len(told(rig, journal.UploadBegun)) >= 20:
            begun.set()
        if isinstance(entry, Sending):
            assert begun.wait(30)
            rig.stop.request(2)

    rig.on_tell = stop
    outcome = rig.apply()
    assert outcome.exit_code == 130
    sent = len(rig.loaded())
    assert 1 <= sent <= Limits().transfers
    assert any(f"{PARTS - sent} parts were not loaded: the run was interrupted" in line for line in outcome.unfinished)
    current = rig.state().imports["fr/visits"].current
    assert current.doubts == ()
    assert len(current.executions) == sent
    assert len(told(rig, journal.UploadAbandoned)) == len(told(rig, journal.UploadBegun)) - sent >= 16
    rig.stop, rig.on_tell = type(rig.stop)(), lambda _: None
    started = rig.clock.monotonic()
    assert rig.apply().exit_code == 0
    assert rig.clock.monotonic() - started < Limits().settle_delay
    is_right(rig, contents)


@pytest.mark.parametrize(
    ("fault", "limits", "code"),
    [
        (Fault("expired_token", method="POST", path=UPLOADS), {}, 9),
        (Fault("error", method="POST", path=UPLOADS, status=400, html=False), {"fail_fast": True}, 3),
    ],
)
def test_after_a_failure_that_ends_the_run_what_was_prepared_does_not_leave(
    rig: Rig, fault: Fault, limits: dict[str, object], code: int
) -> None:
    contents = write(rig)
    rig.limit(transfers=2, **limits)
    rig.fault(fault)
    outcome = rig.apply()
    assert outcome.exit_code == code
    # Those that were under way with it, and one at the most that leaves before the failure is known.
    assert len(rig.calls("POST", "/executions")) <= 4
    assert rig.state().imports["fr/visits"].current.doubts == ()
    rig.faults.clear()
    assert rig.apply(retry_failed=True).exit_code == 0
    is_right(rig, contents)


# Killed with much under way.


def test_many_doubts_of_one_import_are_settled_by_few_listings(rig: Rig) -> None:
    contents = write(rig)
    when(journal.ImportCreated, lambda: rig.stop.request(15), rig)
    rig.apply()
    rig.stop = type(rig.stop)()
    killed_with_all_begun(rig, arrived=10)
    rig.sandbox.forget_requests()
    started = rig.clock.monotonic()
    assert rig.apply().exit_code == 0
    listings = rig.calls("GET", "/executions")
    assert rig.clock.monotonic() - started < 2 * Limits().settle_delay
    # One for the plan, one of each round until the last has settled, and no more for thirty doubts than for one.
    assert len(listings) < 15
    is_right(rig, contents)


def killed_with_all_begun(rig: Rig, *, arrived: int) -> None:
    """A run died that had recorded the intent of every part; the first of them have become executions."""

    class Killed(BaseException):
        pass

    project = rig.open()
    import_id = rig.sandbox.imports()[0].id
    with (
        contextlib.suppress(Killed),
        hold(project.world.backend, clock=rig.clock, context=project.context("apply")) as held,
    ):
        for number, text in enumerate(texts()):
            source = f"data/{number:02d}.ndjson"
            begun = journal.UploadBegun(
                "fr/visits", import_id, f"dead-{number}", source, 1, digest(text), len(text), 3, 3
            )
            held.record(begun)
        held.save = lambda: None  # type: ignore[method-assign]  # the dead do not save
        raise Killed
    for text in texts()[:arrived]:
        project.world.api.upload(
            "1502",
            import_id,
            mime_type="APPLICATION_X_NDJSON",
            body=partial(Bytes, text.encode()),
            length=len(text),
        )


class Bytes:
    def __init__(self, data: bytes) -> None:
        self._left = data

    def read(self, size: int, /) -> bytes:
        block, self._left = self._left[:size], self._left[size:]
        return block

    def close(self) -> None:
        pass


# The lock, with much under way.


def test_who_stood_still_past_his_lease_sends_none_of_what_he_had_prepared(rig: Rig) -> None:
    contents = write(rig)
    second: list[Outcome] = []

    def stand_still() -> None:
        rig.clock.sleep(DAYS)
        second.append(beside(rig).apply())

    # Told by the first group of records, before any of them may act.
    when(journal.UploadBegun, stand_still, rig)
    with pytest.raises(Locked, match="lost the lock"):
        rig.apply()
    assert second[0].exit_code == 0
    is_right(rig, contents)


def once_asked(rig: Rig, kind: type, do: Callable[[], object]) -> None:
    """Do this when the first question about the lock after such an intent was answered, and nobody knows of it yet."""
    done: list[object] = []

    def on_check() -> None:
        if not done and told(rig, kind):
            done.append(True)
            do()

    rig.backend = lambda: AfarBackend(rig.state_path, clock=rig.clock, on_check=on_check)


@pytest.mark.parametrize("count", [1, PARTS])
def test_an_answer_that_is_older_than_it_is_trusted_sends_nothing(rig: Rig, count: int) -> None:
    """The run was frozen for a moment when the answer came, and its lock was broken meanwhile."""
    contents = write(rig, count)
    second: list[Outcome] = []

    def frozen() -> None:
        unlock_by_hand(rig)
        rig.clock.sleep(0.6)
        second.append(beside(rig).apply())
        assert rig.loaded() == contents

    once_asked(rig, journal.UploadBegun, frozen)
    with pytest.raises(Locked, match="lost the lock"):
        rig.apply()
    assert second[0].exit_code == 0
    is_right(rig, contents)


@pytest.mark.parametrize("delay", [0.0, 0.001])
def test_a_short_settle_delay_leaves_no_room_for_trust(rig: Rig, delay: float) -> None:
    """No time passes at all, but who takes the lock over would not wait either."""
    contents = write(rig, 1)
    rig.limit(settle_delay=delay)
    second: list[Outcome] = []

    def broken() -> None:
        unlock_by_hand(rig)
        rig.clock.sleep(delay)
        other = beside(rig)
        other.limit(settle_delay=delay)
        second.append(other.apply())

    once_asked(rig, journal.UploadBegun, broken)
    with pytest.raises(Locked, match="lost the lock"):
        rig.apply()
    assert second[0].exit_code == 0
    is_right(rig, contents)


class HeldUpClock:
    """The clock of a run that waits for nothing before `go_on`; `waiting` is set when it first would."""

    def __init__(self, clock: SteppingClock) -> None:
        self.waiting, self.go_on = threading.Event(), threading.Event()
        self._clock = clock

    def now(self) -> float:
        return self._clock.now()

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def sleep(self, seconds: float) -> None:
        self.waiting.set()
        assert self.go_on.wait(60)
        self._clock.sleep(seconds)


@pytest.mark.parametrize("count", [1, PARTS])
@pytest.mark.parametrize("kind", [journal.CreateBegun, journal.UploadBegun])
def test_what_leaves_while_another_takes_the_lock_is_found_by_him(rig: Rig, kind: type, count: int) -> None:
    """The worst that trust allows: the lock is broken right after it was confirmed, and taken at once.

    The other run reads the intents and sees nothing of them at the platform; while it waits, they arrive. What it had
    not seen is told apart by its second look, and nothing is sent twice.
    """
    contents = declare_many(rig, count)
    other = beside(rig)
    clock = HeldUpClock(rig.clock)
    other.clock = clock  # type: ignore[assignment]  # a clock like any other
    second: list[Outcome] = []
    taking = threading.Thread(target=lambda: second.append(other.apply()))
    before: list[int] = []

    def at_the_platform() -> int:
        return len(rig.sandbox.imports() if kind is journal.CreateBegun else rig.sandbox.executions())

    def taken_over() -> None:
        unlock_by_hand(rig)
        taking.start()
        assert clock.waiting.wait(60)
        before.append(at_the_platform())

    once_asked(rig, kind, taken_over)
    with pytest.raises(Locked, match="lost the lock"):
        rig.apply()
    # Of many, the next to ask finds the lock gone, maybe before the first that needs not ask has left.
    assert count > 1 or at_the_platform() > before[0]
    clock.go_on.set()
    taking.join(60)
    assert second[0].exit_code == 0, second[0]
    is_right(rig, contents)


def test_the_store_fails_with_much_prepared(rig: Rig) -> None:
    """Nothing leaves that could not be recorded, and what was on its way is found again."""
    contents = write(rig)

    class Failing(AfarBackend):
        appends = 0

        def append(self, name: str, data: bytes) -> None:
            self.appends += 1
            if self.appends > 6:
                raise StoreFailed("the network is down")
            super().append(name, data)

    near = FileBackend
    rig.backend = lambda: Failing(rig.state_path, clock=rig.clock)
    with pytest.raises(StoreFailed, match="network is down"):
        rig.apply()
    rig.backend = lambda: near(rig.state_path, clock=rig.clock)
    assert rig.apply().exit_code == 0
    is_right(rig, contents)
