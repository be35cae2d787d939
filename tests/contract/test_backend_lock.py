"""What every backend promises about the lock."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from mics_iac.errors import Locked
from mics_iac.store.backend import LEASE, MARGIN, Busy, DamagedLock, LockInfo, milliseconds
from mics_iac.store.http import HttpBackend
from mics_iac.store.process import nobody
from tests.contract.places import Place
from tests.store.stand import claim


def taken(answer: LockInfo | Busy) -> LockInfo:
    assert isinstance(answer, LockInfo), answer
    return answer


def refused(answer: LockInfo | Busy) -> LockInfo:
    assert isinstance(answer, Busy), answer
    assert isinstance(answer.holder, LockInfo), answer
    return answer.holder


def test_nobody_holds_it_at_first(place: Place) -> None:
    assert place.client().holder() is None


def test_the_holder_is_told_with_the_backends_times(place: Place) -> None:
    client = place.client()
    info = taken(client.lock(claim("a"), lease=600))
    now = milliseconds(place.clock.now())
    assert (info.created, info.expires) == (now, now + 600_000)
    assert msgspec.structs.replace(info, created=0, expires=0) == claim("a")
    assert place.client().holder() == info
    client.unlock("a")


def test_whether_it_is_still_held_can_be_asked_without_changing_anything(place: Place) -> None:
    one, two = place.client(), place.client()
    info = taken(one.lock(claim("a"), lease=600))
    place.clock.advance(100)
    one.check(info)
    assert two.holder() == info
    two.break_lock("a")
    with pytest.raises(Locked, match="nobody holds it"):
        one.check(info)
    theirs = taken(two.lock(claim("b", "bob@laptop"), lease=600))
    with pytest.raises(Locked, match="bob@laptop"):
        one.check(info)
    two.check(theirs)
    two.unlock("b")
    with pytest.raises(Locked):
        two.check(theirs)


def test_a_second_one_is_told_who_holds_it(place: Place) -> None:
    one, two = place.client(), place.client()
    info = taken(one.lock(claim("a", "ana@build-7"), lease=600))
    assert refused(two.lock(claim("b", "bob@laptop"), lease=600)) == info
    assert two.holder() == info
    one.unlock("a")


def test_the_same_client_does_not_get_it_twice(place: Place) -> None:
    client = place.client()
    info = taken(client.lock(claim("a"), lease=600))
    assert refused(client.lock(claim("b"), lease=600)) == info
    assert refused(client.lock(claim("a"), lease=600)) == info
    client.unlock("a")


def test_let_go_it_is_free(place: Place) -> None:
    one, two = place.client(), place.client()
    one.lock(claim("a"), lease=600)
    one.unlock("a")
    assert two.holder() is None
    taken(two.lock(claim("b"), lease=600))
    two.unlock("b")


def test_it_can_be_taken_and_let_go_again_and_again(place: Place) -> None:
    client = place.client()
    for number in range(20):
        taken(client.lock(claim(f"{number}"), lease=600))
        client.unlock(f"{number}")
    assert client.holder() is None


def test_only_its_holder_lets_it_go(place: Place) -> None:
    one, two = place.client(), place.client()
    info = taken(one.lock(claim("a"), lease=600))
    two.unlock("b")
    two.unlock("a-too-short")
    assert two.holder() == info
    one.unlock("a")
    one.unlock("a")


def test_within_lease_and_margin_nobody_takes_it_over(place: Place) -> None:
    one, two = place.client(), place.client()
    info = taken(one.lock(claim("a"), lease=600))
    place.clock.advance(600 + MARGIN - 1)
    assert refused(two.lock(claim("b"), lease=600)) == info
    one.unlock("a")


def test_past_lease_and_margin_it_ends_though_its_holder_lives(place: Place) -> None:
    one, two = place.client(), place.client()
    one.lock(claim("a"), lease=600)
    place.clock.advance(600 + MARGIN + 1)
    info = taken(two.lock(claim("b"), lease=600))
    assert one.holder() == info
    two.unlock("b")


def test_it_tells_whose_lock_it_took_over_and_nothing_of_one_that_was_let_go(place: Place) -> None:
    one, two = place.client(), place.client()
    assert taken(one.lock(claim("a"), lease=600)).after is None
    place.clock.advance(600 + MARGIN + 1)
    info = taken(two.lock(claim("b"), lease=600))
    # A state server takes nothing from one whose lock is not there any more: there it makes no difference.
    assert info.after == (None if isinstance(two, HttpBackend) else "a")
    renewed = two.renew(info, lease=600)
    assert renewed.after == info.after
    assert one.holder() == renewed
    two.unlock("b")
    assert taken(one.lock(claim("c"), lease=600)).after is None
    one.unlock("c")


def test_a_renewed_lease_lasts(place: Place) -> None:
    one, two = place.client(), place.client()
    info = taken(one.lock(claim("a"), lease=600))
    place.clock.advance(500)
    renewed = one.renew(info, lease=900)
    assert renewed.expires == milliseconds(place.clock.now()) + 900_000
    assert renewed.created == info.created
    place.clock.advance(900)
    assert refused(two.lock(claim("b"), lease=600)) == renewed
    one.unlock("a")


def test_a_holder_past_his_lease_may_renew_if_nobody_came(place: Place) -> None:
    one = place.client()
    info = taken(one.lock(claim("a"), lease=600))
    place.clock.advance(10_000)
    one.renew(info, lease=600)
    refused(place.client().lock(claim("b"), lease=600))
    one.unlock("a")


def test_a_lock_of_no_process_lasts_its_lease_and_no_longer(place: Place) -> None:
    hand = msgspec.structs.replace(claim("a"), process=nobody("build-7"), reason="repair", by_hand=True)
    info = taken(place.client().lock(hand, lease=3600))
    assert (info.by_hand, info.reason) == (True, "repair")
    place.clock.advance(3600 + MARGIN - 1)
    assert refused(place.client().lock(claim("b"), lease=600)) == info
    place.clock.advance(2)
    other = place.client()
    taken(other.lock(claim("b"), lease=600))
    other.unlock("b")


def test_who_was_taken_over_can_neither_renew_nor_let_go(place: Place) -> None:
    one, two = place.client(), place.client()
    old = taken(one.lock(claim("a"), lease=600))
    place.clock.advance(600 + MARGIN + 1)
    new = taken(two.lock(claim("b", "bob@laptop"), lease=600))
    with pytest.raises(Locked, match="bob@laptop"):
        one.renew(old, lease=600)
    one.unlock("a")
    assert two.holder() == new
    two.renew(new, lease=600)
    two.unlock("b")


def test_who_never_held_it_cannot_renew(place: Place) -> None:
    with pytest.raises(Locked, match="nobody holds it"):
        place.client().renew(claim("a"), lease=600)


def test_it_can_be_broken_by_its_id_without_the_lock(place: Place) -> None:
    one, two = place.client(), place.client()
    info = taken(one.lock(claim("a"), lease=600))
    assert two.break_lock("a")
    assert two.holder() is None
    with pytest.raises(Locked):
        one.renew(info, lease=600)
    taken(two.lock(claim("b"), lease=600))
    one.unlock("a")
    two.unlock("b")


def test_a_wrong_id_breaks_nothing_and_says_the_right_one(place: Place) -> None:
    one, two = place.client(), place.client()
    info = taken(one.lock(claim("the-right-one"), lease=600))
    with pytest.raises(Locked, match="the-right-one"):
        two.break_lock("the-wrong-one")
    one.renew(info, lease=600)
    one.unlock("the-right-one")


def test_where_no_lock_is_there_is_none_to_break(place: Place) -> None:
    assert place.client().break_lock("a") is False


DAMAGED = {"empty": b"", "torn": b'{"id":"a","who":"an', "alien": b"\x00\xff not json \x1b[31m", "wrong": b'{"id":5}'}


@pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_lock_is_shown_holds_and_can_be_broken(place: Place, data: bytes) -> None:
    place.damage_lock(data)
    client = place.client()
    answer = client.lock(claim("a"), lease=600)
    assert isinstance(answer, Busy)
    holder = answer.holder
    assert isinstance(holder, DamagedLock)
    assert client.holder() == holder
    with pytest.raises(Locked, match=holder.id):
        client.break_lock("a")
    assert client.break_lock(holder.id)
    taken(client.lock(claim("a"), lease=600))
    client.unlock("a")


@pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_lock_ends_by_itself(place: Place, data: bytes) -> None:
    place.damage_lock(data)
    client = place.client()
    # Where nothing tells how old it is, its time begins when it is first met.
    assert isinstance(client.lock(claim("a"), lease=600), Busy)
    place.clock.advance(LEASE + MARGIN + 60)
    taken(client.lock(claim("a"), lease=600))
    client.unlock("a")


def test_the_lock_can_be_found_by_a_person(place: Place) -> None:
    assert "lock" in place.client().describe_lock()
    assert "state" in place.client().describe()


def test_of_many_threads_at_once_exactly_one_gets_it(place: Place) -> None:
    for _ in range(10):
        clients = [place.client() for _ in range(6)]
        start = threading.Barrier(len(clients))

        def take(number: int) -> bool:
            start.wait()  # noqa: B023 (it is run within this round)
            return isinstance(clients[number].lock(claim(f"{number}"), lease=600), LockInfo)  # noqa: B023

        with ThreadPoolExecutor(len(clients)) as pool:
            won = list(pool.map(take, range(len(clients))))
        assert won.count(True) == 1
        clients[won.index(True)].unlock(f"{won.index(True)}")


def test_of_many_threads_that_keep_trying_never_two_are_inside(place: Place) -> None:
    inside = itertools.count()
    seen: list[int] = []
    total: list[int] = []

    def go(number: int) -> None:
        client = place.client()
        done = 0
        while done < 10:
            if isinstance(client.lock(claim(f"{number}"), lease=600), LockInfo):
                seen.append(number)
                total.append(next(inside))
                assert seen == [number]
                seen.remove(number)
                client.unlock(f"{number}")
                done += 1

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(go, range(4)))
    assert len(total) == 40


def test_an_expired_lock_is_taken_over_by_exactly_one(place: Place) -> None:
    for _ in range(10):
        place.client().lock(claim("dead"), lease=1)
        place.clock.advance(MARGIN + 5)
        clients = [place.client() for _ in range(6)]
        start = threading.Barrier(len(clients))

        def take(number: int) -> bool:
            start.wait()  # noqa: B023 (it is run within this round)
            return isinstance(clients[number].lock(claim(f"{number}"), lease=600), LockInfo)  # noqa: B023

        with ThreadPoolExecutor(len(clients)) as pool:
            won = list(pool.map(take, range(len(clients))))
        assert won.count(True) == 1
        clients[won.index(True)].unlock(f"{won.index(True)}")
