r"""The regular expressions that a manifest may hold: those that are matched in a bounded time whatever the value is.

Python's matcher goes back and tries anew, and has no time limit: `(a+)+$` takes a year for forty letters. So a pattern
is taken only if the steps it may need at worst, told from its parsed form, are few enough. A step is one visit of one
item of the pattern; `\d+\.\d+\.\d+` needs some 25 million for the longest value. What this cannot judge is refused.
Nothing here knows variables, places or problems.
"""

from __future__ import annotations

import re
import warnings

# The parser of `re` itself: a second one would one day read a pattern otherwise than the matcher does.
from re import _parser as sre  # type: ignore[attr-defined]  # typeshed leaves it out
from typing import Any, Final, NamedTuple

LONGEST_VALUE: Final = 200
"""Characters of a value that is matched."""
MOST_STEPS: Final = 100_000_000
"""For one pattern, and for all values of a manifest together: a second or two."""

_SINGLE: Final = frozenset(("LITERAL", "NOT_LITERAL", "ANY", "AT", "CATEGORY"))
_REPEATS: Final = frozenset(("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"))


class Effort(NamedTuple):
    """What an item costs at worst: steps to go through all its ways to match, and the number of these."""

    steps: int
    ways: int


class _Unknown(Exception):
    """The parsed form holds what this module does not know."""


def refusal(pattern: str) -> str | None:
    """Why a pattern is not taken, as the end of a sentence that begins with it; None for one that is."""
    try:
        taken = steps(pattern, length=LONGEST_VALUE) <= MOST_STEPS
    except (re.error, OverflowError, RecursionError):
        return "is not a regular expression of Python; correct it, in single quotes"
    except _Unknown:
        return "holds what is not supported in a pattern; write it with characters, classes, groups and repetitions"
    if taken:
        return None
    return (
        "could take too long to match; repeat nothing that has `*`, `+`, `?`, `|` or {m,n} in it, "
        "write [a-z-]+ for ([a-z]+-)*, and bounds such as {1,20} for * and +"
    )


def compiled(pattern: str) -> re.Pattern[str] | None:
    """The pattern, or None where it is not taken."""
    if refusal(pattern) is not None:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd but legal ones
        return re.compile(pattern)


def steps(pattern: str, *, length: int) -> int:
    """How many steps it takes at worst to match a value of that many characters.

    More than MOST_STEPS is not told exactly. Raises what `re.compile` raises, and _Unknown.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        re.compile(pattern)  # judges more than the parser does, the width of what is looked behind for instance
        parsed = sre.parse(pattern)
    effort = _sequence(parsed, length)
    return effort.steps + effort.ways


def _sequence(items: Any, length: int) -> Effort:
    total = Effort(0, 1)
    for item in items:
        total = _then(total, _item(item, length))
    return total


def _then(first: Effort, second: Effort) -> Effort:
    """One after the other: each way through the first leads to all of the second."""
    return _capped(first.steps + first.ways * second.steps, first.ways * second.ways)


def _capped(steps: int, ways: int) -> Effort:
    return Effort(min(steps, MOST_STEPS + 1), min(ways, MOST_STEPS + 1))


def _item(item: Any, length: int) -> Effort:
    operation, argument = item
    name = str(operation)
    if name in _SINGLE:
        return Effort(1, 1)
    if name in _REPEATS:
        least, most, body = argument
        found = _repeated(_sequence(body, length), int(least), int(most), length)
        return Effort(found.steps, 1) if name == "POSSESSIVE_REPEAT" else found
    match name:
        case "IN":
            return Effort(1 + len(argument), 1)
        case "SUBPATTERN":
            return _then(Effort(1, 1), _sequence(argument[3], length))
        case "BRANCH":
            branches = [_sequence(branch, length) for branch in argument[1]]
            return _capped(sum(one.steps + 1 for one in branches), sum(one.ways for one in branches))
        case "ASSERT" | "ASSERT_NOT":
            return Effort(_sequence(argument[1], length).steps + 1, 1)
        case "ATOMIC_GROUP":
            return Effort(_sequence(argument, length).steps + 1, 1)
        case "GROUPREF":
            return Effort(1 + length, 1)
        case _:
            raise _Unknown(name)


def _repeated(body: Effort, least: int, most: int, length: int) -> Effort:
    """Every round that is not needed takes a character at least, so there are no more of these than the value has."""
    more = min(most - least, length)
    if body.ways == 1:
        return _capped((least + more) * max(1, body.steps), more + 1)
    needed, optional = Effort(0, 1), Effort(0, 1)
    for _ in range(least):
        needed = _then(needed, body)
        if needed.ways > MOST_STEPS:
            return needed
    for _ in range(more):
        after = _then(body, optional)
        optional = _capped(after.steps, 1 + after.ways)
        if optional.ways > MOST_STEPS:
            break
    return _then(needed, optional)
