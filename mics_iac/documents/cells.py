"""One row of CSV as its cells, each with its place: commas and RFC 4180's quotes (mediarithmics-api.md 4.4)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

# A cell up to what ends it. The quoted form is tried first, so that a quote within the other is one that does not fit.
_CELL: Final = re.compile(r'(?:"([^"]*(?:""[^"]*)*)"|([^",\r\n]*))(,|\r?\n\Z|\Z)')


class Cell(NamedTuple):
    """A cell's text, and how many characters of the row stand before it."""

    start: int
    text: str


def cells_of(row: str, most: int) -> list[Cell] | int:
    """The cells of one row, with or without the newline that ends it; or the place of what is no cell.

    Of a row of more cells than `most` only the first ones, one more than that.
    """
    cells: list[Cell] = []
    place = 0
    while found := _CELL.match(row, place):
        quoted, plain, end = found.groups()
        cells.append(Cell(place, plain if quoted is None else quoted.replace('""', '"')))
        if end != "," or len(cells) > most:
            return cells
        place = found.end()
    return place


# What stands for a quoted stretch, and what must not stand beside it: there a cell begins and ends, or a quote written
# twice divides the cell's stretches.
_GAP: Final = "\0"
# The gap comes first in the pattern, so that the search for it is one for a single character.
_MISFIT: Final = re.compile(r"\0(?:(?<=[^,\n\0]\0)|[^,\r\n\0]|\r(?!\n))")


def quotes_fit(parts: Sequence[str]) -> bool:
    """Whether whole rows, parted at their quotes, have quotes around whole cells only, those within written twice."""
    outside = parts[::2]
    return not any(_GAP in part for part in outside) and _MISFIT.search(_GAP.join(outside)) is None
