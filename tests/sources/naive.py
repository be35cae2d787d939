"""What a reader of a whole file in memory comes to: the cut, said as plainly as it can be, for the laws to compare."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from mics_iac.core.content import Part


@dataclass(frozen=True)
class Line:
    """One record with its end, or a blank line."""

    start: int
    data: bytes

    @property
    def end(self) -> int:
        return self.start + len(self.data)

    @property
    def blank(self) -> bool:
        return not self.data.strip()


def lines_of(data: bytes, *, csv: bool) -> list[Line]:
    """The records of a content, each with its end."""
    lines: list[Line] = []
    start, quoted = 0, False
    for at, byte in enumerate(data):
        quoted ^= csv and byte == ord('"')
        if byte == ord("\n") and not quoted:
            lines.append(Line(start, data[start : at + 1]))
            start = at + 1
    if start < len(data):
        lines.append(Line(start, data[start:]))
    return lines


def header_of(data: bytes) -> bytes:
    """The first row of a CSV that is not blank, where it has an end."""
    return next((line.data for line in lines_of(data, csv=True) if not line.blank and line.data.endswith(b"\n")), b"")


def cut(data: bytes, *, csv: bool, limit: int) -> list[tuple[int, int]]:
    """The ranges of the parts: greedy, none without a record, a record that does not fit alone by itself."""
    header = header_of(data) if csv else b""
    if csv and len(header) >= limit:
        return [(0, len(data))]
    ranges: list[tuple[int, int]] = []
    start = end = 0
    for line in lines_of(data, csv=csv):
        ahead = len(header) if start else 0
        if end > start and ahead + line.end - start > limit:
            ranges.append((start, end))
            start = line.start
        end = line.end
    ranges.append((start, end))
    rows = lines_of(data, csv=csv)
    head = next((row for row in rows if csv and not row.blank), None)

    def holds(start: int, end: int) -> bool:
        return any(start <= row.start < end and not row.blank and row is not head for row in rows)

    return [r for r in ranges if holds(*r) or (r == (0, len(data)) and len(data) <= limit)]


def sent(data: bytes, part: tuple[int, int], *, csv: bool) -> bytes:
    """The bytes of an upload."""
    start, end = part
    return (header_of(data) if csv and start else b"") + data[start:end]


def part_of(number: int, data: bytes, span: tuple[int, int], *, csv: bool) -> Part:
    """All that is to be known of a part."""
    body = sent(data, span, csv=csv)
    records = sum(not line.blank for line in lines_of(body, csv=csv))
    lines = body.count(b"\n") + (not body.endswith(b"\n") and body != b"")
    return Part(
        number, *span, hashlib.sha256(body).hexdigest(), len(body), lines, max(0, records - 1) if csv else records
    )
