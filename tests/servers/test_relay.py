"""The relay: that the network it imitates is one, and that what it breaks is broken where it says."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import requests

from tests.api.loopback import Peer, always, serving
from tests.servers.faults import Fault, Seen
from tests.servers.relay import relay
from tests.servers.state_http import StateServer, state_server


@pytest.fixture
def behind() -> Iterator[StateServer]:
    with state_server() as server:
        yield server


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


def test_what_is_asked_and_said_goes_through(behind: StateServer, session: requests.Session) -> None:
    with relay(behind.server.url) as way:
        url = f"{way.url}/states/imp%20orts"
        assert session.get(url).status_code == 404
        assert session.post(url, data=b"x" * 300_000).status_code == 200
        assert session.get(url).content == b"x" * 300_000
        assert session.post(f"{url}?ID=mine", data=b"y").status_code == 409
        post = ("POST", "/states/imp orts")
        assert way.log.of("POST") == behind.log.of("POST") == [Seen(*post), Seen(*post, "ID=mine")]


def test_each_answer_comes_so_much_later_whatever_its_size(behind: StateServer, session: requests.Session) -> None:
    with relay(behind.server.url, latency=0.03) as way:
        for body in (b"x", b"x" * 300_000):
            began = time.monotonic()
            session.post(f"{way.url}/states/imports", data=body)
            assert time.monotonic() - began >= 0.03


@pytest.mark.parametrize(
    ("kind", "passed_on"),
    [("reset_before", 0), ("midway", 0), ("reset_after", 1), ("torn", 1), ("refuse", 0), ("silent", 0)],
)
def test_a_broken_exchange_was_passed_on_or_not(
    kind: str, passed_on: int, behind: StateServer, session: requests.Session
) -> None:
    with relay(behind.server.url) as way:
        url = f"{way.url}/states/imports"
        session.get(url)
        way.faults.add(Fault(kind, nth=2, seconds=0.01))  # type: ignore[arg-type]
        assert session.post(url, data=b"first").status_code == 200
        with pytest.raises(requests.ConnectionError):
            session.post(url, data=b"second")
        assert behind.log.count("POST") == 1 + passed_on
        assert way.log.count("POST") == 2


def test_an_outage_begins_with_the_nth_request_and_ends_by_hand(behind: StateServer, session: requests.Session) -> None:
    with relay(behind.server.url) as way:
        way.faults.add(Fault("refuse", nth=2))
        url = f"{way.url}/states/imports"
        assert session.get(url).status_code == 404
        with pytest.raises(requests.ConnectionError, match=r"reset|aborted"):
            session.get(url)
        with pytest.raises(requests.ConnectionError, match="refused"):
            session.get(url)
        way.up()
        assert session.get(url).status_code == 404


def test_a_server_that_is_gone_is_told_by_a_broken_connection(session: requests.Session) -> None:
    with serving(always()) as gone:
        pass
    with relay(gone.url) as way, pytest.raises(requests.ConnectionError):
        session.get(way.url)


def test_answers_of_every_form_are_whole(session: requests.Session) -> None:
    """In chunks, up to the end of the connection, and none at all."""

    def script(peer: Peer) -> None:
        while peer.read_head():
            if peer.head.startswith(b"GET /chunks"):
                peer.sock.sendall(
                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"
                )
            elif peer.head.startswith(b"GET /end"):
                peer.sock.sendall(b"HTTP/1.1 200 OK\r\n\r\nabcde")
                return
            else:
                peer.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: x\r\n\r\n")

    with serving(script) as server, relay(server.url) as way:
        assert [session.get(f"{way.url}/{what}").text for what in ("chunks", "end", "chunks")] == ["abcde"] * 3
        head = session.head(way.url)
        assert (head.headers["content-length"], head.headers["etag"]) == ("5", "x")
