"""Records of each document type: the good ones of the reference have no finding, each broken one exactly its own."""

from __future__ import annotations

import pytest

from mics_iac.documents.rules import RULES
from tests.documents.lines import GOOD, TOUCH, TYPES
from tests.documents.reading import found, report_of

ID = '"user_account_id":"C"'
DUE = '"expiration_duration":0'
WHOLE_FILE = {code for code, rule in RULES.items() if rule.scope == "file"}


@pytest.mark.parametrize("document_type", TYPES)
def test_the_good_lines_have_no_finding(document_type: str) -> None:
    report = report_of(document_type, "\n".join(GOOD[document_type]).encode())
    assert report.records == report.lines == len(GOOD[document_type])
    assert set(report.counts) <= {"MICS380", "MICS382"}


def activity(rest: str, *, who: str = '"$user_account_id":"C"', events: str = "[]") -> str:
    return f'{{{TOUCH},{who},"$events":{events}{rest}}}'


# A line, and for each finding: the text at whose beginning it is, its code, its field.
BROKEN: list[tuple[str, str, list[tuple[str, str, str]]]] = [
    # 4.1, USER_ACTIVITY lines
    ("USER_ACTIVITY", activity("", who='"$ttl":1'), [("{", "MICS350", "")]),
    ("USER_ACTIVITY", activity("", who='"$user_identifiers":[]'), [("{", "MICS350", "")]),
    ("USER_ACTIVITY", activity(',"$user_agent_id":"vec:1"'), [("{", "MICS352", "")]),
    (
        "USER_ACTIVITY",
        activity("", who='"$user_identifiers":[{"$type":"USER_AGENT","$user_agent_id":"x"}]'),
        [('"x"', "MICS353", "$user_identifiers[0].$user_agent_id")],
    ),
    (
        "USER_ACTIVITY",
        activity("", who='"$user_identifiers":[{"type":"USER_EMAIL","$hash":"x"}]'),
        [
            ('{"type"', "MICS320", "$user_identifiers[0].$type"),
            ('"type"', "MICS324", "$user_identifiers[0].type"),
        ],
    ),
    (
        "USER_ACTIVITY",
        activity("", who='"$user_identifiers":[{"$type":"USER_EMAIL","$user_account_id":"C"}]'),
        [
            ('{"$type":"USER_EMAIL', "MICS320", "$user_identifiers[0].$hash"),
            ('"C"', "MICS328", "$user_identifiers[0].$user_account_id"),
        ],
    ),
    ("USER_ACTIVITY", activity("", who='"$user_agent_id":"vec"'), [('"vec"', "MICS353", "$user_agent_id")]),
    ("USER_ACTIVITY", activity("", who='"$user_agent_id":"vec:"'), [('"vec:"', "MICS353", "$user_agent_id")]),
    (
        "USER_ACTIVITY",
        activity(',"$compartment_id":"7"', who='"$user_agent_id":"vec:1"'),
        [('"7"', "MICS354", "$compartment_id")],
    ),
    (
        "USER_ACTIVITY",
        activity("", who='"$email_hash":{"$hash":"a@b.example"}'),
        [('"a@b', "MICS355", "$email_hash.$hash")],
    ),
    (
        "USER_ACTIVITY",
        activity("", who='"$email_hash":{"$email":"a@b.example"}'),
        [('{"$email', "MICS356", "$email_hash")],
    ),
    (
        "USER_ACTIVITY",
        activity("", who='"$email_hash":{"hash":"x"}'),
        [("{", "MICS350", ""), ('{"hash', "MICS356", "$email_hash"), ('"hash"', "MICS324", "$email_hash.hash")],
    ),
    # An empty text is none: what is needed is missing, and what is not is warned of.
    (
        "USER_ACTIVITY",
        activity(',"$email_hash":{"$hash":"","$email":null},"$site_id":""'),
        [
            ('{"$hash', "MICS356", "$email_hash"),
            ('"","$email', "MICS323", "$email_hash.$hash"),
            ('""}', "MICS323", "$site_id"),
        ],
    ),
    (
        "USER_ACTIVITY",
        activity("", who='"$user_identifiers":[{"$type":"USER_EMAIL","$hash":""}]'),
        [('""', "MICS320", "$user_identifiers[0].$hash")],
    ),
    ("USER_ACTIVITY", activity("", events="null"), [("null}", "MICS320", "$events")]),
    ("USER_ACTIVITY", activity("", events='"x"'), [('"x"', "MICS321", "$events")]),
    ("USER_ACTIVITY", activity("", events="[7]"), [("7]", "MICS321", "$events[0]")]),
    ("USER_ACTIVITY", activity("", events='[{"$ts":null}]'), [('{"$ts":n', "MICS320", "$events[0].$event_name")]),
    ("USER_ACTIVITY", activity("", events='[{"$event_name":""}]'), [('""', "MICS320", "$events[0].$event_name")]),
    (
        "USER_ACTIVITY",
        activity("", events='[{"$event_name":"a"},{"$event_name":"b","$ts":1768460400}]'),
        [("1768460400}", "MICS360", "$events[1].$ts")],
    ),
    (
        "USER_ACTIVITY",
        activity("", events='[{"$event_name":"a","$properties":[]}]'),
        [("[]}", "MICS321", "$events[0].$properties")],
    ),
    ("USER_ACTIVITY", activity(',"$origin":{"$ts":1768460400}'), [("1768460400}", "MICS360", "$origin.$ts")]),
    ("USER_ACTIVITY", activity(',"$origin":"x"'), [('"x"', "MICS330", "$origin")]),
    ("USER_ACTIVITY", activity(',"$ts":1768460400.5'), [("1768460400.5", "MICS360", "$ts")]),
    ("USER_ACTIVITY", activity(',"$ts":0'), [("0}", "MICS361", "$ts")]),
    ("USER_ACTIVITY", activity(',"$ts":-1768460400000'), [("-1", "MICS361", "$ts")]),
    ("USER_ACTIVITY", activity(',"$ts":1768460400000000'), [("1768460400000000", "MICS361", "$ts")]),
    ("USER_ACTIVITY", activity(f',"$ts":{10**30}'), [(f"{10**30}", "MICS361", "$ts")]),
    ("USER_ACTIVITY", activity(f',"$ts":{"7" * 5000}'), [("7" * 5000, "MICS361", "$ts")]),
    ("USER_ACTIVITY", activity(',"$ts":1e999'), [("1e999", "MICS361", "$ts")]),
    ("USER_ACTIVITY", activity(',"$ts":"1768460400000"'), [('"1768', "MICS321", "$ts")]),
    ("USER_ACTIVITY", activity(',"$ts":true'), [("true", "MICS321", "$ts")]),
    ("USER_ACTIVITY", activity(',"$ttl":-1'), [("-1", "MICS362", "$ttl")]),
    ("USER_ACTIVITY", activity(',"$ttl":1.0'), [("1.0", "MICS321", "$ttl")]),
    ("USER_ACTIVITY", activity(',"$ttl":1768460400000'), [("1768460400000}", "MICS363", "$ttl")]),
    ("USER_ACTIVITY", activity(',"$session_duration":-0.5'), [("-0.5", "MICS362", "$session_duration")]),
    ("USER_ACTIVITY", activity(',"$topics":{"a":{"b":"c"}}'), [('{"a"', "MICS330", "$topics")]),
    ("USER_ACTIVITY", activity(',"$session_duration":"1"'), [('"1"', "MICS330", "$session_duration")]),
    (
        "USER_ACTIVITY",
        activity(',"$user_identifiers":[7]'),
        [("{", "MICS352", ""), ("7]", "MICS330", "$user_identifiers[0]")],
    ),
    (
        "USER_ACTIVITY",
        activity(',"$email_hash":{"$hash":7}'),
        [("{", "MICS352", ""), ("7}", "MICS321", "$email_hash.$hash")],
    ),
    ("USER_ACTIVITY", activity(',"$unique_key":"7"'), [('"7"', "MICS366", "$unique_key")]),
    ("USER_ACTIVITY", activity(',"$location":[]'), [("[]}", "MICS321", "$location")]),
    ("USER_ACTIVITY", activity(',"$type":"VISIT"'), [('"VISIT"', "MICS322", "$type")]),
    ("USER_ACTIVITY", activity(',"$session_status":null'), [("null}", "MICS320", "$session_status")]),
    ("USER_ACTIVITY", activity(',"$foo":1'), [('"$foo"', "MICS324", "$foo")]),
    ("USER_ACTIVITY", activity(',"location":{}'), [('"location"', "MICS324", "location")]),
    ("USER_ACTIVITY", activity(',"$orgin":{}'), [('"$orgin"', "MICS324", "$orgin")]),
    ("USER_ACTIVITY", activity(',"$contact a@b.example":1'), [('"$contact', "MICS324", "?")]),
    # 4.2, USER_PROFILE lines
    ("USER_PROFILE", f'{{"operation":"UPDATE",{ID},"user_profile":{{}}}}', [('"UPDATE"', "MICS322", "operation")]),
    ("USER_PROFILE", f'{{{ID},"user_profile":{{}}}}', [("{", "MICS320", "operation")]),
    ("USER_PROFILE", f'{{"operation":"UPSERT",{ID}}}', [("{", "MICS320", "user_profile")]),
    ("USER_PROFILE", f'{{"operation":"UPSERT",{ID},"user_profile":[]}}', [("[]", "MICS321", "user_profile")]),
    ("USER_PROFILE", '{"operation":"DELETE"}', [("{", "MICS350", "")]),
    ("USER_PROFILE", f'{{"operation":"DELETE",{ID},"email_hash":"x"}}', [("{", "MICS351", "")]),
    ("USER_PROFILE", '{"operation":"DELETE","user_account_id":42}', [("42", "MICS321", "user_account_id")]),
    (
        "USER_PROFILE",
        '{"operation":"DELETE","user_account_id":""}',
        [("{", "MICS350", ""), ('""', "MICS323", "user_account_id")],
    ),
    (
        "USER_PROFILE",
        f'{{"operation":"DELETE",{ID},"email_hash":"","compartment_id":""}}',
        [('"","comp', "MICS323", "email_hash"), ('""}', "MICS323", "compartment_id")],
    ),
    (
        "USER_PROFILE",
        f'{{"operation":"UPSERT",{ID},"user_profile":{{"$creation_ts":"2024-01-01","$expiration_ts":0}}}}',
        [('"2024', "MICS330", "user_profile.$creation_ts")],
    ),
    ("USER_PROFILE", '{"operation":"DELETE","email_hash":"a@b.example"}', [('"a@b', "MICS355", "email_hash")]),
    (
        "USER_PROFILE",
        '{"operation":"DELETE","email_hash":"x","compartment_id":"1"}',
        [('"1"', "MICS354", "compartment_id")],
    ),
    (
        "USER_PROFILE",
        f'{{"operation":"UPSERT",{ID},"update_strategy":"FORCE_REPLACE","force_replace":true,"user_profile":{{}}}}',
        [("true", "MICS325", "force_replace")],
    ),
    ("USER_PROFILE", f'{{"operation":"DELETE",{ID},"force_replace":"true"}}', [('"true"', "MICS321", "force_replace")]),
    ("USER_PROFILE", f'{{"operation":"DELETE",{ID},"update_strategy":"X"}}', [('"X"', "MICS322", "update_strategy")]),
    ("USER_PROFILE", f'{{"operation":"DELETE",{ID},"extra":null}}', [('"extra"', "MICS324", "extra")]),
    (
        "USER_PROFILE",
        f'{{"operation":"UPSERT",{ID},"user_profile":{{"a":"é","$expiration_ts":1768460400}}}}',
        [("1768460400", "MICS360", "user_profile.$expiration_ts")],
    ),
    # 4.3, USER_CHOICE lines
    ("USER_CHOICE", f'{{"operation":"DELETE",{ID}}}', [("{", "MICS320", "user_choice")]),
    (
        "USER_CHOICE",
        f'{{"operation":"DELETE",{ID},"user_choice":{{"$processing_id":7}}}}',
        [("7}", "MICS321", "user_choice.$processing_id")],
    ),
    (
        "USER_CHOICE",
        f'{{"operation":"UPSERT",{ID},"user_choice":{{"$processing_id":"7","$choice_ts":1768460400}}}}',
        [
            ("{", "MICS320", "force_replace"),
            ('{"$pro', "MICS329", "user_choice"),
            ("1768460400", "MICS360", "user_choice.$choice_ts"),
        ],
    ),
    (
        "USER_CHOICE",
        f'{{"operation":"UPSERT",{ID},"force_replace":true,'
        '"user_choice":{"$processing_id":"7","$choice_acceptance_value":true}}',
        [('{"$pro', "MICS320", "user_choice.$choice_ts")],
    ),
    (
        "USER_CHOICE",
        f'{{"operation":"DELETE",{ID},"user_choice":{{"$processing_id":"","$choice_ts":"1768460400000"}}}}',
        [('"",', "MICS320", "user_choice.$processing_id"), ('"1768460400000"', "MICS330", "user_choice.$choice_ts")],
    ),
    # 4.4, USER_SEGMENT lines
    (
        "USER_SEGMENT",
        f'{{"operation":"UPDATE",{ID},"segment_id":"",{DUE}}}',
        [("{", "MICS327", ""), ('"",', "MICS323", "segment_id")],
    ),
    (
        "USER_SEGMENT",
        f'{{"operation":"UPDATE",{ID},"segment_id":"5",{DUE},"data_bag":""}}',
        [('""', "MICS323", "data_bag")],
    ),
    ("USER_SEGMENT", f'{{"operation":"UPSERT",{ID},"segment_id":"5",{DUE}}}', [('"UPSERT"', "MICS322", "operation")]),
    ("USER_SEGMENT", f'{{"operation":"UPDATE",{ID},{DUE}}}', [("{", "MICS327", "")]),
    ("USER_SEGMENT", f'{{"operation":"UPDATE",{ID},"segment_id":5,{DUE}}}', [("5,", "MICS321", "segment_id")]),
    (
        "USER_SEGMENT",
        f'{{"operation":"UPDATE",{ID},"segment_id":"5"}}',
        [("{", "MICS320", "expiration_duration")],
    ),
    (
        "USER_SEGMENT",
        f'{{"operation":"UPDATE",{ID},"segment_id":"5","expiration_ts":0}}',
        [("0}", "MICS365", "expiration_ts")],
    ),
    (
        "USER_SEGMENT",
        f'{{"operation":"UPDATE",{ID},"segment_id":"5",{DUE},"expiration_ts":1768460400000}}',
        [("1768460400000", "MICS364", "expiration_ts")],
    ),
    (
        "USER_SEGMENT",
        f'{{"operation":"UPDATE",{ID},"segment_id":"5","expiration_duration":9,"expiration_ts":1768460400}}',
        [("1768460400", "MICS360", "expiration_ts")],
    ),
    (
        "USER_SEGMENT",
        f'{{"operation":"UPDATE",{ID},"segment_id":"5","expiration_duration":-9}}',
        [("-9", "MICS362", "expiration_duration")],
    ),
    (
        "USER_SEGMENT",
        f'{{"operation":"UPDATE",{ID},"segment_id":"5","expiration_duration":1768460400}}',
        [("1768460400", "MICS363", "expiration_duration")],
    ),
    (
        "USER_SEGMENT",
        f'{{"operation":"UPDATE",{ID},"segment_id":"5",{DUE},"data_bag":{{}}}}',
        [("{}", "MICS326", "data_bag")],
    ),
    (
        "USER_SEGMENT",
        f'{{"operation":"UPDATE",{ID},"segment_id":"5",{DUE},"data_bag":"score"}}',
        [('"score"', "MICS326", "data_bag")],
    ),
    # Associations and deletions, 4.5 to 4.9
    ("USER_IDENTIFIERS_ASSOCIATION_DECLARATIONS", "{}", [("{", "MICS320", "identifiers")]),
    ("USER_IDENTIFIERS_ASSOCIATION_DECLARATIONS", '{"identifiers":[]}', [("[]", "MICS350", "identifiers")]),
    (
        "USER_IDENTIFIERS_ASSOCIATION_DECLARATIONS",
        '{"identifiers":[{"type":"USER_ACCOUNT","user_account_id":"C"}]}',
        [('[{"type', "MICS358", "identifiers")],
    ),
    (
        "USER_IDENTIFIERS_ASSOCIATION_DECLARATIONS",
        '{"identifiers":[{"type":"USER_EMAIL"},{"type":"PHONE","hash":null}]}',
        [('{"type":"USER', "MICS320", "identifiers[0].hash"), ('"PHONE"', "MICS322", "identifiers[1].type")],
    ),
    ("USER_IDENTIFIERS_DISSOCIATION_DECLARATIONS", "[]", [("[", "MICS304", "")]),
    ("USER_IDENTIFIERS_DELETION", '{"user_account_id":"C"}', [("{", "MICS320", "type")]),
    (
        "USER_IDENTIFIERS_DELETION",
        '{"type":"USER_AGENT","user_agent_id":"udp:1"}',
        [('"udp:1"', "MICS357", "user_agent_id")],
    ),
    (
        "USER_IDENTIFIERS_DELETION",
        '{"type":"USER_POINT","user_point_id":"x"}',
        [('"USER_POINT"', "MICS322", "type"), ('"user_point_id"', "MICS324", "user_point_id")],
    ),
    (
        "USER_IDENTIFIERS_DELETION",
        '{"type":"USER_AGENT","user_agent_id":"vec:1","hash":"x"}',
        [('"x"', "MICS328", "hash")],
    ),
    ("USER_IDENTIFIERS_DELETION", '{"type":"USER_EMAIL","hash":""}', [('""', "MICS320", "hash")]),
    ("USER_DEVICE_POINTS_DELETION", '{"user_agent_id":"udp:1"}', [("{", "MICS320", "type")]),
    ("USER_DEVICE_POINT_DELETION", '{"type":"USER_EMAIL","hash":"x"}', [('"USER_EMAIL"', "MICS322", "type")]),
    (
        "USER_POINTS_DELETION",
        '{"type":"USER_POINT","user_point_id":"0f0e0d0c0b0a49098807060504030201"}',
        [('"0f0e', "MICS359", "user_point_id")],
    ),
    # Any type: the text of a line
    ("SOMETHING_NEW", '{"a":1', [("", "MICS306", "")]),
    ("SOMETHING_NEW", '{"a":1,}', [("}", "MICS306", "")]),
    ("SOMETHING_NEW", "{'a':1}", [("'a'", "MICS306", "")]),
    ("SOMETHING_NEW", '{"a":"b\tc"}', [("\tc", "MICS306", "")]),
    ("SOMETHING_NEW", '{"a":"b\\c"}', [("\\c", "MICS306", "")]),
    ("SOMETHING_NEW", '{"a":"b', [('"b', "MICS306", "")]),
    ("SOMETHING_NEW", '{"é":NaN}', [("{", "MICS306", "")]),
    ("SOMETHING_NEW", '{"a":1},', [(",", "MICS306", "")]),
    ("SOMETHING_NEW", "  7", [("7", "MICS307", "")]),
    ("SOMETHING_NEW", '{"é":1} {"b":2}', [('{"b', "MICS308", "")]),
    ("SOMETHING_NEW", '{"a":"\\ud83d\\ude00\\ud800"}', [("\\ud800", "MICS313", "")]),
    # Half a character hides nothing of the rest.
    ("USER_ACTIVITY", activity(',"$ttl":-1,"a":"\\ud800"'), [("\\ud800", "MICS313", ""), ("-1", "MICS362", "$ttl")]),
    ("SOMETHING_NEW", '{"a":' + "[" * 5000 + "]" * 5000 + "}", [("{", "MICS311", "")]),
]


@pytest.mark.parametrize("agent", ["vec:1", "VEC:1", "mob2:1", "tech:apx:1", "net-x:1"])
def test_any_prefix_of_a_user_agent_id_is_one(agent: str) -> None:
    assert found(report_of("USER_PROFILE", f'{{"operation":"DELETE","user_agent_id":"{agent}"}}'.encode())) == []


@pytest.mark.parametrize(
    "line",
    [
        activity(',"$site_id":"","$app_id":[],"$ttl":2147483647,"$topics":{"a":1},"$session_duration":"1"'),
        activity(',"$email_hash":{"$hash":""},"$user_agent_id":"","$compartment_id":""'),
        activity("", events='[{"$event_name":"e","$properties":{"a":"\\ud83d"}}]'),
    ],
)
def test_what_the_platform_is_not_known_to_reject_is_no_error(line: str) -> None:
    counts = report_of("USER_ACTIVITY", line.encode()).counts
    assert len(counts) > 1
    assert {RULES[code].severity for code in counts} == {"warning"}


@pytest.mark.parametrize(("document_type", "line", "findings"), BROKEN)
def test_a_broken_line_has_its_findings_and_no_other(
    document_type: str, line: str, findings: list[tuple[str, str, str]]
) -> None:
    good = GOOD[document_type][0]
    text = line if line.startswith("[") else f"{good}\n{line}\n{good}\n"
    row = 1 if line.startswith("[") else 2
    # The text at fault is the last such one: what was said before is said again, and the last counts.
    expected = [(row, line.rindex(at) + 1 if at != "{" else 1, code, field) for at, code, field in findings]
    seen = [finding for finding in found(report_of(document_type, text.encode())) if finding[2] != "MICS382"]
    assert seen == sorted(expected)
