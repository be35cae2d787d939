"""One row of CSV as its cells, each with its place: commas and RFC 4180's quotes (mediarithmics-api.md 4.4)."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

# A cell up to what ends it. The quoted form is tried first, so that a quote within the other is one that does not fit.
_CELL: Final = re.compile(r'(?:"([^"]*(?:""[^"]*)*)"|([^",\r\n]*))(,|\r?\n\Z|\Z)')


class Cell(NamedTuple):
    """A cell's text, and how many characters of the row stand before it."""

    start: int
    text: str


def cells_of(row: str) -> list[Cell] | int:
    """The cells of one row, with or without the newline that ends it; or the place of what is no cell."""
    cells: list[Cell] = []
    place = 0
    while found := _CELL.match(row, place):
        quoted, plain, end = found.groups()
        cells.append(Cell(place, plain if quoted is None else quoted.replace('""', '"')))
        if end != ",":
            return cells
        place = found.end()
    return place


def quotes_fit(text: str) -> bool:
    """Whether whole rows have quotes around whole cells only, a quote within being written twice.

    What stands between two quoted stretches is nothing (a quote written twice), or ends a cell and begins another.
    """
    outside = text.split('"')[::2]
    return all(
        not part or ((part[0] in ",\n" or part.startswith("\r\n")) and part[-1] in ",\n") for part in outside[1:-1]
    ) and _edges(outside[0], outside[-1])


def _edges(first: str, last: str) -> bool:
    return (not first or first[-1] in ",\n") and (not last or last[0] in ",\n" or last.startswith("\r\n"))
