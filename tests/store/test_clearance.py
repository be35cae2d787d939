"""What one request asks before it leaves, and how much of an earlier answer counts for it where asking takes long."""

# ruff: noqa: PT012 (what a run raises comes out of the whole block in which it holds the state)

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from mics_iac.errors import Locked, StoreFailed
from mics_iac.store.backend import MARGIN, LockInfo, milliseconds
from mics_iac.store.held import hold
from mics_iac.store.lease import Clearance, Lease, take
from mics_iac.store.memory import MemoryBackend, MemoryPlace
from tests.store.stand import SetClock, claim, context, upload


class Afar(MemoryBackend):
    """A backend behind a network that counts what it is asked about the lock; `on_check` happens while it answers."""

    distant = True

    def __init__(self, *, clock: SetClock, place: MemoryPlace | None = None) -> None:
        super().__init__(clock=clock, place=place)
        self.asked: list[str] = []
        self.on_check: Callable[[], None] = lambda: None
        self.failing = False

    def check(self, info: LockInfo) -> None:
        self.asked.append("check")
        if self.failing:
            raise StoreFailed("the network is down")
        super().check(info)
        self.on_check()

    def renew(self, info: LockInfo, *, lease: float) -> LockInfo:
        self.asked.append("renew")
        return super().renew(info, lease=lease)

    def append(self, name: str, data: bytes) -> None:
        if self.failing:
            raise StoreFailed("the network is down")
        super().append(name, data)


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def backend(clock: SetClock) -> Afar:
    return Afar(clock=clock)


@pytest.fixture
def lease(backend: Afar, clock: SetClock) -> Lease:
    return take(backend, claim("mine"), clock=clock, lease=600, timeout=0)


def drawn(lease: Lease, *, trust: float = 1.0) -> Clearance:
    return Clearance(lease, lease.mark(), trust=trust, refuse=lambda: None)


def test_what_was_asked_ahead_counts(lease: Lease, backend: Afar, clock: SetClock) -> None:
    clearance = drawn(lease)
    clearance.ask_ahead()
    clock.advance(0.9)
    clearance(60)
    clearance(0)
    assert backend.asked == ["check"]


@pytest.mark.parametrize("how", ["wall", "ticks"])
def test_it_counts_no_longer_than_it_is_trusted_by_either_clock(
    lease: Lease, backend: Afar, clock: SetClock, how: str
) -> None:
    """A frozen process stops neither clock, a suspended machine one of them."""
    clearance = drawn(lease)
    clearance.ask_ahead()
    setattr(clock, how, getattr(clock, how) + 1.0)
    backend.break_lock("mine")
    with pytest.raises(Locked, match="lost the lock mine"):
        clearance(60)


def test_a_clock_that_was_set_back_makes_no_answer_younger(lease: Lease, backend: Afar, clock: SetClock) -> None:
    clearance = drawn(lease)
    clearance.ask_ahead()
    clock.wall -= 3600
    clock.ticks += 1
    clearance(60)
    assert backend.asked == ["check", "check"]


def test_its_age_counts_from_before_the_question(lease: Lease, backend: Afar, clock: SetClock) -> None:
    """An answer may have been on its way for long: what it says is as old as the moment before it was asked for."""
    backend.on_check = lambda: clock.advance(1.5)
    clearance = drawn(lease)
    clearance.ask_ahead()
    clearance(60)
    assert backend.asked == ["check", "check"]


def test_no_answer_counts_that_was_asked_for_before_the_intent_was_recorded(lease: Lease, backend: Afar) -> None:
    """Whoever took the lock after that answer, and before this record, has not read the record."""
    drawn(lease).ask_ahead()
    backend.break_lock("mine")
    clearance = drawn(lease)
    with pytest.raises(Locked):
        clearance(60)


def test_nor_one_that_was_asked_for_before_and_given_after(lease: Lease, backend: Afar) -> None:
    late: list[Clearance] = []

    def record_meanwhile() -> None:
        late.append(drawn(lease))
        backend.on_check = lambda: None
        backend.break_lock("mine")

    backend.on_check = record_meanwhile
    drawn(lease).ask_ahead()
    with pytest.raises(Locked):
        late[0](0)
    with pytest.raises(Locked):
        late[0].ask_ahead()


def test_the_answer_to_another_counts_if_it_was_asked_for_after_the_record(lease: Lease, backend: Afar) -> None:
    first, second = drawn(lease), drawn(lease)
    second.ask_ahead()
    first.ask_ahead()
    first(60)
    assert backend.asked == ["check"]


def test_a_lately_confirmed_lock_needs_no_question_while_one_is_under_way(
    lease: Lease, backend: Afar, clock: SetClock
) -> None:
    """Who is at his turn does not wait for the questions of those who are not."""
    ready, waiting = drawn(lease), drawn(lease)
    ready.ask_ahead()
    arrived, let_go = threading.Event(), threading.Event()

    def hang() -> None:
        arrived.set()
        assert let_go.wait(30)

    backend.on_check = hang
    asking = threading.Thread(target=drawn(lease).ask_ahead)
    asking.start()
    assert arrived.wait(30)
    waiting(60)
    ready(60)
    let_go.set()
    asking.join(30)
    assert backend.asked == ["check", "check"]


@pytest.mark.parametrize("trust", [0.0, 1.0])
def test_without_trust_it_is_asked_at_that_very_moment(lease: Lease, backend: Afar, trust: float) -> None:
    clearance = drawn(lease, trust=trust)
    clearance.ask_ahead()
    clearance(60)
    clearance(0)
    assert backend.asked == (["check"] if trust else ["check", "check"])


def test_a_lease_that_does_not_reach_is_renewed_however_lately_it_was_confirmed(
    lease: Lease, backend: Afar, clock: SetClock
) -> None:
    clearance = drawn(lease)
    clearance.ask_ahead()
    clearance(5000)
    assert backend.asked == ["check", "renew"]
    assert lease.info.expires >= milliseconds(clock.now() + 5000)


def test_asking_alone_makes_no_lease_last_longer(lease: Lease, backend: Afar, clock: SetClock) -> None:
    """What was confirmed many times is renewed before it ends all the same, and taken over by nobody meanwhile."""
    other = MemoryBackend(clock=clock, place=backend._place)
    for _ in range(200):
        clock.advance(10)
        clearance = drawn(lease)
        clearance.ask_ahead()
        clearance(100)
        assert lease.info.expires >= milliseconds(clock.now() + 100)
        assert other.lock(claim("theirs"), lease=600) != claim("theirs")
        holder = other.holder()
        assert holder is not None
        assert holder.id == "mine"
    assert 5 <= backend.asked.count("renew") <= 8


def test_a_lock_that_a_look_found_lost_stays_lost(lease: Lease, backend: Afar, clock: SetClock) -> None:
    before = drawn(lease)
    before.ask_ahead()
    clock.advance(600 + MARGIN + 1)
    other = MemoryBackend(clock=clock, place=backend._place)
    other.lock(claim("theirs", "bob@laptop"), lease=600)
    with pytest.raises(Locked, match="bob@laptop"):
        drawn(lease).ask_ahead()
    other.unlock("theirs")
    backend.lock(claim("mine"), lease=600)
    with pytest.raises(Locked):
        before(0)
    with pytest.raises(Locked):
        before.ask_ahead()
    with pytest.raises(Locked):
        lease.fence(0)


def test_a_question_that_fails_says_nothing(lease: Lease, backend: Afar, clock: SetClock) -> None:
    clearance = drawn(lease)
    clearance.ask_ahead()
    clock.advance(2)
    backend.failing = True
    with pytest.raises(StoreFailed):
        clearance(60)
    backend.failing = False
    clearance(60)


def test_nothing_leaves_after_a_record_failed_however_lately_the_lock_was_confirmed(
    backend: Afar, clock: SetClock
) -> None:
    begun, accepted = upload(1)
    with (
        pytest.raises(StoreFailed, match="network is down"),
        hold(backend, clock=clock, context=context(), trust=1.0) as held,
    ):
        held.record(begun)
        clearance = held.clearance()
        clearance.ask_ahead()
        clearance(60)
        backend.failing = True
        with pytest.raises(StoreFailed):
            held.record(accepted)
        backend.failing = False
        with pytest.raises(StoreFailed):
            clearance.ask_ahead()
        clearance(0)
