"""Judges one line of each document type: what the platform would apply, and what it would count in `total_failure`.

Written from mediarithmics-api.md section 4 alone. Lenient where that page leaves room, strict where it says must: a
null counts as absent, extra keys pass. Knows nothing of files: a line comes as the object it holds (csv: `from_cells`).
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

Line = Mapping[str, Any]
# A judge gives the reason for rejecting a line, or None.
Judge = Callable[[Line], str | None]

ACTIVITY_TYPES: Final = frozenset(
    {
        *("SITE_VISIT", "APP_VISIT", "DISPLAY_AD", "EMAIL", "TOUCH"),
        *("USER_SCENARIO_START", "USER_SCENARIO_STOP", "USER_SCENARIO_NODE_ENTER", "USER_SCENARIO_NODE_EXIT"),
        *("RECOMMENDER", "USER_PLATFORM", "STOPWATCH", "STAGING_AREA"),
    }
)
SESSION_STATUSES: Final = frozenset({"NO_SESSION", "IN_SESSION", "CLOSED_SESSION", "SESSION_SNAPSHOT"})
UPDATE_STRATEGIES: Final = frozenset({"PARTIAL_UPDATE", "PARTIAL_DELETE", "FORCE_REPLACE"})
# `prefix:...` (mediarithmics-api.md 4, identifier formats: some prefixes documented, others seen in client code).
AGENT: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*:.+", re.DOTALL)


def _text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _one_of(value: object, known: frozenset[str]) -> bool:
    return isinstance(value, str) and value in known


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _agent(value: object) -> bool:
    return isinstance(value, str) and AGENT.fullmatch(value) is not None


def _compartment(value: object) -> bool:
    return value is None or _text(value) or _whole(value)


def _only_identifier(line: Line) -> str | None:
    """Exactly one identifier, well formed (documented: one identifier per line)."""
    kinds = [key for key in ("user_account_id", "email_hash", "user_agent_id") if line.get(key) is not None]
    if len(kinds) != 1:
        return "a line has one identifier" if kinds else "no identifier"
    if not _text(line[kinds[0]]):
        return f"{kinds[0]} is not text"
    if kinds == ["user_agent_id"] and not _agent(line["user_agent_id"]):
        return "user_agent_id has no prefix"
    if not _compartment(line.get("compartment_id")):
        return "compartment_id is not an id"
    return None


def _flag(line: Line, key: str) -> str | None:
    value = line.get(key)
    return None if value is None or isinstance(value, bool) else f"{key} is not a boolean"


def _profile(line: Line) -> str | None:
    if line.get("operation") not in ("UPSERT", "DELETE"):
        return "operation is UPSERT or DELETE"
    profile = line.get("user_profile")
    if not isinstance(profile, dict) and (profile is not None or line["operation"] == "UPSERT"):
        return "user_profile is missing"
    if line.get("update_strategy") is not None and not _one_of(line["update_strategy"], UPDATE_STRATEGIES):
        return "update_strategy is unknown"
    return _only_identifier(line) or _flag(line, "force_replace") or _flag(line, "merge_objects")


def _choice(line: Line) -> str | None:
    if line.get("operation") not in ("UPSERT", "DELETE"):
        return "operation is UPSERT or DELETE"
    choice = line.get("user_choice")
    if not isinstance(choice, dict) or not _text(choice.get("$processing_id")):
        return "user_choice.$processing_id is missing"
    if line["operation"] == "UPSERT" and not isinstance(line.get("force_replace"), bool):
        return "force_replace is missing"
    moment = choice.get("$choice_ts")
    if not _number(moment) and (moment is not None or line["operation"] == "UPSERT"):
        return "user_choice.$choice_ts is missing"
    return _only_identifier(line) or _flag(line, "force_replace") or _flag(choice, "$choice_acceptance_value")


def _segment(line: Line) -> str | None:
    if line.get("operation") not in ("UPDATE", "DELETE"):
        return "operation is UPDATE or DELETE"
    targets = [line.get(key) for key in ("segment_id", "segment_technical_name") if line.get(key) is not None]
    if not targets or not all(_text(target) for target in targets):
        return "no segment"
    minutes, date = line.get("expiration_duration"), line.get("expiration_ts")
    if minutes is None and date is None:
        return "no expiry"
    if not (minutes is None or _whole(minutes)) or not (date is None or (_number(date) and date >= 0)):
        return "no expiry that can be"
    bag = line.get("data_bag")
    if bag is not None and not (isinstance(bag, str) and _is_json(bag)):
        return "data_bag is not JSON in a string"
    return _only_identifier(line)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _is_json(text: str) -> bool:
    try:
        json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return False
    return True


def _activity(line: Line) -> str | None:
    if not _one_of(line.get("$type"), ACTIVITY_TYPES):
        return "$type is unknown"
    if not _one_of(line.get("$session_status"), SESSION_STATUSES):
        return "$session_status is unknown"
    if line.get("$ts") is not None and not _number(line["$ts"]):
        return "$ts is not a number"
    if line.get("$ttl") is not None and not _whole(line["$ttl"]):
        return "$ttl is not a number of minutes"
    for key in ("$origin", "$location"):
        if line.get(key) is not None and not isinstance(line[key], dict):
            return f"{key} is not an object"
    return _events(line.get("$events")) or _activity_identifiers(line)


def _events(events: object) -> str | None:
    if not isinstance(events, list):
        return "$events is missing"
    for event in events:
        if not isinstance(event, dict) or not _text(event.get("$event_name")):
            return "an event has no $event_name"
        if event.get("$ts") is not None and not _number(event["$ts"]):
            return "an event's $ts is not a number"
        if event.get("$properties") is not None and not isinstance(event["$properties"], dict):
            return "an event's $properties is not an object"
    return None


def _activity_identifiers(line: Line) -> str | None:
    """At least one; several are let through (mediarithmics-api.md 8: the vendor's own fixture writes several)."""
    found = 0
    listed = line.get("$user_identifiers")
    if listed is not None:
        if not isinstance(listed, list) or not all(_activity_identifier(one) for one in listed):
            return "$user_identifiers holds something else"
        found += len(listed)
    if line.get("$user_agent_id") is not None:
        if not _agent(line["$user_agent_id"]):
            return "$user_agent_id has no prefix"
        found += 1
    if not _compartment(line.get("$compartment_id")):
        return "$compartment_id is not an id"
    if line.get("$user_account_id") is not None:
        if not _text(line["$user_account_id"]):
            return "$user_account_id is not an account"
        found += 1
    email = line.get("$email_hash")
    if email is not None:
        # The documented sample has $email alone, client types ask for $hash: either will do.
        texts = (
            [text for key in ("$hash", "$email") if (text := email.get(key)) is not None]
            if isinstance(email, dict)
            else []
        )
        if not texts or not all(map(_text, texts)):
            return "$email_hash has no $hash"
        found += 1
    return None if found else "no identifier"


def _activity_identifier(one: object) -> bool:
    """Its keys have a `$` each; keys without one are keys of the user's own."""
    return isinstance(one, dict) and _identifier({key[1:]: one[key] for key in one if key.startswith("$")}) is None


def _identifier(one: object) -> str | None:
    """An identifier object of the association and deletion lines."""
    if not isinstance(one, dict):
        return "an identifier is not an object"
    match one.get("type"):
        case "USER_ACCOUNT":
            good = _text(one.get("user_account_id")) and _compartment(one.get("compartment_id"))
        case "USER_EMAIL":
            good = _text(one.get("hash")) and (one.get("email") is None or _text(one["email"]))
        case "USER_AGENT":
            good = _agent(one.get("user_agent_id"))
        case _:
            return "type is unknown"
    return None if good else f"{one['type']} is incomplete"


def _identifiers(line: Line) -> str | None:
    listed = line.get("identifiers")
    if not isinstance(listed, list) or not listed:
        return "identifiers is missing"
    return next((reason for one in listed if (reason := _identifier(one))), None)


def _identifier_deletion(line: Line) -> str | None:
    agent = line.get("user_agent_id")
    if isinstance(agent, str) and agent.startswith("udp:"):
        return "a device point is not an identifier"
    return _identifier(line)


def _device_deletion(line: Line) -> str | None:
    return _identifier(line) if line.get("type") == "USER_AGENT" else "type is USER_AGENT"


def _user_point_deletion(line: Line) -> str | None:
    if line.get("type") != "USER_POINT":
        return _identifier(line)
    point = line.get("user_point_id")
    try:
        # UUID() takes braces, a urn and no dashes too.
        good = isinstance(point, str) and str(uuid.UUID(point)) == point.lower()
    except ValueError:
        good = False
    return None if good else "user_point_id is not a UUID"


JUDGES: Final[Mapping[str, Judge]] = {
    "USER_ACTIVITY": _activity,
    "USER_PROFILE": _profile,
    "USER_CHOICE": _choice,
    "USER_SEGMENT": _segment,
    "USER_IDENTIFIERS_ASSOCIATION_DECLARATIONS": _identifiers,
    "USER_IDENTIFIERS_DISSOCIATION_DECLARATIONS": _identifiers,
    "USER_IDENTIFIERS_DELETION": _identifier_deletion,
    "USER_DEVICE_POINTS_DELETION": _device_deletion,
    "USER_DEVICE_POINT_DELETION": _device_deletion,
    "USER_POINTS_DELETION": _user_point_deletion,
}


def judge_of(document_type: str) -> Judge:
    """The judge of a document type; one that nobody knows rejects nothing."""
    return JUDGES.get(document_type, lambda _line: None)


def from_cells(header: list[str], cells: list[str]) -> Line:
    """A csv row as the line it stands for: names in lower case, empty cells absent, expiries as numbers."""
    line: dict[str, Any] = {name.lower(): cell for name, cell in zip(header, cells, strict=False) if cell != ""}
    for key in ("expiration_duration", "expiration_ts"):
        cell = line.get(key, "")
        if cell.isascii() and cell.isdigit() and len(cell) < 19:
            line[key] = int(cell)
    return line
