"""A server's lock that was left behind where the document tells nothing, or no more, of who has it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import pytest

from mics_iac.core.place import HttpPlace
from mics_iac.errors import StoreFailed
from mics_iac.store.backend import Busy, LockInfo, Process
from mics_iac.store.http import HttpBackend
from mics_iac.store.process import this_process
from mics_iac.store.stateserver import Access, StateServer
from tests.servers.faults import Fault
from tests.servers.state_http import StateServer as Served
from tests.servers.state_http import state_server
from tests.store.stand import SetClock, claim

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells who is gone")


@dataclass
class Stand:
    """A server, and the clock of all of its clients."""

    served: Served
    clock: SetClock

    def client(self) -> HttpBackend:
        address = self.served.address("imports")
        place = HttpPlace(address)
        if self.served.flavour == "gitlab":
            place = HttpPlace(address, lock_address=f"{address}/lock", lock_method="POST", unlock_method="DELETE")
        return HttpBackend(StateServer(place, Access()), clock=self.clock)

    def out_of_order(self, *methods: str) -> None:
        """From now on these fail, until `faults.clear`."""
        self.served.faults.add(Fault("status", methods=methods, status=503, times=None))


@pytest.fixture(params=["strict", "gitlab"])
def stand(request: pytest.FixtureRequest) -> Iterator[Stand]:
    clock = SetClock()
    with state_server(request.param, now=clock.now) as served:
        yield Stand(served, clock)


@pytest.fixture
def gone() -> Process:
    """A process of this machine that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return msgspec.structs.replace(this_process(), pid=process.pid)


def claim_of(process: Process, lock_id: str) -> LockInfo:
    return msgspec.structs.replace(claim(lock_id), process=process)


def test_of_one_who_ended_while_he_let_go_the_lock_is_taken_at_once(stand: Stand, gone: Process) -> None:
    dead = stand.client()
    assert isinstance(dead.lock(claim_of(gone, "dead"), lease=600), LockInfo)
    stand.out_of_order("UNLOCK", "DELETE")
    with pytest.raises(StoreFailed):
        dead.unlock("dead")
    stand.served.faults.clear()
    assert isinstance(stand.client().lock(claim("b"), lease=600), LockInfo)


def test_while_one_lets_go_another_machine_does_not_wait_for_his_whole_lease(stand: Stand) -> None:
    one = stand.client()
    assert isinstance(one.lock(claim("a"), lease=600), LockInfo)
    stand.out_of_order("UNLOCK", "DELETE")
    with pytest.raises(StoreFailed):
        one.unlock("a")
    stand.served.faults.clear()
    assert isinstance(stand.client().lock(claim("b"), lease=600), Busy)
    stand.clock.advance(62)
    assert isinstance(stand.client().lock(claim("b"), lease=600), LockInfo)


@pytest.mark.parametrize("stand", ["strict"], indirect=True)
def test_of_one_who_ended_before_the_document_told_of_him_the_lock_is_taken_at_once(
    stand: Stand, gone: Process
) -> None:
    """GitLab gives nothing back of what a holder says of himself but his id: there his lease is waited for."""
    stand.out_of_order("POST", "UNLOCK")
    with pytest.raises(StoreFailed):
        stand.client().lock(claim_of(gone, "dead"), lease=600)
    stand.served.faults.clear()
    shown = stand.client().holder()
    assert isinstance(shown, LockInfo)
    assert (shown.id, shown.process, shown.reason) == ("dead", gone, None)
    assert isinstance(stand.client().lock(claim("b"), lease=600), LockInfo)


@pytest.mark.parametrize("stand", ["strict"], indirect=True)
@pytest.mark.parametrize("said", ["", "made by terraform", "[1]", '{"process": 3}'])
def test_what_others_say_of_their_locks_is_shown_as_it_is(stand: Stand, said: str) -> None:
    lock = {"ID": "terraform-1", "Who": "bob@laptop", "Operation": "OperationTypeApply", "Info": said}
    stand.served.documents.set_lock(stand.served.path("imports"), lock)
    shown = stand.client().holder()
    assert isinstance(shown, LockInfo)
    assert (shown.who, shown.reason) == ("bob@laptop", said or None)


@pytest.mark.parametrize("stand", ["gitlab"], indirect=True)
def test_a_server_that_gives_the_asker_his_own_words_tells_nothing_of_the_holder(stand: Stand, gone: Process) -> None:
    stand.served.documents.set_lock(stand.served.path("imports"), {"ID": "theirs", "Who": "root", "Created": ""})
    asked = stand.client().lock(msgspec.structs.replace(claim_of(gone, "b"), reason="ours"), lease=600)
    assert isinstance(asked, Busy)
    assert isinstance(asked.holder, LockInfo)
    assert (asked.holder.id, asked.holder.reason, asked.holder.process) == ("theirs", None, Process("", 0))
