"""A plan as people read it: by datamart, one block an import, the figures at the end.

Pure: a Plan in, styled lines out. What an import's block looks like is `blocks.py`'s; the lines that tools parse are
`summary.py`'s.
"""

from __future__ import annotations

from itertools import groupby

from mics_iac.core.plan import Counts, Leftover, Plan, count
from mics_iac.reporting.blocks import Block, block_lines, blocks, quoted_value
from mics_iac.reporting.figures import counted
from mics_iac.reporting.findings import record_lines
from mics_iac.reporting.lines import Line, Span, line, told
from mics_iac.reporting.summary import NO_CHANGES, plan_summary, uploads_summary


def plan_lines(plan: Plan, *, every: bool = False, hint: str | None = None) -> list[Line]:
    """The whole plan.

    `every` shows imports that nothing happens to and names each file that is loaded already. `hint` is the command to
    go on with, left out in CI.
    """
    return [
        *_head(plan),
        *_datamarts(plan, every=every),
        *_kept(plan),
        *_records(plan, every=every),
        *_warnings(plan),
        *_summary(plan),
        *_foot(plan, hint),
    ]


def refusal_lines(plan: Plan) -> list[Line]:
    """What stands in the way of this plan, each with its address; nothing where it can be applied."""
    return [
        one
        for refused in plan.refusals
        for one in told(
            Span("Refused: ", "error"), Span(refused.address, "bold", solid=True), ": ", message=refused.message
        )
    ]


def _head(plan: Plan) -> list[Line]:
    where = f"environment {plan.environment} at {plan.api_url}" if plan.environment is not None else plan.api_url
    lines = [line(Span(f"{plan.manifest_path} against {where}", "dim"), hang=2)]
    narrowed = [
        *(f"--target {t}" for t in plan.options.target),
        *(f"--exclude {e}" for e in plan.options.exclude),
    ]
    if narrowed:
        lines.append(line(Span(f"a part of the manifest only: {' '.join(narrowed)}", "warn"), hang=2))
    return lines


def _datamarts(plan: Plan, *, every: bool) -> list[Line]:
    shown = [b for b in blocks(plan.actions) if every or not b.quiet]
    lines: list[Line] = []
    for datamart, group in groupby(shown, key=_datamart):
        id_ = plan.datamarts.get(datamart)
        lines += [line(), line(Span(datamart, "bold", solid=True), f" ({id_})" if id_ is not None else "")]
        for block in group:
            lines += [line(), *block_lines(block, every=every)]
    return lines


def _datamart(block: Block) -> str:
    return block.address.partition("/")[0]


def _kept(plan: Plan) -> list[Line]:
    gone = [leftover for leftover in plan.leftovers if not leftover.replaced]
    replaced = [leftover for leftover in plan.leftovers if leftover.replaced]
    lines: list[Line] = []
    for title, group in (("No longer declared, and kept:", gone), ("Replaced, and kept:", replaced)):
        if group:
            lines += [line(), line(title), *(_leftover(one) for one in group)]
    if plan.earlier:
        lines.append(line())
        lines += [
            line("  ", Span(address, "plain", solid=True), f": {counted(number, 'earlier batch')} kept", hang=4)
            for address, number in sorted(plan.earlier.items())
        ]
    return lines


def _leftover(leftover: Leftover) -> Line:
    protect = ", protected" if leftover.protect else ""
    settings = leftover.settings
    what = f" ({leftover.id}) {quoted_value(settings.name)}, {settings.document_type}{protect}"
    return line("     ", Span(leftover.address, "plain", solid=True), Span(what, "dim"), hang=7)


def _records(plan: Plan, *, every: bool) -> list[Line]:
    """What was found in the records of the files to load."""
    found = record_lines(plan.checked, every=every)
    return [line(), line("Records:"), *found] if found else []


def _warnings(plan: Plan) -> list[Line]:
    if not plan.warnings:
        return []
    return [line(), *(one for text in plan.warnings for one in told(Span("Warning: ", "warn"), message=text))]


def _summary(plan: Plan) -> list[Line]:
    counts = count(plan)
    first = plan_summary(counts, refused=bool(plan.refusals or plan.invalid))
    lines = [line(), line(Span(first, "bold"))]
    if first != NO_CHANGES:
        lines.append(line(uploads_summary(counts)))
    elif counts.loaded:
        lines.append(line(Span(f"{counted(_files_loaded(plan), 'file')} already loaded.", "dim")))
    return lines + _attention(plan, counts)


def _attention(plan: Plan, counts: Counts) -> list[Line]:
    lines = []
    if counts.stuck:
        lines.append(line(Span("What failed before is sent again with --retry-failed alone.", "warn"), hang=2))
    reasons = [counted(len(plan.refusals), "refusal")] if plan.refusals else []
    reasons += [f"{counted(len(plan.invalid), 'file')} with invalid records"] if plan.invalid else []
    if reasons:
        lines.append(line(Span(f"This plan cannot be applied: {', '.join(reasons)}.", "error"), hang=2))
    return lines


def _files_loaded(plan: Plan) -> int:
    return len({(a.address, a.source) for b in blocks(plan.actions) for a in b.skips})


def _foot(plan: Plan, hint: str | None) -> list[Line]:
    if plan.empty:
        return []
    lines = [line(Span(f"Digest: {plan.digest}", "dim"))] if plan.digest else []
    if hint is not None:
        lines += [line(), line("To do this, run: ", Span(hint, "bold", solid=True), hang=2)]
    return lines
