"""The adapter in the place of requests' own: how it reads bodies, and what it answers."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
import requests

from mics_iac.sandbox.adapter import SandboxAdapter
from mics_iac.sandbox.sandbox import Sandbox

HOST = "https://api.mediarithmics.com/v1"
NDJSON = {"Content-Type": "application/x-ndjson"}
GOOD = b'{"operation":"DELETE","email_hash":"x"}\n'


@pytest.fixture
def url(sandbox: Sandbox) -> str:
    return f"{HOST}/datamarts/1502/document_imports/{sandbox.add_import('1502', 'crm')}/executions"


class Watched(io.BytesIO):
    """A file that tells how it was read."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.sizes: list[int | None] = []

    def read(self, size: int | None = -1, /) -> bytes:
        self.sizes.append(size)
        return super().read(size)


def test_a_file_is_read_in_blocks(sandbox: Sandbox, url: str) -> None:
    with requests.Session() as session:
        session.headers["Authorization"] = "a-token"
        session.mount("https://", SandboxAdapter(sandbox, block_size=64))
        file = Watched(GOOD * 10)
        assert session.post(url, data=file, headers=NDJSON).status_code == 200
    assert set(file.sizes) == {64}
    assert sandbox.executions()[0].bytes == len(GOOD) * 10


def test_every_kind_of_body_arrives(session: requests.Session, sandbox: Sandbox, url: str) -> None:
    for body in (GOOD, GOOD.decode(), io.BytesIO(GOOD), iter([GOOD[:5], b"", GOOD[5:]])):
        assert session.post(url, data=body, headers=NDJSON).status_code == 200
    assert {sandbox.content(one.id) for one in sandbox.executions()} == {GOOD}


class Sized:
    """A body that promises `size` bytes, gives `pieces`, and then raises `error` if there is one."""

    def __init__(self, size: int, pieces: list[bytes], error: Exception | None = None) -> None:
        self.size = size
        self.pieces = pieces
        self.error = error

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[bytes]:
        yield from self.pieces
        if self.error is not None:
            raise self.error


def test_a_body_that_raises_loads_nothing(session: requests.Session, sandbox: Sandbox, url: str) -> None:
    class Differs(Exception):
        """The bytes are not those of the plan."""

    big = GOOD * 60_000
    with pytest.raises(Differs):
        session.post(url, data=Sized(len(big) * 2, [big], Differs()), headers=NDJSON)
    with pytest.raises(requests.ConnectionError) as caught:
        session.post(url, data=Sized(100, [GOOD], OSError(5, "Input/output error")), headers=NDJSON)
    assert "Input/output error" in str(caught.value)
    assert [(row.status, row.fault) for row in sandbox.requests()] == [(None, "aborted")] * 2
    assert sandbox.executions() == ()


def test_a_body_shorter_than_promised_is_never_answered(session: requests.Session, sandbox: Sandbox, url: str) -> None:
    with pytest.raises(requests.ReadTimeout):
        session.post(url, data=Sized(100, [GOOD]), headers=NDJSON, timeout=3)
    assert sandbox.executions() == ()


def test_who_is_refused_at_the_gate_is_told_so_whatever_its_body(session: requests.Session, url: str) -> None:
    headers = {**NDJSON, "Authorization": ""}
    assert session.post(url, data=Sized(100, [GOOD]), headers=headers, timeout=3).status_code == 401


def test_a_body_longer_than_promised_is_cut(session: requests.Session, sandbox: Sandbox, url: str) -> None:
    assert session.post(url, data=Sized(len(GOOD), [GOOD + GOOD]), headers=NDJSON).status_code == 200
    assert sandbox.content(sandbox.executions()[0].id) == GOOD


def test_an_answer_is_a_real_response(session: requests.Session, sandbox: Sandbox, url: str) -> None:
    whole = GOOD * 60_000
    session.post(url, data=whole, headers=NDJSON)
    where = {"uri": sandbox.executions()[0].file_uri}
    with session.get(f"{HOST}/data_file/data", params=where, stream=True) as answer:
        assert (answer.status_code, answer.reason, answer.ok) == (200, "OK", True)
        assert answer.url.startswith(f"{HOST}/data_file/data?uri=mics%3A%2F%2F")
        assert answer.headers["content-length"] == str(len(whole))
        assert answer.raw.read(10) == whole[:10]
        assert b"".join(answer.iter_content(65_536)) == whole[10:]
    missing = session.get(url.replace("1502", "1503"))
    assert (missing.status_code, missing.reason) == (404, "Not Found")
    with pytest.raises(requests.HTTPError):
        missing.raise_for_status()


def test_the_log_counts_each_request(session: requests.Session, sandbox: Sandbox, url: str) -> None:
    for _ in range(3):
        session.get(url, params={"first_result": "0", "max_results": "10"})
    session.post(url, data=b"", headers=NDJSON)
    path = url.removeprefix("https://api.mediarithmics.com")
    assert sandbox.request_counts() == {
        ("GET", path, "first_result=0&max_results=10"): 3,
        ("POST", path, ""): 1,
    }
    assert [row.status for row in sandbox.requests(method="POST", path=path)] == [400]
    sandbox.forget_requests()
    assert sandbox.requests() == ()
