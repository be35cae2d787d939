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
    """What was decided: `execution` is the part, or (None) those that are `dismissed` are not.

    `checked`: bytes or line counts were compared. They cannot be where the import is gone.
    """

    subject: Subject
    execution: str | None
    dismissed: tuple[str, ...] = ()
    checked: bool = True
