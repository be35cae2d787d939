"""An error as people and as machines read it: what happened, to what, and what to do next. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mics_iac.core.progress import Failure
from mics_iac.errors import (
    ApiRefused,
    FilesInvalid,
    ManifestInvalid,
    MicsError,
    PlanStale,
    Problem,
    RecordsInvalid,
    exit_code,
)
from mics_iac.reporting.figures import counted
from mics_iac.reporting.lines import Line, Span, line, told

# Problems of a manifest that are shown one by one.
_MOST = 200


def error_lines(error: MicsError, *, problems: bool = True) -> list[Line]:
    """An error that stopped the run.

    The problems of a manifest stand one a line, each as `file:line:column: CODE: message` from the first column on, as
    editors and CI parse it; not where they are told elsewhere.
    """
    return [
        *(_problem_lines(error) if problems else []),
        *told(Span("Error: ", "error"), message=error.message),
        *_after(error),
    ]


def failure_lines(failure: Failure) -> list[Line]:
    """An action that failed while others went on."""
    where = [Span(failure.address, "bold", solid=True)]
    if failure.source is not None:
        where += [Span(": "), Span(failure.source, solid=True)]
    error = failure.error
    heading = told(Span("Error: ", "error"), *where, ": ", message=error.message)
    return [*_problem_lines(error), *heading, *_after(error)]


def _problem_lines(error: MicsError) -> list[Line]:
    """The problems of a manifest or of records: all, unless they are more than anybody reads; JSON has every one."""
    if not isinstance(error, ManifestInvalid | RecordsInvalid | FilesInvalid):
        return []
    lines = problem_lines(error.problems[:_MOST])
    rest = len(error.problems) - len(lines) + (error.more if isinstance(error, RecordsInvalid) else 0)
    return [*lines, line(f"... and {counted(rest, 'more problem')}")] if rest > 0 else lines


def problem_lines(problems: Iterable[Problem]) -> list[Line]:
    """Each at its place."""
    return [line(str(problem)) for problem in problems]


def problems_json(problems: Iterable[Problem]) -> list[Mapping[str, object]]:
    """The same for machines."""
    return [
        {"file": p.file, "line": p.line, "column": p.column, "code": p.code, "message": p.message} for p in problems
    ]


def error_json(error: MicsError) -> Mapping[str, object]:
    """The same for machines: `kind` is the name of the class in `errors.py`."""
    return {"error": {**_facts(error), "exit_code": exit_code(error)}}


def failure_json(failure: Failure) -> Mapping[str, object]:
    """The same for machines."""
    return {"address": failure.address, "source": failure.source, **_facts(failure.error)}


def _facts(error: MicsError) -> dict[str, object]:
    found: dict[str, object] = {"kind": type(error).__name__, "message": error.message, "remedy": error.remedy}
    if notes := _notes(error):
        found["notes"] = notes
    match error:
        case ManifestInvalid() | RecordsInvalid() | FilesInvalid():
            found["problems"] = problems_json(error.problems)
            if isinstance(error, RecordsInvalid):
                found["more_problems"] = error.more
        case PlanStale():
            found["moved"] = list(error.moved)
        case ApiRefused():
            found |= {"status": error.status, "error_code": error.error_code, "error_id": error.error_id}
        case _:
            pass
    return found


def _notes(error: MicsError) -> list[str]:
    """What went wrong besides, while this error was on its way: a state that could not be saved either."""
    return list(getattr(error, "__notes__", ()))


def _after(error: MicsError) -> list[Line]:
    """What stands under the message: what moved, what the vendor's support asks for, and what to do."""
    lines: list[Line] = []
    match error:
        case PlanStale():
            lines += [one for moved in error.moved for one in told("  moved: ", message=moved)]
        case ApiRefused() if error.error_id is not None and error.error_id not in error.message:
            lines.append(line(f"  error id: {error.error_id} (mediarithmics support asks for it)", hang=4))
        case _:
            pass
    lines += [one for note in _notes(error) for one in told("  also: ", message=note)]
    if error.remedy is not None:
        lines += told("  ", message=error.remedy)
    return lines
