"""Executions as a client sees them: uploads, the clock, counts, files."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from mics_iac.sandbox.adapter import SandboxAdapter
from mics_iac.sandbox.faults import Fault, FaultPlan, Kind
from mics_iac.sandbox.message import Refused
from mics_iac.sandbox.multipart import Malformed, parts
from mics_iac.sandbox.profile import Profile
from mics_iac.sandbox.sandbox import Sandbox

HOST = "https://api.mediarithmics.com/v1"
NDJSON = {"Content-Type": "application/x-ndjson"}
GOOD = b'{"operation":"DELETE","email_hash":"x"}\n'
BAD = b'{"operation":"DELETE"}\n'


def url_of(import_id: str) -> str:
    return f"{HOST}/datamarts/1502/document_imports/{import_id}/executions"


@pytest.fixture
def url(sandbox: Sandbox) -> str:
    return url_of(sandbox.add_import("1502", "crm"))


def test_the_clock_alone_moves_an_execution_on(session: requests.Session, sandbox: Sandbox, url: str) -> None:
    body = GOOD * 2 + BAD
    made = session.post(url, data=body, headers=NDJSON).json()["data"]
    nulls = ("start_date", "duration", "parameters", "result", "error", "num_tasks", "completed_tasks")
    assert made["status"] == "PENDING"
    assert all(made[key] is None for key in nulls)
    assert "end_date" not in made

    sandbox.tick(300)
    running = session.get(f"{url}/{made['id']}").json()["data"]
    assert running["status"] == "RUNNING"
    assert running["parameters"]["number_of_lines"] == 3
    assert isinstance(running["parameters"]["document_import_id"], int)
    assert running["result"] is None
    assert "end_date" not in running

    sandbox.tick(300)
    ended = session.get(f"{url}/{made['id']}").json()["data"]
    assert ended["status"] == "SUCCEEDED"
    assert ended["start_date"] + ended["duration"] == ended["end_date"]
    assert (ended["result"]["total_success"], ended["result"]["total_failure"]) == (2, 1)
    files = {"uri": ended["result"]["error_file_uri"]}, {"uri": ended["result"]["input_file_uri"]}
    errors, whole = (session.get(f"{HOST}/data_file/data", params=uri) for uri in files)
    assert (errors.content, whole.content) == (BAD, body)
    assert whole.headers["Content-Type"] == "application/octet-stream"
    seen = sandbox.executions()[0]
    assert (seen.sha256, seen.bytes) == (hashlib.sha256(body).hexdigest(), len(body))
    assert (sandbox.content(seen.id), sandbox.rejected(seen.id)) == (body, BAD)


def test_executions_are_listed_newest_first(session: requests.Session, sandbox: Sandbox, url: str) -> None:
    made = [session.post(url, data=GOOD, headers=NDJSON).json()["data"]["id"] for _ in range(3)]
    answer = session.get(url, params={"max_results": 2}).json()
    assert [one["id"] for one in answer["data"]] == made[:0:-1]
    assert answer["total"] == 3


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"", NDJSON, 400),
        (b"\n\n", NDJSON, 400),
        (b"[" + GOOD.strip() + b"]", NDJSON, 400),
        (b'{\n"operation":"DELETE"\n}\n', NDJSON, 400),
        (GOOD + b'{"a":NaN}\n', NDJSON, 400),
        (GOOD + b'{"a":"\xff"}\n', NDJSON, 400),
        (b"\xef\xbb\xbf" + GOOD, NDJSON, 400),
        (b'{"a":' + b"[" * 100_000 + b"\n", NDJSON, 400),
        (GOOD, {"Content-Type": "application/json"}, 415),
        (GOOD, {"Content-Type": "text/csv"}, 415),
        (GOOD, {**NDJSON, "Content-Encoding": "gzip"}, 415),
    ],
)
def test_a_file_that_is_not_ndjson_is_refused_whole(
    session: requests.Session, sandbox: Sandbox, url: str, body: bytes, headers: dict[str, str], status: int
) -> None:
    answer = session.post(url, data=body, headers=headers)
    assert answer.status_code == status
    assert answer.json()["error_id"]
    assert sandbox.executions() == ()


def test_lines_may_end_as_they_like(session: requests.Session, sandbox: Sandbox, url: str) -> None:
    body = GOOD.replace(b"\n", b"\r\n") + b"\n" + GOOD.strip()
    headers = {"Content-Type": "Application/X-NDJSON; charset=utf-8"}
    assert session.post(url, data=body, headers=headers).status_code == 200
    seen = sandbox.executions()[0]
    assert (seen.lines, seen.success, seen.failure) == (2, 2, 0)
    assert seen.error_file_uri is None


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        ({}, 2),
        ({"counts_unterminated": False}, 1),
        ({"blank_lines": "count"}, 3),
        ({"counts_header": True}, 2),
    ],
)
def test_how_lines_are_counted_is_a_switch(tmp_path: Path, changes: dict[str, Any], lines: int) -> None:
    with Sandbox(tmp_path / "s.db", profile=Profile(**changes)) as sandbox:
        sandbox.add_execution(sandbox.add_import("1502", "crm"), GOOD + b" \n" + GOOD.strip())
        assert sandbox.executions()[0].lines == lines
        assert sandbox.executions()[0].success == 2


def test_blank_lines_may_be_refused_or_end_a_file(tmp_path: Path) -> None:
    strict = Sandbox(tmp_path / "a.db", profile=Profile(blank_lines="refuse"))
    with strict, pytest.raises(Refused, match="Line 2 is blank"):
        strict.add_execution(strict.add_import("1502", "crm"), GOOD + b"\n" + GOOD)
    with Sandbox(tmp_path / "b.db", profile=Profile(counts_unterminated=False)) as sandbox:
        sandbox.add_execution(sandbox.add_import("1502", "crm"), GOOD + b"  ")
        assert sandbox.executions()[0].lines == 1


def test_a_line_longer_than_any_block_is_one_line(session: requests.Session, sandbox: Sandbox, url: str) -> None:
    long = b'{"operation":"UPSERT","email_hash":"x","user_profile":{"a":"' + b"z" * 3_000_000 + b'"}}\n'
    pieces = [long[at : at + 1000] for at in range(0, len(long), 1000)]
    assert session.post(url, data=iter([*pieces, GOOD]), headers=NDJSON).status_code == 200
    seen = sandbox.executions()[0]
    assert (seen.lines, seen.bytes) == (2, len(long) + len(GOOD))
    assert sandbox.content(seen.id) == long + GOOD


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=12), max_size=6), st.integers(1, 40))
def test_a_form_gives_its_files_back_however_it_is_cut(contents: list[bytes], size: int) -> None:
    mark = b"--=b"  # dashes of its own, and in no content, as a client sees to
    contents = [one.replace(mark, b"") for one in contents]
    head = b'Content-Disposition: form-data; name="file"; filename="a"\r\nContent-Type: text/csv\r\n\r\n'
    body = b"".join(b"--%s\r\n%s%s\r\n" % (mark, head, one) for one in contents) + b"--%s--\r\n" % mark
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    assert [b"".join(part.pieces) for part in parts(pieces, mark)] == contents
    with pytest.raises(Malformed):
        [b"".join(part.pieces) for part in parts([body[:-6]], mark)]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([GOOD, BAD, b"\n", GOOD.strip()]), min_size=1), st.integers(1, 200))
def test_counts_do_not_depend_on_the_blocks(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], size: int
) -> None:
    body = b"".join(lines)
    with Sandbox(tmp_path_factory.mktemp("blocks") / "s.db") as sandbox, requests.Session() as session:
        session.headers["Authorization"] = "a-token"
        session.mount("https://", SandboxAdapter(sandbox, block_size=size))
        url = url_of(sandbox.add_import("1502", "crm"))
        cut = session.post(url, data=io.BytesIO(body), headers=NDJSON)
        whole = session.post(url, data=body, headers=NDJSON)
        assert cut.status_code == whole.status_code
        seen = sandbox.executions()
        assert len({(one.sha256, one.lines, one.success, one.failure) for one in seen}) == len(seen) // 2


CSV = (
    b"OPERATION,user_account_id,segment_id,expiration_duration,data_bag\n"
    b'UPDATE,C42,50123,43200,"{""a"":\n0.8}"\n'
    b"DELETE,,50123,0,\n"
    b"UPDATE,C1,5,x\n"
)


def test_csv_rows_are_counted_without_their_header(session: requests.Session, sandbox: Sandbox) -> None:
    url = url_of(sandbox.add_import("1502", "vip", "USER_SEGMENT", mime_type="TEXT_CSV"))
    assert session.post(url, data=CSV, headers={"Content-Type": "text/csv"}).status_code == 200
    seen = sandbox.executions()[0]
    assert (seen.lines, seen.success, seen.failure) == (3, 1, 2)
    assert sandbox.rejected(seen.id) == b"DELETE,,50123,0,\nUPDATE,C1,5,x\n"
    for wrong in (b"UPDATE,C42\n", b"operation,operation\na,b\n", b'operation\n"a\n', b"operation\n"):
        assert session.post(url, data=wrong, headers={"Content-Type": "text/csv"}).status_code == 400


def test_the_web_form_is_taken_too(session: requests.Session, sandbox: Sandbox, url: str) -> None:
    form = {"file": ("dir/my file.ndjson", GOOD * 50_000 + BAD, "application/x-ndjson")}
    made = session.post(url, files=form, data={"type": "application/x-ndjson"}).json()["data"]
    sandbox.tick(300)
    parameters = session.get(f"{url}/{made['id']}").json()["data"]["parameters"]
    assert parameters["input_file_name"] == "dir/my file.ndjson"
    assert parameters["file_uri"].endswith("-my_file.ndjson")
    assert parameters["number_of_lines"] == 50_001
    assert sandbox.content(made["id"]) == GOOD * 50_000 + BAD


def test_a_wrong_form_makes_nothing(session: requests.Session, sandbox: Sandbox, url: str) -> None:
    part = ("a.ndjson", GOOD, "application/x-ndjson")
    csv_part = ("a.csv", GOOD, "text/csv")
    assert session.post(url, files={"file": part}, data={"type": "text/csv"}).status_code == 415
    assert session.post(url, files={"file": csv_part}).status_code == 415
    assert session.post(url, files={"other": part}).status_code == 400
    form = {"Content-Type": "multipart/form-data; boundary=b"}
    assert session.post(url, data=b"--b\r\nContent-Disp", headers=form).status_code == 400
    assert session.post(url, data=b"", headers={"Content-Type": "multipart/form-data"}).status_code == 400
    assert sandbox.executions() == ()


def test_limits_of_size_and_length(tmp_path: Path) -> None:
    profile = Profile(size_limit=100, needs_content_length=True)
    with Sandbox(tmp_path / "s.db", profile=profile) as sandbox, requests.Session() as session:
        session.headers["Authorization"] = "a-token"
        session.mount("https://", SandboxAdapter(sandbox))
        url = url_of(sandbox.add_import("1502", "crm"))
        assert session.post(url, data=GOOD * 3, headers=NDJSON).status_code == 413
        assert session.post(url, files={"file": ("a", GOOD * 3, "application/x-ndjson")}).status_code == 413
        assert session.post(url, data=iter([GOOD]), headers=NDJSON).status_code == 411
        assert session.post(url, data=GOOD, headers=NDJSON).status_code == 200


def test_only_a_pending_execution_is_canceled(session: requests.Session, sandbox: Sandbox, url: str) -> None:
    first, second = (session.post(url, data=GOOD, headers=NDJSON).json()["data"]["id"] for _ in range(2))
    canceled = session.post(f"{url}/{first}/action", json={"action": "CANCEL"}).json()["data"]
    assert (canceled["status"], canceled["cancel_status"], canceled["result"]) == ("CANCELED", "DONE", None)
    sandbox.tick(300)
    assert session.post(f"{url}/{second}/action", json={"action": "CANCEL"}).status_code == 400
    assert session.post(f"{url}/{second}/action", json={"action": "RETRY"}).status_code == 400
    assert session.get(f"{url}/{first}").json()["data"] == canceled


def test_a_sequential_queue_takes_one_after_the_other(tmp_path: Path) -> None:
    profile = Profile(queue="sequential", queue_ms=100, run_ms=1000)
    with Sandbox(tmp_path / "s.db", now=lambda: 0, profile=profile) as sandbox:
        import_id, other = sandbox.add_import("1502", "crm"), sandbox.add_import("1502", "other")
        for target in (import_id, import_id, other):
            sandbox.add_execution(target, GOOD)
        sandbox.tick(1099)
        assert [one.status for one in sandbox.executions()] == ["RUNNING", "PENDING", "RUNNING"]
        sandbox.tick(1)
        assert [one.status for one in sandbox.executions()] == ["SUCCEEDED", "RUNNING", "SUCCEEDED"]


@pytest.mark.parametrize(
    ("kind", "status"), [("ends_failed", "FAILED"), ("ends_canceled", "CANCELED"), ("ends_lost", "LOST")]
)
def test_an_execution_ends_as_it_was_told_to(
    session: requests.Session, sandbox: Sandbox, faults: FaultPlan, url: str, kind: Kind, status: str
) -> None:
    faults.add(Fault(kind, message="disk full"))
    made = [session.post(url, data=GOOD, headers=NDJSON).json()["data"]["id"] for _ in range(2)]
    faults.clear()
    sandbox.tick(600)
    ended = session.get(f"{url}/{made[0]}").json()["data"]
    assert (ended["status"], ended["result"]) == (status, None)
    assert ended["error"] == ({"message": "disk full"} if status == "FAILED" else None)
    assert session.get(f"{url}/{made[1]}").json()["data"]["status"] == "SUCCEEDED"


def test_a_queue_stands_still_until_it_is_released(
    session: requests.Session, sandbox: Sandbox, faults: FaultPlan, url: str
) -> None:
    faults.add(Fault("stuck", times=None))
    session.post(url, data=GOOD, headers=NDJSON)
    sandbox.tick(10**9)
    assert sandbox.executions()[0].status == "PENDING"
    assert sandbox.release() == 1
    sandbox.tick(600)
    assert sandbox.executions()[0].status == "SUCCEEDED"


def test_counts_and_files_go_wrong_as_told(
    session: requests.Session, sandbox: Sandbox, faults: FaultPlan, url: str
) -> None:
    for kind, count in (
        ("rejects_lines", 2),
        ("lines_off", -1),
        ("unbalanced", 1),
        ("file_gone", 1),
        ("odd_status", 1),
    ):
        faults.add(Fault.from_json({"kind": kind, "count": count}))
    made = session.post(url, data=GOOD * 4, headers=NDJSON).json()["data"]
    assert made["status"] == "WAITING_DEPENDENT_JOB"
    sandbox.tick(600)
    ended = session.get(f"{url}/{made['id']}").json()["data"]
    assert ended["status"] == "SUCCEEDED"
    assert ended["parameters"]["number_of_lines"] == 3
    assert (ended["result"]["total_success"], ended["result"]["total_failure"]) == (1, 2)
    uri = ended["result"]["input_file_uri"]
    assert session.get(f"{HOST}/data_file/data", params={"uri": uri}).status_code == 404
    assert sandbox.rejected(made["id"]) == GOOD * 2
    assert sandbox.content(made["id"]) == GOOD * 4
