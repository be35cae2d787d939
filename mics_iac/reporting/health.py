"""How it stands with a state: what is there, what is in doubt, what is damaged. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from mics_iac import __version__
from mics_iac.core.health import FoundJournal, Health, KeptHere, SavedState
from mics_iac.reporting.figures import counted, number
from mics_iac.reporting.lines import Line, Span, line, told

FORMAT_VERSION = "1.0"


def health_json(health: Health) -> Mapping[str, object]:
    """The document; `sound` is whether nothing is damaged."""
    built: dict[str, object] = msgspec.to_builtins(health)
    return {
        "format_version": FORMAT_VERSION,
        "mics_iac_version": __version__,
        "sound": not health.faults,
        **built,
    }


def health_lines(health: Health) -> list[Line]:
    """What there is, a line each; then what the next apply has to find out; then the verdict, with every fault."""
    none = line("state:    none was saved yet")
    lines = [_saved("state:    ", health.state) if health.state is not None else none]
    if health.state is not None and health.state.moved_to:
        there = Span(health.state.moved_to, "bold", solid=True)
        lines.append(line(Span("moved:    ", "warn"), "the state is at ", there, " by now", hang=10))
    lines += [_journal(one) for one in health.journals]
    lines += [_kept(one) for one in health.kept]
    lines += [_saved("backup:   ", one) for one in health.backups]
    lines += [
        line("in doubt: ", Span(f"{d.address}:{d.source}", "bold", solid=True), f" (import {d.import_id})", hang=10)
        for d in health.doubts
    ]
    lines += [
        line("in doubt: ", Span(a, "bold", solid=True), ": whether its import was created") for a in health.creating
    ]
    if health.doubts or health.creating:
        lines.append(line("          the next apply finds out what became of these, or says how to decide", hang=10))
    lines.append(line())
    if not health.faults:
        return [*lines, line(Span("Sound: state and journals can be read.", "add"))]
    for fault in health.faults:
        lines += [*told(Span("Wrong: ", "error"), message=fault.message), *told("  ", message=fault.remedy)]
    return lines


def _saved(title: str, saved: SavedState) -> Line:
    if saved.damage is not None:
        return line(title, Span(saved.where, solid=True), Span(" damaged", "destroy"), hang=10)
    figures = f"{counted(saved.imports or 0, 'import')}, {counted(saved.executions or 0, 'execution')}"
    return line(title, Span(saved.where, solid=True), f" serial {saved.serial}, {figures}", hang=10)


def _journal(journal: FoundJournal) -> Line:
    what = f" {counted(journal.entries, 'entry')}"
    if journal.who is not None:
        what += f", {journal.command} by {journal.who}"
    if journal.at is not None:
        what += f" at {_moment(journal.at)}"
    if journal.torn:
        what += f", {number(journal.torn)} bytes of a last line that was not finished"
    what += ", saved already" if journal.folded else ", of a run that goes on or did not come to its end"
    damaged = [Span(" damaged", "destroy")] if journal.damage is not None else []
    return line("journal:  ", Span(journal.where, solid=True), *damaged, what, hang=10)


def _kept(kept: KeptHere) -> Line:
    damaged = [Span(" damaged", "destroy")] if kept.damage is not None else []
    what = f" {counted(kept.entries, 'entry')}, kept here by a run that lost the state; the next one takes them in"
    return line("kept:     ", Span(kept.where, solid=True), *damaged, what, hang=10)


def _moment(epoch_ms: int) -> str:
    try:
        return datetime.fromtimestamp(epoch_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return str(epoch_ms)
