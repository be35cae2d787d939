"""Which request a fault strikes, and what a client suffers from it in process."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import requests
from requests.exceptions import ChunkedEncodingError, ConnectTimeout, ReadTimeout, SSLError
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProtocolError

from mics_iac.sandbox.adapter import SandboxAdapter
from mics_iac.sandbox.faults import KINDS, UNCONNECTED, Fault, FaultPlan, InvalidFault, Kind, refuse_unconnected
from mics_iac.sandbox.sandbox import Sandbox

HOST = "https://api.mediarithmics.com/v1"
IMPORTS = f"{HOST}/datamarts/1502/document_imports"
NDJSON = {"Content-Type": "application/x-ndjson"}
GOOD = b'{"operation":"DELETE","email_hash":"x"}\n'


@pytest.fixture
def upload(session: requests.Session, sandbox: Sandbox) -> Callable[[], requests.Response]:
    url = f"{IMPORTS}/{sandbox.add_import('1502', 'crm')}/executions"
    return lambda: session.post(url, data=GOOD * 4, headers=NDJSON, timeout=5)


def test_a_fault_strikes_from_its_nth_match_on() -> None:
    plan = FaultPlan([Fault("forbidden", method="POST", path="*/executions", nth=2, times=2)])
    assert plan.strike("GET", "/a/executions").way is None
    assert plan.strike("POST", "/a/imports").way is None
    assert [plan.strike("POST", "/a/executions").way is not None for _ in range(5)] == [False, True, True, False, False]
    assert [(one["matched"], one["struck"]) for one in plan.report()] == [(5, 2)]


def test_one_seed_gives_the_same_strikes() -> None:
    def strikes(seed: int) -> list[bool]:
        plan = FaultPlan([Fault("reset_after", times=None, probability=0.5)], seed=seed)
        return [plan.strike("GET", "/").way is not None for _ in range(50)]

    assert strikes(1) == strikes(1)
    assert strikes(1) != strikes(2)
    assert 5 < sum(strikes(1)) < 45


def test_faults_wait_for_their_turn_and_shapes_join() -> None:
    plan = FaultPlan([Fault("throttle"), Fault("reset_after"), Fault("ends_failed"), Fault("capped")])
    first = plan.strike("POST", "/x/executions")
    assert first.named == "ends_failed,throttle"
    assert plan.strike("POST", "/x/executions").named == "reset_after"
    assert plan.strike("GET", "/x").named == "capped"
    assert plan.strike("GET", "/x").named == ""


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ([], "is an object"),
        ({}, "needs a kind"),
        ({"kind": "reset"}, "no such kind"),
        ({"kind": ["reset"]}, "no such kind"),
        ({"kind": "tls", "when": 1}, "unknown fields when"),
        ({"kind": "tls", "nth": 0, "times": -1}, "nth counts from 1"),
        ({"kind": "tls", "nth": 0, "times": -1}, "times is a whole number or null"),
        ({"kind": "error", "status": 200}, "between 400 and 599"),
        ({"kind": "error", "probability": "0.5"}, "between 0 and 1"),
        ({"kind": "error", "html": 1, "path": None}, "path is text"),
        ({"kind": "delay", "delay_ms": -1}, "delay_ms"),
        ({"kind": "capped", "count": 0}, "at least 1"),
    ],
)
def test_a_fault_that_makes_no_sense_says_why(wrong: object, reason: str) -> None:
    with pytest.raises(InvalidFault, match=reason):
        Fault.from_json(wrong)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_fault_survives_json(kind: Kind) -> None:
    fault = Fault(kind, nth=3, times=None, message="x")
    assert Fault.from_json(fault.to_json()) == fault


def test_what_cannot_be_shown_over_http_is_refused() -> None:
    for kind in sorted(UNCONNECTED):
        with pytest.raises(InvalidFault, match="not over HTTP"):
            refuse_unconnected([Fault.from_json({"kind": kind})])
    refuse_unconnected([Fault("reset_before")])


@pytest.mark.parametrize(
    ("kind", "raised", "acted"),
    [
        ("refuse", requests.ConnectionError, False),
        ("connect_timeout", ConnectTimeout, False),
        ("tls", SSLError, False),
        ("reset_before", requests.ConnectionError, False),
        ("reset_midway", requests.ConnectionError, False),
        ("reset_after", requests.ConnectionError, True),
        ("hang", ReadTimeout, False),
        ("cut_answer", ChunkedEncodingError, True),
    ],
)
def test_a_broken_connection_raises_what_requests_raises(
    upload: Callable[[], requests.Response],
    sandbox: Sandbox,
    faults: FaultPlan,
    kind: Kind,
    raised: type[Exception],
    acted: bool,
) -> None:
    faults.add(Fault(kind))
    with pytest.raises(raised) as caught:
        upload()
    assert len(sandbox.executions()) == int(acted)
    cause = caught.value.args[0]
    if kind == "refuse":
        assert isinstance(cause, MaxRetryError)
        assert isinstance(cause.reason, NewConnectionError)
    if kind.startswith("reset"):
        assert isinstance(cause, ProtocolError)
        assert isinstance(cause.args[1], ConnectionResetError)
    assert [(row.status, row.fault) for row in sandbox.requests()] == [(200 if acted else None, kind)]
    assert upload().status_code == 200


def test_a_reset_midway_reads_half_of_the_body(session: requests.Session, sandbox: Sandbox, faults: FaultPlan) -> None:
    given: list[bytes] = []

    class Body:
        def __len__(self) -> int:
            return 1000

        def __iter__(self) -> Body:
            return self

        def __next__(self) -> bytes:
            given.append(b" " * 100)
            return given[-1]

    url = f"{IMPORTS}/{sandbox.add_import('1502', 'crm')}/executions"
    faults.add(Fault("reset_midway"))
    with pytest.raises(requests.ConnectionError):
        session.post(url, data=Body(), headers=NDJSON)
    assert len(given) == 5
    faults.add(Fault("reset_midway", after_bytes=150))
    with pytest.raises(requests.ConnectionError):
        session.post(url, data=Body(), headers=NDJSON)
    assert len(given) == 5 + 2


def test_other_answers_than_the_platforms(
    upload: Callable[[], requests.Response], sandbox: Sandbox, faults: FaultPlan
) -> None:
    for fault in (
        Fault("throttle", retry_after="7"),
        Fault("error", status=502),
        Fault("error", status=500, html=False),
        Fault("forbidden"),
    ):
        faults.add(fault)
    throttled, gateway, failed, forbidden = (upload() for _ in range(4))
    assert (throttled.status_code, throttled.headers["Retry-After"]) == (429, "7")
    assert (gateway.status_code, gateway.headers["Content-Type"]) == (502, "text/html; charset=utf-8")
    assert (failed.status_code, failed.json()["status"]) == (500, "error")
    assert (forbidden.status_code, forbidden.json()["error"]) == (403, "Forbidden")
    assert sandbox.executions() == ()
    faults.add(Fault("error", status=504, acts=True))
    assert upload().status_code == 504
    assert len(sandbox.executions()) == 1


def test_answers_that_are_altered_have_acted(
    upload: Callable[[], requests.Response], sandbox: Sandbox, faults: FaultPlan
) -> None:
    kinds: tuple[Kind, ...] = ("truncated_json", "garbage", "extra_fields", "duplicate_key")
    for kind in kinds:
        faults.add(Fault(kind))
    cut, garbage, wider, doubled = (upload() for _ in range(4))
    assert [one.status_code for one in (cut, garbage, wider, doubled)] == [200] * 4
    for unreadable in (cut, garbage):
        with pytest.raises(requests.JSONDecodeError):
            unreadable.json()
    assert {"new_field"} < set(wider.json()["data"])
    assert doubled.text.count('"id":') == 2
    assert doubled.json()["data"]["id"] == sandbox.executions()[3].id
    assert len(sandbox.executions()) == 4


def test_an_expired_token_stays_expired(session: requests.Session, faults: FaultPlan) -> None:
    faults.add(Fault("expired_token", nth=2))
    assert [session.get(IMPORTS).status_code for _ in range(4)] == [200, 401, 401, 401]
    assert session.get(IMPORTS, headers={"Authorization": "a-new-one"}).status_code == 200
    faults.clear()
    assert session.get(IMPORTS).status_code == 200


def test_a_delay_is_waited_for_unless_it_outlasts_the_timeout(sandbox: Sandbox) -> None:
    waited: list[float] = []
    plan = FaultPlan([Fault("delay", delay_ms=1500, times=None)])
    with requests.Session() as session:
        session.headers["Authorization"] = "a-token"
        session.mount("https://", SandboxAdapter(sandbox, plan, wait=waited.append))
        assert session.get(IMPORTS, timeout=(1, 60)).status_code == 200
        asked = {"name": "late", "document_type": "USER_PROFILE", "mime_type": "APPLICATION_X_NDJSON"}
        with pytest.raises(ReadTimeout):
            session.post(IMPORTS, json=asked, timeout=1)
    assert waited == [1.5]
    assert [one.name for one in sandbox.imports()] == ["late"]


def test_pages_shift_and_shrink(session: requests.Session, sandbox: Sandbox, faults: FaultPlan) -> None:
    ids = [sandbox.add_import("1502", f"n{number}") for number in range(4)]
    for fault in (Fault("shift_remove"), Fault("shift_insert", nth=2), Fault("capped", nth=3), Fault("no_total")):
        faults.add(fault)
    pages = [session.get(IMPORTS, params={"first_result": 0, "max_results": 2}).json() for _ in range(4)]
    found = [[one["id"] for one in page["data"]] for page in pages]
    assert found[0] == ids[:2]
    assert found[1] == ids[1:3]
    assert len(found[2]) == 1
    assert found[3][1] == ids[1]
    assert found[3][0] not in ids
    assert [page.get("total") for page in pages] == [None, 3, 4, 4]
    assert pages[2]["max_results"] == 1
