"""What the findings of a record check mean under an import's settings, and what becomes of the file. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from mics_iac.core.desired import DesiredImport, SourceFile
from mics_iac.core.manifest import Import
from mics_iac.core.plan import Checked, Upload
from mics_iac.documents.report import Report
from mics_iac.documents.rules import RULES, errors_of
from mics_iac.errors import Problem, RecordsInvalid

if TYPE_CHECKING:
    from mics_iac.core.loading import Loads


def error_codes(declared: Import) -> frozenset[str]:
    """The rules that keep a record of this import from being valid."""
    return errors_of(ignore=declared.ignore, strict=declared.strict)


def dropped_codes(declared: Import) -> frozenset[str]:
    """The rules whose breach leaves a record out of what is sent: none, unless invalid ones are to be skipped."""
    if declared.on_invalid != "skip":
        return frozenset()
    return frozenset(code for code in error_codes(declared) if RULES[code].scope == "record")


def findings_of(wanted: DesiredImport, loads: Loads) -> Iterator[Checked]:
    """What was found in the sources of which something is sent, or left out, of those with anything to tell."""
    sent = {a.source for a in loads.actions if isinstance(a, Upload)}
    rejects = {c.cut.source: c.cut.rejects for c in loads.cuts}
    for source in wanted.sources:
        content = source.content
        if content is None or content.report is None or source.path not in loads.judged:
            continue
        if source.path in sent or content.dropped:
            checked = judged(wanted.declared, source, content.report, rejects=rejects.get(source.path))
            if checked is not None:
                yield checked


def judged(declared: Import, source: SourceFile, report: Report, *, rejects: str | None = None) -> Checked | None:
    """The findings of one source that count under its import's settings; None where there are none."""
    counts = {code: count for code, count in sorted(report.counts.items()) if code not in declared.ignore}
    if not counts:
        return None
    bad, droppable = error_codes(declared), dropped_codes(declared)
    errors = {code: count for code, count in counts.items() if code in bad}
    content = source.content
    # What is wrong with the file as a whole stays wrong when records are left out.
    left = errors.keys() <= droppable
    return Checked(
        declared.address,
        source.path,
        errors=errors,
        warnings={code: count for code, count in counts.items() if code not in bad},
        findings=tuple(f for f in report.findings if f.code in counts),
        refused=declared.on_invalid != "send" and not left,
        dropped=content.dropped if content is not None else 0,
        rejects=rejects,
    )


def problems_of(checked: Iterable[Checked]) -> Iterator[Problem]:
    """The errors as problems at their places: the first of each kind in each file."""
    for one in checked:
        for f in (f for f in one.findings if f.code in one.errors):
            where = f"{f.field}: " if f.field else ""
            yield Problem(one.source, f.line, f.column, f.code, where + f.message)


def invalid(checked: Sequence[Checked]) -> RecordsInvalid:
    """The error for files whose records keep them from being loaded."""
    found = sum(sum(one.errors.values()) for one in checked)
    errors, files = ("1 error", "is") if found == 1 else (f"{found:,} errors", "are")
    where = checked[0].source if len(checked) == 1 else f"{len(checked):,} files"
    problems = list(problems_of(checked))
    message = f"there {files} {errors} in the records of {where}"
    return RecordsInvalid(message, problems, more=found - len(problems))
