"""Takes an uploaded file in: keeps its bytes, counts its lines, judges each, keeps those that are rejected.

A file is read once, piece by piece. Every line must parse before the upload is accepted (mediarithmics-api.md 7, no 18:
inferred). Knows the store only as a spool, and nothing of executions.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NoReturn

from mics_iac.sandbox.lines import Judge, from_cells, judge_of
from mics_iac.sandbox.message import Refused
from mics_iac.sandbox.profile import Profile
from mics_iac.sandbox.store import Spool


@dataclass(frozen=True, slots=True)
class Tally:
    """What a file came to: `lines` as the platform counts them, and every record applied or rejected."""

    lines: int
    success: int
    failure: int


@dataclass(frozen=True, slots=True)
class Intake:
    """Where one upload goes: its bytes, its rejected lines, how many lines are rejected whatever they say."""

    profile: Profile
    document_type: str
    mime_type: str
    content: Spool
    rejected: Spool
    doomed: int = 0

    def read(self, chunks: Iterable[bytes]) -> Tally:
        """Read the whole file; raises Refused (400 empty or unreadable, 413 too big)."""
        lines = _Lines(self._kept(chunks), self.profile)
        judge = judge_of(self.document_type)
        verdicts = _csv(lines, judge) if self.mime_type == "TEXT_CSV" else _ndjson(lines, judge)
        success = failure = 0
        for raw, good in verdicts:
            if good and success + failure >= self.doomed:
                success += 1
            else:
                failure += 1
                self.rejected.write(raw)
        if self.content.bytes == 0:
            raise Refused(400, "The file is empty")
        if success + failure == 0:
            raise Refused(400, "The file holds no line")
        return Tally(self._counted(lines, success + failure), success, failure)

    def _kept(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            if self.content.bytes + len(chunk) > self.profile.size_limit:
                raise Refused(413, f"The file is larger than {self.profile.size_limit} bytes")
            self.content.write(chunk)
            yield chunk

    def _counted(self, lines: _Lines, records: int) -> int:
        count = records
        count += int(self.profile.counts_header and self.mime_type == "TEXT_CSV")
        count += lines.blank if self.profile.blank_lines == "count" else 0
        count -= int(lines.unterminated and not self.profile.counts_unterminated)
        return count


class _Lines:
    """The lines of a body, each with its line feed; tells afterwards what was seen."""

    def __init__(self, chunks: Iterable[bytes], profile: Profile) -> None:
        self._chunks = chunks
        self._profile = profile
        self.number = 0
        self.blank = 0
        self.unterminated = False

    def raw(self) -> Iterator[bytes]:
        """Every line, blank ones too."""
        held: list[bytes] = []
        for chunk in self._chunks:
            *whole, rest = chunk.split(b"\n")
            if whole:
                whole[0] = b"".join((*held, whole[0]))
                held.clear()
            if rest:
                held.append(rest)
            for line in whole:
                self.number += 1
                yield line + b"\n"
        if held:
            self.number += 1
            self.unterminated = True
            yield b"".join(held)

    def pass_over(self) -> None:
        """A blank line: let it pass, unless the profile says otherwise."""
        if self._profile.blank_lines == "refuse":
            raise Refused(400, f"Line {self.number} is blank")
        self.blank += 1
        if self._profile.blank_lines == "skip":
            self.unterminated = False  # it was no line, so no last line either


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER: Final = json.JSONDecoder(parse_constant=_no_constant)


def _ndjson(lines: _Lines, judge: Judge) -> Iterator[tuple[bytes, bool]]:
    for raw in lines.raw():
        if raw.isspace():
            lines.pass_over()
            continue
        try:
            value = _DECODER.decode(raw.decode("utf-8"))
        except (ValueError, RecursionError):
            raise Refused(400, f"Line {lines.number} cannot be parsed as JSON") from None
        if not isinstance(value, dict):
            raise Refused(400, f"Line {lines.number} is not a JSON object")
        yield raw, judge(value) is None


def _csv(lines: _Lines, judge: Judge) -> Iterator[tuple[bytes, bool]]:
    """Comma, quotes, a header row whose names are matched without regard to case (section 7, no 32: inferred)."""
    record: list[bytes] = []

    def text() -> Iterator[str]:
        # A quoted cell may hold blank lines, so they are told apart by row, not by line.
        for raw in lines.raw():
            record.append(raw)
            yield raw.decode("utf-8")

    reader = csv.reader(text(), strict=True)
    header: list[str] | None = None
    try:
        for cells in reader:
            raw = b"".join(record)
            record.clear()
            if raw.isspace():
                lines.pass_over()
            elif header is None:
                header = _header(cells)
            else:
                yield raw, len(cells) == len(header) and judge(from_cells(header, cells)) is None
    except (csv.Error, UnicodeDecodeError):
        raise Refused(400, f"Line {lines.number} cannot be parsed as CSV") from None


def _header(cells: list[str]) -> list[str]:
    names = [cell.strip().lower() for cell in cells]
    if "operation" not in names or "" in names or len(set(names)) != len(names):
        raise Refused(400, "The first line is not a header with the names of the columns")
    return names
