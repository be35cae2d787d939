"""The rules that records are held to, each once: its code, its title, how bad breaking it is, and its source.

A code never changes its meaning and is never used again; `docs/records.md` has a line for each. `MICS30n` and `MICS31n`
are about the text of a file, `MICS32n` about fields, `MICS35n` about identifiers, `MICS36n` about time and numbers,
`MICS37n` about CSV, `MICS38n` about a file as a whole. Nothing here knows how a rule is looked after.

What the platform is known to reject is an error (documented or seen), and so is what it would load wrongly without a
word. A rule that is only inferred is a warning otherwise.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal

# Of the rules and of how they are looked after: results that are kept belong to one version.
VERSION: Final = 3


class Mark(Enum):
    """Where a rule is known from (mediarithmics-api.md, reading guide)."""

    DOCUMENTED = "documented"
    SEEN = "seen"
    INFERRED = "inferred"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `scope` tells whether a record breaks it, which can be left out, or the file as a whole."""

    code: str
    title: str
    severity: Literal["error", "warning"]
    mark: Mark
    scope: Literal["record", "file"] = "record"


_D, _S, _I = Mark.DOCUMENTED, Mark.SEEN, Mark.INFERRED

RULES: Final[dict[str, Rule]] = {
    rule.code: rule
    for rule in (
        # 30x, 31x: the text of a file
        Rule("MICS301", "no record in the file", "error", _I, "file"),
        Rule("MICS302", "byte order mark", "error", _D, "file"),
        Rule("MICS303", "not UTF-8", "error", _D),
        Rule("MICS304", "JSON array instead of one object a line", "error", _S, "file"),
        Rule("MICS305", "object spread over several lines", "error", _S, "file"),
        Rule("MICS306", "not valid JSON", "error", _D),
        Rule("MICS307", "JSON, but not an object", "error", _D),
        Rule("MICS308", "two objects on one line", "error", _D),
        Rule("MICS309", "record longer than 1 MiB, which is not looked at", "error", _I),
        Rule("MICS310", "record longer than one part may be", "error", _D, "file"),
        Rule("MICS311", "nested too deeply", "error", _I),
        Rule("MICS312", "blank line", "warning", _I),
        Rule("MICS313", "half a character", "warning", _I),
        # 32x: fields
        Rule("MICS320", "missing field", "error", _D),
        Rule("MICS321", "wrong type", "error", _D),
        Rule("MICS322", "value is not one of the choices", "error", _D),
        Rule("MICS323", "empty text", "warning", _I),
        Rule("MICS324", "unknown key", "warning", _I),
        Rule("MICS325", "old and new style of profile update on one line", "warning", _I),
        Rule("MICS326", "data_bag is not JSON in a string", "error", _D),
        Rule("MICS327", "no segment", "warning", _I),
        Rule("MICS328", "field of another kind of identifier", "warning", _I),
        Rule("MICS329", "choice without its answer", "warning", _S),
        Rule("MICS330", "wrong type, where no page tells the type", "warning", _S),
        # 35x: identifiers
        Rule("MICS350", "no identifier", "error", _D),
        Rule("MICS351", "several identifiers", "error", _D),
        Rule("MICS352", "several identifiers on an activity", "warning", _D),
        Rule("MICS353", "user agent id without a prefix", "error", _D),
        Rule("MICS354", "compartment without an account", "warning", _I),
        Rule("MICS355", "clear-text e-mail where a hash is expected", "warning", _D),
        Rule("MICS356", "e-mail without its hash", "warning", _S),
        Rule("MICS357", "device point where an identifier is expected", "error", _D),
        Rule("MICS358", "association of one identifier", "warning", _I),
        Rule("MICS359", "not a UUID", "error", _D),
        # 36x: time and numbers
        Rule("MICS360", "timestamp in seconds", "error", _I),
        Rule("MICS361", "timestamp is no date in milliseconds", "error", _I),
        Rule("MICS362", "negative duration", "error", _I),
        Rule("MICS363", "duration of more than a hundred years", "warning", _I),
        Rule("MICS364", "two expiries that disagree", "warning", _I),
        Rule("MICS365", "expiry as a date alone", "warning", _I),
        Rule("MICS366", "unique key is not a UUID of version 1", "warning", _I),
        # 37x: CSV
        Rule("MICS370", "no header with the columns that are needed", "error", _I, "file"),
        Rule("MICS371", "unknown column", "warning", _I, "file"),
        Rule("MICS372", "column twice", "error", _I, "file"),
        Rule("MICS373", "row with too few or too many cells", "error", _I),
        Rule("MICS374", "quotes that do not fit", "error", _I),
        # All that is behind it would be left out with it, as one record.
        Rule("MICS375", "quote that is never closed", "error", _I, "file"),
        # 38x: a file as a whole
        Rule("MICS380", "few records in the file", "warning", _D, "file"),
        Rule("MICS381", "hashes of different lengths in one file", "warning", _D, "file"),
        Rule("MICS382", "records of a type that no page describes", "warning", _I, "file"),
    )
}


def errors_of(*, ignore: Collection[str], strict: bool) -> frozenset[str]:
    """The codes that count as errors: those of errors, with `strict` those of warnings too, less the ignored ones."""
    bad = {code for code, rule in RULES.items() if strict or rule.severity == "error"}
    return frozenset(bad.difference(ignore))
