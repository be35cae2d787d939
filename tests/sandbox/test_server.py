"""The HTTP face on a real socket: the vendor's calls, connections that break, the control endpoint, its end."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from requests.exceptions import ChunkedEncodingError, ReadTimeout

from mics_iac.sandbox.faults import Fault, FaultPlan, Kind
from mics_iac.sandbox.sandbox import Sandbox
from mics_iac.sandbox.server import CannotServe, serve, serving

NDJSON = {"Content-Type": "application/x-ndjson"}
GOOD = b'{"operation":"DELETE","email_hash":"x"}\n'
ROOT = Path(__file__).parents[2]


@pytest.fixture
def base(sandbox: Sandbox, faults: FaultPlan) -> Iterator[str]:
    with serving(sandbox, faults=faults) as url:
        yield url


@pytest.fixture
def client() -> Iterator[requests.Session]:
    with requests.Session() as made:
        made.trust_env = False
        made.headers["Authorization"] = "a-token"
        yield made


def uploads(base: str, sandbox: Sandbox) -> str:
    return f"{base}/v1/datamarts/1502/document_imports/{sandbox.add_import('1502', 'crm')}/executions"


def test_a_big_body_streams_both_ways(base: str, client: requests.Session, sandbox: Sandbox) -> None:
    body = GOOD * 100_000
    url = uploads(base, sandbox)
    made = client.post(url, data=iter([body[:1000], body[1000:]]), headers=NDJSON).json()["data"]
    sandbox.tick(600)
    ended = client.get(f"{url}/{made['id']}").json()["data"]
    assert (ended["status"], ended["result"]["total_success"]) == ("SUCCEEDED", 100_000)
    answer = client.get(f"{base}/v1/data_file/data", params={"uri": ended["result"]["input_file_uri"]})
    assert answer.content == body


@pytest.mark.parametrize("kind", ["reset_before", "reset_midway", "reset_after"])
def test_a_reset_reaches_the_socket(
    base: str, client: requests.Session, sandbox: Sandbox, faults: FaultPlan, kind: Kind
) -> None:
    faults.add(Fault(kind, method="POST"))
    url = uploads(base, sandbox)
    with pytest.raises(requests.ConnectionError):
        client.post(url, data=GOOD * 200_000, headers=NDJSON, timeout=30)
    assert len(sandbox.executions()) == int(kind == "reset_after")
    assert client.post(url, data=GOOD, headers=NDJSON).status_code == 200


def test_an_answer_is_cut_or_never_comes(
    base: str, client: requests.Session, sandbox: Sandbox, faults: FaultPlan
) -> None:
    url = uploads(base, sandbox)
    faults.add(Fault("cut_answer"))
    faults.add(Fault("hang"))
    with pytest.raises(ChunkedEncodingError):
        client.post(url, data=GOOD, headers=NDJSON)
    assert len(sandbox.executions()) == 1
    with pytest.raises(ReadTimeout):
        client.post(url, data=GOOD, headers=NDJSON, timeout=0.2)
    assert len(sandbox.executions()) == 1


def test_a_client_that_leaves_in_the_middle_loads_nothing(
    base: str, client: requests.Session, sandbox: Sandbox
) -> None:
    url = urlsplit(uploads(base, sandbox))
    with socket.create_connection((url.hostname or "", url.port or 0)) as plug:
        head = f"POST {url.path} HTTP/1.1\r\nHost: x\r\nAuthorization: t\r\nContent-Type: application/x-ndjson\r\n"
        plug.sendall(head.encode() + b"Content-Length: 1000\r\n\r\n" + GOOD)
    assert client.get(f"{base}/v1/datamarts").status_code == 200
    assert sandbox.executions() == ()


@pytest.mark.parametrize("kind", ["delay", "reset_after", "cut_answer", "garbage"])
def test_a_request_that_came_whole_is_acted_on_though_its_client_has_left(sandbox: Sandbox, kind: Kind) -> None:
    with serving(sandbox, faults=FaultPlan([Fault(kind, path="*/executions", delay_ms=200)])) as base:
        url = urlsplit(uploads(base, sandbox))
        with socket.create_connection((url.hostname or "", url.port or 0)) as plug:
            head = f"POST {url.path} HTTP/1.1\r\nHost: x\r\nAuthorization: t\r\nContent-Type: application/x-ndjson\r\n"
            plug.sendall(head.encode() + f"Content-Length: {len(GOOD)}\r\n\r\n".encode() + GOOD)
        # Nothing says when the server comes to read what was sent to it: it is asked until it has.
        for _ in range(1000):
            requests.get(f"{base}/v1/datamarts", headers={"Authorization": "t"}, timeout=30)
            if sandbox.executions():
                break
    assert [execution.bytes for execution in sandbox.executions()] == [len(GOOD)]


@pytest.mark.parametrize("kind", ["reset_before", "reset_midway", "reset_after", "cut_answer"])
def test_a_client_that_leaves_before_its_connection_breaks_is_no_error(
    sandbox: Sandbox, client: requests.Session, caplog: pytest.LogCaptureFixture, kind: Kind
) -> None:
    faults = FaultPlan([Fault(kind, path="*/document_imports", delay_ms=200)])
    with serving(sandbox, faults=faults) as base:
        url = urlsplit(base)
        with socket.create_connection((url.hostname or "", url.port or 0)) as plug:
            plug.sendall(b"GET /v1/datamarts/1502/document_imports HTTP/1.1\r\nHost: x\r\nAuthorization: t\r\n\r\n")
        client.get(f"{base}/v1/datamarts")  # by its answer, the request before it is being waited for
    assert [record.getMessage() for record in caplog.records] == []


def test_a_delay_and_a_throttle(base: str, client: requests.Session, faults: FaultPlan) -> None:
    faults.add(Fault("throttle", delay_ms=1, retry_after="3"))
    answer = client.get(f"{base}/v1/datamarts")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "3")


def test_the_control_endpoint(base: str, client: requests.Session, sandbox: Sandbox) -> None:
    url = uploads(base, sandbox)
    control = f"{base}/_sandbox"
    told = client.post(f"{control}/faults", json=[{"kind": "stuck"}, {"kind": "forbidden", "method": "GET"}])
    assert [one["kind"] for one in told.json()] == ["stuck", "forbidden"]
    assert client.post(url, data=GOOD, headers=NDJSON).status_code == 200
    assert client.get(url).status_code == 403
    assert [one["struck"] for one in client.get(f"{control}/faults").json()] == [1, 1]
    assert client.delete(f"{control}/faults").json() == []
    assert client.post(f"{control}/release").json() == {"released": 1}
    before = client.get(f"{control}/state").json()
    assert client.post(f"{control}/tick", json={"ms": 600}).json() == {"now": before["now"] + 600}
    after = client.get(f"{control}/state").json()
    assert [one["status"] for one in (*before["executions"], *after["executions"])] == ["PENDING", "SUCCEEDED"]
    logged = client.get(f"{control}/requests").json()
    assert [(row["method"], row["status"], row["fault"]) for row in logged] == [
        ("POST", 200, "stuck"),
        ("GET", None, "forbidden"),
    ]
    assert client.delete(f"{control}/requests").json() == []
    client.post(f"{control}/reset")
    assert sandbox.imports(deleted=True) == ()


def test_the_control_endpoint_says_what_is_wrong(base: str, client: requests.Session) -> None:
    control = f"{base}/_sandbox"
    assert "no such kind" in client.post(f"{control}/faults", json={"kind": "x"}).json()["error"]
    assert "not over HTTP" in client.post(f"{control}/faults", json={"kind": "refuse"}).json()["error"]
    assert "not JSON" in client.post(f"{control}/faults", data="{").json()["error"]
    assert "milliseconds" in client.post(f"{control}/tick").json()["error"]
    assert client.get(f"{control}/faults").json() == []
    assert client.put(f"{control}/faults").status_code == 405


def test_the_control_endpoint_keeps_web_pages_out(base: str, client: requests.Session) -> None:
    for headers in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}):
        assert client.post(f"{base}/_sandbox/reset", headers=headers).status_code == 403


def test_a_taken_port_and_an_impossible_fault_are_said(sandbox: Sandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotServe, match=f"port {port}"):
            serve(sandbox, port=port)
    with pytest.raises(CannotServe, match="not over HTTP"):
        serve(sandbox, port=0, faults=FaultPlan([Fault("refuse")]))


SERVE = """
import sys
from mics_iac.sandbox.sandbox import Sandbox
from mics_iac.sandbox.server import serve
with Sandbox(sys.argv[1]) as sandbox:
    serve(sandbox, port=0, ready=lambda port: print(port, flush=True))
print("ended", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-W", "error", "-c", SERVE, str(tmp_path / "s.db")]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ}
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", "/v1/datamarts", headers={"Authorization": "t"})
        assert json.loads(connection.getresponse().read())["status"] == "ok"
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
        connection.close()
    assert (out, err, process.returncode) == ("ended\n", "", 0)


WITHOUT_EXTRA = """
import sys
sys.modules["uvicorn"] = sys.modules["starlette"] = None
from mics_iac.sandbox.sandbox import Sandbox
from mics_iac.sandbox.server import CannotServe, serve
try:
    serve(Sandbox(sys.argv[1]), port=0)
except CannotServe as error:
    print(error)
"""


def test_without_the_extra_it_says_what_to_install(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WITHOUT_EXTRA, str(tmp_path / "s.db")]
    told = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert "pip install 'mics-iac[sandbox]'" in told.stdout
    assert told.returncode == 0
