"""Waiting for the lock, keeping it, and knowing that it is still held."""

from __future__ import annotations

import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from mics_iac.errors import Interrupted, Locked, StoreFailed
from mics_iac.store.backend import LEASE, MARGIN, LockInfo, Process, describe_holder, milliseconds
from mics_iac.store.lease import Lease, take
from mics_iac.store.memory import MemoryBackend, MemoryPlace
from tests.store.stand import SetClock, claim


class Watched(MemoryBackend):
    """A backend that counts renewals, and fails them while `failing`."""

    def __init__(self, *, clock: SetClock, place: MemoryPlace | None = None) -> None:
        super().__init__(clock=clock, place=place)
        self.renewals: list[float] = []
        self.failing = False
        self.renewed = threading.Event()

    def renew(self, info: LockInfo, *, lease: float) -> LockInfo:
        if self.failing:
            raise StoreFailed("the network is down")
        self.renewals.append(lease)
        result = super().renew(info, lease=lease)
        self.renewed.set()
        return result


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def backend(clock: SetClock) -> Watched:
    return Watched(clock=clock)


def taken(backend: Watched, clock: SetClock, *, lease: float = 600, timeout: float = 0) -> Lease:
    return take(backend, claim("mine"), clock=clock, lease=lease, timeout=timeout)


# Waiting.


def test_a_free_lock_is_taken_without_waiting(backend: Watched, clock: SetClock) -> None:
    taken(backend, clock, timeout=60)
    assert clock.slept == []


def test_who_does_not_wait_is_told_at_once_by_whom(backend: Watched, clock: SetClock) -> None:
    info = backend.lock(claim("theirs", "bob@laptop"), lease=600)
    assert isinstance(info, LockInfo)
    with pytest.raises(Locked) as caught:
        taken(backend, clock)
    assert clock.slept == []
    for part in [
        "theirs",
        "bob@laptop",
        "apply",
        "2020-09-13 12:26:40 UTC",
        "12:36:40 UTC",
        "https://ci.example.test/42",
    ]:
        assert part in caught.value.message
    assert info.process.host in caught.value.message
    assert str(info.process.pid) in caught.value.message
    assert "mics-iac force-unlock theirs" in str(caught.value.remedy)


def test_it_waits_with_growing_pauses_and_no_longer_than_asked(backend: Watched, clock: SetClock) -> None:
    backend.lock(claim("theirs"), lease=6000)
    with pytest.raises(Locked, match="waited 60 s"):
        taken(backend, clock, timeout=60)
    assert sum(clock.slept) == pytest.approx(60)
    assert clock.slept[:-1] == sorted(clock.slept[:-1])
    assert max(clock.slept) <= 5


def test_a_lock_let_go_meanwhile_is_taken(backend: Watched, clock: SetClock) -> None:
    backend.lock(claim("theirs"), lease=6000)
    clock.on_sleep = lambda: backend.unlock("theirs") if len(clock.slept) == 7 else None
    assert taken(backend, clock, timeout=600).info.id == "mine"
    assert len(clock.slept) == 7


def test_a_lease_that_ends_meanwhile_is_taken_over(backend: Watched, clock: SetClock) -> None:
    backend.lock(claim("theirs"), lease=30)
    assert taken(backend, clock, timeout=600).info.id == "mine"
    assert 30 + MARGIN < sum(clock.slept) < 30 + MARGIN + 10


def test_a_wait_ends_even_if_the_clock_stands_still(clock: SetClock) -> None:
    class Frozen(SetClock):
        def advance(self, seconds: float) -> None:
            pass

    frozen = Frozen()
    backend = Watched(clock=frozen)
    backend.lock(claim("theirs"), lease=6000)
    with pytest.raises(Locked):
        taken(backend, frozen, timeout=60)
    assert sum(frozen.slept) == pytest.approx(60)


def test_a_wait_ends_if_the_clock_jumps(backend: Watched, clock: SetClock) -> None:
    backend.lock(claim("theirs"), lease=60_000)

    def jump() -> None:
        clock.wall -= 1000

    clock.on_sleep = jump
    with pytest.raises(Locked):
        taken(backend, clock, timeout=60)


def test_a_wait_ends_when_the_run_is_asked_to_stop(backend: Watched, clock: SetClock) -> None:
    backend.lock(claim("theirs"), lease=6000)

    def stop() -> None:
        raise Interrupted(signal=2)

    clock.on_sleep = stop
    with pytest.raises(Interrupted):
        taken(backend, clock, timeout=60)


# Keeping it.


def test_leaving_lets_it_go(backend: Watched, clock: SetClock) -> None:
    with taken(backend, clock):
        assert backend.holder() is not None
    assert backend.holder() is None
    assert not [thread for thread in threading.enumerate() if thread.name == "mics-iac lease"]


def test_it_is_let_go_after_an_error_too(backend: Watched, clock: SetClock) -> None:
    with pytest.raises(KeyboardInterrupt), taken(backend, clock):
        raise KeyboardInterrupt
    assert backend.holder() is None


def test_a_lock_that_cannot_be_let_go_is_told(clock: SetClock) -> None:
    class Stuck(Watched):
        def unlock(self, lock_id: str) -> None:
            raise StoreFailed("the network is down")

    with pytest.raises(StoreFailed, match="network is down"), taken(Stuck(clock=clock), clock):
        pass
    with pytest.raises(ValueError, match="first") as caught, taken(Stuck(clock=clock), clock):
        raise ValueError("first")
    assert "the network is down" in caught.value.__notes__[0]


def test_it_renews_itself_while_nobody_fences(backend: Watched, clock: SetClock) -> None:
    with taken(backend, clock, lease=0.06):
        assert backend.renewed.wait(30)
        backend.renewed.clear()
        assert backend.renewed.wait(30)


def test_it_goes_on_renewing_after_a_failure(backend: Watched, clock: SetClock) -> None:
    backend.failing = True
    with taken(backend, clock, lease=0.06):
        assert not backend.renewed.wait(0.1)
        backend.failing = False
        assert backend.renewed.wait(30)


# The fence.


def test_the_first_fence_proves_that_the_lock_is_ours(backend: Watched, clock: SetClock) -> None:
    with taken(backend, clock) as lease:
        lease.fence(1)
        assert len(backend.renewals) == 1


def test_each_fence_asks_however_soon_it_comes(backend: Watched, clock: SetClock) -> None:
    """Whoever breaks the lock and takes it may act at once: no look from before that counts."""
    with taken(backend, clock) as lease:
        lease.fence(60)
        backend.break_lock("mine")
        with pytest.raises(Locked):
            lease.fence(60)


def test_fences_that_wait_for_each_other_share_a_renewal(clock: SetClock) -> None:
    held_up, let_go = threading.Event(), threading.Event()

    class Slow(Watched):
        def renew(self, info: LockInfo, *, lease: float) -> LockInfo:
            held_up.set()
            assert let_go.wait(30)
            return super().renew(info, lease=lease)

    backend = Slow(clock=clock)
    with taken(backend, clock) as lease:
        threads = [threading.Thread(target=lease.fence, args=(60,)) for _ in range(8)]
        threads[0].start()
        assert held_up.wait(30)
        for thread in threads[1:]:
            thread.start()
        while lease._marked < 8:
            threads[0].join(0.001)
        let_go.set()
        for thread in threads:
            thread.join(30)
        assert len(backend.renewals) == 2


def test_a_fence_never_makes_the_lease_shorter(backend: Watched, clock: SetClock) -> None:
    """A small request beside a large file: the file's time is counted on."""
    with taken(backend, clock) as lease:
        lease.fence(5000)
        promised = clock.now() + 5000
        clock.advance(10)
        lease.fence(60)
        assert lease.info.expires >= milliseconds(promised)


def test_a_fence_makes_the_lease_outlast_a_long_request(backend: Watched, clock: SetClock) -> None:
    with taken(backend, clock) as lease:
        for seconds in [60.0, 5000.0, 100.0]:
            lease.fence(seconds)
            assert lease.info.expires >= milliseconds(clock.now() + seconds)


@pytest.mark.parametrize("how", ["wall", "ticks"])
def test_time_counts_by_the_clock_that_saw_more_of_it(backend: Watched, clock: SetClock, how: str) -> None:
    """A suspended machine stops one of its clocks, and somebody may set the other one back."""
    with taken(backend, clock) as lease:
        lease.fence(60)
        setattr(clock, how, getattr(clock, how) + 599)
        lease.fence(60)
        assert len(backend.renewals) == 2


def test_a_fence_after_the_lock_was_broken_refuses(backend: Watched, clock: SetClock) -> None:
    with taken(backend, clock) as lease:
        lease.fence(60)
        backend.break_lock("mine")
        for _ in range(2):
            with pytest.raises(Locked, match="lost the lock mine"):
                lease.fence(60)


def test_a_fence_of_one_who_was_taken_over_names_the_new_holder(clock: SetClock) -> None:
    place = MemoryPlace()
    with taken(Watched(clock=clock, place=place), clock) as lease:
        clock.advance(600 + MARGIN + 1)
        MemoryBackend(clock=clock, place=place).lock(claim("theirs", "bob@laptop"), lease=600)
        with pytest.raises(Locked, match="bob@laptop"):
            lease.fence(1)
    holder = place.lock
    assert holder is not None
    assert holder.id == "theirs"


def test_a_lost_lock_stays_lost_though_it_is_free_again(backend: Watched, clock: SetClock) -> None:
    with taken(backend, clock) as lease:
        backend.break_lock("mine")
        with pytest.raises(Locked):
            lease.fence(1)
        backend.lock(claim("mine"), lease=600)
        with pytest.raises(Locked):
            lease.fence(1)


def test_a_fence_that_cannot_renew_refuses_and_the_next_may_go(backend: Watched, clock: SetClock) -> None:
    with taken(backend, clock) as lease:
        backend.failing = True
        with pytest.raises(StoreFailed):
            lease.fence(60)
        backend.failing = False
        lease.fence(60)


# What a person is shown.


def test_text_from_a_lock_cannot_write_on_the_terminal() -> None:
    hostile = LockInfo("a\x1b[2J", "eve\nroot", "apply", Process("host\r", 1), reason="x" * 10_000, expires=10**30)
    shown = describe_holder(hostile)
    assert "\x1b" not in shown
    assert "\r" not in shown
    assert "eve\\nroot" in shown
    assert len(shown) < 2000


def test_who_waits_while_the_backend_does_not_answer_shares_what_came_of_it(clock: SetClock) -> None:
    """Each question may take a minute then, and there may be forty."""
    asked: list[int] = []
    gate = threading.Event()

    class Silent(MemoryBackend):
        distant = True

        def check(self, info: LockInfo) -> None:
            asked.append(1)
            assert gate.wait(30)
            raise StoreFailed("it does not answer", remedy="check the network")

    backend = Silent(clock=clock)
    with contextlib.suppress(StoreFailed), take(backend, claim(), clock=clock, lease=LEASE, timeout=0) as lease:

        def fence(_: int) -> bool:
            with pytest.raises(StoreFailed, match="does not answer"):
                lease.fence(1)
            return True

        with ThreadPoolExecutor(12) as pool:
            results = pool.map(fence, range(12))
            while lease._marked < 12:
                time.sleep(0.001)  # until all of them wait: the first for its answer, the others for the first
            gate.set()
            assert all(results)
    # The first question, and one more for those who came after it.
    assert len(asked) == 2
