"""The server of the http state protocol: what tests of the backend `http` rest on, and could not tell themselves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.servers.faults import Fault, expired, read_only
from tests.servers.state_http import StateServer, state_server
from tests.servers.state_rules import Flavour, User

CLAIM = {"ID": "mine", "Operation": "apply", "Info": "", "Who": "ann@here", "Version": "1", "Created": "", "Path": ""}
OTHER = {**CLAIM, "ID": "other", "Operation": "plan", "Who": "bob@there"}


class Client:
    """Speaks to one document of one server, with no retries."""

    def __init__(self, server: StateServer, name: str = "imports", user: tuple[str, str] | None = None) -> None:
        self._server = server
        self._name = name
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.auth = user

    def close(self) -> None:
        self._session.close()

    def call(self, method: str, what: str = "", body: object = None) -> requests.Response:
        return self._session.request(method, self._server.address(self._name) + what, json=body, timeout=10)

    def lock(self, claim: dict[str, str]) -> requests.Response:
        return self.call("POST", "/lock", claim) if self._server.flavour == "gitlab" else self.call("LOCK", "", claim)

    def unlock(self, claim: dict[str, str]) -> int:
        gitlab = self._server.flavour == "gitlab"
        return self.call(*(("DELETE", "/lock") if gitlab else ("UNLOCK", "")), claim).status_code

    def update(self, body: object, lock: str | None = None) -> int:
        return self.call("POST", f"?ID={lock}" if lock else "", body).status_code

    def state(self) -> Any:
        answer = self.call("GET")
        return answer.json() if answer.status_code == 200 else answer.status_code


@pytest.fixture(params=["strict", "lenient", "gitlab"])
def server(request: pytest.FixtureRequest) -> Iterator[StateServer]:
    with state_server(request.param) as running:
        yield running


@pytest.fixture
def client(server: StateServer) -> Iterator[Client]:
    speaking = Client(server)
    yield speaking
    speaking.close()


def test_a_state_is_read_as_it_was_written_and_each_document_is_its_own(server: StateServer, client: Client) -> None:
    assert client.state() == {"strict": 404, "lenient": 204, "gitlab": 404}[server.flavour]
    assert client.update({"serial": 1, "a": "é"}) == 200
    assert client.state() == {"serial": 1, "a": "é"}
    other = Client(server, "other")
    assert other.state() != client.state()
    other.close()


def test_who_has_not_the_lock_cannot_write(client: Client) -> None:
    assert client.lock(CLAIM).status_code == 200
    assert client.update({"serial": 1}) in {409, 423}
    assert client.update({"serial": 1}, "other") in {409, 423}
    assert client.update({"serial": 1}, "mine") == 200
    assert client.unlock(CLAIM) == 200
    assert client.update({"serial": 2}) == 200


def test_a_lock_is_refused_while_it_is_held_even_to_its_holder(server: StateServer, client: Client) -> None:
    client.lock(CLAIM)
    refused = client.lock(OTHER)
    assert refused.status_code == (409 if server.flavour == "gitlab" else 423)
    assert refused.json()["ID"] == "mine"
    assert client.lock(CLAIM).status_code == refused.status_code


@pytest.mark.parametrize(
    ("flavour", "update", "unlock"), [("strict", 409, 409), ("lenient", 200, 200), ("gitlab", 409, 409)]
)
def test_what_a_broken_lock_still_lets_its_former_holder_do(flavour: Flavour, update: int, unlock: int) -> None:
    with state_server(flavour) as server:
        client = Client(server)
        client.lock(CLAIM)
        client.unlock(CLAIM)
        assert client.update({"serial": 1}, "mine") == update
        client.lock(OTHER)
        assert client.unlock(CLAIM) == unlock
        client.close()


def test_gitlab_mixes_the_holder_with_who_asks() -> None:
    users = {"ann": User("a"), "bob": User("b")}
    with state_server("gitlab", users=users, now=lambda: 1_768_460_400.25) as server:
        ann, bob = Client(server, user=("ann", "a")), Client(server, user=("bob", "b"))
        ann.lock(CLAIM)
        assert bob.lock(OTHER).json() == {**OTHER, "ID": "mine", "Who": "ann", "Created": "2026-01-15T07:00:00.250Z"}
        assert bob.unlock(OTHER) == 409
        assert bob.call("DELETE", "/lock").status_code == 200
        assert bob.lock(OTHER).status_code == 200
        ann.close()
        bob.close()


def test_gitlab_takes_each_serial_once_and_shows_the_highest() -> None:
    with state_server("gitlab") as server:
        client = Client(server)
        assert [client.update(body) for body in ({}, {"serial": "1"}, [1])] == [422, 422, 400]
        assert [client.update({"serial": n, "at": i}) for i, n in enumerate((5, 7, 6, 7))] == [200, 200, 200, 422]
        assert client.state() == {"serial": 7, "at": 1}
        client.call("DELETE")
        client.lock(CLAIM)
        assert client.state() == 204
        client.close()


def test_who_may_what() -> None:
    with state_server("gitlab", users={"ann": User("a"), "eve": User("e", may_write=False)}) as server:
        cases = {None: (401, 401), ("ann", "x"): (401, 401), ("eve", "e"): (404, 403), ("ann", "a"): (404, 200)}
        for user, expected in cases.items():
            client = Client(server, user=user)
            assert (client.state(), client.update({"serial": 1})) == expected
            client.close()


def test_dates_are_those_of_the_clock_given() -> None:
    with state_server(now=lambda: 1_768_460_400.9) as server:
        client = Client(server)
        assert client.call("GET").headers["Date"] == "Thu, 15 Jan 2026 07:00:00 GMT"
        client.close()


def test_what_is_kept_in_a_file_outlives_the_server(tmp_path: Path) -> None:
    for turn in (1, 2):
        with state_server("gitlab", data=tmp_path / "states.sqlite") as server:
            client = Client(server)
            if turn == 1:
                client.update({"serial": 3})
                client.lock(CLAIM)
            else:
                assert client.lock(OTHER).json()["ID"] == "mine"
                assert client.state() == {"serial": 3}
                assert client.update({"serial": 3}, "mine") == 422
            client.close()


@pytest.mark.parametrize(
    ("fault", "acts"),
    [
        (Fault("reset_before"), False),
        (Fault("reset_after"), True),
        (Fault("torn"), True),
        (Fault("silent", seconds=0.01), False),
        (Fault("status", status=500), False),
        (Fault("status", status=500, acts=True), True),
        (expired(), False),
        (read_only(), False),
    ],
)
def test_a_fault_does_what_it_says_to_the_request_that_it_names(fault: Fault, acts: bool) -> None:
    with state_server() as server:
        client = Client(server)
        server.faults.add(fault)
        if fault.kind == "status":
            assert client.update({"n": 1}) == fault.status
        else:
            with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
                client.update({"n": 1})
        assert (server.documents.body(server.path("imports")) is not None) == acts
        server.faults.clear()
        assert client.state() == ({"n": 1} if acts else 404)
        client.close()


def test_half_of_a_body_comes_when_the_answer_is_torn() -> None:
    with state_server() as server:
        client = Client(server)
        client.update({"n": "x" * 1000})
        server.faults.add(Fault("torn"))
        with pytest.raises(
            requests.exceptions.ChunkedEncodingError, match=r"505 bytes read, 504 more expected|IncompleteRead"
        ):
            client.state()
        assert client.state() == {"n": "x" * 1000}
        client.close()


def test_the_nth_request_is_struck_and_all_are_counted() -> None:
    with state_server() as server:
        client = Client(server)
        server.faults.add(Fault("status", methods=("POST",), nth=2, times=2))
        assert [client.update({"n": n}) for n in range(4)] == [200, 503, 503, 200]
        client.state()
        assert (server.log.count("POST"), server.log.count("GET"), server.log.count()) == (4, 1, 5)
        assert [struck for _, struck in server.faults.struck()] == [2]
        client.close()


def test_a_server_that_is_down_refuses_and_comes_back_at_the_same_port() -> None:
    with state_server() as server:
        client = Client(server)
        client.update({"n": 1})
        server.server.down()
        with pytest.raises(requests.ConnectionError, match="refused"):
            client.state()
        server.server.up()
        assert client.state() == {"n": 1}
        client.close()
