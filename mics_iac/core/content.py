"""What a file holds and how it is cut for sending: pure values, made by whoever reads it once through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mics_iac.documents.report import Report


@dataclass(frozen=True, slots=True)
class Part:
    """The bytes of one upload: the range [start, end) of a file's whole decompressed content.

    `sha256`, `bytes`, `lines` and `records` are of what is sent: the range, less the records that are left out, with
    the CSV header before it where the part is not the first. `lines` counts line ends (and a last line without one),
    `records` what is neither blank nor a CSV header. `number` counts from 1.
    """

    number: int
    start: int
    end: int
    sha256: str
    bytes: int
    lines: int
    records: int


@dataclass(frozen=True, slots=True)
class Content:
    """What a file holds, read once through.

    `sha256` and `bytes` are of the whole decompressed content: the identity of the file, under any compression and any
    cut. `report` is what is wrong with its records, None where they were not checked; `dropped` counts the records that
    are left out of the parts.
    """

    sha256: str
    bytes: int
    parts: tuple[Part, ...]
    report: Report | None
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Slice:
    """One part of one file, as it is to be sent: where it is, how it is made, and what must come of it.

    `seal` is what a store said of the file's content when it was found, None for a local file. `whole`: the part is the
    file's whole content, so nothing may follow it.
    """

    path: str
    seal: str | None
    start: int
    end: int
    sha256: str
    bytes: int
    csv: bool
    document_type: str | None
    drop: frozenset[str]
    whole: bool
