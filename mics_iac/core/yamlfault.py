"""What a YAML parser complains of -> one problem in our words, at the place where the user should look.

Both parsers of PyYAML (libyaml and the one in Python) come here, so a message depends on neither's wording where it
can.
It must not import yaml: it reads the attributes that every marked error of PyYAML has.
"""

from __future__ import annotations

import re
from typing import Any, Final

from mics_iac.core.wording import quoted, visible
from mics_iac.errors import Problem

# YAML 1.1, 5.1: what a stream may hold.
_NOT_ALLOWED: Final = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_INDENTATION: Final = (
    "did not find expected key",
    "did not find expected '-' indicator",
    "expected <block end>",
    "mapping values are not allowed",
    "sequence entries are not allowed",
    "block sequence entries are not allowed",
)

# Fragments of both parsers' texts, and what they mean to somebody who writes a manifest.
_MEANINGS: Final = (
    ("expected ',' or", "a bracket or brace is not closed, or a comma is missing"),
    ("unexpected end of stream", "a quote is opened and never closed"),
    ("unknown escape", 'in double quotes a backslash starts an escape; write "\\\\" or use single quotes'),
    ("escape", "this escape names no character; use single quotes to write a backslash"),
    ("hexadecimal", "this escape needs hexadecimal digits; use single quotes to write a backslash"),
    ("could not find expected ':'", "this line has no `key: value`; add the colon, or indent it if it goes on a text"),
    ("alphabetic or numeric", "`*` and `&` start an alias and an anchor, which need a name; put the value in quotes"),
    ("incompatible YAML", "the %YAML directive names a version that is not known; remove the line"),
    ("tag", "`!` starts a tag; put the value in quotes"),
    ("directive", "`%` starts a directive here; remove the line, or put the value in quotes"),
    ("document start", "the document was already complete above this line; check the indentation"),
    ("node content", "a value was expected here"),
    ("anchor", "`&` starts an anchor; put the value in quotes"),
    ("indentation indicator", "after `|` or `>` only an indentation from 1 to 9 and `+` or `-` may stand"),
)


def syntax_fault(error: Exception, *, file: str, characters: str) -> Problem:
    """The problem behind an error that a parser of PyYAML raised while it read these characters."""
    mark: Any = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:
        return _unmarked(file, characters)
    line, column = mark.line + 1, mark.column + 1
    complaint = str(getattr(error, "problem", "") or getattr(error, "context", ""))
    if "nesting depth" in complaint:
        # The parser's own limit, which newer ones have: they look ahead further than our limit is deep.
        return Problem(file, line, column, "MICS016", "values are nested far too deeply; nothing here needs that")
    if not characters[mark.index :].strip():
        line, column = _before_the_end(getattr(error, "context_mark", None), characters)
    lines = characters.splitlines()
    text = lines[mark.line] if mark.line < len(lines) else ""
    if _tab_indents(text, complaint):
        tab = text.index("\t") + 1
        return Problem(file, line, tab, "MICS002", "a tab stands in the indentation; YAML takes spaces only")
    if any(sign in complaint for sign in _INDENTATION):
        return Problem(file, line, column, "MICS003", _indentation(text, mark.column))
    return Problem(file, line, column, "MICS001", f"not valid YAML: {_meaning(complaint, text[mark.column :])}")


def _before_the_end(opening: Any, characters: str) -> tuple[int, int]:
    """Where to look when the parser stumbled over the end: at what was opened and not closed, else at the last word."""
    text = characters.rstrip()
    if opening is not None and opening.index < len(text):
        return opening.line + 1, opening.column + 1
    return text.count("\n") + 1, max(1, len(text) - text.rfind("\n") - 1)


def _tab_indents(text: str, complaint: str) -> bool:
    """A tab before the line's first word, where the parser stumbled over it."""
    indentation = text[: len(text) - len(text.lstrip())]
    return "\t" in indentation and ("tab" in complaint or "cannot start any token" in complaint)


def _indentation(text: str, column: int) -> str:
    if text[column : column + 1] == ":":
        return "a `:` that cannot start a value here; put the text before it in quotes, or check the indentation above"
    return "this line's indentation fits no line above it; indent it as its neighbours"


def _meaning(complaint: str, rest: str) -> str:
    if "cannot start any token" in complaint:
        return f"a value cannot start with {quoted(rest[:1])}; put it in quotes"
    for sign, meaning in _MEANINGS:
        if sign in complaint:
            return meaning
    return visible(complaint)


def _unmarked(file: str, characters: str) -> Problem:
    """The parser gave no line: a character outside YAML's set, or a number that is out of range somewhere."""
    found = _NOT_ALLOWED.search(characters)
    if found is None:
        return Problem(file, 0, 0, "MICS001", "not valid YAML: an escape, a directive or a tag is out of range")
    before = characters[: found.start()]
    line = before.count("\n") + 1
    column = found.start() - (before.rfind("\n") + 1) + 1
    message = f"the character {quoted(found[0])} is not allowed in YAML; remove it, or save the file as plain text"
    return Problem(file, line, column, "MICS005", message)
