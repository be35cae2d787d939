"""Document imports as a client sees them: fields, refusals, pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from mics_iac.sandbox.adapter import SandboxAdapter
from mics_iac.sandbox.profile import Profile
from mics_iac.sandbox.sandbox import Sandbox

HOST = "https://api.mediarithmics.com/v1"
IMPORTS = f"{HOST}/datamarts/1502/document_imports"
ASKED = {"name": "crm", "document_type": "USER_PROFILE", "mime_type": "APPLICATION_X_NDJSON"}


def talking_to(path: Path, profile: Profile) -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    session.headers["Authorization"] = "a-token"
    session.mount("https://", SandboxAdapter(Sandbox(path / "s.db", profile=profile)))
    return session


def listed(session: requests.Session, size: int) -> list[str]:
    """All ids, page by page until one is empty."""
    found: list[str] = []
    while True:
        answer = session.get(IMPORTS, params={"first_result": len(found), "max_results": size}).json()
        assert answer["count"] == len(answer["data"])
        if not answer["data"]:
            return found
        found += [one["id"] for one in answer["data"]]


def test_a_new_import_has_the_eight_documented_fields(session: requests.Session) -> None:
    answer = session.post(IMPORTS, json=ASKED)
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ok",
        "data": {
            "id": "31001",
            "datafarm_key": "DF_EU_2021_09",
            "datamart_id": "1502",
            "document_type": "USER_PROFILE",
            "mime_type": "APPLICATION_X_NDJSON",
            "encoding": "utf-8",
            "name": "crm",
            "priority": "MEDIUM",
        },
    }
    assert session.get(f"{IMPORTS}/31001").json() == answer.json()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"name": ""}, "name"),
        ({"name": None}, "name"),
        ({"name": 3}, "name"),
        ({"name": "half a pair: \ud800"}, "name is not Unicode"),
        ({"document_type": "USER_PROFIL"}, "document_type USER_PROFIL is unknown"),
        ({"mime_type": "X_NDJSON"}, "mime_type X_NDJSON is unknown"),
        ({"mime_type": "TEXT_CSV"}, "USER_SEGMENT"),
        ({"priority": "URGENT"}, "priority URGENT is unknown"),
    ],
)
def test_a_wrong_import_is_refused_with_an_error_id(
    session: requests.Session, sandbox: Sandbox, change: dict[str, Any], reason: str
) -> None:
    answer = session.post(IMPORTS, json={**ASKED, **change})
    assert answer.status_code == 400
    assert answer.json()["status"] == "error"
    assert reason in answer.json()["error"]
    assert answer.json()["error_id"]
    assert sandbox.imports() == ()


def test_an_enveloped_or_broken_body_is_refused(session: requests.Session) -> None:
    json_type = {"Content-Type": "application/json"}
    assert session.post(IMPORTS, json={"status": "ok", "data": ASKED}).status_code == 400
    assert session.post(IMPORTS, data="{", headers=json_type).status_code == 400
    assert session.post(IMPORTS, data="[" * 100_000, headers=json_type).status_code == 400
    assert session.post(IMPORTS, data="[]", headers=json_type).status_code == 400
    assert session.post(IMPORTS, data="{}", headers={"Content-Type": "text/plain"}).status_code == 415


def test_names_may_repeat_and_keywords_look_into_them(session: requests.Session, sandbox: Sandbox) -> None:
    for name in ("Été", "été 2", "hiver"):
        sandbox.add_import("1502", name)
    sandbox.add_import("1502", "hiver")
    found = session.get(IMPORTS, params={"keywords": "ÉTÉ"}).json()
    assert [one["name"] for one in found["data"]] == ["Été", "été 2"]
    assert found["total"] == 2
    assert session.get(IMPORTS, params={"label_ids": "12,15"}).json()["data"] == []


def test_put_changes_name_and_priority_alone(session: requests.Session) -> None:
    made = session.post(IMPORTS, json=ASKED).json()["data"]
    url = f"{IMPORTS}/{made['id']}"
    changed = session.put(url, json={**made, "name": "crm 2", "priority": "HIGH"})
    assert changed.json()["data"] == {**made, "name": "crm 2", "priority": "HIGH"} == session.get(url).json()["data"]
    assert session.put(url, json={"name": "partial"}).json()["data"]["priority"] == "HIGH"
    for key, value in (("document_type", "USER_CHOICE"), ("encoding", "latin-1"), ("id", "1"), ("datamart_id", "2")):
        refused = session.put(url, json={**made, key: value})
        assert refused.status_code == 400
        assert key in refused.json()["error"]
    assert session.get(url).json()["data"]["name"] == "partial"


def test_put_may_be_let_change_all(tmp_path: Path) -> None:
    with talking_to(tmp_path, Profile(put_changes_all=True)) as session:
        made = session.post(IMPORTS, json=ASKED).json()["data"]
        changed = session.put(f"{IMPORTS}/{made['id']}", json={**made, "document_type": "USER_CHOICE"})
        assert changed.json()["data"]["document_type"] == "USER_CHOICE"


def test_delete_takes_the_import_its_executions_and_its_files(session: requests.Session, sandbox: Sandbox) -> None:
    import_id = sandbox.add_import("1502", "crm")
    execution_id = sandbox.add_execution(import_id, b'{"operation":"DELETE","email_hash":"x"}\n')
    uri = sandbox.executions()[0].file_uri
    assert session.delete(f"{IMPORTS}/{import_id}").json()["status"] == "ok"
    for path in (f"{IMPORTS}/{import_id}", f"{IMPORTS}/{import_id}/executions/{execution_id}"):
        answer = session.get(path)
        assert (answer.status_code, answer.json()["error"]) == (404, "Resource Not Found")
    assert session.get(f"{HOST}/data_file/data", params={"uri": uri}).status_code == 404
    assert session.delete(f"{IMPORTS}/{import_id}").status_code == 404
    # A witness still knows what was loaded.
    assert sandbox.executions() == ()
    assert [one.id for one in sandbox.executions(deleted=True)] == [execution_id]


def test_an_empty_answer_to_delete(tmp_path: Path) -> None:
    with talking_to(tmp_path, Profile(delete_empty=True)) as session:
        made = session.post(IMPORTS, json=ASKED).json()["data"]
        answer = session.delete(f"{IMPORTS}/{made['id']}")
        assert (answer.status_code, answer.content) == (204, b"")


def test_an_import_of_another_datamart_is_not_found(session: requests.Session, sandbox: Sandbox) -> None:
    import_id = sandbox.add_import("1500", "crm")
    assert session.get(f"{IMPORTS}/{import_id}").status_code == 404
    assert session.get(f"{HOST}/datamarts/abc/document_imports").status_code == 404
    assert session.get(f"{IMPORTS}/{10**30}").status_code == 404


@settings(max_examples=15, deadline=None)
@given(
    size=st.integers(1, 30), limit=st.none() | st.integers(1, 7), order=st.sampled_from(["id_asc", "id_desc", "name"])
)
def test_pages_of_any_size_list_the_same(
    tmp_path_factory: pytest.TempPathFactory, size: int, limit: int | None, order: Any
) -> None:
    folder = tmp_path_factory.mktemp("pages")
    sandbox = Sandbox(folder / "s.db")
    made = {sandbox.add_import("1502", f"n{number % 5}") for number in range(17)}
    sandbox.close()
    with talking_to(folder, Profile(page_limit=limit, import_order=order, total=limit is None)) as session:
        found = listed(session, size)
    assert len(found) == len(made)
    assert set(found) == made


def test_a_page_says_what_it_is(session: requests.Session, sandbox: Sandbox) -> None:
    for number in range(60):
        sandbox.add_import("1502", f"n{number}")
    answer = session.get(IMPORTS).json()
    assert {key: answer[key] for key in ("status", "count", "first_result", "max_results", "total")} == {
        "status": "ok",
        "count": 50,
        "first_result": 0,
        "max_results": 50,
        "total": 60,
    }
    for wrong in ({"max_results": "0"}, {"max_results": "x"}, {"first_result": "-1"}, {"first_result": "9" * 30}):
        assert session.get(IMPORTS, params=wrong).status_code == 400


def test_datamarts_exist_on_first_use_or_by_a_closed_set(session: requests.Session, tmp_path: Path) -> None:
    session.get(IMPORTS)
    found = session.get(f"{HOST}/datamarts", params={"organisation_id": "600"}).json()["data"]
    assert [one["id"] for one in found] == ["1502"]
    assert session.get(f"{HOST}/datamarts/1502").json()["data"] == found[0]
    assert session.get(f"{HOST}/datamarts/1502/compartments").json()["data"][0]["default"] is True
    with talking_to(tmp_path, Profile(datamarts=frozenset({"1500"}))) as closed:
        assert closed.get(IMPORTS).status_code == 404
        assert closed.get(f"{HOST}/datamarts/1500/document_imports").status_code == 200


def test_unknown_document_types_may_be_let_in(tmp_path: Path) -> None:
    with talking_to(tmp_path, Profile(unknown_document_types=True)) as session:
        made = session.post(IMPORTS, json={**ASKED, "document_type": "USER_NOVELTY"})
        assert made.json()["data"]["document_type"] == "USER_NOVELTY"


def test_who_is_let_in(session: requests.Session, tmp_path: Path) -> None:
    for token in ("bare", "Bearer x", "api:x"):
        assert session.get(IMPORTS, headers={"Authorization": token}).status_code == 200
    assert session.get(IMPORTS, headers={"Authorization": ""}).status_code == 401
    with talking_to(tmp_path, Profile(tokens=frozenset({"a-token"}), token_requests=2)) as strict:
        assert [strict.get(IMPORTS).status_code for _ in range(3)] == [200, 200, 401]
        assert strict.get(IMPORTS, headers={"Authorization": "other"}).status_code == 401


def test_there_is_no_other_route(session: requests.Session) -> None:
    assert session.get(f"{HOST}/datamarts/1502/documents_imports").status_code == 404
    assert session.patch(f"{IMPORTS}/31001", json={}).status_code == 405
