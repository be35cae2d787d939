"""Finds where in the text of a record a path leads: asked only for the few findings that are shown.

Walks over the text in steps of whole tokens, without building any value, however deep or long it is.
"""

from __future__ import annotations

import json
import re
from typing import Final

from mics_iac.documents.keys import shown
from mics_iac.documents.notes import Path

_WHITE: Final = re.compile(r"[ \t\r\n]*")
_STRING: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_SCALAR: Final = re.compile(r'[^\s,:{}\[\]"]+')
# All that matters for finding the end of an object or a list.
_NESTING: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]]', re.DOTALL)


def field_of(path: Path) -> str:
    """A path as it is shown: `$events[0].$ts`."""
    steps = [f"[{step}]" if isinstance(step, int) else f".{shown(step)}" for step in path]
    return "".join(steps).removeprefix(".")


def offset_of(text: str, path: Path, *, key: bool) -> int:
    """How many characters stand before the value that a path leads to, or before its key.

    Where the path leads nowhere, as that of a missing field does, it is the innermost object that is there. `text` is
    valid JSON.
    """
    place = _past_white(text, 0)
    for number, step in enumerate(path):
        found = _member(text, place, step) if isinstance(step, str) else _item(text, place, step)
        if found is None:
            return place
        at_key, place = found
        if key and number == len(path) - 1:
            return at_key
    return place


def _past_white(text: str, place: int) -> int:
    found = _WHITE.match(text, place)
    return found.end() if found else place


def _member(text: str, place: int, key: str) -> tuple[int, int] | None:
    """The places of a key of an object and of its value; of several the last one, whose value counts."""
    if not text.startswith("{", place):
        return None
    found = None
    place = _past_white(text, place + 1)
    while literal := _STRING.match(text, place):
        value = _past_white(text, _past_white(text, literal.end()) + 1)
        if json.loads(literal.group()) == key:
            found = (place, value)
        place = _past_white(text, _past_white(text, _past_value(text, value)) + 1)
    return found


def _item(text: str, place: int, number: int) -> tuple[int, int] | None:
    if not text.startswith("[", place):
        return None
    place = _past_white(text, place + 1)
    for _ in range(number):
        place = _past_white(text, _past_white(text, _past_value(text, place)) + 1)
    return place, place


def _past_value(text: str, place: int) -> int:
    """Where a value ends."""
    if text[place : place + 1] not in {"{", "["}:
        found = _STRING.match(text, place) or _SCALAR.match(text, place)
        return found.end() if found else len(text)
    depth = 0
    for token in _NESTING.finditer(text, place):
        if token.group() in {"{", "["}:
            depth += 1
        elif token.group() in {"}", "]"}:
            depth -= 1
            if not depth:
                return token.end()
    return len(text)
