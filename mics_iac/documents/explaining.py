"""The slow look: every flaw of one record, each at its path. It is for the records that the fast look did not take.

Made from the table of shapes once a document type: a looker is a function that asks one object for all its fields.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from typing import Any, Final, NoReturn

import msgspec

from mics_iac.documents import kinds, shapes, together
from mics_iac.documents.decoding import REFUSED
from mics_iac.documents.keys import Nearby
from mics_iac.documents.kinds import Kind, Wrong, unlike
from mics_iac.documents.notes import Flaw, Notes, Path, not_utf8
from mics_iac.documents.shapes import Extras, Field, Many, Shape
from mics_iac.documents.together import Line, Together

# Asks a value that is not null, at the end of a path, for all that is wrong with it.
Look = Callable[[Any, Path, Notes], None]

_REMOVE: Final = "the platform's pages know no such key here: correct its name, or remove it"
_MISSING: Final = "missing: every record of this type needs it"
_MORE: Final = "the record has a thousand flaws or more, and is looked at no further"
_EMPTY: Final = "the text is empty: every record of this type needs it"
_FOREIGN: Final = "this belongs to another kind of identifier: remove it, or correct the type"


@cache
def looker(shape: Shape, untyped: str = "MICS321") -> Look:
    """The function that asks an object of this shape for its fields; `untyped` is the code of what is no object."""
    # Most fields hold a plain value, which is asked by one call: this is what a file full of flaws spends its time on.
    plain = {
        one.key: _asked(one, one.holds)
        for one in shape.fields
        if isinstance(one.holds, Kind) and one.holds is not kinds.HASH
    }
    others = {one.key: _look(one.holds, one.told("MICS321")) for one in shape.fields if one.key not in plain}
    known = Nearby(shape.by_key)
    needed, free = shape.needed, shape.extras is Extras.ANY

    def look(value: Any, path: Path, notes: Notes) -> None:
        if not isinstance(value, dict):
            notes.flaws.append(Flaw(untyped, path, unlike(value, "an object")[1]))
            return
        if shape.variants:
            value = _explain_kind(value, shape, path, notes)
        for key, inner in value.items():
            if key in plain:
                if inner is not None and (wrong := plain[key](inner)) is not None:
                    notes.flaws.append(Flaw(wrong[0], (*path, key), wrong[1]))
            elif key in others:
                if inner is not None:
                    others[key](inner, (*path, key), notes)
            elif not free:
                own = _explain_key(key, known, shape, path, notes)
                if own and len(notes.own) < ENOUGH:
                    notes.own.append((shape, key))
                elif len(notes.flaws) >= ENOUGH:
                    return
        for key in needed:
            if value.get(key) is None:
                notes.flaws.append(Flaw("MICS320", (*path, key), _MISSING))

    return look


def _explain_kind(value: Line, shape: Shape, path: Path, notes: Notes) -> Line:
    """What is wrong with which fields an object has, given the kind that its tag tells; the object without them."""
    kind = value.get(shape.tag)
    if not isinstance(kind, str) or kind not in shape.variants:
        return value
    needed, foreign = shape.variants[kind].needed, shape.foreign[kind]
    empty = value.get(needed) == ""
    if empty or value.get(needed) is None:
        notes.add("MICS320", (*path, needed), f"{'the text is empty' if empty else 'missing'}: a {kind} needs it")
    given = [key for key in foreign if value.get(key) is not None]
    for key in sorted(given):
        notes.add("MICS328", (*path, key), _FOREIGN)
    if not given and not empty:
        return value
    return {key: inner for key, inner in value.items() if key not in foreign and not (empty and key == needed)}


def _explain_key(key: str, known: Nearby, shape: Shape, path: Path, notes: Notes) -> bool:
    """Whether a key that no field has may be there; what is wrong with it if not."""
    meant = known.of(key)
    if meant is not None:
        notes.add("MICS324", (*path, key), f"did you mean `{meant}`? Correct the key, or remove it")
        return False
    if shape.extras is Extras.NONE or key.startswith("$"):
        notes.add("MICS324", (*path, key), _REMOVE)
        return False
    return True


def _asked(one: Field, kind: Kind) -> Callable[[Any], Wrong | None]:
    """The question of a field's kind, its answers told as the field has them."""
    ask = kind.wrong
    if one.codes == kind.codes:
        return ask

    def asked(value: Any) -> Wrong | None:
        wrong = ask(value)
        if wrong is None or (code := one.told(wrong[0])) == wrong[0]:
            return wrong
        return code, _EMPTY if code == "MICS320" else wrong[1]

    return asked


def _look(holds: Kind | Shape | Many, untyped: str) -> Look:
    match holds:
        case Kind():
            return _hash
        case Shape():
            return looker(holds, untyped)
        case Many():
            return _each(looker(holds.of, untyped), untyped)


def _hash(value: Any, path: Path, notes: Notes) -> None:
    found = kinds.HASH.wrong(value)
    if found is not None:
        notes.flaws.append(Flaw(found[0], path, found[1]))
    else:
        notes.hashes.append(len(value))


def _each(ask: Look, untyped: str) -> Look:
    def look(value: Any, path: Path, notes: Notes) -> None:
        if not isinstance(value, list):
            notes.flaws.append(Flaw(untyped, path, unlike(value, "a list, in brackets")[1]))
            return
        for number, one in enumerate(value):
            ask(one, (*path, number), notes)
            if len(notes.flaws) >= ENOUGH:
                return

    return look


def explain_object(line: Line, shape: Shape, rules: Together, notes: Notes) -> None:
    """Note every flaw of one record that is an object."""
    looker(shape)(line, (), notes)
    rules.explain(line, notes)
    if len(notes.flaws) >= ENOUGH:
        first = notes.flaws[0]
        notes.flaws[0] = first._replace(message=f"{first.message} ({_MORE})")


def explain_text(line: bytes, shape: Shape, rules: Together, *, broken: bool = False) -> Notes:
    """Every flaw of one line of NDJSON that is not blank; `broken` if it is known not to be JSON to msgspec."""
    notes = Notes()
    value: object = None
    if not broken:
        try:
            value = _DECODE(line)
        except REFUSED:
            broken = True
    if broken:
        value = _read_again(line, notes)
        # Half a character hides nothing of the rest.
        if any(flaw.code != "MICS313" for flaw in notes.flaws):
            return notes
    if isinstance(value, dict):
        explain_object(value, shape, rules, notes)
    else:
        notes.add("MICS307", _start(line), "this is JSON, but no object: write one object in braces on each line")
    return notes


# Flaws of one record that are noted, and keys of the user's own; one with more flaws has enough to be mended.
ENOUGH: Final = 1_000
_DECODE: Final = msgspec.json.Decoder().decode


# What JSON takes for white space; Python's own idea of it is wider.
_WHITE: Final = b" \t\r\n"


def _start(line: bytes) -> int:
    return len(line) - len(line.lstrip(_WHITE))


def _no_constant(_: str) -> NoReturn:
    raise _NotANumber


class _NotANumber(ValueError):
    """NaN or Infinity: the standard library reads them, JSON has none."""


# A whole number of so many digits is beyond all that is looked at; int() refuses from 4,300 on.
_MANY_DIGITS: Final = 400


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) < _MANY_DIGITS else float(digits)


# All up to half a character: what is no escape, escapes of whole characters, and two halves that belong together.
_SOUND: Final = re.compile(
    r"(?:[^\\]++|\\[^u]|\\u(?![dD][89a-fA-F])|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})*+"
)

_AGAIN: Final = json.JSONDecoder(parse_constant=_no_constant, parse_int=_whole)
_DEEP: Final = "nested too deeply to be read: write it flatter"


def _read_again(line: bytes, notes: Notes) -> object:
    """Why msgspec did not read a line, as a note; or the value, if it only holds numbers that are too large for it."""
    try:
        text = line.removesuffix(b"\n").decode()
    except UnicodeDecodeError as error:
        notes.flaws.append(not_utf8(line, error))
        return None
    start = _start(line)
    try:
        value, end = _AGAIN.raw_decode(text, start)
    except json.JSONDecodeError as error:
        notes.add("MICS306", min(error.pos, len(text.rstrip())), _syntax(error.msg, error.pos, text))
        return None
    except _NotANumber:
        notes.add("MICS306", start, "NaN and Infinity are not JSON: write a number or null")
        return None
    except RecursionError:
        notes.add("MICS311", start, _DEEP)
        return None
    return _read_whole(line, text, value, end, notes)


def _read_whole(line: bytes, text: str, value: object, end: int, notes: Notes) -> object:
    rest = text[end:].lstrip(" \t\r\n")
    place = len(text) - len(rest)
    if rest.startswith("{") and isinstance(value, dict):
        notes.add("MICS308", place, "a second object begins here: write one object on each line")
    elif rest:
        notes.add("MICS306", place, "there is something after the value: write one object on each line, and no comma")
    elif (half := _half_character(text)) is not None:
        notes.add("MICS313", half, "half a character: `\\ud800` to `\\udfff` stand in pairs, correct what wrote this")
    elif _too_deep(line):
        notes.add("MICS311", _start(line), _DEEP)
    return value


def _half_character(text: str) -> int | None:
    """Where the first escape of half a character stands that its other half does not follow."""
    sound = _SOUND.match(text)
    return sound.end() if sound and sound.end() < len(text) else None


def _too_deep(line: bytes) -> bool:
    try:
        _DECODE(line)
    except RecursionError:
        return True
    except msgspec.DecodeError:
        return False
    return False


def _syntax(reason: str, place: int, text: str) -> str:
    if not text[place:].strip():
        return "the line ends before the object does: write each object on one line, whole"
    if reason.startswith("Invalid control"):
        return "a control character stands in a text: escape it"
    if "escape" in reason:
        return "after a backslash something stands that no JSON escape is: correct it"
    if reason.startswith("Unterminated"):
        return "a text begins here and is not closed on this line: close it"
    if "property name" in reason:
        return "this is not valid JSON: a key in double quotes is expected here"
    if "delimiter" in reason:
        return "this is not valid JSON: a comma, a colon or the end is missing here"
    return "this is not valid JSON: a value is expected here"


def rules_of(document_type: str) -> tuple[Shape, Together]:
    """The shape of a document type, and what holds between its fields; one that nobody knows has the plain ones."""
    return (
        shapes.SHAPES.get(document_type, shapes.PLAIN),
        together.TOGETHER.get(document_type, together.PLAIN),
    )
