"""The header of a CSV file: which column is which field (mediarithmics-api.md 4.4, all of it inferred).

Names are taken without regard to case, in any order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from mics_iac.documents.cells import Cell, cells_of
from mics_iac.documents.keys import HIDDEN, Nearby, shown
from mics_iac.documents.notes import Flaw, Path, not_utf8
from mics_iac.documents.shapes import SEGMENT, Shape

# As many as a sheet has. Each takes memory, in every row of which cells are made.
MOST_COLUMNS: Final = 16_384
# Known beside the fields: an alternative to compartment_id in the vendor's template (seen).
_MORE: Final = ("compartment_token",)
# Of each of these groups one column at least.
_NEEDED: Final = (
    ("operation",),
    ("user_account_id", "email_hash", "user_agent_id"),
    ("expiration_duration", "expiration_ts"),
)
_DATA: Final = frozenset({"update", "delete", "upsert"})


@dataclass(frozen=True, slots=True)
class Header:
    """The names of the columns in lower case, which are fields, and the flaws. Under a broken one no row is judged."""

    names: tuple[str, ...]
    fields: frozenset[str]
    flaws: tuple[Flaw, ...]
    broken: bool = False


def header_of(row: bytes, shape: Shape) -> Header:
    """The header that the first row of a file is."""
    try:
        cells = cells_of(row.decode(), MOST_COLUMNS)
    except UnicodeDecodeError as error:
        return _broken(not_utf8(row, error).at, "the header is not UTF-8: write the file as UTF-8")
    if isinstance(cells, int):
        return _broken(cells, "quotes do not fit here: put the names of the columns into the first row")
    if len(cells) > MOST_COLUMNS:
        return _broken(cells[-1].start, f"more than {MOST_COLUMNS:,} columns: leave out those that are no fields")
    names = tuple(cell.text.strip().lower() for cell in cells)
    fields = frozenset(names).intersection(shape.by_key)
    flaws = [*_twice(cells, names)]
    if shape is SEGMENT:
        flaws += _missing(names)
        if not flaws:
            return Header(names, fields, tuple(_unknown(cells, names, shape)))
    return Header(names, fields, tuple(flaws), broken=bool(flaws))


def _broken(at: Path | int, message: str) -> Header:
    return Header((), frozenset(), (Flaw("MICS370", at, message),), broken=True)


def _twice(cells: Sequence[Cell], names: Sequence[str]) -> Iterator[Flaw]:
    met: set[str] = set()
    for cell, name in zip(cells, names, strict=True):
        if name and name in met:
            yield Flaw("MICS372", cell.start, f"the column {shown(name)} is there twice: remove one")
        met.add(name)


def _missing(names: Sequence[str]) -> Iterator[Flaw]:
    lone = [group for group in _NEEDED if not set(group) & set(names)]
    if not lone:
        return
    if names[0] in _DATA:
        why = "the first row is a record: put a row with the names of the columns before it"
    elif len(names) == 1 and any(mark in names[0] for mark in ";\t|"):
        why = "the columns are not parted by commas: write commas"
    else:
        why = f"no column {' and none '.join(' or '.join(group) for group in lone)}: add it"
    yield Flaw("MICS370", 0, why)


def _unknown(cells: Sequence[Cell], names: Sequence[str], shape: Shape) -> Iterator[Flaw]:
    near = Nearby(shape.by_key)
    for cell, name in zip(cells, names, strict=True):
        if name in shape.by_key or name in _MORE:
            continue
        meant = near.of(name)
        said = shown(name)
        what = "a column has no name" if not name else f"the column {said} is no field" if said != HIDDEN else ""
        what = what or "the name of this column is no field's"
        yield Flaw("MICS371", cell.start, f"{what}: " + (f"did you mean {meant}?" if meant else "remove it"))
