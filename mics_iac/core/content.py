"""What one source file holds, and how it is cut into the parts that are uploaded. Pure values.

Made by `sources/`, which reads the files, and decided on by `core/loading`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mics_iac.documents.report import Report


@dataclass(frozen=True, slots=True)
class Part:
    """The bytes of one upload.

    [`start`, `end`) is where they are in the whole content of the source, decompressed. The other figures are of what
    is sent: that range, less the records that are left out, and with the header before it in later parts of a CSV.
    `number` counts from 1. `lines` counts line ends (and a last line without one), `records` what is neither blank nor
    a CSV header: the platform's own count may be either, or one away from it (mediarithmics-api.md 3.1, the counting
    rule is not documented).
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
    """One source file, read once: `sha256` and `bytes` are of the whole content, decompressed.

    `report` is what the check of its records found, None where they were not checked; `dropped` counts the records
    that no part holds.
    """

    sha256: str
    bytes: int
    parts: tuple[Part, ...]
    report: Report | None
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Slice:
    """One part as it is to be read again, to be sent: where it is, and what it must turn out to be.

    `whole`: it is all of the content, whatever its length, less what is left out. `drop` are codes of record rules; a
    record of `document_type` that breaks one of them is left out.
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
