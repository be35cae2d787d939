"""What stands behind each address, as a table and as JSON. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import NamedTuple

import msgspec

from mics_iac import __version__
from mics_iac.core.observed import ENDED, FAILED, SUCCEEDED
from mics_iac.core.state import Execution
from mics_iac.core.status import ImportStatus, Status
from mics_iac.reporting.cuts import by_cut, cut_lines, left_out, part_labels, part_of, standing
from mics_iac.reporting.figures import counted, number
from mics_iac.reporting.lines import Line, Span, Style, columns, line, safe
from mics_iac.reporting.remarks import remarks

FORMAT_VERSION = "1.0"
_NO_ID = "-"
_ADDRESS_COLUMN = 48  # a longer address pushes its own line aside, not those of all others


def status_json(status: Status) -> Mapping[str, object]:
    """The document: every import with every execution, sorted by address; no clock in it."""
    built: dict[str, object] = msgspec.to_builtins(status)
    built["imports"] = [
        {**msgspec.to_builtins(one), "by_status": dict(sorted(one.by_status.items()))}
        for one in sorted(status.imports, key=lambda i: i.address)
    ]
    return {"format_version": FORMAT_VERSION, "mics_iac_version": __version__, **built}


def status_lines(status: Status, *, every: bool = False) -> list[Line]:
    """A table of the imports; `every` names each execution, else only those that did not end well."""
    imports = sorted(status.imports, key=lambda i: i.address)
    lines = [*_head(status)]
    if not imports:
        return [*lines, line(), line("No imports: nothing is declared, and the state holds none.")]
    widths = _Widths(
        max((w for w in (columns(safe(i.address)) for i in imports) if w <= _ADDRESS_COLUMN), default=0),
        max(columns(safe(i.id or _NO_ID)) for i in imports),
        max(columns(safe(i.settings.document_type)) for i in imports),
    )
    for _, group in groupby(imports, key=lambda i: i.address.partition("/")[0]):
        lines.append(line())
        for one in group:
            lines += [_import_line(one, widths), *_detail(one, every=every)]
    return [*lines, line(), line(Span(_summary(status), "bold"))]


def _head(status: Status) -> list[Line]:
    where = f"environment {status.environment} at {status.api_url}" if status.environment else status.api_url
    state = f"state serial {status.serial}" if status.lineage is not None else "no state yet"
    lines = [line(Span(f"{where}, {state}", "dim"), hang=2)]
    if not status.refreshed:
        lines.append(line(Span("from the state alone (--no-refresh): the platform was not asked", "warn"), hang=2))
    return lines


class _Widths(NamedTuple):
    address: int
    id: int
    document_type: int


def _import_line(one: ImportStatus, widths: _Widths) -> Line:
    return line(
        Span(one.address, "bold", solid=True),
        f"{_pad(one.address, widths.address)}  {one.id or _NO_ID}{_pad(one.id or _NO_ID, widths.id)}  ",
        Span(f"{one.settings.document_type}{_pad(one.settings.document_type, widths.document_type)}  ", "dim"),
        *_executions(one),
        *_remarks(one),
        hang=4,
    )


def _pad(text: str, width: int) -> str:
    return " " * max(0, width - columns(safe(text)))


def _executions(one: ImportStatus) -> list[Span]:
    if not one.executions:
        return [Span("nothing loaded", "dim")]
    spans = []
    for status, count in sorted(one.by_status.items()):
        spans += [Span(", "), Span(f"{number(count)} {status}", _style_of(status))]
    ok = sum(e.total_success or 0 for e in one.executions)
    rejected = sum(e.total_failure or 0 for e in one.executions)
    figures = f"  {counted(ok, 'record')} ok, {number(rejected)} rejected{left_out(one.cuts)}"
    return [*spans[1:], Span(figures, "warn" if rejected else "dim")]


def _style_of(status: str) -> Style:
    if status in SUCCEEDED:
        return "add"
    return "destroy" if status in FAILED else "change"


def _remarks(one: ImportStatus) -> list[Span]:
    return remarks(
        created=one.id is not None,
        gone=one.gone,
        declared=one.declared,
        adopted=one.adopted,
        protect=one.protect,
        doubts=len(one.doubts),
        former=one.former,
    )


def _detail(one: ImportStatus, *, every: bool) -> list[Line]:
    lines = []
    labels = part_labels(one.cuts)
    if every:
        for loaded in by_cut(one.executions, one.cuts):
            lines += cut_lines(loaded, pad=4, below=lambda e: _execution_line(e, labels))
    else:
        lines += [_execution_line(e, labels) for e in one.executions if e.total_failure or e.status not in SUCCEEDED]
    doubt = Span("in doubt ", "destroy")
    lines += [line("    ", doubt, Span(d.source, solid=True), Span(_DOUBT, "dim"), hang=8) for d in one.doubts]
    return lines


def _execution_line(e: Execution, labels: Mapping[str, str]) -> Line:
    counts = "" if e.status not in ENDED else f"  {number(e.total_success or 0)} ok"
    counts += f", {number(e.total_failure)} rejected" if e.total_failure else ""
    return line(
        "    ",
        Span(f"{e.id}  "),
        Span(f"{e.status:<9}", _style_of(e.status)),
        "  ",
        Span(e.source, solid=True),
        Span(f"{part_of(e, labels)}  {counted(e.records, 'record')} sent{counts}", "dim"),
        hang=8,
    )


_DOUBT = "  its answer was lost: the next apply looks for its execution"


def _summary(status: Status) -> str:
    executions = [e for one in status.imports for e in one.executions]
    ok = sum(e.total_success or 0 for e in executions)
    rejected = sum(e.total_failure or 0 for e in executions)
    running = sum(e.status not in ENDED for e in executions)
    figures = f"{counted(ok, 'record')} ok, {number(rejected)} rejected"
    figures += left_out([cut for one in status.imports for cut in standing(one.cuts)])
    if running:
        figures += f", {number(running)} still running"
    return f"{counted(len(status.imports), 'import')}, {counted(len(executions), 'execution')} ({figures})."
