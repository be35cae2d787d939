"""What the findings of a record check mean under an import's settings, and what becomes of the file. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from mics_iac.core.desired import DesiredImport, SourceFile
from mics_iac.core.manifest import Import
from mics_iac.core.plan import Action, Checked, SourceCut, Upload
from mics_iac.documents.report import Report
from mics_iac.documents.rules import RULES, errors_of
from mics_iac.errors import Problem, RecordsInvalid


def error_codes(declared: Import) -> frozenset[str]:
    """The rules that keep a record of this import from being valid."""
    return errors_of(ignore=declared.ignore, strict=declared.strict)


def dropped_codes(declared: Import) -> frozenset[str]:
    """The rules whose breach leaves a record out of what is sent: none, unless invalid ones are to be skipped."""
    if declared.on_invalid != "skip":
        return frozenset()
    return frozenset(code for code in error_codes(declared) if RULES[code].scope == "record")


def findings_of(
    wanted: DesiredImport, actions: Iterable[Action], cuts: Iterable[SourceCut], *, of: Collection[str]
) -> Iterator[Checked]:
    """What was found in the sources of which something is sent, or left out, of those with anything to tell.

    `of` are the paths of those that are not loaded as a whole.
    """
    sent = {a.source for a in actions if isinstance(a, Upload)}
    rejects = {c.cut.source: c.cut.rejects for c in cuts}
    for source in wanted.sources:
        content = source.content
        if content is None or content.report is None or source.path not in of:
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
    # A file of which records are left out, and which is refused all the same, has none left.
    whole = [one for one in checked if any(_of_the_file(code) for code in one.errors)]
    emptied = [one for one in checked if one.dropped and one not in whole]
    records = "the records of " if any(code in RULES for one in checked for code in one.errors) else ""
    message = f"there {files} {errors} in {records}{where}"
    if emptied:
        message += "; none of its records is valid" if len(checked) == 1 else f"; in {len(emptied):,} none is valid"
    return RecordsInvalid(message, problems, more=found - len(problems), remedy=_remedy(checked, whole, emptied))


def _remedy(checked: Sequence[Checked], whole: Sequence[Checked], emptied: Sequence[Checked]) -> str:
    """What can be done: `whole` are wrong as files, of the `emptied` every record was left out already."""
    ways = []
    if len(whole) + len(emptied) < len(checked):
        ways.append("set `on_invalid: skip` to load the others")
    if any(code in RULES for one in checked for code in one.errors):
        ways.append("`ignore` a rule")
    mend = f"mend the files; or {', or '.join(ways)}, on the import" if ways else "mend the files"
    codes = sorted({code for one in whole for code in one.errors if code in RULES and _of_the_file(code)})
    return f"{mend}; {', '.join(codes)} cannot be left out: the file as a whole is wrong" if codes else mend


def _of_the_file(code: str) -> bool:
    return code not in RULES or RULES[code].scope == "file"
