"""Annotations: errors and warnings that GitHub shows beside the line of the file they are about. Pure.

A runner reads commands out of all that a job prints: lines that begin with `::`, and `##[` anywhere in one. So what
comes from outside is escaped here as the runner reads it back, and `harmless` takes the sting out of all other text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

from mics_iac.core.plan import Checked
from mics_iac.errors import FilesInvalid, ManifestInvalid, MicsError, Problem, RecordsInvalid
from mics_iac.reporting.findings import Placed, Severity, placed
from mics_iac.reporting.lines import safe

_COMMAND: Final = re.compile(r"^(\s*)(?=::)|(?<=#)(?=#\[)", re.MULTILINE)


def harmless(text: str) -> str:
    """The text with a backslash where a runner would begin to read a command."""
    return _COMMAND.sub(lambda found: f"{found[1] or ''}\\", text)


def annotation(
    severity: Severity, message: str, *, title: str, file: str | None = None, line: int = 0, column: int = 0
) -> str:
    """One line; `line` and `column` count from 1, 0 stands for the whole file."""
    properties = {"file": file, "line": line or None, "col": column or None, "title": title}
    told = ",".join(f"{name}={_property(str(value))}" for name, value in properties.items() if value is not None)
    return f"::{severity} {told}::{_data(message)}"


def finding_annotations(checked: Iterable[Checked], *, at: Callable[[str], str]) -> list[str]:
    """Each finding; errors first, since a runner shows ten of either at most."""
    files = list(checked)
    return [_of_finding(one, at) for one in (*placed(files, "error"), *placed(files, "warning"))]


def error_annotations(error: MicsError, *, at: Callable[[str], str]) -> list[str]:
    """An error that stopped the run: each of its problems at its place, or the message where it has none."""
    notes = "".join(f"\nalso: {note}" for note in getattr(error, "__notes__", ()))
    if isinstance(error, ManifestInvalid | RecordsInvalid | FilesInvalid):
        also = [annotation("error", error.message + notes, title="mics-iac")] if notes else []
        return [*problem_annotations(error.problems, at=at), *also]
    remedy = f"\n{error.remedy}" if error.remedy is not None else ""
    return [annotation("error", error.message + notes + remedy, title="mics-iac")]


def problem_annotations(problems: Iterable[Problem], *, at: Callable[[str], str]) -> list[str]:
    """Each at its place."""
    return [_of_problem(problem, at) for problem in problems]


def _of_finding(one: Placed, at: Callable[[str], str]) -> str:
    found = one.finding
    place = (found.line, found.column) if found is not None else (0, 0)
    return _at_place(one.severity, one.source, place, one.code, one.text, at)


def _of_problem(problem: Problem, at: Callable[[str], str]) -> str:
    return _at_place("error", problem.file, (problem.line, problem.column), problem.code, problem.message, at)


def _at_place(
    severity: Severity, source: str, place: tuple[int, int], code: str, text: str, at: Callable[[str], str]
) -> str:
    if "://" in source:  # an object in a bucket is no file of the repository
        return annotation(severity, f"{source}:{place[0]}:{place[1]}: {text}", title=code)
    return annotation(severity, text, title=code, file=at(source), line=place[0], column=place[1])


def _data(text: str) -> str:
    """As the runner reads a message back; what else does not print is made visible first."""
    shown = "\n".join(safe(row) for row in text.split("\n"))
    return shown.replace("%", "%25").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
