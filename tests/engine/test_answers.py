"""Answers that are not what one asked for, or that change: an execution that rises again, counts that come late."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3.response import HTTPResponse

from mics_iac.core.outcome import Outcome
from mics_iac.core.plan import Skip, Stuck
from mics_iac.core.state import Execution
from mics_iac.engine.project import Inputs
from mics_iac.sandbox.adapter import SandboxAdapter
from mics_iac.sandbox.faults import Fault
from tests.rig import ONE_IMPORT, Rig, digest, visits

COUNTS = {"total_success": 3, "total_failure": 0}

# Method, path and the things that an answer holds -> those that it is to hold instead.
Retold = Callable[[str, str, list[dict[str, Any]]], list[dict[str, Any]]]


class RetellingAdapter(BaseAdapter):
    """The platform, whose good answers about imports and executions are told otherwise.

    An answer about one thing that is left without it says 404; a list is told with its new length.
    """

    def __init__(self, platform: SandboxAdapter, retell: Retold) -> None:
        super().__init__()
        self._platform = platform
        self._retell = retell
        self._builder = HTTPAdapter()

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        answer = self._platform.send(request, stream, timeout, verify, cert, proxies)
        path = (request.url or "").partition("?")[0]
        if answer.status_code != 200 or "/document_imports" not in path:
            return answer
        told, status = answer.json(), 200
        one = isinstance(told["data"], dict)
        data = self._retell(request.method or "", path, [told["data"]] if one else told["data"])
        if not one:
            told |= {"data": data, "count": len(data), "total": told["total"] - len(told["data"]) + len(data)}
        elif data:
            told["data"] = data[0]
        else:
            told, status = {"status": "error", "error": "Resource not found"}, 404
        body = json.dumps(told).encode()
        headers = {"content-type": "application/json", "content-length": str(len(body))}
        raw = HTTPResponse(body=io.BytesIO(body), headers=headers, status=status, preload_content=False)
        return self._builder.build_response(request, raw)

    def close(self) -> None:
        self._platform.close()
        self._builder.close()


class RetoldRig(Rig):
    """A rig whose platform may be told otherwise."""

    retell: Retold | None = None

    def inputs(self) -> Inputs:
        given = super().inputs()
        if self.retell is None:
            return given
        platform = SandboxAdapter(self.sandbox, self.faults, wait=self.clock.sleep)
        return replace(given, sandbox=RetellingAdapter(platform, self.retell))

    def executions(self) -> tuple[Execution, ...]:
        """The executions of the one import, as the state has them."""
        return self.state().imports["fr/visits"].current.executions


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[RetoldRig]:
    folder = tmp_path / "project"
    folder.mkdir()
    made = RetoldRig(folder)
    made.declare(ONE_IMPORT)
    made.write("data/a.ndjson", visits(0, 3))
    with made.sandbox:
        yield made


def executions(change: Callable[[dict[str, Any]], dict[str, Any] | None], /, *, method: str = "GET") -> Retold:
    """Every execution told otherwise, or left out."""

    def retell(asked: str, path: str, data: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if asked != method or "/executions" not in path:
            return data
        return [told for told in map(change, data) if told is not None]

    return retell


def imports(method: str = "", /, **fields: object) -> Retold:
    """Every import told with these fields."""

    def retell(asked: str, path: str, data: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return data if "/executions" in path or method not in asked else [one | fields for one in data]

    return retell


def texts(outcome: Outcome) -> str:
    failures = (f"{f.error.message}\n{f.error.remedy or ''}" for f in outcome.failures)
    return "\n".join((*outcome.unfinished, *failures))


# An execution that failed, and did not stay so.


def failed_once(rig: RetoldRig) -> None:
    rig.fault(Fault("ends_failed"))
    assert rig.apply().exit_code == 7
    assert [e.status for e in rig.executions()] == ["FAILED"]
    assert any(isinstance(a, Stuck) for a in rig.plan().actions)


def succeeded(told: dict[str, Any]) -> dict[str, Any]:
    uri = told["parameters"]["file_uri"] if told["parameters"] else None
    return told | {"status": "SUCCEEDED", "error": None, "result": {**COUNTS, "input_file_uri": uri}}


def running(told: dict[str, Any]) -> dict[str, Any]:
    return told | {"status": "RUNNING", "error": None, "result": None}


def test_a_failed_execution_that_succeeded_after_all_is_not_sent_again(rig: RetoldRig) -> None:
    failed_once(rig)
    rig.retell = executions(succeeded)
    for retry_failed in (False, True):
        plan = rig.plan(retry_failed=retry_failed)
        assert plan.empty
        assert [a.source for a in plan.actions if isinstance(a, Skip)] == ["data/a.ndjson"]
    assert rig.apply(retry_failed=True).exit_code == 0
    assert len(rig.loaded()) == 1
    assert [(e.status, e.total_success) for e in rig.executions()] == [("SUCCEEDED", 3)]


def test_a_failed_execution_that_runs_again_is_waited_for(rig: RetoldRig) -> None:
    failed_once(rig)
    looks: list[int] = []

    def ends_well_later(told: dict[str, Any]) -> dict[str, Any]:
        looks.append(1)
        return succeeded(told) if len(looks) > 4 else running(told)

    rig.retell = executions(ends_well_later)
    outcome = rig.apply(retry_failed=True)
    assert outcome.exit_code == 0, texts(outcome)
    assert len(rig.loaded()) == 1
    assert [(e.status, e.total_success) for e in rig.executions()] == [("SUCCEEDED", 3)]
    assert rig.plan().empty


def test_a_failed_execution_that_runs_again_and_fails_again(rig: RetoldRig) -> None:
    failed_once(rig)
    rig.retell = executions(running)
    rig.limit(wait=False)
    rig.apply(retry_failed=True)
    assert len(rig.loaded()) == 1
    assert [e.status for e in rig.executions()] == ["RUNNING"]
    assert rig.plan(retry_failed=True).uploads == ()
    rig.retell = None
    rig.limit(wait=True)
    # The run that sees it end says so, and does not send it unasked.
    assert rig.apply().exit_code == 7
    assert len(rig.loaded()) == 1
    assert [a.source for a in rig.plan(retry_failed=True).uploads] == ["data/a.ndjson"]
    assert rig.apply(retry_failed=True).exit_code == 0
    assert len(rig.loaded()) == 2
    assert rig.plan().empty


# Imports that are not quite what was asked for.


def test_an_encoding_has_no_case(rig: RetoldRig) -> None:
    rig.retell = imports(encoding="UTF-8")
    assert rig.apply().exit_code == 0
    assert rig.plan().empty
    rig.state_path.unlink()
    assert rig.apply().exit_code == 0
    assert rig.plan().empty
    assert len(rig.sandbox.imports()) == 1
    assert len(rig.loaded()) == 1


@pytest.mark.parametrize("fields", [{"document_type": "USER_PROFILE"}, {"mime_type": "TEXT_CSV"}])
def test_nothing_is_loaded_into_an_import_that_was_created_otherwise(rig: RetoldRig, fields: dict[str, object]) -> None:
    rig.retell = imports("POST", **fields)
    outcome = rig.apply()
    (made,) = rig.sandbox.imports()
    assert outcome.exit_code not in {0, 7}
    assert rig.loaded() == []
    said = texts(outcome)
    assert made.id in said
    assert "other settings than were asked for" in said
    assert rig.calls("POST", "/executions") == []


# Answers that name something else.


def test_an_upload_that_is_answered_with_another_upload_is_a_doubt(rig: RetoldRig) -> None:
    rig.apply()
    (first,) = rig.executions()
    rig.write("data/b.ndjson", visits(10, 3))
    rig.retell = executions(lambda told: told | {"id": first.id}, method="POST")
    outcome = rig.apply()
    assert outcome.exit_code == 0, texts(outcome)
    assert rig.loaded() == sorted([digest(visits(0, 3)), digest(visits(10, 3))])
    of_state = {e.id: e.sha256 for e in rig.executions()}
    assert of_state == {e.id: e.sha256 for e in rig.sandbox.executions()}
    assert of_state[first.id] == digest(visits(0, 3))
    assert rig.state().imports["fr/visits"].current.doubts == ()
    rig.retell = None
    assert rig.plan().empty


def test_an_upload_that_is_answered_with_an_id_of_nothing_is_not_loaded_twice(rig: RetoldRig) -> None:
    rig.retell = executions(lambda told: told | {"id": "1"}, method="POST")
    outcome = rig.apply()
    assert outcome.exit_code == 7, texts(outcome)
    assert [(e.id, e.status) for e in rig.executions()] == [("1", "LOST")]
    rig.retell = None
    outcome = rig.apply(retry_failed=True)
    assert outcome.exit_code == 0, texts(outcome)
    assert (outcome.tally.loaded, outcome.tally.found) == (0, 1)
    assert len(rig.loaded()) == 1
    assert rig.plan().empty


# Executions that are not shown any more.


def nothing(_told: dict[str, Any]) -> None:
    return None


@pytest.mark.parametrize("later", [True, False])
def test_an_execution_that_the_platform_has_no_more_is_lost(rig: RetoldRig, later: bool) -> None:
    if later:
        rig.limit(wait=False)
        assert rig.apply().exit_code == 0
        rig.limit(wait=True)
    rig.retell = executions(nothing)
    before = rig.clock.monotonic()
    outcome = rig.apply()
    assert outcome.exit_code == 7, texts(outcome)
    assert [s.status for s in outcome.shortfalls] == ["LOST"]
    assert rig.clock.monotonic() - before < rig.limits.wait_timeout / 10
    assert [e.status for e in rig.executions()] == ["LOST"]
    # It is not sent again unasked.
    assert rig.apply().exit_code == 3
    assert len(rig.loaded()) == 1
    assert any(isinstance(a, Stuck) for a in rig.plan().actions)


def test_an_execution_that_only_lists_leave_out_is_not_lost(rig: RetoldRig) -> None:
    def left_out(asked: str, path: str, data: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [] if asked == "GET" and path.endswith("/executions") else data

    rig.retell = left_out
    rig.limit(wait_timeout=120)
    outcome = rig.apply()
    assert outcome.exit_code in {0, 3}, texts(outcome)
    assert [e.status for e in rig.executions()] != ["LOST"]
    rig.retell = None
    assert rig.apply().exit_code == 0
    assert [e.status for e in rig.executions()] == ["SUCCEEDED"]
    assert len(rig.loaded()) == 1


# Counts.


@pytest.mark.parametrize("missing", [1, 2])
def test_counts_that_come_a_little_later_than_the_status(rig: RetoldRig, missing: int) -> None:
    looks: list[int] = []

    def late(told: dict[str, Any]) -> dict[str, Any]:
        if told["status"] != "SUCCEEDED":
            return told
        looks.append(1)
        return told | {"result": None} if len(looks) <= missing else told

    rig.retell = executions(late)
    outcome = rig.apply()
    assert outcome.exit_code == 0, texts(outcome)
    assert len(looks) > missing
    assert (outcome.tally.ok, outcome.tally.rejected) == (3, 0)
    assert [(e.status, e.total_success) for e in rig.executions()] == [("SUCCEEDED", 3)]
    assert rig.plan().empty


def test_counts_that_come_between_two_runs(rig: RetoldRig) -> None:
    rig.limit(wait=False)
    rig.apply()
    rig.limit(wait=True)
    rig.clock.sleep(600)
    looks: list[int] = []

    def late(told: dict[str, Any]) -> dict[str, Any]:
        looks.append(1)
        return told | {"result": None} if len(looks) == 1 else told

    rig.retell = executions(late)
    outcome = rig.apply()
    assert outcome.exit_code == 0, texts(outcome)
    assert [(e.status, e.total_success) for e in rig.executions()] == [("SUCCEEDED", 3)]


def test_counts_that_come_a_little_later_than_an_execution_was_found(rig: RetoldRig) -> None:
    """A lost state: the execution is adopted by its bytes when it has ended and its counts are not told yet."""
    rig.apply()
    rig.clock.sleep(600)
    rig.state_path.unlink()
    looks: list[int] = []

    def late(told: dict[str, Any]) -> dict[str, Any]:
        looks.append(1)
        result = {"input_file_uri": told["result"]["input_file_uri"]}
        return told | {"result": result} if len(looks) <= 2 else told

    rig.retell = executions(late)
    outcome = rig.apply()
    assert outcome.exit_code == 0, texts(outcome)
    assert [(e.status, e.total_success) for e in rig.executions()] == [("SUCCEEDED", 3)]
    assert len(rig.loaded()) == 1
    assert rig.plan().empty


def test_counts_that_never_come_are_records_unaccounted_for(rig: RetoldRig) -> None:
    rig.retell = executions(lambda told: told | {"result": None})
    outcome = rig.apply()
    assert outcome.exit_code == 7, texts(outcome)
    assert [(s.status, s.unaccounted) for s in outcome.shortfalls] == [("SUCCEEDED", 3)]
    assert rig.clock.monotonic() < rig.limits.wait_timeout
    # The records may well be there: nothing is sent again, and counts that do come are learned.
    rig.retell = None
    assert rig.apply().exit_code == 0
    assert len(rig.loaded()) == 1
