"""The kinds of values that fields hold, each told twice from one place: as a type for msgspec, and as a question.

The type takes nothing that the question finds fault with; it may refuse more, which costs a second look at the record.
The question gives the code of the rule that a value breaks, and words that hold nothing of the value but its kind.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

# The code of a rule, and what is wrong with what to do.
Wrong = tuple[str, str]

# Milliseconds of March 1973 and of the end of 9999: what is less is seconds, what is more micro- or nanoseconds.
EARLIEST: Final = 100_000_000_000
LATEST: Final = 253_402_300_799_999
# Seconds of March 1973: what is less is no date of anything that happened to a customer, in either unit.
EARLIEST_SECOND: Final = 100_000_000
# Minutes of a hundred years: what is more was meant in another unit, or as a date.
LONGEST: Final = 52_560_000
# `prefix:...` (mediarithmics-api.md 4, identifier formats: `vec`, `net`, `udp` documented, others seen).
AGENT: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*:.", re.DOTALL)
UUID_TEXT: Final = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\Z"
_UUID: Final = re.compile(UUID_TEXT)
UNIQUE_KEY_TEXT: Final = r"^(?:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-1[0-9a-fA-F]{3}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12})?\Z"
_UNIQUE_KEY: Final = re.compile(UNIQUE_KEY_TEXT)


class Skipped(msgspec.Struct, gc=False):
    """Any JSON object, of which nothing is kept. What it holds is checked to be JSON, but not to be UTF-8."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of value: how it is called, the type that takes nothing wrong, and the question that tells why.

    `codes` are those that the question may give.
    """

    called: str
    type: Any
    wrong: Callable[[Any], Wrong | None]
    codes: tuple[str, ...] = ("MICS321",)


# By these exact types: a bool is an int to Python.
_NUMBERS: Final = frozenset({int, float})


def _is(value: object) -> str:
    """The kind of a JSON value, for a message."""
    match value:
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case dict():
            return "an object"
        case _:
            return "null"


def unlike(value: object, wanted: str) -> Wrong:
    """The words for a value of another kind than the one that is wanted."""
    return "MICS321", f"this is {_is(value)}: write {wanted}"


def _number(value: object) -> bool:
    return type(value) in _NUMBERS


_EMPTY: Final[Wrong] = ("MICS323", "the text is empty: give it, or leave the field out")


def _text(value: Any) -> Wrong | None:
    if isinstance(value, str):
        return None if value else _EMPTY
    return unlike(value, "text in quotes")


def _id(value: Any) -> Wrong | None:
    if isinstance(value, str):
        return None if value else _EMPTY
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return None
    return unlike(value, "an id, as text or as a whole number")


def _hash(value: Any) -> Wrong | None:
    if not isinstance(value, str) or not value:
        return _text(value)
    return CLEAR_TEXT if "@" in value else None


CLEAR_TEXT: Final[Wrong] = (
    "MICS355",
    "this looks like an e-mail in clear text: write its hash, made with the function that all your data uses",
)


def _agent(value: Any) -> Wrong | None:
    if not isinstance(value, str) or not value:
        return _text(value)
    if AGENT.match(value):
        return None
    return "MICS353", "the user agent id has no prefix: write it as `vec:...`, `net:...`, `udp:...` or `mob:...`"


def _flag(value: Any) -> Wrong | None:
    return None if isinstance(value, bool) else unlike(value, "true or false, without quotes")


_SECONDS: Final[Wrong] = ("MICS360", "the timestamp is in seconds: write milliseconds, a thousand times as many")


def _millis(value: Any) -> Wrong | None:
    if type(value) not in _NUMBERS:
        return unlike(value, "a number of milliseconds since 1970, without quotes")
    if EARLIEST <= value <= LATEST:
        return None
    if EARLIEST_SECOND <= value < EARLIEST:
        return _SECONDS
    much = "more than the year 9999: is it in micro- or nanoseconds?" if value > LATEST else "before 1973"
    return "MICS361", f"as milliseconds since 1970 this is {much}: write the time in milliseconds"


def _expiry(value: Any) -> Wrong | None:
    return None if _number(value) and value == 0 else _millis(value)


def _minutes(value: Any) -> Wrong | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return unlike(value, "a whole number of minutes, without quotes or fraction")
    if value < 0:
        return "MICS362", "the duration is negative: write the minutes from now, 0 for no end"
    if value > LONGEST:
        return "MICS363", "as minutes this is over a hundred years: is it in another unit, or a date? 0 is for no end"
    return None


def _duration(value: Any) -> Wrong | None:
    if not _number(value):
        return unlike(value, "a number, without quotes")
    return ("MICS362", "the duration is negative: correct it, or leave it out") if value < 0 else None


def _uuid(value: Any) -> Wrong | None:
    if not isinstance(value, str) or not value:
        return _text(value)
    return None if _UUID.match(value) else ("MICS359", "this is no UUID: write it as 8-4-4-4-12 hexadecimal digits")


def _unique_key(value: Any) -> Wrong | None:
    if not isinstance(value, str):
        return unlike(value, "text in quotes")
    if _UNIQUE_KEY.match(value):
        return None
    return "MICS366", "this is no UUID of version 1: write one, or leave it out and the platform makes one"


_JSON = msgspec.json.Decoder(msgspec.Raw)


def holds_json(text: str) -> bool:
    """Whether a text is JSON."""
    try:
        _JSON.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return True


def _json_text(value: Any) -> Wrong | None:
    if value == "":
        return _EMPTY
    if isinstance(value, str) and holds_json(value):
        return None
    if isinstance(value, str):
        return "MICS326", "the text is not JSON: write one JSON value, with its quotes escaped"
    return "MICS326", f"this is {_is(value)}: write it as JSON in a text, its quotes escaped"


def _object(value: Any) -> Wrong | None:
    return None if isinstance(value, dict) else unlike(value, "an object")


def _tables(value: Any) -> Wrong | None:
    if not isinstance(value, dict):
        return unlike(value, "an object of objects of numbers")
    for inner in value.values():
        if not isinstance(inner, dict) or not all(_number(score) for score in inner.values()):
            return "MICS321", "something in it is no object of numbers: write an object of objects of numbers"
    return None


_MILLIS_TYPE = Annotated[int, Meta(ge=EARLIEST, le=LATEST)] | Annotated[float, Meta(ge=EARLIEST, le=LATEST)]
_TEXT_TYPE = Annotated[str, Meta(min_length=1)]

_TIMES: Final = ("MICS321", "MICS360", "MICS361")

TEXT: Final = Kind("text", _TEXT_TYPE, _text, ("MICS321", "MICS323"))
ID: Final = Kind("text or whole number", _TEXT_TYPE | Annotated[int, Meta(ge=0)], _id, ("MICS321", "MICS323"))
# What `type` lets pass here is looked at over many records at once: clear text, prefixes, JSON, and seconds beside 0.
HASH: Final = Kind("hash", _TEXT_TYPE, _hash, ("MICS321", "MICS323", "MICS355"))
AGENT_ID: Final = Kind("user agent id", _TEXT_TYPE, _agent, ("MICS321", "MICS323", "MICS353"))
EXPIRY: Final = Kind("milliseconds, 0 = never", Annotated[int, Meta(ge=0, le=LATEST)], _expiry, _TIMES)
# The same without the last question: its type refuses 0, which is rare there.
LAST_DAY: Final = Kind("milliseconds, 0 = never", _MILLIS_TYPE, _expiry, _TIMES)
JSON_TEXT: Final = Kind("JSON in a text", str, _json_text, ("MICS323", "MICS326"))
FLAG: Final = Kind("true or false", bool, _flag)
MILLIS: Final = Kind("milliseconds", _MILLIS_TYPE, _millis, _TIMES)
MINUTES: Final = Kind(
    "whole minutes", Annotated[int, Meta(ge=0, le=LONGEST)], _minutes, ("MICS321", "MICS362", "MICS363")
)
DURATION: Final = Kind(
    "number", Annotated[int, Meta(ge=0)] | Annotated[float, Meta(ge=0)], _duration, ("MICS321", "MICS362")
)
UUID: Final = Kind("UUID", Annotated[str, Meta(pattern=UUID_TEXT)], _uuid, ("MICS321", "MICS323", "MICS359"))
UNIQUE_KEY: Final = Kind(
    "UUID of version 1", Annotated[str, Meta(pattern=UNIQUE_KEY_TEXT)], _unique_key, ("MICS321", "MICS366")
)
OBJECT: Final = Kind("object", Skipped, _object)
TABLES: Final = Kind("object of objects of numbers", dict[str, dict[str, int | float]], _tables)
ANY: Final = Kind("anything", msgspec.Raw, lambda _: None, ())


def choice(*names: str) -> Kind:
    """One of a few texts."""
    known = frozenset(names)
    wrong = ("MICS322", f"this is none of the values that the platform knows: write {' or '.join(names)}")

    def ask(value: Any) -> Wrong | None:
        if isinstance(value, str):
            return None if value in known else wrong
        return unlike(value, f"{' or '.join(names)}, in quotes")

    return Kind(", ".join(f"`{name}`" for name in names), Literal[names], ask, ("MICS321", "MICS322"))
