"""What can go wrong, drawn once.

Every class owns the exit code of the process that ends with it and says what to do next. Nothing here knows how an
error is shown or where it was caught; an edge that catches a third party's error raises one of these `from` it.

    MicsError                       1   anything else that stopped the run
    ├── UsageError                 64   the command line itself is wrong
    ├── ManifestInvalid             4   the manifest, with every problem found in it
    ├── RecordsInvalid              4   data files, with what was found in their records
    ├── FilesInvalid                4   data files that are not what they must be to be read, all of them
    ├── PlanStale                   5   the reviewed plan is not what would be done now
    ├── Locked                      6   somebody else holds the state
    ├── GuardRefused                8   a rule that protects data said no
    ├── NotAllowed                  9   401, 403, or no token at all
    ├── StateUnreadable            10   newer, or of another environment or platform
    │   └── StateDamaged           10   not as it was written
    ├── StateConflict               1   somebody wrote the state behind our lock
    ├── SourceFailed                1   a data file cannot be read, or is not what was planned
    │   ├── SourceUnfit             1   it is damaged, or not what its name says
    │   └── SourceRefused           9   its place does not take the credentials, or they may not read there
    ├── StoreFailed                 1   the place of the state failed (disk full, no permission)
    │   └── StoreRefused            9   it does not take the credentials, or they may not do that
    ├── ApiError                    1   the platform, or the way to it
    │   ├── ApiRefused              1   it answered, with a status that is not 2xx
    │   ├── NotTheFile              1   what it gave for a file of its own cannot be that file
    │   ├── ApiUnreachable          1   the request never left: nothing happened
    │   └── ApiLost                 1   the request may have left, the answer is unknown: a doubt
    ├── ApplyIncomplete             3   something planned was not done; run again
    ├── ExecutionsFailed            7   an execution failed or went over its budget
    └── Interrupted           130/143   Ctrl-C or SIGTERM
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import ClassVar

# When several hold, the first of these is the exit code of the run (design: 130/143, 10, 9, 6, 5, 4, 8, 3, 7, 1).
PRECEDENCE = (130, 143, 10, 9, 6, 5, 4, 8, 3, 7, 64, 1, 2, 0)


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake at one place of a file the user wrote.

    `line` and `column` count from 1; 0 means that the problem concerns the whole file. `code` is stable (`MICSnnn`)
    and is explained in `docs/errors.md`. `message` says what is wrong and what to do.
    """

    file: str
    line: int
    column: int
    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.code}: {self.message}"


# Comparing five fields at once costs a small part of comparing two dataclasses, and a manifest may have many problems.
_IN_ORDER = attrgetter("file", "line", "column", "code", "message")


class MicsError(Exception):
    """What stopped the run: what happened, to what, and in `remedy` what to do next."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class UsageError(MicsError):
    """The command line asks for something that does not exist or does not fit together."""

    exit_code = 64


class ManifestInvalid(MicsError):
    """The manifest has mistakes; `problems` holds all of them, in the order of the file."""

    exit_code = 4

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(sorted(set(problems), key=_IN_ORDER))
        count = len(self.problems)
        super().__init__(f"the manifest is not valid: {count} problem{'s' if count != 1 else ''}")


class RecordsInvalid(MicsError):
    """Data files hold records that the platform would refuse.

    `problems` has the first of each kind in each file; `more` counts the others.
    """

    exit_code = 4

    def __init__(self, message: str, problems: list[Problem], *, more: int = 0, remedy: str = "mend the files") -> None:
        self.problems = tuple(sorted(problems, key=_IN_ORDER))
        self.more = more
        super().__init__(message, remedy=remedy)


class FilesInvalid(MicsError):
    """Data files cannot be read as what they must be; `problems` holds one for each, at the path of the file."""

    exit_code = 4

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(sorted(set(problems), key=_IN_ORDER))
        count = len(self.problems)
        super().__init__(f"{count:,} data file{'s' if count != 1 else ''} cannot be read")


class PlanStale(MicsError):
    """The plan that was reviewed is not what would be done now; `moved` names what changed since."""

    exit_code = 5

    def __init__(self, message: str, *, moved: tuple[str, ...] = (), remedy: str | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.moved = moved


class Locked(MicsError):
    """Somebody else holds the state."""

    exit_code = 6


class GuardRefused(MicsError):
    """A rule that protects data said no; the message names what would allow it."""

    exit_code = 8


class NotAllowed(MicsError):
    """The platform did not take the token (401), or the token may not do this (403), or there is none (None)."""

    exit_code = 9

    def __init__(self, message: str, *, status: int | None = None, remedy: str | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.status = status


class StateUnreadable(MicsError):
    """The state or a journal is newer than this version, or belongs to another environment or platform, or damaged."""

    exit_code = 10


class StateDamaged(StateUnreadable):
    """The bytes of the state or of a journal are not as they were written."""

    def __init__(self, message: str) -> None:
        super().__init__(
            message,
            remedy="`mics-iac state recover` mends it from the newest good backup, the journals and the platform, and "
            "loads nothing; `mics-iac state check` shows all that is wrong",
        )


class StateConflict(MicsError):
    """The state was written by somebody else while this run held it."""


class SourceFailed(MicsError):
    """A data file cannot be read, or its bytes are not the ones that were planned."""


class SourceUnfit(SourceFailed):
    """A data file is damaged, or not what its name says; `problem` is the same at the file's place."""

    def __init__(self, path: str, what: str, *, code: str, remedy: str) -> None:
        super().__init__(f"{path} {what}", remedy=remedy)
        self.what = what
        self.problem = Problem(path, 0, 0, code, f"this file {what}: {remedy}")


class SourceRefused(SourceFailed):
    """The place of a data file does not take the credentials, or they may not list or read there."""

    exit_code = 9


class StoreFailed(MicsError):
    """The place where the state lives failed: disk full, no permission, read-only."""


class StoreRefused(StoreFailed):
    """The place where the state lives does not take the credentials, or they may not do what was asked."""

    exit_code = 9


class ApiError(MicsError):
    """The platform, or the way to it, failed."""


class ApiRefused(ApiError):
    """The platform answered with a status that is not 2xx.

    `error_id` is what the vendor's support asks for. mediarithmics-api.md 1.5, seen in client code.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        error_id: str | None = None,
        error_code: str | None = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.status = status
        self.error_id = error_id
        self.error_code = error_code


class NotTheFile(ApiError):
    """What the platform gave for a file that it keeps cannot be that file: nothing can be concluded from it."""


class ApiUnreachable(ApiError):
    """The request never left this machine: no connection or no TLS handshake. Nothing happened there."""


class ApiLost(ApiError):
    """The request may have left and the answer is unknown; `body_left` says whether its whole body may have."""

    def __init__(self, message: str, *, body_left: bool, remedy: str | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.body_left = body_left


class ApplyIncomplete(MicsError):
    """Something that was planned was not done; running again goes on from there."""

    exit_code = 3


class ExecutionsFailed(MicsError):
    """An execution failed, or rejected more records than its import's budget allows."""

    exit_code = 7


class Interrupted(MicsError):
    """The user or the machine asked to stop: 130 for SIGINT, 143 for SIGTERM."""

    def __init__(self, *, signal: int) -> None:
        super().__init__("interrupted: what was done is recorded; run again to go on")
        self.signal = signal


def exit_code(error: MicsError) -> int:
    """The exit code of a process that ends with this error."""
    if isinstance(error, Interrupted):
        return 128 + error.signal
    return error.exit_code


def worst(codes: list[int]) -> int:
    """The one exit code of a run in which several hold, 0 for none."""
    return min(codes, key=PRECEDENCE.index, default=0)
