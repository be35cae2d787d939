"""Finds where in the text of a record a path leads: asked only for the few findings that are shown.

Walks over the text in steps of whole tokens, without building any value, however deep it is. Of a record with very
many values it goes only so far: the place is that of the innermost object or list that was reached.
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
    walk = _Walk(text)
    place = walk.past_white(0)
    for number, step in enumerate(path):
        found = walk.member(place, step) if isinstance(step, str) else walk.item(place, step)
        if found is None:
            return place
        at_key, place = found
        if key and number == len(path) - 1:
            return at_key
    return place


# Steps of one walk: of a record of usual size no walk takes as many.
_STEPS: Final = 20_000


class _Walk:
    """One walk over a text, of so many steps at most."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._left = _STEPS

    def past_white(self, place: int) -> int:
        found = _WHITE.match(self._text, place)
        return found.end() if found else place

    def member(self, place: int, key: str) -> tuple[int, int] | None:
        """The places of a key of an object and of its value; of several the last one, whose value counts."""
        if not self._text.startswith("{", place):
            return None
        found = None
        place = self.past_white(place + 1)
        while self._left > 0 and (literal := _STRING.match(self._text, place)):
            value = self.past_white(self.past_white(literal.end()) + 1)
            written = literal.group()
            if (json.loads(written) if "\\" in written else written[1:-1]) == key:
                found = (place, value)
            place = self.past_white(self.past_white(self._past_value(value)) + 1)
        return found

    def item(self, place: int, number: int) -> tuple[int, int] | None:
        """The place of an item of a list, twice."""
        if not self._text.startswith("[", place):
            return None
        start, place = place, self.past_white(place + 1)
        for _ in range(number):
            place = self.past_white(self.past_white(self._past_value(place)) + 1)
        return (place, place) if self._left > 0 else (start, start)

    def _past_value(self, place: int) -> int:
        """Where a value ends."""
        self._left -= 1
        if self._text[place : place + 1] not in {"{", "["}:
            found = _STRING.match(self._text, place) or _SCALAR.match(self._text, place)
            return found.end() if found else len(self._text)
        depth = 0
        for token in _NESTING.finditer(self._text, place):
            self._left -= 1
            if token.group() in {"{", "["}:
                depth += 1
            elif token.group() in {"}", "]"}:
                depth -= 1
            if not depth or self._left <= 0:
                return token.end()
        return len(self._text)
