"""The platform's JSON in every shape that is documented, and some that are not."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mics_iac.api.calls import Answer
from mics_iac.api.refusal import words
from mics_iac.api.wire import Unreadable, read_execution, read_execution_page, read_import, read_import_page
from mics_iac.core.observed import RemoteExecution
from mics_iac.core.settings import Settings


def envelope(data: object, **more: object) -> bytes:
    return json.dumps({"status": "ok", "data": data, **more}).encode()


ENDED = {
    "id": "9200045",
    "status": "SUCCEEDED",
    "creation_date": 1768460400000,
    "parameters": {"datamart_id": 1500, "document_import_id": 31001, "file_uri": "mics://in", "number_of_lines": 3},
    "result": {
        "total_success": 2,
        "total_failure": 1,
        "input_file_uri": "mics://in2",
        "error_file_uri": "mics://err",
        "possible_issue_on_identifiers": True,
        "top_identifiers": {},
    },
    "error": {"message": "one line was bad"},
}


def test_an_ended_execution_is_read_whole() -> None:
    assert read_execution(envelope(ENDED)) == RemoteExecution(
        id="9200045",
        status="SUCCEEDED",
        creation_date=1768460400000,
        number_of_lines=3,
        input_uri="mics://in",
        error_uri="mics://err",
        loaded=2,
        rejected=1,
        identifiers_suspect=True,
        message="one line was bad",
    )


def test_the_input_file_is_known_from_the_result_where_the_parameters_do_not_say() -> None:
    assert read_execution(envelope({**ENDED, "parameters": None})).input_uri == "mics://in2"


def test_what_is_not_known_yet_is_none() -> None:
    nulls = dict.fromkeys(("creation_date", "parameters", "result", "error"))
    for pending in ({"id": 7, "status": "PENDING"}, {"id": "7", "status": "PENDING", **nulls}):
        assert read_execution(envelope(pending)) == RemoteExecution(id="7", status="PENDING")


def test_an_execution_without_a_status_exists_all_the_same_and_is_active() -> None:
    assert not read_execution(envelope({"id": "7"})).ended


def test_success_is_kept_as_it_is() -> None:
    execution = read_execution(envelope({"id": "7", "status": "SUCCESS"}))
    assert (execution.status, execution.succeeded) == ("SUCCESS", True)


ODD_COUNTS = [-1, True, "many", 1.5, [], {}, 2**70, "9" * 40]


@pytest.mark.parametrize("count", ODD_COUNTS)
def test_a_count_that_is_none_is_not_known(count: object) -> None:
    result = {"total_success": count, "total_failure": count}
    execution = {"id": "7", "status": "SUCCEEDED", "parameters": {"number_of_lines": count}, "result": result}
    assert read_execution(envelope(execution)) == RemoteExecution(id="7", status="SUCCEEDED")


@pytest.mark.parametrize("total", ODD_COUNTS)
def test_a_total_that_is_none_makes_the_list_unreadable(total: object) -> None:
    """It is what tells that a list ends too early."""
    with pytest.raises(Unreadable, match="total"):
        read_execution_page(envelope([], total=total))


ODD = [5.5, True, [], ["x"], {}, {"x": 1}, None]
WHOLE = read_execution(envelope(ENDED))


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize(
    ("place", "left"),
    [
        ("parameters", replace(WHOLE, number_of_lines=None, input_uri="mics://in2")),
        ("result", replace(WHOLE, loaded=None, rejected=None, error_uri=None, identifiers_suspect=False)),
        ("error", replace(WHOLE, message=None)),
        ("creation_date", replace(WHOLE, creation_date=None)),
        ("status", replace(WHOLE, status="UNKNOWN")),
    ],
)
def test_an_execution_with_an_odd_field_is_read_without_it(place: str, left: RemoteExecution, odd: object) -> None:
    assert read_execution(envelope({**ENDED, place: odd})) == left


@pytest.mark.parametrize("odd", [*ODD, 7, ""])
@pytest.mark.parametrize(
    ("outer", "place", "left"),
    [
        ("parameters", "file_uri", replace(WHOLE, input_uri="mics://in2")),
        ("result", "error_file_uri", replace(WHOLE, error_uri=None)),
        ("error", "message", replace(WHOLE, message=None)),
    ],
)
def test_a_text_that_is_none_is_not_known(outer: str, place: str, left: RemoteExecution, odd: object) -> None:
    fields = ENDED[outer]
    assert isinstance(fields, dict)
    assert read_execution(envelope({**ENDED, outer: {**fields, place: odd}})) == left


@pytest.mark.parametrize("odd", ["unknown", "true", 1, 5.5, [], {}, None, False])
def test_only_a_plain_yes_makes_identifiers_suspect(odd: object) -> None:
    result = {"possible_issue_on_identifiers": odd, "total_success": 3}
    read = read_execution(envelope({"id": "7", "status": "SUCCEEDED", "result": result}))
    assert (read.identifiers_suspect, read.loaded) == (False, 3)


def test_an_error_that_is_a_mere_text_is_shown() -> None:
    assert read_execution(envelope({**ENDED, "error": "no quota left"})).message == "no quota left"


NO_IDS = [{}, {"id": None}, {"id": ""}, {"id": "../1"}, {"id": True}, {"id": [1]}, {"id": 1.5}, None, "7", [], 7]


@pytest.mark.parametrize("broken", NO_IDS)
def test_a_thing_without_an_id_hides_no_other_in_its_list(broken: object) -> None:
    data = envelope([{"id": "6"}, broken, {"id": "7"}])
    executions = read_execution_page(data)
    assert ([one.id for one in executions.items], executions.left_out) == (["6", "7"], 1)
    good = [{"id": str(number), "document_type": "X", "mime_type": "Y"} for number in (1, 2)]
    imports = read_import_page(envelope([*good, broken]), datamart_id="1500")
    assert ([one.id for one in imports.items], imports.left_out) == (["1", "2"], 1)
    with pytest.raises(Unreadable):
        read_execution(envelope(broken))


IMPORT = {
    "id": "31001",
    "name": "CRM",
    "document_type": "USER_PROFILE",
    "mime_type": "APPLICATION_X_NDJSON",
    "encoding": "utf-8",
    "priority": "HIGH",
}


@pytest.mark.parametrize("odd", [*ODD, "", "missing"])
@pytest.mark.parametrize("place", ["document_type", "mime_type"])
def test_an_import_of_which_it_is_not_known_what_it_is_is_left_out_of_the_list(place: str, odd: object) -> None:
    """Read with an empty text there, one that the state knows would be replaced, and its files loaded again."""
    broken = {key: value for key, value in {**IMPORT, place: odd}.items() if value != "missing"}
    page = read_import_page(envelope([broken, {**IMPORT, "id": "31002"}], total=2), datamart_id="1500")
    assert ([one.id for one in page.items], page.left_out) == (["31002"], 1)
    with pytest.raises(Unreadable, match=place):
        read_import(envelope(broken), datamart_id="1500")


@pytest.mark.parametrize("odd", [5.5, True, [], {}, {"x": 1}])
def test_an_import_whose_encoding_is_not_a_text_is_left_out_of_the_list(odd: object) -> None:
    page = read_import_page(envelope([{**IMPORT, "encoding": odd}]), datamart_id="1500")
    assert (page.items, page.left_out) == ((), 1)


@pytest.mark.parametrize("odd", [5.5, True, [], {}])
def test_an_import_whose_name_or_priority_is_odd_is_listed_without_it(odd: object) -> None:
    page = read_import_page(envelope([{**IMPORT, "name": odd, "priority": odd}]), datamart_id="1500")
    assert page.items[0].settings == Settings("1500", "", "USER_PROFILE", "APPLICATION_X_NDJSON", "utf-8", "")
    assert page.left_out == 0


@pytest.mark.parametrize("absent", [None, ""])
def test_an_import_without_encoding_and_priority_has_the_usual_ones(absent: object) -> None:
    read = read_import(envelope({**IMPORT, "name": absent, "encoding": absent, "priority": absent}), datamart_id="15")
    assert read.settings == Settings("15", "", "USER_PROFILE", "APPLICATION_X_NDJSON", "utf-8", "MEDIUM")


@pytest.mark.parametrize(("count", "number"), [(12, 12), ("12", 12), (12.0, 12), (None, None)])
def test_a_count_may_come_as_text_or_as_a_whole_float(count: object, number: int | None) -> None:
    assert read_execution(envelope({"id": "7", "status": "x", "result": {"total_success": count}})).loaded == number


@pytest.mark.parametrize("date", ["yesterday", 1e30, True, [], 1.5])
def test_an_odd_date_is_dropped(date: object) -> None:
    assert read_execution(envelope({"id": "7", "status": "x", "creation_date": date})).creation_date is None


def test_an_import_is_read_with_the_datamart_that_was_asked() -> None:
    raw = {"id": 31001, "datamart_id": 1500, "name": "a\u202eb\x1b", "document_type": "X", "mime_type": "Y", "new": [1]}
    remote = read_import(envelope(raw), datamart_id="1500")
    assert remote.id == "31001"
    assert remote.settings == Settings("1500", "a\u202eb\x1b", "X", "Y", "utf-8", "MEDIUM")
    assert remote.raw == raw


def test_a_total_may_be_missing() -> None:
    assert read_execution_page(envelope([])).total is None
    assert read_execution_page(envelope([], total=None)).total is None
    assert read_import_page(envelope([], total="3"), datamart_id="1").total == 3


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)
keys = st.sampled_from(["status", "data", "total", "id", "name", "parameters", "result", "error", "error_id"])
objects = st.dictionaries(keys, json_values | st.dictionaries(keys, json_values, max_size=4), max_size=6)


@given(st.one_of(st.binary(), objects.map(lambda one: json.dumps(one).encode())))
def test_any_bytes_are_read_or_unreadable(body: bytes) -> None:
    for read in (
        read_execution,
        read_execution_page,
        lambda data: read_import(data, datamart_id="1"),
        lambda data: read_import_page(data, datamart_id="1"),
    ):
        try:
            read(body)
        except Unreadable:
            continue


@given(
    st.integers(100, 599),
    st.one_of(st.binary(), st.text().map(str.encode), objects.map(lambda o: json.dumps(o).encode())),
)
def test_any_error_answer_gives_words_of_bounded_length(status: int, body: bytes) -> None:
    said = words(Answer(status, {}, body), clean=str)
    assert len(said.text) <= 501
    assert len(said.error_id or "") <= 101


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"status":"error","error":"Resource Not Found","error_id":"e"}', "Resource Not Found"),
        (b"<html><head><title>502 Bad Gateway</title></head><body>x</body></html>", "502 Bad Gateway"),
        (b"<p>Down for <b>maintenance</b> &amp; back</p><script>var x = 1</script>", "Down for maintenance & back"),
        (b"upstream connect error", "upstream connect error"),
        (b"", ""),
        (b"[1]", ""),
        (b'{"error": {"message": "nested"}}', ""),
    ],
)
def test_an_error_is_told_in_its_own_words(body: bytes, text: str) -> None:
    assert words(Answer(500, {}, body), clean=str).text == text


def test_a_hostile_page_costs_no_time() -> None:
    started = time.process_time()
    for body in (b"<script" * 9000, b"<" * 64_000, b"<title" * 9000, b"<script>" + b"</" * 30_000):
        words(Answer(500, {}, body), clean=str)
    assert time.process_time() - started < 2.0


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"id": "1", "mime_type": "Y"}, "its document_type is missing"),
        ({"id": "1", "document_type": "", "mime_type": "Y"}, "its document_type is empty"),
        ({"document_type": "X", "mime_type": "Y"}, "its id is missing"),
        ({"id": ["canary"], "document_type": "X", "mime_type": "Y"}, r"its id cannot be read .*not an id.* type list"),
    ],
)
def test_what_cannot_be_read_is_named_without_its_value(broken: object, said: str) -> None:
    with pytest.raises(Unreadable, match=said) as caught:
        read_import(envelope(broken), datamart_id="1500")
    assert "canary" not in str(caught.value)
