"""The codes of problems, each with its short title: the one place where a number gets its meaning.

A number never changes its meaning and is never used again; a new problem gets the next free one. `docs/errors.md` has a
section for each. Nothing here knows how a problem is found.
"""

from __future__ import annotations

from typing import Final

CODES: Final[dict[str, str]] = {
    # 0xx: the text of a file
    "MICS001": "not valid YAML",
    "MICS002": "tab in the indentation",
    "MICS003": "indentation does not fit",
    "MICS004": "not UTF-8",
    "MICS005": "character that YAML does not allow",
    "MICS006": "empty file",
    "MICS007": "several documents in one file",
    "MICS008": "top level is not a mapping",
    "MICS009": "duplicate key",
    "MICS010": "key is not text",
    "MICS011": "tag not allowed",
    "MICS012": "merge key without a mapping",
    "MICS013": "unknown alias",
    "MICS014": "alias inside its own anchor",
    "MICS015": "too many values once aliases are expanded",
    "MICS016": "nested too deeply",
    "MICS017": "file too large",
    # 1xx: what the manifest says
    "MICS101": "unknown key",
    "MICS102": "missing key",
    "MICS103": "wrong kind of value",
    "MICS104": "no value",
    "MICS105": "version not supported",
    "MICS106": "key with characters that are not allowed",
    "MICS107": "unknown document type",
    "MICS108": "value is not one of the choices",
    "MICS109": "neither true nor false",
    "MICS110": "not an id",
    "MICS111": "max_failures not understood",
    "MICS112": "API address not usable",
    "MICS113": "state backend not supported",
    "MICS114": "batch with characters that are not allowed",
    "MICS115": "batch is not in the name",
    "MICS116": "two imports with the same name and document type",
    "MICS117": "two datamarts with the same id",
    "MICS118": "one import adopted twice",
    "MICS119": "mime type does not go with the document type",
    "MICS120": "not an address",
    "MICS121": "moved to an address that is not declared",
    "MICS122": "moved from an address that is still declared",
    "MICS123": "moves that contradict each other",
    "MICS124": "declared in two files",
    "MICS125": "control character in a text",
    "MICS130": "variable reference not understood",
    "MICS131": "undeclared variable",
    "MICS132": "variable without a value",
    "MICS133": "variable value does not match its pattern",
    "MICS134": "pattern is not a regular expression",
    "MICS135": "value given for an undeclared variable",
    "MICS136": "environment not chosen",
    "MICS137": "unknown environment",
    "MICS138": "variable value is not text",
    "MICS139": "variable name with characters that are not allowed",
    # 2xx: where the data files are
    "MICS201": "glob matches nothing",
    "MICS202": "path leaves the manifest's folder",
    "MICS203": "remote source not supported yet",
    "MICS204": "source is not a readable file",
    "MICS205": "source is empty",
    "MICS206": "source is over the size limit",
    "MICS207": "one file found by two sources",
    "MICS208": "path not usable",
    "MICS209": "unknown scheme",
}
