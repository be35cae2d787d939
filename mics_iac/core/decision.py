"""What a person decided about an upload whose outcome could not be found out. Pure values; made by `engine/repair`."""

from __future__ import annotations

from dataclasses import dataclass

from mics_iac.core.state import Incarnation


@dataclass(frozen=True, slots=True)
class Subject:
    """A part that a decision is about, and the import that it was, or would be, sent into.

    `attempts` names the uploads of it whose outcome is not known; there are none where the state never knew of one.
    """

    address: str
    import_: Incarnation
    source: str
    part: int
    sha256: str
    bytes: int
    records: int
    lines: int
    attempts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided: `execution` is the part (None: none is), `dismissed` executions count as somebody else's."""

    subject: Subject
    execution: str | None
    dismissed: tuple[str, ...] = ()
