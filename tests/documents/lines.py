"""Lines of every document type: the good ones of the reference page, and what hypothesis makes of them."""

from __future__ import annotations

import copy
import json
from typing import Any, Final

from hypothesis import strategies as st

HASH: Final = "7f73355bf032dcbb8e5a3f51f1e4a8ba92ef1344de2d95382634cf91da6d6181"
TOUCH: Final = '"$type":"TOUCH","$session_status":"NO_SESSION","$ts":1768460400000'
EVENT: Final = '{"$event_name":"store_visit","$ts":1768464000000,"$properties":{"amount":59.9,"deep":{"a":[1,null]}}}'
POINT: Final = "0f0e0d0c-0b0a-4909-8807-060504030201"

# One line or more for each document type, without any finding.
GOOD: Final[dict[str, list[str]]] = {
    "USER_ACTIVITY": [
        f'{{{TOUCH},"$compartment_id":"1001","$user_account_id":"C42","$events":[{EVENT}]}}',
        f'{{{TOUCH},"$user_identifiers":[{{"$type":"USER_EMAIL","$hash":"{HASH}"}}],"$events":[],'
        '"$location":{"$country":"FR","$zip_code":"69002","shop":1},"$origin":{"$ts":1768460400000,"$source":"crm"}}',
        f'{{{TOUCH},"$email_hash":{{"$hash":"{HASH}","$email":"a@b.example"}},"$events":[{EVENT},{EVENT}]}}',
        f'{{{TOUCH},"$user_agent_id":"vec:1","$events":[],"$origin":null,"$ttl":null,"$email_hash":null,'
        '"$user_account_id":null,"$user_identifiers":null,"$unique_key":null,"$topics":null,"store":"lyon"}',
        '{"$events":[],"$session_status":"SESSION_SNAPSHOT","$type":"SITE_VISIT","$ts":null,"$ttl":0,"$site_id":"7",'
        '"$unique_key":"c232ab00-9414-11ec-b3c8-9f6bdeced846","$session_duration":12.5,"$topics":{"a":{"b":1.5}},'
        '"$user_identifiers":[{"$user_account_id":"C","$compartment_id":1001,"$hash":null,"$type":"USER_ACCOUNT"}]}',
    ],
    "USER_PROFILE": [
        '{"operation":"UPSERT","compartment_id":"1001","user_account_id":"C42","update_strategy":"PARTIAL_UPDATE",'
        '"user_profile":{"$compartment_id":"1001","$user_account_id":"C42","city":"Lyon","loyalty":{"tier":"gold"}}}',
        f'{{"operation":"UPSERT","email_hash":"{HASH}","force_replace":false,"merge_objects":true,"user_profile":{{}}}}',
        '{"operation":"DELETE","compartment_id":1001,"user_account_id":"C43","email_hash":null}',
    ],
    "USER_CHOICE": [
        '{"operation":"UPSERT","compartment_id":"1001","user_account_id":"C42","force_replace":true,"user_choice":'
        '{"$processing_id":"77","$choice_ts":1768460400000,"$choice_acceptance_value":true,"shop":"lyon"}}',
        f'{{"operation":"DELETE","email_hash":"{HASH}","user_choice":{{"$processing_id":"77"}}}}',
    ],
    "USER_SEGMENT": [
        '{"operation":"UPDATE","compartment_id":"1001","user_account_id":"C42","segment_id":"50123",'
        '"expiration_duration":43200,"data_bag":"{\\"score\\": 0.8}"}',
        f'{{"operation":"DELETE","email_hash":"{HASH}","segment_technical_name":"vip","expiration_duration":0}}',
        '{"operation":"UPDATE","user_agent_id":"vec:1","segment_id":"5","expiration_duration":60,'
        '"expiration_ts":1768460400000,"data_bag":null}',
    ],
    "USER_IDENTIFIERS_ASSOCIATION_DECLARATIONS": [
        '{"identifiers":[{"type":"USER_ACCOUNT","compartment_id":"1001","user_account_id":"C42"},'
        f'{{"type":"USER_EMAIL","hash":"{HASH}","email":null}}]}}',
        '{"identifiers":[{"user_account_id":"C43","type":"USER_ACCOUNT"},'
        '{"type":"USER_AGENT","user_agent_id":"vec:123456"}]}',
    ],
    "USER_IDENTIFIERS_DISSOCIATION_DECLARATIONS": ['{"identifiers":[{"type":"USER_AGENT"}],"more":1}', "{}"],
    "USER_IDENTIFIERS_DELETION": [
        '{"type":"USER_ACCOUNT","compartment_id":"1001","user_account_id":"C42"}',
        f'{{"type":"USER_EMAIL","hash":"{HASH}"}}',
        '{"user_agent_id":"vec:123456","type":"USER_AGENT","user_account_id":null}',
    ],
    "USER_DEVICE_POINTS_DELETION": [
        '{"type":"USER_AGENT","user_agent_id":"vec:123456"}',
        '{"type":"USER_AGENT","user_agent_id":"udp:987654"}',
    ],
    "USER_DEVICE_POINT_DELETION": ['{"type":"USER_AGENT","user_agent_id":"udp:987654"}'],
    "USER_POINTS_DELETION": [
        f'{{"type":"USER_POINT","user_point_id":"{POINT}"}}',
        '{"type":"USER_ACCOUNT","compartment_id":"1001","user_account_id":"C42"}',
        '{"type":"USER_AGENT","user_agent_id":"udp:1"}',
    ],
    "SOMETHING_NEW": ['{"anything":1}'],
}
TYPES: Final = sorted(GOOD)

# What takes the place of a value: each is right somewhere and wrong elsewhere.
VALUES: Final[list[Any]] = [
    *(None, True, False, 0, -1, 1, 1.5, -0.5, 1768460400, 1768460400000, 1768460400000.5, 1768460400000000, 10**25),
    *(-1768460400, 99_999_999, 52_560_001, "", "x", "a@b.example", HASH, HASH[:32], "vec:1", "udp:1", "vec:", "vec"),
    *("tech:apx:1", POINT, "c232ab00-9414-11ec-b3c8-9f6bdeced846", "UPSERT", "DELETE", "UPDATE", "TOUCH", "{}", "{"),
    *("NaN", "1768460400000", "é", "USER_ACCOUNT", "USER_EMAIL", "USER_AGENT", "USER_POINT", "FORCE_REPLACE"),
    *([], [{}], [None], {}, {"a": 1}, {"$hash": "x"}, {"$email": "a@b.example"}, {"a": {"b": 1}}, {"a": {"b": None}}),
]
KEYS: Final = [
    *("$ts", "ts", "$type", "type", "$foo", "foo", "Operation", "opertion", "email_hash", "$email_hash", "hash"),
    *("$user_agent_id", "user_agent_id", "user_account_id", "$compartment_id", "compartment_id", "$event_nam"),
    *("user_point_id", "segment_id", "expiration_ts", "force_replace", "é", "", "a" * 50),
]


def _spots(value: Any) -> list[tuple[Any, Any]]:
    """Every place inside a value: what holds it, and the key or number there."""
    found: list[tuple[Any, Any]] = []
    keys = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in keys:
        found += [(value, key), *_spots(inner)]
    return found


@st.composite
def objects(draw: st.DrawFn, document_type: str) -> dict[str, Any]:
    """A good record with up to three changes anywhere in it."""
    line = json.loads(draw(st.sampled_from(GOOD[document_type])))
    for _ in range(draw(st.integers(0, 3))):
        spots = _spots(line)
        holder, key = draw(st.sampled_from(spots)) if spots else (line, "a")
        match draw(st.sampled_from(["set", "set", "drop", "add", "rename"])):
            case "set":
                holder[key] = copy.deepcopy(draw(st.sampled_from(VALUES)))
            case "drop":
                holder.pop(key, None) if isinstance(holder, dict) else holder.pop()
            case "add" if isinstance(holder, dict):
                holder[draw(st.sampled_from(KEYS))] = copy.deepcopy(draw(st.sampled_from(VALUES)))
            case "rename" if isinstance(holder, dict) and key in holder:
                holder[draw(st.sampled_from(KEYS))] = holder.pop(key)
            case _:
                pass
    return dict(line)


@st.composite
def texts(draw: st.DrawFn, document_type: str) -> bytes:
    """A line, mostly JSON, written in one of the ways that JSON can be."""
    spaced = draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\t", " : ")]))
    text = json.dumps(draw(objects(document_type)), separators=spaced, ensure_ascii=draw(st.booleans())).encode()
    match draw(st.sampled_from(["", "", "", "cut", "put", "twice", "around", "end"])):
        case "cut":
            place = draw(st.integers(0, len(text)))
            text = text[:place] + text[place + draw(st.integers(1, 9)) :]
        case "put":
            place = draw(st.integers(0, len(text)))
            text = text[:place] + draw(st.sampled_from(PIECES)) + text[place:]
        case "twice":
            text += text
        case "around":
            text = b" \t" + text + b" \r"
        case "end":
            text += draw(st.sampled_from(PIECES))
        case _:
            pass
    return text.replace(b"\n", b"")


PIECES: Final = [
    *(
        b"\xff",
        b"\xed\xa0\x80",
        b"\xc3",
        b"\x00",
        b"\x01",
        b"\t",
        b"\r",
        b"\x0b",
        b"\x0c",
        b"\xc2\xa0",
        b"\xef\xbb\xbf",
    ),
    *(b"\\", b"\\ud800", b"\\ud83d\\ude00", b"\\udc00", b"\\x", b'"', b"'", b",", b"}", b"{", b"[", b"]", b"NaN"),
    *(b"1e999", b"-", b"01", b"1" * 5000, b"{" * 1200, b"[" * 1200, b":", b"null", b'"a":1e999,', b'"a":NaN,'),
    *(b'"a":{"b":1e999},', b'"a":{"b":"\xff"},', b'"$properties":{"\xff":1},', b"// x", b'"$ts":1,', b"//"),
]


@st.composite
def files(draw: st.DrawFn, document_type: str, size: int = 6) -> bytes:
    """A few lines, blank ones among them, with or without a newline at the end."""
    blank = st.sampled_from([b"", b" ", b"\r", b"\x0b"])
    good = st.sampled_from([line.encode() for line in GOOD[document_type]])
    lines = draw(st.lists(st.one_of(texts(document_type), texts(document_type), good, blank), max_size=size))
    start = draw(st.sampled_from([b"", b"", b"", b"\xef\xbb\xbf", b"[\n", b"{\n"]))
    return start + b"\n".join(lines) + draw(st.sampled_from([b"", b"\n"]))
