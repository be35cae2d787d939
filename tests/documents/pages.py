"""The tables of docs/records.md, made from the rules: `python -m tests.documents.pages` writes them into the page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from mics_iac.documents.explaining import rules_of
from mics_iac.documents.kinds import Kind
from mics_iac.documents.rules import RULES
from mics_iac.documents.shapes import SHAPES, Many, Shape

PAGE: Final = Path(__file__).parents[2] / "docs" / "records.md"
_BLOCK: Final = re.compile(r"(<!-- table: (?P<name>\S+) -->\n)(?P<body>.*?)(<!-- end -->)", re.DOTALL)


def _table(head: str, rows: Iterable[tuple[str, ...]]) -> str:
    columns = head.count("|") + 1
    lines = [f"| {head} |", "|" + " --- |" * columns, *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join(lines) + "\n"


def _rules(first: int, last: int) -> str:
    rows = [
        (code, rule.title, rule.severity, rule.mark.value, rule.scope)
        for code, rule in RULES.items()
        if first <= int(code[4:]) <= last
    ]
    return _table("Code | Rule | Is | Known from | Of a", rows)


def codes_in(shape: Shape) -> set[str]:
    """Every code that the fields of a shape, and those within, may give."""
    found = {"MICS320"} if shape.needed or shape.variants else set()
    found |= {"MICS324"} if shape.extras.name != "ANY" else set()
    found |= {"MICS328"} if any(shape.foreign.values()) else set()
    for one in shape.fields:
        match one.holds:
            case Kind():
                found |= set(one.codes)
            case Shape() as inner:
                found |= set(one.codes) | codes_in(inner)
            case Many(inner):
                found |= set(one.codes) | codes_in(inner)
    return found


def codes_of(document_type: str) -> set[str]:
    """Every code that the records of a document type may have, but for those of any text."""
    shape, together = rules_of(document_type)
    return codes_in(shape) | set(together.codes)


def _fields(shape: Shape, before: str = "") -> Iterator[tuple[str, ...]]:
    for one in shape.fields:
        needed = "yes" if one.needed else ""
        path, codes = f"{before}{one.key}", " ".join(code[4:] for code in one.codes)
        match one.holds:
            case Kind() as kind:
                yield f"`{path}`", kind.called, needed, one.mark.value, codes
            case Shape() as inner:
                yield f"`{path}`", f"object; other keys: {inner.extras.value}", needed, one.mark.value, codes
                yield from _fields(inner, f"{path}.")
            case Many(inner):
                said = f"list of objects; other keys: {inner.extras.value}"
                yield f"`{path}`", said, needed, one.mark.value, codes
                yield from _fields(inner, f"{path}[].")


def _type(document_type: str) -> str:
    shape, together = rules_of(document_type)
    rows = _table("Field | Holds | Needed | Known from | Broken: MICS", _fields(shape))
    between = "".join(f"- {code}: {RULES[code].title}\n" for code in together.codes)
    kinds = "".join(
        f"- `{kind}` needs `{variant.needed}`"
        + (f", and may have {' and '.join(f'`{key}`' for key in variant.beside)}" if variant.beside else "")
        + "\n"
        for kind, variant in shape.variants.items()
    )
    return (
        f"{rows}\nOther keys: {shape.extras.value}.\n"
        + (f"\nBy `{shape.tag}`:\n\n{kinds}" if kinds else "")
        + (f"\nBetween fields:\n\n{between}" if between else "")
    )


def written(page: str) -> str:
    """The page with its tables as they should be."""

    def fill(found: re.Match[str]) -> str:
        name = found["name"]
        body = _type(name) if name in SHAPES else _rules(*map(int, name.split("-")))
        return f"{found[1]}\n{body}\n{found[4]}"

    return _BLOCK.sub(fill, page)


def names(page: str) -> list[str]:
    """What tables the page has."""
    return [found["name"] for found in _BLOCK.finditer(page)]


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
