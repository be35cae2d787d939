"""What `validate` does."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from mics_iac import __version__
from mics_iac.cli.options import Common
from mics_iac.cli.seeing import from_here, from_repository
from mics_iac.cli.session import session
from mics_iac.core.records import invalid
from mics_iac.engine.checking import Valid, check
from mics_iac.engine.world import Limits
from mics_iac.errors import ManifestInvalid, MicsError, RecordsInvalid
from mics_iac.reporting.failure import error_lines, problem_lines, problems_json
from mics_iac.reporting.figures import counted, size
from mics_iac.reporting.findings import checked_json, fate_lines, finding_lines
from mics_iac.reporting.github import finding_annotations, problem_annotations
from mics_iac.reporting.lines import Line, Span, line

FORMAT_VERSION = "1.0"


def validate(given: Common, *, records: bool, fetch: bool) -> int:
    """Check the manifest, its files and their records, and say what was found; exit 4 for a file that is refused."""
    with session(given, Limits()) as run:
        found = check(run.project, records=records, fetch=fetch)
    screen = given.screen
    if screen.json:
        screen.document(_document(found))
    else:
        at = partial(from_here, given)
        if screen.format == "github":
            annotations = [
                *problem_annotations(found.problems, at=lambda s: from_repository(screen.environ, s)),
                *finding_annotations(found.checked, at=lambda s: from_repository(screen.environ, at(s))),
            ]
            screen.out("".join(f"{one}\n" for one in annotations))
        else:
            screen.warn([*problem_lines(found.problems), *finding_lines(found.checked, at=at)])
        screen.warn([*fate_lines(found.checked, at=at), *_remedy(found)])
        screen.show([_figures_line(found)])
    return 0 if found.valid else RecordsInvalid.exit_code


def _remedy(found: Valid) -> list[Line]:
    """What to do about files that would be refused."""
    errors: list[MicsError] = [ManifestInvalid(list(found.problems))] if found.problems else []
    errors += [invalid(found.refused)] if found.refused else []
    return [one for error in errors for one in error_lines(error, problems=False)]


def _figures_line(found: Valid) -> Line:
    verdict = Span("Valid: ", "add") if found.valid else Span("Not valid: ", "error")
    where = f"{counted(found.imports, 'import')} in {counted(found.datamarts, 'datamart')}"
    files = f"{counted(found.files, 'file')} ({size(found.bytes)}{_read(found)})"
    noted = [(_errors(found), "error"), (_total(found, "warnings"), "warning")]
    counts = "".join(f", {counted(count, noun)}" for count, noun in noted if count)
    return line(verdict, f"{where}, {files}{counts}.")


def _read(found: Valid) -> str:
    if found.unread == found.files:
        return ", not read" if found.files else ""
    unread = f"; {counted(found.unread, 'remote file')} not read" if found.unread else ""
    return f", {counted(found.records, 'record')}{unread}"


def _total(found: Valid, which: str) -> int:
    return sum(sum(getattr(one, which).values()) for one in found.checked)


def _errors(found: Valid) -> int:
    return len(found.problems) + _total(found, "errors")


def _document(found: Valid) -> Mapping[str, object]:
    return {
        "format_version": FORMAT_VERSION,
        "mics_iac_version": __version__,
        "valid": found.valid,
        "datamarts": found.datamarts,
        "imports": found.imports,
        "files": found.files,
        "bytes": found.bytes,
        "records": found.records,
        "unread": found.unread,
        "errors": _errors(found),
        "warnings": _total(found, "warnings"),
        "problems": problems_json(found.problems),
        "checked": [checked_json(one) for one in found.checked],
    }
