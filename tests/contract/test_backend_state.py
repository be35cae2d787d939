"""What every backend promises about the state and the journals."""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from mics_iac.errors import StateConflict
from mics_iac.store.backend import RING
from tests.contract.places import Place


def test_there_is_no_state_at_first(place: Place) -> None:
    assert place.client().read() is None
    assert place.client().journals() == []


def test_what_one_writes_another_reads(place: Place) -> None:
    version = place.client().write(b"one\n", expected=None)
    snapshot = place.client().read()
    assert snapshot is not None
    assert (snapshot.data, snapshot.version) == (b"one\n", version)


@pytest.mark.parametrize("data", [b"", b"\x00\xff\n\r", b"x" * 3_000_000], ids=["empty", "binary", "large"])
def test_bytes_come_back_as_they_were(place: Place, data: bytes) -> None:
    place.client().write(data, expected=None)
    snapshot = place.client().read()
    assert snapshot is not None
    assert snapshot.data == data


def test_a_new_version_differs_and_is_the_one_to_expect(place: Place) -> None:
    client = place.client()
    first = client.write(b"one", expected=None)
    second = client.write(b"two", expected=first)
    assert first != second
    client.write(b"three", expected=second)


def test_a_state_that_is_there_is_not_taken_for_none(place: Place) -> None:
    place.client().write(b"one", expected=None)
    with pytest.raises(StateConflict):
        place.client().write(b"two", expected=None)
    snapshot = place.client().read()
    assert snapshot is not None
    assert snapshot.data == b"one"


def test_a_state_that_is_not_there_is_not_expected(place: Place) -> None:
    with pytest.raises(StateConflict):
        place.client().write(b"one", expected="v1")
    assert place.client().read() is None


def test_of_two_writers_the_second_is_refused(place: Place) -> None:
    one, two = place.client(), place.client()
    version = one.write(b"base", expected=None)
    one.write(b"from one", expected=version)
    with pytest.raises(StateConflict):
        two.write(b"from two", expected=version)
    snapshot = two.read()
    assert snapshot is not None
    assert snapshot.data == b"from one"


def test_many_groups_come_back_whole_and_in_order(place: Place) -> None:
    client = place.client()
    groups = [b"%d " % number + b"x" * (number % 97) + b"\n" for number in range(place.many)]
    for group in groups:
        client.append("00000000-0001", group)
    [journal] = place.client().journals()
    assert journal.name == "00000000-0001"
    assert journal.data == b"".join(groups)


def test_journals_come_in_the_order_of_their_names(place: Place) -> None:
    names = ["00000010-0001", "00000009-0002", "00000009-0010", "00000009-0001"]
    client = place.client()
    for name in names:
        client.append(name, name.encode())
    assert [(blob.name, blob.data) for blob in place.client().journals()] == [(n, n.encode()) for n in sorted(names)]


def test_a_message_can_say_where_a_journal_is(place: Place) -> None:
    client = place.client()
    client.append("00000000-0001", b"x\n")
    assert "00000000-0001" in client.journals()[0].where


def test_dropped_journals_are_gone_and_the_others_stay(place: Place) -> None:
    client = place.client()
    for name in ["00000001-0001", "00000001-0002", "00000002-0001"]:
        client.append(name, b"x\n")
    place.client().drop(["00000001-0001", "00000001-0002", "00000077-0001"])
    assert [blob.name for blob in place.client().journals()] == ["00000002-0001"]


def test_dropping_nothing_is_no_error(place: Place) -> None:
    place.client().drop([])


def test_a_journal_belongs_to_the_client_that_made_it(place: Place) -> None:
    place.client().append("00000001-0001", b"mine\n")
    with pytest.raises(StateConflict):
        place.client().append("00000001-0001", b"not mine\n")
    assert place.client().journals()[0].data == b"mine\n"


@pytest.mark.parametrize("by_itself", [True, False])
def test_a_journal_that_was_dropped_is_not_begun_again(place: Place, by_itself: bool) -> None:
    client = place.client()
    client.append("00000001-0001", b"one\n")
    (client if by_itself else place.client()).drop(["00000001-0001"])
    # Some places do not notice what another client dropped; then what comes after it is no journal's.
    with pytest.raises(StateConflict) if by_itself else contextlib.suppress(StateConflict):
        client.append("00000001-0001", b"two\n")
    assert place.client().journals() == []


def test_a_write_leaves_the_journals_alone(place: Place) -> None:
    client = place.client()
    client.append("00000001-0001", b"x\n")
    client.write(b"state", expected=None)
    assert [blob.data for blob in client.journals()] == [b"x\n"]


def test_threads_may_append_and_read_at_once(place: Place) -> None:
    client = place.client()
    ended = threading.Event()

    def read() -> int:
        rounds = 0
        while not ended.is_set():
            assert all(blob.data.startswith(b"x") for blob in client.journals() if blob.data)
            rounds += 1
        return rounds

    def append(thread: int) -> None:
        for _ in range(50):
            client.append(f"00000001-{thread:04d}", b"x%d\n" % thread)

    with ThreadPoolExecutor(5) as pool:
        reader = pool.submit(read)
        try:
            list(pool.map(append, range(4)))
        finally:
            ended.set()
        assert reader.result() > 0
    assert [blob.data for blob in client.journals()] == [b"x%d\n" % thread * 50 for thread in range(4)]


def test_of_many_threads_that_write_at_once_exactly_one_wins(place: Place) -> None:
    start = threading.Barrier(6)
    base = place.client().write(b"base", expected=None)

    def write(number: int) -> bool:
        client = place.client()
        start.wait()
        try:
            client.write(b"from %d" % number, expected=base)
        except StateConflict:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        won = list(pool.map(write, range(6)))
    snapshot = place.client().read()
    assert snapshot is not None
    assert won.count(True) == 1
    assert snapshot.data == b"from %d" % won.index(True)


def test_what_a_write_replaces_is_kept_the_newest_first(place: Place) -> None:
    client = place.client()
    assert client.backups() == []
    version = client.write(b"state 0", expected=None)
    assert client.backups() == []
    for number in range(1, RING + 3):
        version = client.write(b"state %d" % number, expected=version)
        kept = [blob.data for blob in place.client().backups()]
        assert kept == [b"state %d" % n for n in range(number - 1, max(-1, number - 1 - RING), -1)]
    names = [blob.name for blob in client.backups()]
    assert len(set(names)) == RING
    assert all(blob.where for blob in client.backups())


def test_a_write_that_is_refused_leaves_the_backups_alone(place: Place) -> None:
    client = place.client()
    version = client.write(b"one", expected=None)
    client.write(b"two", expected=version)
    before = client.backups()
    with pytest.raises(StateConflict):
        client.write(b"three", expected=version)
    assert [blob.data for blob in client.backups()] == [blob.data for blob in before]


def test_a_journal_that_was_set_aside_is_read_no_more(place: Place) -> None:
    client = place.client()
    client.append("00000000-0001", b"one\n")
    client.append("00000000-0002", b"two\n")
    where = client.set_aside("00000000-0001")
    assert "00000000-0001" in where
    assert [blob.name for blob in place.client().journals()] == ["00000000-0002"]


def test_the_name_of_a_journal_that_was_set_aside_may_be_used_again(place: Place) -> None:
    """Who sets one aside goes on: if it was the only one, and the state was whole, with a journal of that very name."""
    place.client().append("00000001-0001", b"damaged\n")
    client = place.client()
    client.set_aside("00000001-0001")
    client.append("00000001-0001", b"one\n")
    client.append("00000001-0001", b"two\n")
    assert [(blob.name, blob.data) for blob in place.client().journals()] == [("00000001-0001", b"one\ntwo\n")]
