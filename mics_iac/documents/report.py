"""What a file's records were found to be: counts of everything, and the first findings of each code in full.

Values that go into caches and plans. No message holds a value of a record.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import msgspec

# Findings of one code that are kept in full; the rest is counted.
SHOWN: Final = 10


class Finding(msgspec.Struct, frozen=True, order=True):
    """One rule broken at one place.

    `line` and `column` (characters) count from 1; line 0 is the whole file. `field` is the path of the field
    (`$events[0].$ts`), "" for the whole record. `message` says what is wrong and what to do.
    """

    line: int
    column: int
    code: str
    field: str
    message: str


class Report(msgspec.Struct, frozen=True):
    """One file: its records and lines, how often each code was found, the first findings of each in order of place."""

    records: int
    lines: int
    counts: dict[str, int] = {}
    findings: tuple[Finding, ...] = ()

    def count(self, codes: Collection[str]) -> int:
        """How many findings have one of these codes."""
        return sum(number for code, number in self.counts.items() if code in codes)
