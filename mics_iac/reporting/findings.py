"""What was found in the records of files, as people, editors and machines read it. Pure.

A finding says where and which rule, never what stands in the record. Of each code in each file the first are told in
full and the others counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from mics_iac.core.plan import Checked
from mics_iac.documents.report import Finding
from mics_iac.documents.rules import RULES
from mics_iac.reporting.figures import counted, number
from mics_iac.reporting.lines import Line, Span, line

Severity: TypeAlias = Literal["error", "warning"]

_FEW: Final = 10  # so many files whose invalid records are left out are named in a plan; more are counted


@dataclass(frozen=True, slots=True)
class Placed:
    """One finding in its file; without one, that there are `more` of its code there than those told in full."""

    severity: Severity
    source: str
    code: str
    finding: Finding | None
    more: int = 0

    @property
    def text(self) -> str:
        """What is wrong there, and what to do."""
        if self.finding is None:
            return f"... and {number(self.more)} more of {self.code} in {self.source}"
        where = f"{self.finding.field}: " if self.finding.field else ""
        return where + self.finding.message


def placed(checked: Iterable[Checked], *severities: Severity) -> list[Placed]:
    """The findings of these files in order of place, each once however many imports load its file."""
    found = (one for file in checked for severity in severities for one in _of(file, severity))
    return sorted(dict.fromkeys(found), key=_place)


def _place(one: Placed) -> tuple[str, bool, int, int, str]:
    found = one.finding
    line, column = (found.line, found.column) if found is not None else (0, 0)
    return one.source, found is None, line, column, one.code


def _of(file: Checked, severity: Severity) -> Iterator[Placed]:
    counts = file.errors if severity == "error" else file.warnings
    told = [f for f in file.findings if f.code in counts]
    yield from (Placed(severity, file.source, f.code, f) for f in told)
    for code, count in counts.items():
        more = count - sum(f.code == code for f in told)
        if more > 0:
            yield Placed(severity, file.source, code, None, more)


def finding_lines(checked: Iterable[Checked], *, at: Callable[[str], str] = str) -> list[Line]:
    """Each finding as `file:line:column: code: what`, those of one file together in order of place.

    `at` says where a file is, seen from where the reader stands.
    """
    return [_placed_line(one, at) for one in placed(checked, "error", "warning")]


def _placed_line(one: Placed, at: Callable[[str], str]) -> Line:
    if one.finding is None:
        return line(Span(f"... and {number(one.more)} more of {one.code} in {at(one.source)}", "dim"))
    mark = Span("warning: ", "warn") if one.severity == "warning" else Span("")
    return line(f"{at(one.source)}:{one.finding.line}:{one.finding.column}: ", mark, f"{one.code}: {one.text}")


def fate_lines(checked: Iterable[Checked], *, at: Callable[[str], str] = str, most: int | None = None) -> list[Line]:
    """What becomes of files with errors that are loaded all the same; of more than `most` the rest is counted."""
    left_out = [one for one in checked if one.dropped and not one.refused]
    sent = [one for one in checked if one.errors and not (one.refused or one.dropped)]
    rows = [_left_out(one, at) for one in left_out]
    rows += [_sent(one, at) for one in sent]
    if most is None or len(rows) <= most:
        return rows
    records = sum(one.dropped for one in left_out[most:])
    figures = f", {counted(records, 'invalid record')} left out" if records else ""
    return [*rows[:most], line(Span(f"... and {counted(len(rows) - most, 'more file')}{figures}", "dim"))]


def _left_out(one: Checked, at: Callable[[str], str]) -> Line:
    kept = [", kept in ", Span(one.rejects, solid=True)] if one.rejects is not None else [" (on_invalid: skip)"]
    records = counted(one.dropped, "invalid record")
    return line(Span(at(one.source), solid=True), ": ", Span(f"{records} will be left out", "warn"), *kept, hang=4)


def _sent(one: Checked, at: Callable[[str], str]) -> Line:
    errors = counted(sum(one.errors.values()), "error")
    what = Span(f"will be sent with {errors} in its records", "warn")
    return line(Span(at(one.source), solid=True), ": ", what, " (on_invalid: send)", hang=4)


@dataclass(slots=True)
class _Kind:
    """One code over all files."""

    count: int = 0
    sources: dict[str, None] = field(default_factory=dict)


def record_lines(checked: Sequence[Checked], *, every: bool = False) -> list[Line]:
    """The findings of a whole plan in a few lines: one for each code; `every` tells each warning at its place too."""
    lines = [
        *_kind_lines("error", [(one.source, one.errors) for one in checked]),
        *([] if every else _kind_lines("warning", [(one.source, one.warnings) for one in checked])),
        *([_placed_line(one, str) for one in placed(checked, "warning")] if every else []),
        *fate_lines(checked, most=None if every else _FEW),
    ]
    return [line("  ", *one.spans, hang=6) for one in lines]


def _kind_lines(severity: Severity, files: Iterable[tuple[str, Mapping[str, int]]]) -> list[Line]:
    kinds: dict[str, _Kind] = {}
    seen: set[tuple[str, str]] = set()
    for source, counts in files:
        for code, count in counts.items():
            if (source, code) not in seen:  # a file of two imports has its findings once
                seen.add((source, code))
                kind = kinds.setdefault(code, _Kind())
                kind.count += count
                kind.sources[source] = None
    mark = Span(f"{severity}: ", "error" if severity == "error" else "warn")
    return [line(mark, f"{titled(code)}: ", *_where(code, kind)) for code, kind in sorted(kinds.items())]


def titled(code: str) -> str:
    """A rule by code and title; by its code alone where another version knows it."""
    return f"{code} {RULES[code].title}" if code in RULES else code


def _where(code: str, kind: _Kind) -> list[Span]:
    first = Span(next(iter(kind.sources)), solid=True)
    files = len(kind.sources)
    whole = code in RULES and RULES[code].scope == "file"
    if files == 1:
        return [first] if whole else [Span(f"{number(kind.count)} in "), first]
    among = counted(files, "file")
    return [Span(f"{among}, first " if whole else f"{number(kind.count)} in {among}, first "), first]


def checked_json(one: Checked) -> Mapping[str, object]:
    """One file with all that is known of it; `findings` are the first of each code, in order of place."""
    return {
        "address": one.address,
        "source": one.source,
        "refused": one.refused,
        "errors": one.errors,
        "warnings": one.warnings,
        "left_out": one.dropped,
        "rejects": one.rejects,
        "findings": [
            {
                "line": f.line,
                "column": f.column,
                "code": f.code,
                "severity": "error" if f.code in one.errors else "warning",
                "field": f.field,
                "message": f.message,
            }
            for f in one.findings
        ],
    }
