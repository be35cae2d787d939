"""Judges the rows of CSV: a header with the names of the fields, and a record in each row (mediarithmics-api.md 4.4).

Whole columns are looked at in one go; a row that is odd in one of them is looked at closely, as the record that it
stands for.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Final

from mics_iac.documents.cells import Cell, cells_of, quotes_fit
from mics_iac.documents.columns import odd_rows
from mics_iac.documents.explaining import explain_object, rules_of
from mics_iac.documents.header import Header, header_of
from mics_iac.documents.keys import shown
from mics_iac.documents.notes import MARK, MARKED, Flaw, Looked, Notes, not_utf8
from mics_iac.documents.shapes import SEGMENT

_WHOLE_NUMBERS: Final = frozenset({"expiration_duration", "expiration_ts"})
# More digits are no number of minutes or milliseconds, and int() takes ever longer for them.
_DIGITS: Final = 18


class Rows:
    """The judge of one file's rows; shown every piece of it, in their order."""

    def __init__(self, document_type: str) -> None:
        self._shape, self._rules = rules_of(document_type)
        self._first = True  # nothing was looked at yet
        self._header: Header | None = None
        self._lengths: set[int] = set()

    def look(self, piece: bytes) -> Looked:
        """Judge whole rows."""
        lines = piece.count(b"\n") + (not piece.endswith(b"\n"))
        looked = Looked(0, lines)
        data = piece if self._header else self._begin(piece, looked)
        if self._header and not self._header.broken:
            self._look(data, self._header, looked)
        else:
            rows = self.records(data)
            looked.count += len(rows)
            looked.empty += sum(map(bytes.isspace, rows))
        return looked

    @staticmethod
    def records(piece: bytes) -> list[bytes]:
        """The rows of a piece; a newline between quotes ends none."""
        lines = list(io.BytesIO(piece))
        return _joined(lines) if b'"' in piece else lines

    def place(self, piece: bytes, number: int, flaw: Flaw) -> tuple[int, int, str]:
        """How many lines of the piece stand before a flaw, its column, and the name of its field."""
        records = self.records(piece)
        lines = sum(record.count(b"\n") for record in records[:number])
        text = records[number].removeprefix(MARK).decode(errors="replace")
        offset, field = self._spot(text, flaw)
        before = text[:offset]
        return lines + before.count("\n"), offset - before.rfind("\n"), field

    def _spot(self, text: str, flaw: Flaw) -> tuple[int, str]:
        """How many characters of the row stand before a flaw, and the name of its field."""
        if isinstance(flaw.at, int):
            return flaw.at, ""
        name = str(flaw.at[0]) if flaw.at else ""
        if self._header is None or name not in self._header.names:
            return 0, shown(name) if name else ""
        cells = cells_of(text, len(self._header.names))
        if isinstance(cells, int):
            return 0, shown(name)
        return cells[self._header.names.index(name)].start, shown(name)

    def _begin(self, piece: bytes, looked: Looked) -> bytes:
        """Read the header; the rows behind it."""
        marked = self._first and piece.startswith(MARK)
        if marked:
            looked.flaws.append((0, MARKED))
            piece = piece.removeprefix(MARK)
        self._first = False
        rows = self.records(piece) or [b""]
        for number, row in enumerate(rows):
            looked.count += 1
            # A row with the mark alone is no blank one.
            if not row.isspace() or (marked and not number):
                looked.header = number
                looked.empty += 1
                self._header = header_of(row, self._shape)
                looked.flaws.extend((number, flaw) for flaw in self._header.flaws)
                return b"".join(rows[number + 1 :])
            looked.blank(number)
        return b""

    def _look(self, data: bytes, header: Header, looked: Looked) -> None:
        before = looked.count
        cells = _read(data)
        if cells is None:
            rows = self.records(data)
            looked.count += len(rows)
            slow = list(range(len(rows)))
        else:
            looked.count += len(cells)
            slow = self._odd(cells, header, before, looked)
            rows = self.records(data) if slow else []
        for place in slow:
            self._explain(before + place, rows[place], header, looked)
        self._lengths.update(looked.hashes)

    def _odd(self, cells: Sequence[list[str]], header: Header, before: int, looked: Looked) -> list[int]:
        """The rows that deserve a closer look; measures the hashes of the others."""
        width = len(header.names)
        odd = {place for place, row in enumerate(cells) if len(row) != width}
        whole = [place for place in range(len(cells)) if place not in odd] if odd else range(len(cells))
        if self._shape is SEGMENT and whole:
            columns = zip(*([cells[place] for place in whole] if odd else cells), strict=True)
            table = dict(zip(header.names, columns, strict=True))
            odd.update([whole[place] for place in odd_rows(table, len(whole))])
            hashes = table.get("email_hash", ())
            if len(self._lengths) < 2 and not self._lengths.issuperset(map(len, filter(None, hashes))):
                for place, text in zip(whole, hashes, strict=True):
                    if text and place not in odd:
                        self._met(len(text), before + place, looked)
        return sorted(odd)

    def _met(self, length: int, number: int, looked: Looked) -> None:
        if len(self._lengths) < 2 and length not in self._lengths:
            looked.hashes[length] = min(number, looked.hashes.get(length, number))

    def _explain(self, number: int, row: bytes, header: Header, looked: Looked) -> None:
        if row.isspace():
            looked.blank(number)
            return
        found = _cells(row, len(header.names))
        if isinstance(found, Flaw):
            looked.flaws.append((number, found))
        elif len(found) != len(header.names):
            looked.flaws.append((number, _ragged(len(found), len(header.names))))
        elif self._shape is SEGMENT:
            notes = Notes()
            explain_object(_record(header, found), self._shape, self._rules, notes)
            looked.flaws.extend((number, flaw) for flaw in notes.flaws)
            for length in notes.hashes:
                self._met(length, number, looked)


def _joined(lines: Sequence[bytes]) -> list[bytes]:
    """The rows that lines are; those of a cell with newlines are put together."""
    rows: list[bytes] = []
    held: list[bytes] = []
    quoted = False
    for line in lines:
        quoted ^= line.count(b'"') & 1 == 1
        if quoted:
            held.append(line)
        elif held:
            rows.append(b"".join((*held, line)))
            held.clear()
        else:
            rows.append(line)
    if held:
        rows.append(b"".join(held))
    return rows


def _read(data: bytes) -> list[list[str]] | None:
    """The cells of whole rows; None where one of them is no CSV, or where the rows are not what they seem to be."""
    try:
        text = data.decode()
        parts = text.split('"')
        if len(parts) % 2 == 0 or not quotes_fit(parts):
            return None
        rows = list(csv.reader(io.StringIO(text, newline="\n"), strict=True))
    except (UnicodeDecodeError, csv.Error):
        return None
    newlines = text.count("\n") - ("".join(parts[1::2]).count("\n"))
    return rows if len(rows) == newlines + (text != "" and not text.endswith("\n")) else None


def _cells(row: bytes, most: int) -> list[Cell] | Flaw:
    try:
        text = row.decode()
    except UnicodeDecodeError as error:
        return not_utf8(row, error)
    cells = cells_of(text, most)
    if not isinstance(cells, int):
        return cells
    if row.count(b'"') % 2:
        return Flaw("MICS375", cells, "a quote is opened here and never closed: close it, or write it twice")
    return Flaw("MICS374", cells, "this cell cannot be read: put quotes around all of it, and write those in it twice")


def _ragged(cells: int, columns: int) -> Flaw:
    has = f"{cells:,} cells" if cells <= columns else "more cells"
    return Flaw("MICS373", 0, f"the row has {has}, the header {columns:,}: write a cell for each column")


def _record(header: Header, cells: Sequence[Cell]) -> dict[str, object]:
    """The record that a row stands for: empty cells are absent, and columns that are no fields are left out."""
    return {
        name: _value(name, cell.text)
        for name, cell in zip(header.names, cells, strict=True)
        if cell.text and name in header.fields
    }


def _value(name: str, text: str) -> str | int:
    if name in _WHOLE_NUMBERS and len(text) <= _DIGITS:
        digits = text.removeprefix("-")
        if digits.isascii() and digits.isdigit():
            return int(text)
    return text
