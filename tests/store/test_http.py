"""The one document of a state server: damaged, somebody else's, and kept by a server that is none too strict."""

# ruff: noqa: PT012 (what a run raises comes out of the whole block in which it holds the state)

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from mics_iac.core.place import HttpPlace
from mics_iac.errors import Locked, MicsError, StateDamaged, StateUnreadable, StoreFailed, StoreRefused
from mics_iac.store.backend import Busy, LockInfo
from mics_iac.store.held import hold
from mics_iac.store.history import peek
from mics_iac.store.http import HttpBackend
from mics_iac.store.stateserver import Access, StateServer
from tests.servers.faults import Fault
from tests.servers.state_http import StateServer as Served
from tests.servers.state_http import state_server
from tests.store.stand import ADDRESS, API, SetClock, claim, context, created, executions, upload

NAME = "imports"
TERRAFORM = (
    b'{"version": 4, "terraform_version": "1.9.0", "serial": 7, "lineage": "abc", "outputs": {}, "resources": []}'
)


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def served(clock: SetClock) -> Iterator[Served]:
    with state_server(now=clock.now) as server:
        yield server


def client(served: Served, clock: SetClock, access: Access | None = None) -> HttpBackend:
    return HttpBackend(StateServer(HttpPlace(served.address(NAME)), access or Access()), clock=clock)


def body(served: Served) -> bytes:
    found = served.documents.body(served.path(NAME))
    assert found is not None
    return found


def put(served: Served, data: bytes) -> None:
    served.documents.write(served.path(NAME), data)


def loaded_once(served: Served, clock: SetClock) -> None:
    with hold(client(served, clock), clock=clock, context=context()) as held:
        held.record(created(), *upload(1))


def loaded(served: Served, clock: SetClock) -> frozenset[str]:
    return peek(client(served, clock), api_url=API, environment=None).known_executions(ADDRESS)


@pytest.mark.slow
def test_wherever_it_is_damaged_nothing_is_taken_for_none_and_it_can_be_mended(served: Served, clock: SetClock) -> None:
    loaded_once(served, clock)
    whole, all_of_it = body(served), frozenset(executions(list(upload(1))))
    assert loaded(served, clock) == all_of_it
    for place in range(0, len(whole), 7):
        put(served, whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            assert loaded(served, clock) == all_of_it, place
            continue
        except StateUnreadable:
            pass
        with (
            pytest.raises(StateUnreadable) as caught,
            hold(client(served, clock), clock=clock, context=context("run-2")),
        ):
            pass
        assert served.documents.lock(served.path(NAME)) is None
        if not isinstance(caught.value, StateDamaged):
            continue  # its marker says that it is of a newer version
        with hold(client(served, clock), clock=clock, context=context("run-3"), repair=True) as held:
            assert held.mended is not None
            assert held.mended.state
        assert client(served, clock).backups(), "the damaged bytes are kept"


@pytest.mark.parametrize("cut", [2, 20, 200])
def test_one_that_is_cut_off_is_a_damaged_state(served: Served, clock: SetClock, cut: int) -> None:
    loaded_once(served, clock)
    put(served, body(served)[:-cut])
    with pytest.raises(StateDamaged):
        loaded(served, clock)


@pytest.mark.parametrize("repair", [False, True])
@pytest.mark.parametrize("data", [TERRAFORM, b"[]", b'"a"', b"{}"], ids=["terraform", "list", "text", "empty"])
def test_somebody_elses_is_refused_and_left_as_it_is(
    served: Served, clock: SetClock, data: bytes, repair: bool
) -> None:
    put(served, data)
    with (
        pytest.raises(StateUnreadable, match="no state of mics-iac"),
        hold(client(served, clock), clock=clock, context=context(), repair=repair),
    ):
        pass
    assert body(served) == data
    assert served.documents.lock(served.path(NAME)) is None


def test_a_server_that_takes_a_state_from_anybody_is_refused_every_time(served: Served, clock: SetClock) -> None:
    for _ in range(2):
        # Whatever it is asked to refuse, it takes.
        served.faults.add(Fault("status", methods=("POST",), status=200, acts=True))
        with pytest.raises(StoreFailed, match="cannot keep two runs apart"):
            client(served, clock).lock(claim(), lease=600)
        assert served.documents.lock(served.path(NAME)) is None
        served.faults.clear()
        served.documents.write(served.path(NAME), b'{"mics_iac": 1, "serial": 1, "revision": "trial-1"}')


def test_a_server_that_does_not_say_who_has_its_lock_is_refused(served: Served, clock: SetClock) -> None:
    served.faults.add(Fault("status", methods=("LOCK",), nth=2, times=None, status=423, body=""))
    with pytest.raises(StoreFailed, match="does not say who holds its lock"):
        client(served, clock).lock(claim(), lease=600)


def test_a_server_that_gives_its_lock_to_two_is_refused(served: Served, clock: SetClock) -> None:
    served.faults.add(Fault("status", methods=("LOCK",), nth=2, times=None, status=200, body="{}"))
    with pytest.raises(StoreFailed, match="gives its lock to two"):
        client(served, clock).lock(claim(), lease=600)


def test_where_the_server_does_not_say_who_has_it_the_document_does(served: Served, clock: SetClock) -> None:
    """As a proxy may make of it, or another version of that server."""
    one, two = client(served, clock), client(served, clock)
    assert isinstance(one.lock(claim("one"), lease=600), LockInfo)
    served.faults.add(Fault("status", methods=("LOCK",), times=2, status=423, body=""))
    taken = two.lock(claim("two"), lease=600)
    assert isinstance(taken, Busy)
    assert isinstance(taken.holder, LockInfo)
    assert taken.holder.id == "one"
    assert two.break_lock("one")
    served.faults.clear()
    assert isinstance(two.lock(claim("two"), lease=600), LockInfo)


def test_a_project_that_one_may_not_see_is_not_taken_for_one_without_a_state(served: Served, clock: SetClock) -> None:
    said = '{"message": "404 Project Not Found"}'
    served.faults.add(Fault("status", times=None, status=404, body=said))
    with pytest.raises(StoreRefused, match="no such project"):
        client(served, clock).read()
    with pytest.raises(StoreRefused, match="no such project"):
        client(served, clock).lock(claim(), lease=600)


def test_after_a_sleep_a_lease_begins_when_it_is_renewed(served: Served, clock: SetClock) -> None:
    """While a machine is suspended its monotonic clock stands still, and its wall clock goes on."""
    one, two = client(served, clock), client(served, clock)
    info = one.lock(claim("one"), lease=600)
    assert isinstance(info, LockInfo)
    clock.wall += 1800
    renewed = one.renew(info, lease=600)
    assert renewed.expires == int((clock.wall + 600) * 1000)
    assert isinstance(two.lock(claim("two"), lease=600), Busy)
    one.check(info)


def test_a_machine_that_slept_without_knowing_finds_out_by_the_servers_time(clock: SetClock) -> None:
    """A virtual machine whose host paused it: both of its clocks stood still."""
    own = SetClock()
    with state_server(now=clock.now) as server:
        one, two = client(server, own), client(server, clock)
        info = one.lock(claim("one"), lease=600)
        assert isinstance(info, LockInfo)
        clock.advance(1800)
        one.renew(info, lease=600)
        taken = two.lock(claim("two"), lease=600)
        assert isinstance(taken, Busy)


def test_an_older_document_that_arrives_late_is_put_right(lenient: Served, clock: SetClock) -> None:
    holder = client(lenient, clock)
    info = holder.lock(claim("one"), lease=600)
    assert isinstance(info, LockInfo)
    holder.append("00000000-0001", b"one\n")
    older = body(lenient)
    holder.append("00000000-0001", b"two\n")
    put(lenient, older)
    holder.check(info)
    assert [blob.data for blob in client(lenient, clock).journals()] == [b"one\ntwo\n"]


def test_what_a_server_repeats_of_a_secret_is_not_shown(served: Served, clock: SetClock) -> None:
    access = Access("ana", "open-sesame", {"X-Key": "mellon"})
    said = "no: YW5hOm9wZW4tc2VzYW1l open-sesame mellon"
    served.faults.add(Fault("status", status=418, times=None, body=said))
    with pytest.raises(StoreFailed) as caught:
        client(served, clock, access).read()
    assert "418" in caught.value.message
    assert not [word for word in ("YW5h", "sesame", "mellon") if word in str(caught.value)]


def test_a_server_that_tells_no_time_is_refused(clock: SetClock) -> None:
    server = HttpPlace("http://127.0.0.1:9/states/imports")

    class Timeless(StateServer):
        def get(self):  # type: ignore[no-untyped-def]
            from mics_iac.store.stateserver import Answered  # noqa: PLC0415

            return Answered(404, b"", None)

    with pytest.raises(StoreFailed, match="tells no time"):
        HttpBackend(Timeless(server, Access()), clock=clock).lock(claim(), lease=600)


# A server that lets anybody take a lock away, and takes a state under the name of a lock that is none.


@pytest.fixture
def lenient(clock: SetClock) -> Iterator[Served]:
    with state_server("lenient", now=clock.now) as server:
        yield server


def test_who_lost_a_lenient_servers_lock_writes_nothing_once_somebody_has_it(lenient: Served, clock: SetClock) -> None:
    with (
        pytest.raises(Locked),
        hold(client(lenient, clock), clock=clock, context=context("one")) as held,
    ):
        held.record(created(), upload(1)[0])
        assert client(lenient, clock).break_lock("one")
        with hold(client(lenient, clock), clock=clock, context=context("two")) as other:
            # What he had recorded is known to whoever has it now.
            with other.reading() as ledger:
                assert [doubt.attempt for doubt in ledger.doubts(ADDRESS)] == ["attempt-1"]
            with pytest.raises(MicsError):
                held.record(upload(2)[0])
            held.fence(1)
    assert loaded(lenient, clock) == frozenset()


def test_letting_a_lost_lock_go_does_not_take_it_from_who_has_it(lenient: Served, clock: SetClock) -> None:
    one, two = client(lenient, clock), client(lenient, clock)
    assert isinstance(one.lock(claim("one"), lease=600), LockInfo)
    two.break_lock("one")
    assert isinstance(two.lock(claim("two"), lease=600), LockInfo)
    one.unlock("one")
    holder = client(lenient, clock).holder()
    assert isinstance(holder, LockInfo)
    assert holder.id == "two"


def test_the_document_is_json_with_a_serial_that_grows(served: Served, clock: SetClock) -> None:
    loaded_once(served, clock)
    before = json.loads(body(served))
    loaded_once(served, clock)
    after = json.loads(body(served))
    assert after["serial"] > before["serial"] > 0
