"""The judge of each document type, against the lines of the reference's section 4 and against their near misses."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mics_iac.sandbox.lines import JUDGES, from_cells, judge_of

HASH = "7f73355bf032dcbb8e5a3f51f1e4a8ba92ef1344de2d95382634cf91da6d6181"
TOUCH = '"$type":"TOUCH","$session_status":"NO_SESSION","$ts":1768460400000'
EVENT = '{"$event_name":"store_visit","$ts":1768464000000,"$properties":{}}'

GOOD = [
    ("USER_ACTIVITY", f'{{{TOUCH},"$compartment_id":"1001","$user_account_id":"C42","$events":[{EVENT}]}}'),
    ("USER_ACTIVITY", f'{{{TOUCH},"$user_identifiers":[{{"$type":"USER_EMAIL","$hash":"{HASH}"}}],"$events":[]}}'),
    ("USER_ACTIVITY", f'{{{TOUCH},"$email_hash":{{"$email":"some.email@dummy.com"}},"$events":[{EVENT}]}}'),
    ("USER_ACTIVITY", f'{{{TOUCH},"$user_agent_id":"vec:1","$user_account_id":"C","$events":[],"$origin":null}}'),
    ("USER_PROFILE", '{"operation":"UPSERT","user_account_id":"C42","force_replace":true,"user_profile":{}}'),
    ("USER_PROFILE", f'{{"operation":"UPSERT","email_hash":"{HASH}","user_profile":{{"a":1}}}}'),
    ("USER_PROFILE", '{"operation":"DELETE","compartment_id":1001,"user_account_id":"C43"}'),
    ("USER_PROFILE", '{"operation":"DELETE","email_hash":"x","compartment_id":"1"}'),
    (
        "USER_CHOICE",
        '{"operation":"UPSERT","user_agent_id":"vec:1","force_replace":true,'
        '"user_choice":{"$processing_id":"77","$choice_ts":1768460400000,"$choice_acceptance_value":true}}',
    ),
    ("USER_CHOICE", f'{{"operation":"DELETE","email_hash":"{HASH}","user_choice":{{"$processing_id":"77"}}}}'),
    (
        "USER_SEGMENT",
        '{"operation":"UPDATE","user_account_id":"C42","segment_id":"5","expiration_duration":0,"data_bag":"{}"}',
    ),
    ("USER_SEGMENT", '{"operation":"DELETE","email_hash":"x","segment_technical_name":"vip","expiration_ts":0}'),
    (
        "USER_IDENTIFIERS_ASSOCIATION_DECLARATIONS",
        f'{{"identifiers":[{{"type":"USER_ACCOUNT","user_account_id":"C"}},{{"type":"USER_EMAIL","hash":"{HASH}"}}]}}',
    ),
    (
        "USER_IDENTIFIERS_DISSOCIATION_DECLARATIONS",
        '{"identifiers":[{"type":"USER_AGENT","user_agent_id":"vec:123456"}]}',
    ),
    ("USER_IDENTIFIERS_DELETION", '{"type":"USER_ACCOUNT","compartment_id":"1001","user_account_id":"C42"}'),
    ("USER_IDENTIFIERS_DELETION", '{"type":"USER_AGENT","user_agent_id":"vec:123456"}'),
    ("USER_DEVICE_POINTS_DELETION", '{"type":"USER_AGENT","user_agent_id":"udp:987654"}'),
    ("USER_DEVICE_POINT_DELETION", '{"type":"USER_AGENT","user_agent_id":"vec:1"}'),
    ("USER_POINTS_DELETION", '{"type":"USER_POINT","user_point_id":"0f0e0d0c-0b0a-4909-8807-060504030201"}'),
    ("USER_POINTS_DELETION", '{"type":"USER_AGENT","user_agent_id":"udp:987654"}'),
    ("SOMETHING_NEW", '{"anything": 1}'),
]

BAD = [
    ("USER_ACTIVITY", f'{{{TOUCH},"$events":[{EVENT}]}}', "no identifier"),
    ("USER_ACTIVITY", f'{{{TOUCH},"$user_agent_id":"vec:1"}}', "$events is missing"),
    ("USER_ACTIVITY", f'{{{TOUCH},"$user_agent_id":"vec:1","$events":[{{"$ts":1}}]}}', "no $event_name"),
    ("USER_ACTIVITY", f'{{{TOUCH},"$email_hash":{{"hash":"x"}},"$events":[]}}', "$email_hash has no $hash"),
    ("USER_ACTIVITY", '{"$type":["TOUCH"],"$session_status":"NO_SESSION","$events":[]}', "$type is unknown"),
    ("USER_ACTIVITY", '{"$type":"TOUCH","$session_status":"OPEN","$events":[]}', "$session_status is unknown"),
    ("USER_ACTIVITY", '{"$type":"TOUCH","$session_status":"NO_SESSION","$ts":"1"}', "$ts is not a number"),
    ("USER_ACTIVITY", f'{{{TOUCH},"$ttl":-1,"$user_agent_id":"vec:1","$events":[]}}', "$ttl"),
    ("USER_ACTIVITY", f'{{{TOUCH},"$origin":"x","$user_agent_id":"vec:1","$events":[]}}', "$origin"),
    ("USER_ACTIVITY", f'{{{TOUCH},"$user_agent_id":"vec","$events":[]}}', "$user_agent_id has no prefix"),
    ("USER_ACTIVITY", f'{{{TOUCH},"$user_account_id":7,"$events":[]}}', "$user_account_id is not"),
    ("USER_ACTIVITY", f'{{{TOUCH},"$user_identifiers":[{{"$type":"X"}}],"$events":[]}}', "$user_identifiers holds"),
    ("USER_ACTIVITY", f'{{{TOUCH},"$user_identifiers":[],"$events":[]}}', "no identifier"),
    ("USER_ACTIVITY", f'{{{TOUCH},"$events":[{{"$event_name":"a","$ts":"1"}}]}}', "event's $ts"),
    ("USER_ACTIVITY", f'{{{TOUCH},"$events":[{{"$event_name":"a","$properties":[]}}]}}', "event's $properties"),
    ("USER_PROFILE", '{"operation":"DELETE","user_agent_id":"vec"}', "user_agent_id has no prefix"),
    ("USER_PROFILE", '{"operation":"DELETE","user_account_id":"C","compartment_id":[]}', "compartment_id is not"),
    ("USER_PROFILE", '{"operation":"UPDATE","email_hash":"x","user_profile":{}}', "UPSERT or DELETE"),
    ("USER_PROFILE", '{"operation":"UPSERT","email_hash":"x"}', "user_profile is missing"),
    ("USER_PROFILE", '{"operation":"UPSERT","user_profile":{}}', "no identifier"),
    ("USER_PROFILE", '{"operation":"DELETE","email_hash":"x","user_agent_id":"vec:1"}', "one identifier"),
    ("USER_PROFILE", '{"operation":"DELETE","user_account_id":42}', "user_account_id is not text"),
    ("USER_PROFILE", '{"operation":"DELETE","email_hash":"x","update_strategy":"REPLACE"}', "update_strategy"),
    ("USER_PROFILE", '{"operation":"DELETE","email_hash":"x","force_replace":"true"}', "not a boolean"),
    ("USER_CHOICE", '{"operation":"DELETE","email_hash":"x"}', "$processing_id is missing"),
    ("USER_CHOICE", '{"operation":"UPSERT","email_hash":"x","user_choice":{"$processing_id":"7"}}', "force_replace"),
    (
        "USER_CHOICE",
        '{"operation":"UPSERT","email_hash":"x","force_replace":true,"user_choice":{"$processing_id":"7"}}',
        "$choice_ts is missing",
    ),
    ("USER_SEGMENT", '{"operation":"UPSERT","email_hash":"x","segment_id":"5"}', "UPDATE or DELETE"),
    ("USER_SEGMENT", '{"operation":"UPDATE","email_hash":"x","expiration_duration":1}', "no segment"),
    ("USER_SEGMENT", '{"operation":"UPDATE","email_hash":"x","segment_id":"5"}', "no expiry"),
    (
        "USER_SEGMENT",
        '{"operation":"UPDATE","email_hash":"x","segment_id":"5","expiration_ts":0,"data_bag":{}}',
        "data_bag",
    ),
    ("USER_IDENTIFIERS_ASSOCIATION_DECLARATIONS", '{"identifiers":[]}', "identifiers is missing"),
    ("USER_IDENTIFIERS_ASSOCIATION_DECLARATIONS", '{"identifiers":[{"type":"USER_EMAIL"}]}', "incomplete"),
    ("USER_IDENTIFIERS_DISSOCIATION_DECLARATIONS", '{"identifiers":["x"]}', "not an object"),
    ("USER_IDENTIFIERS_DELETION", '{"type":"USER_AGENT","user_agent_id":"udp:1"}', "device point"),
    ("USER_IDENTIFIERS_DELETION", '{"type":"USER_POINT","user_point_id":"x"}', "type is unknown"),
    ("USER_DEVICE_POINTS_DELETION", '{"type":"USER_EMAIL","hash":"x"}', "type is USER_AGENT"),
    ("USER_POINTS_DELETION", '{"type":"USER_POINT","user_point_id":"123"}', "not a UUID"),
]


@pytest.mark.parametrize(("document_type", "line"), GOOD)
def test_a_line_of_the_reference_is_applied(document_type: str, line: str) -> None:
    assert judge_of(document_type)(json.loads(line)) is None


@pytest.mark.parametrize(("document_type", "line", "reason"), BAD)
def test_a_near_miss_is_rejected_for_its_reason(document_type: str, line: str, reason: str) -> None:
    assert reason in (judge_of(document_type)(json.loads(line)) or "applied")


KEYS = st.sampled_from(
    [
        *("operation", "type", "identifiers", "user_account_id", "email_hash", "user_agent_id", "user_point_id"),
        *("$type", "$events", "$email_hash", "$user_identifiers", "user_choice", "user_profile", "data_bag"),
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("UPSERT"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(sorted(JUDGES)), st.dictionaries(KEYS, VALUES, max_size=6))
def test_no_line_makes_a_judge_fall_over(document_type: str, line: dict[str, object]) -> None:
    assert isinstance(judge_of(document_type)(line), str | None)


def test_a_csv_row_is_the_line_it_stands_for() -> None:
    header = ["operation", "user_account_id", "email_hash", "segment_id", "expiration_duration", "data_bag"]
    line = from_cells(header, ["UPDATE", "C42", "", "50123", "43200", '{"score": 0.8}'])
    assert line["expiration_duration"] == 43200
    assert "email_hash" not in line
    assert judge_of("USER_SEGMENT")(line) is None
