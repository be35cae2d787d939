"""A state in a bucket, where requests arrive late, clocks differ, and objects are removed by other hands."""

# ruff: noqa: PT012 (what a run raises comes out of the whole block in which it holds the state)

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from uuid import uuid4

import pytest
from obstore.exceptions import GenericError

from mics_iac.clouds.attempts import Unsure
from mics_iac.core.place import BucketPlace
from mics_iac.core.state import decode_state
from mics_iac.errors import Locked, StateConflict, StoreFailed, StoreRefused
from mics_iac.store.backend import LEASE, MARGIN, Busy, LockInfo
from mics_iac.store.bucket import ANY, Bucket, open_bucket
from mics_iac.store.held import hold
from mics_iac.store.history import peek
from mics_iac.store.objects import ObjectBackend
from tests.servers.processes import Distant
from tests.servers.s3 import make_bucket
from tests.store.stand import ADDRESS, API, SetClock, claim, context, created, executions, upload

STEM = "states/imports.state"
YEAR = 365 * 86_400.0


class LateBucket(Bucket):
    """A bucket of which a put may stay on its way: its sender hears nothing, and it arrives when it is let."""

    def __init__(self, bucket: Bucket) -> None:
        super().__init__(bucket.opened, where=bucket.where)
        self.waiting: list[Callable[[], object]] = []
        self.delay: Callable[[str], bool] = lambda _: False

    def put(self, key: str, data: bytes, *, expected: object = ANY) -> str:
        if self.delay(key):
            self.waiting.append(lambda: super(LateBucket, self).put(key, data, expected=expected))
            raise Unsure("it timed out")
        return super().put(key, data, expected=expected)

    def arrive(self) -> None:
        """Let all that is on its way arrive; what its condition refuses by then, it refuses."""
        self.delay = lambda _: False
        for put in self.waiting:
            with contextlib.suppress(Exception):  # nobody listens any more
                put()
        self.waiting.clear()


@dataclass
class Stand:
    """A bucket, and clients of one state in it."""

    server: Distant
    place: BucketPlace
    clock: SetClock = field(default_factory=SetClock)

    def bucket(self) -> LateBucket:
        keys = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any"}
        return LateBucket(open_bucket(self.place, keys))

    def client(self, bucket: Bucket | None = None, *, clock: SetClock | None = None) -> ObjectBackend:
        return ObjectBackend(
            bucket or self.bucket(), folder="states", name="imports.state.json", clock=clock or self.clock
        )

    def store_time(self, seconds: float) -> None:
        """Move the store's own clock."""
        self.server.set_clock(ahead=seconds)


@pytest.fixture
def stand(s3_server: Distant, monkeypatch: pytest.MonkeyPatch) -> Stand:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    place = BucketPlace("s3", make_bucket(s3_server.url), region="us-east-1", endpoint=s3_server.url)
    return Stand(s3_server, place)


def known(stand: Stand) -> frozenset[str]:
    return peek(stand.client(), api_url=API, environment=None).known_executions(ADDRESS)


def keys(stand: Stand, folder: str = "states") -> list[str]:
    return stand.bucket().keys(folder)


# Whose clock.


@pytest.mark.parametrize("ahead", [YEAR, -YEAR])
def test_a_machine_whose_clock_is_wrong_takes_no_living_lock(stand: Stand, ahead: float) -> None:
    holder = stand.client()
    assert isinstance(holder.lock(claim("one"), lease=LEASE), LockInfo)
    wrong = stand.client(clock=SetClock(stand.clock.now() + ahead))
    assert isinstance(wrong.lock(claim("two"), lease=LEASE), Busy)
    holder.check(claim("one"))
    shown = wrong.holder()
    assert isinstance(shown, LockInfo)


@pytest.mark.parametrize("ahead", [YEAR, -YEAR])
def test_a_machine_whose_clock_is_wrong_takes_one_that_is_over_by_the_stores(stand: Stand, ahead: float) -> None:
    assert isinstance(stand.client().lock(claim("one"), lease=LEASE), LockInfo)
    stand.store_time(LEASE + MARGIN + 5)
    wrong = stand.client(clock=SetClock(stand.clock.now() + ahead))
    assert isinstance(wrong.lock(claim("two"), lease=LEASE), LockInfo)


# What arrives late.


def test_a_renewal_that_arrives_late_is_still_ones_own(stand: Stand) -> None:
    bucket = stand.bucket()
    client = stand.client(bucket)
    info = client.lock(claim("one"), lease=LEASE)
    assert isinstance(info, LockInfo)
    bucket.delay = lambda key: key.endswith(".lock")
    with pytest.raises(StoreFailed):
        client.renew(info, lease=LEASE)
    bucket.arrive()
    client.check(info)
    client.renew(info, lease=LEASE)
    client.unlock("one")
    assert stand.client().holder() is None


def test_a_renewal_that_arrives_after_the_lock_was_taken_over_is_refused(stand: Stand) -> None:
    bucket = stand.bucket()
    one, two = stand.client(bucket), stand.client()
    info = one.lock(claim("one"), lease=LEASE)
    assert isinstance(info, LockInfo)
    bucket.delay = lambda key: key.endswith(".lock")
    with pytest.raises(StoreFailed):
        one.renew(info, lease=LEASE)
    assert two.break_lock("one")
    taken = two.lock(claim("two"), lease=LEASE)
    assert isinstance(taken, LockInfo)
    bucket.arrive()
    two.check(taken)
    with pytest.raises(Locked):
        one.check(info)


def test_a_state_that_arrives_after_the_lock_was_taken_over_is_refused(stand: Stand) -> None:
    """The worst moment: it was allowed, and is put when the next run has begun."""
    bucket = stand.bucket()
    with (
        pytest.raises(StoreFailed),
        hold(stand.client(bucket), clock=stand.clock, context=context("one")) as held,
    ):
        held.record(created(), *upload(1))
        bucket.delay = lambda key: key == f"{STEM}.json"
    with hold(stand.client(), clock=stand.clock, context=context("two")) as other:
        bucket.arrive()
        other.record(*upload(2))
    found = stand.client().read()
    assert found is not None
    state = decode_state(found.data, name="the state")
    assert [e.id for e in state.imports[ADDRESS].current.executions] == executions([*upload(1), *upload(2)])
    assert keys(stand, f"{STEM}.journal") == []


def test_a_record_that_arrives_after_its_journal_was_dropped_is_no_journal(stand: Stand) -> None:
    bucket = stand.bucket()
    with (
        pytest.raises(StoreFailed),
        hold(stand.client(bucket), clock=stand.clock, context=context("one")) as held,
    ):
        held.record(created())
        bucket.delay = lambda key: ".journal/" in key
        held.record(upload(1)[0])
    with hold(stand.client(), clock=stand.clock, context=context("two")):
        bucket.arrive()
    assert stand.client().journals() == []
    assert known(stand) == frozenset()
    with hold(stand.client(), clock=stand.clock, context=context("three")) as held:
        held.record(*upload(2))
    assert keys(stand, f"{STEM}.journal") == []


def test_after_a_lock_was_broken_the_state_is_put_anew(stand: Stand) -> None:
    """Nothing is left to be saved, and still the one who lost it must not be able to replace the state."""
    with hold(stand.client(), clock=stand.clock, context=context("one")) as held:
        held.record(created(), *upload(1))
    sleeper = stand.client()
    assert isinstance(sleeper.lock(claim("sleeper"), lease=LEASE), LockInfo)
    before = sleeper.read()
    assert before is not None
    assert stand.client().break_lock("sleeper")
    with hold(stand.client(), clock=stand.clock, context=context("two")), pytest.raises(StateConflict):
        sleeper.write(b"what he was allowed to put", expected=before.version)
    assert known(stand) == set(executions(list(upload(1))))


# What others do to the objects.


def test_a_lock_object_that_somebody_removed_is_a_lost_lock(stand: Stand) -> None:
    client = stand.client()
    info = client.lock(claim("one"), lease=LEASE)
    assert isinstance(info, LockInfo)
    stand.bucket().remove([f"{STEM}.lock"])
    with pytest.raises(Locked):
        client.check(info)
    with pytest.raises(Locked):
        client.renew(info, lease=LEASE)


def test_a_group_of_a_journal_that_is_missing_is_damage(stand: Stand) -> None:
    class Killed(BaseException):
        pass

    bucket = stand.bucket()
    with (
        pytest.raises(Killed),
        hold(stand.client(bucket), clock=stand.clock, context=context("one")) as held,
    ):
        for number in range(3):
            held.record(*upload(number))
        held.save = lambda: None  # type: ignore[method-assign]  # the dead do not save
        raise Killed
    first, second, third = keys(stand, f"{STEM}.journal")
    stand.bucket().remove([second])
    with pytest.raises(Exception, match="damaged"):
        known(stand)
    assert first < second < third


def test_other_objects_below_the_prefix_are_left_alone(stand: Stand) -> None:
    strangers = [f"{STEM}.backup/notes.txt", f"{STEM}.journal/readme", "states/imports.production.state.json"]
    for key in strangers:
        stand.bucket().put(key, uuid4().bytes)
    for number in range(8):
        with hold(stand.client(), clock=stand.clock, context=context(f"run-{number}")) as held:
            held.record(created(), *upload(number))
    assert set(strangers) <= set(keys(stand))
    assert len(stand.client().backups()) == 5


def test_a_state_that_was_replaced_behind_the_lock_is_not_overwritten(stand: Stand) -> None:
    with hold(stand.client(), clock=stand.clock, context=context("one")) as held:
        held.record(created())
    with (
        pytest.raises(StateConflict, match="changed by somebody else"),
        hold(stand.client(), clock=stand.clock, context=context("two")) as held,
    ):
        held.record(*upload(1))
        stand.bucket().put(f"{STEM}.json", b"by hand")
    assert stand.bucket().get(f"{STEM}.json").data == b"by hand"  # type: ignore[union-attr]


def test_the_name_of_a_journal_that_was_set_aside_may_be_used_again(stand: Stand) -> None:
    former, mending, name = stand.client(), stand.client(), "00000001-0001"
    former.append(name, b"damaged\n")
    former.append(name, b"more of it\n")
    assert "damaged" in mending.set_aside(name)
    mending.append(name, b"one\n")
    mending.append(name, b"two\n")
    assert [(blob.name, blob.data) for blob in stand.client().journals()] == [(name, b"one\ntwo\n")]


# What many do at once.


def test_who_waits_asks_for_the_stores_time_once_until_the_lease_may_be_over(stand: Stand) -> None:
    assert isinstance(stand.client().lock(claim("one"), lease=LEASE), LockInfo)
    waiting = stand.client()
    stand.server.forget()
    for _ in range(10):
        assert isinstance(waiting.lock(claim("two"), lease=LEASE), Busy)
        stand.clock.advance(5)
    assert stand.server.count("PUT") == 1
    stand.clock.advance(LEASE + MARGIN)
    # By our clock it may be over: the store says that it is not.
    assert isinstance(waiting.lock(claim("two"), lease=LEASE), Busy)
    assert stand.server.count("PUT") == 2
    stand.store_time(LEASE + MARGIN + 60)
    stand.clock.advance(LEASE + MARGIN + 60)
    assert isinstance(waiting.lock(claim("two"), lease=LEASE), LockInfo)


def test_first_runs_that_meet_do_not_take_each_others_trials_for_a_store_without_conditions(stand: Stand) -> None:
    polling = stand.client()
    for _ in range(8):
        stand.bucket().remove([f"{STEM}.lock"])
        with ThreadPoolExecutor(6) as pool:
            times = [
                pool.submit(lambda: polling._lock._bucket.now(f"{STEM}.clock", mark=uuid4().hex)) for _ in range(3)
            ]
            taken = list(pool.map(lambda n: stand.client().lock(claim(f"{n}"), lease=LEASE), range(6)))
            assert all(one.result() for one in times)
        assert sum(isinstance(one, LockInfo) for one in taken) == 1


def test_a_store_that_puts_whatever_the_condition_is_refused(stand: Stand) -> None:
    class Careless(LateBucket):
        def put(self, key: str, data: bytes, *, expected: object = ANY) -> str:
            return super().put(key, data)

    with pytest.raises(StoreFailed, match="whatever the condition"):
        stand.client(Careless(stand.bucket())).lock(claim("one"), lease=LEASE)
    assert f"{STEM}.lock" not in keys(stand)


def test_without_credentials_it_is_said_where_they_are_looked_for() -> None:
    class Nobody(Bucket):
        def get(self, key: str) -> None:
            error = GenericError("Generic S3 error: Error performing PUT http://169.254.169.254/latest/api/token in 1s")
            raise self._translated(error)

    nobody = Nobody(lambda: None, where="s3://acme-states")  # type: ignore[arg-type, return-value]  # it is not opened
    with pytest.raises(StoreRefused, match="there are no credentials") as caught:
        ObjectBackend(nobody, folder="", name="imports.state.json", clock=SetClock()).read()
    assert "AWS_ACCESS_KEY_ID" in str(caught.value.remedy)
