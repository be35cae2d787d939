"""The files of one import in a plan, as lines: what becomes of each, and of its parts where that differs. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, TypeAlias

from mics_iac.core.plan import Fetch, Skip, Stuck, Upload
from mics_iac.reporting.figures import counted, number, size
from mics_iac.reporting.lines import Line, Span, Style, columns, line, safe

Loading: TypeAlias = Upload | Fetch | Skip | Stuck

_PATH_COLUMN: Final = 56  # a longer path pushes its own line aside, not those of all others
_FEW: Final = 3  # so many files that are loaded already are named; more are counted
_INSET: Final = 4  # how much further right than their file the parts stand

_STYLES: Final[dict[str, Style]] = {"^": "upload", "!": "destroy", "=": "dim"}


@dataclass(frozen=True, slots=True)
class _Row:
    """A file, or parts of one that share their fate; `records` is None where nobody knows. `inset`: below its file."""

    symbol: str
    name: str
    bytes: int
    records: int | None
    reason: str
    parts: int = 1
    inset: int = 0

    @property
    def width(self) -> int:
        return self.inset + columns(safe(self.name))


def file_lines(loadings: Iterable[Loading], *, every: bool) -> list[Line]:
    """What becomes of these files: those to load first, those that are loaded already last.

    `every` names each of the latter; else many of them are counted.
    """
    by_source: dict[str, list[Loading]] = {}
    for one in loadings:
        by_source.setdefault(one.source, []).append(one)
    files = {symbol: [parts for parts in by_source.values() if _symbol(parts) == symbol] for symbol in _STYLES}
    named = every or len(files["="]) <= _FEW
    rows = [row for symbol in _STYLES for parts in files[symbol] if named or symbol != "=" for row in _rows(parts)]
    width = max((row.width for row in rows if row.width <= _PATH_COLUMN), default=0)
    lines = [_line(row, width) for row in rows]
    return lines if named else [*lines, _loaded_line(files["="])]


def files_of(loadings: Iterable[Loading]) -> int:
    """How many files these are parts of."""
    return len({one.source for one in loadings})


def _symbol(parts: Sequence[Loading]) -> str:
    """What stands before a file: the strongest of what becomes of its parts."""
    symbols = {_fate(part) for part in parts}
    return next(symbol for symbol in _STYLES if symbol in symbols)


def _fate(part: Loading) -> str:
    match part:
        case Upload() | Fetch():
            return "^"
        case Stuck():
            return "!"
        case Skip():
            return "="


def _rows(parts: Sequence[Loading]) -> list[_Row]:
    """One row for the file; below it one for each run of parts with one fate, where there are several."""
    ordered = sorted(parts, key=lambda p: 1 if isinstance(p, Fetch) else p.part)
    runs = [list(run) for _, run in groupby(ordered, key=lambda p: (_fate(p), _told(p)))]
    alone = len(runs) == 1
    head = _row(_symbol(ordered), ordered[0].source, ordered, reason=_reason(ordered) if alone else "")
    return [head] if alone else [head, *(_row(_fate(r[0]), _label(r), r, _reason(r), inset=_INSET) for r in runs)]


def _told(part: Loading) -> str:
    """What tells parts with one fate apart: by which execution each was loaded is for `state show`."""
    return "" if isinstance(part, Skip) else part.reason


def _reason(parts: Sequence[Loading]) -> str:
    reasons = {part.reason for part in parts}
    return reasons.pop() if len(reasons) == 1 else "already loaded"


def _row(symbol: str, name: str, parts: Sequence[Loading], reason: str, *, inset: int = 0) -> _Row:
    known = [part.records for part in parts if not isinstance(part, Fetch)]
    records = sum(known) if len(known) == len(parts) else None
    number_of = 1 if inset else len(parts)
    return _Row(symbol, name, sum(part.bytes for part in parts), records, reason, number_of, inset)


def _label(run: Sequence[Loading]) -> str:
    numbers = [part.part for part in run if not isinstance(part, Fetch)]
    return f"part {numbers[0]}" if len(numbers) == 1 else f"parts {numbers[0]}-{numbers[-1]}"


def _line(row: _Row, width: int) -> Line:
    style = _STYLES[row.symbol]
    records = counted(row.records, "record") if row.records is not None else "records unknown"
    parts = f" in {counted(row.parts, 'part')}" if row.parts > 1 else ""
    reason = [Span(f"  {row.reason}", "dim" if row.symbol != "!" else style)] if row.reason else []
    return line(
        " " * (7 + row.inset),
        Span(f"{row.symbol} ", style),
        Span(row.name, "dim" if row.symbol == "=" or row.inset else "plain", solid=True),
        Span(f"{' ' * max(0, width - row.width)}  {size(row.bytes):>8}{parts}  {records:>14}", "dim"),
        *reason,
        hang=11 + row.inset,
    )


def _loaded_line(files: Sequence[Sequence[Loading]]) -> Line:
    skips = [part for parts in files for part in parts if isinstance(part, Skip)]
    figures = f"{size(sum(s.bytes for s in skips))}, {number(sum(s.records for s in skips))} records"
    return line("       ", Span(f"= {counted(len(files), 'file')} already loaded ({figures})", "dim"), hang=11)
