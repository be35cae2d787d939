"""The state, one address a line or one address whole, as text and as JSON. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from mics_iac import __version__
from mics_iac.core.health import saved_state
from mics_iac.core.observed import ENDED, FAILED, SUCCEEDED
from mics_iac.core.state import Execution, ImportState, Incarnation, State
from mics_iac.reporting.cuts import by_cut, cut_lines, left_out, part_labels, part_of
from mics_iac.reporting.figures import counted, number, size
from mics_iac.reporting.lines import Line, Span, Style, columns, line, safe
from mics_iac.reporting.remarks import remarks

HEAD = {"format_version": "1.0", "mics_iac_version": __version__}
"""What each document about the state begins with."""

_WIDEST = 48  # a longer address pushes its own line aside, not those of all others


def list_lines(imports: Mapping[str, ImportState]) -> list[Line]:
    """An address a line: its import, its type, what was loaded, and what is out of the ordinary."""
    if not imports:
        return [line("The state holds no import.")]
    width = max((w for a in imports if (w := columns(safe(a))) <= _WIDEST), default=0)
    ids = max(columns(safe(i.current.id)) for i in imports.values())
    return [
        line(
            Span(address, "bold", solid=True),
            f"{_pad(address, width)}  {held.current.id}{_pad(held.current.id, ids)}  ",
            Span(f"{held.current.settings.document_type}  ", "dim"),
            counted(len(held.current.executions), "execution") + left_out(held.current.cuts),
            *_remarks(held),
            hang=4,
        )
        for address, held in sorted(imports.items())
    ]


def _pad(text: str, width: int) -> str:
    return " " * max(0, width - columns(safe(text)))


def _remarks(held: ImportState) -> list[Span]:
    now = held.current
    return remarks(
        gone=now.gone,
        adopted=now.adopted,
        protect=held.protect,
        doubts=len(now.doubts) + sum(len(f.doubts) for f in held.former),
        refused=len(now.refusals),
        former=[f.id for f in held.former],
    )


def address_lines(address: str, held: ImportState) -> list[Line]:
    """One address: the import of today with all that is known of it, then those that it replaced."""
    lines = [line(Span(address, "bold", solid=True), *_remarks(held), hang=4)]
    for import_ in (held.current, *held.former):
        lines += [line(), *_import_lines(import_, replaced=import_ is not held.current)]
    return lines


def _import_lines(import_: Incarnation, *, replaced: bool) -> list[Line]:
    s = import_.settings
    title = f"import {import_.id} in datamart {s.datamart_id}" + (", replaced" if replaced else "")
    rows = {
        "name": f'"{s.name}"',
        "document_type": s.document_type,
        "mime_type": s.mime_type,
        "encoding": s.encoding,
        "priority": s.priority,
    }
    lines = [line("  ", Span(title, "bold"))]
    lines += [line(f"    {key:<14} {value}", hang=19) for key, value in rows.items()]
    if import_.executions or import_.cuts:
        lines.append(line(f"    {counted(len(import_.executions), 'execution')}:"))
    labels = part_labels(import_.cuts)
    for one in by_cut(import_.executions, import_.cuts):
        lines += cut_lines(one, pad=6, below=lambda e: _execution_line(e, labels))
    lines += [
        line("    ", Span("in doubt", "destroy"), "  ", Span(d.source, solid=True), *_part(d.part), hang=8)
        for d in import_.doubts
    ]
    lines += [
        line("    ", Span(f"refused with HTTP {r.status}", "destroy"), "  ", Span(r.source, solid=True), hang=8)
        for r in import_.refusals
    ]
    if import_.strangers:
        others = counted(len(import_.strangers), "execution")
        lines.append(line(Span(f"    {others} of other hands, compared before", "dim")))
    return lines


def _execution_line(e: Execution, labels: Mapping[str, str]) -> Line:
    style: Style = "add" if e.status in SUCCEEDED else "destroy" if e.status in FAILED else "change"
    counts = ""
    if e.status in ENDED and e.total_success is not None:
        counts = f", {number(e.total_success)} ok, {number(e.total_failure or 0)} rejected"
    figures = f"  {size(e.bytes)}, {counted(e.records, 'record')}{counts}  sha256:{e.sha256[:12]}"
    return line(
        f"      {e.id}  ",
        Span(f"{e.status:<9}", style),
        "  ",
        Span(e.source, solid=True),
        part_of(e, labels),
        Span(figures, "dim"),
        hang=8,
    )


def _part(number_: int) -> list[Span]:
    return [Span(f" [part {number_}]")] if number_ > 1 else []


def list_json(imports: Mapping[str, ImportState]) -> Mapping[str, object]:
    """The document: every address with all that is known of it."""
    return {
        **HEAD,
        "imports": [address_json(address, held) for address, held in sorted(imports.items())],
    }


def address_json(address: str, held: ImportState) -> Mapping[str, object]:
    """One address, as the state holds it."""
    built: dict[str, object] = msgspec.to_builtins(held)
    return {"address": address, **built}


def moved_lines(state: State) -> list[Line]:
    """The warning that a state is a memory of one that is somewhere else; nothing for any other."""
    if not state.moved_to:
        return []
    text = f"this state is not the one of today any more: that is at {state.moved_to}"
    return [line(Span("Warning: ", "warn"), text, hang=2)]


def figures_text(state: State) -> str:
    """`serial 6, 1 import, 2 executions`."""
    found = saved_state("", state)
    imports, executions = found.imports or 0, found.executions or 0
    return f"serial {state.serial}, {counted(imports, 'import')}, {counted(executions, 'execution')}"


def figures_json(state: State) -> dict[str, object]:
    """The same for machines, with the lineage."""
    found = saved_state("", state)
    return {"lineage": state.lineage, "serial": state.serial, "imports": found.imports, "executions": found.executions}
