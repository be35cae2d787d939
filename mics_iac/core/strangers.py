"""The rule of strangers: whether an execution that the ledger does not know is a part that we sent or would send.

The platform has no idempotency key, and names need not be unique, so only bytes tell. Pure: it says what must be
looked at next, `engine/` looks. One rule for lost answers, lost and restored states, adoptions and uploads by others.

Time never decides. Line counts may only rule out, and generously: whether the platform counts a CSV header or a last
line without its newline is not documented, so up to one away from our lines or our records it may still be ours.
"""

from __future__ import annotations

from enum import Enum

from mics_iac.core.observed import RemoteExecution


class Verdict(Enum):
    """What is known of a stranger with regard to one part."""

    OURS = "its bytes are the part's"
    OTHER = "its bytes are not the part's, or cannot be"
    READ = "its input file must be read to tell"
    WAIT = "it cannot be told yet"
    GONE = "it cannot be told at all: the platform has no input file of it any more"


def counts_like(*, lines: int, records: int) -> tuple[int | None, ...]:
    """The line counts that the platform may show for a part of this size; None is "not counted yet"."""
    return (None, *sorted({n + off for n in (lines, records) for off in (-1, 0, 1)}))


def may_be(execution: RemoteExecution, *, lines: int, records: int) -> bool:
    """Whether the platform's line count leaves it possible that the execution is a part of this size."""
    return execution.number_of_lines in counts_like(lines=lines, records=records)


def judge(
    execution: RemoteExecution, *, sha256: str, lines: int, records: int, read: str | None, gone: bool
) -> Verdict:
    """Say what a stranger is to a part of these bytes.

    `read` is the sha256 of the stranger's input file where it was read, `gone` whether reading it found no file.
    """
    if read is not None:
        return Verdict.OURS if read == sha256 else Verdict.OTHER
    if not may_be(execution, lines=lines, records=records):
        return Verdict.OTHER
    if gone:
        return Verdict.GONE
    if execution.input_uri is not None:
        return Verdict.READ
    return Verdict.GONE if execution.ended else Verdict.WAIT
