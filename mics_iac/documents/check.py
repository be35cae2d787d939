"""Checks the records of one file as its bytes go by, or sieves out the bad ones by the same decisions.

Pure: bytes in, values out. Knows nothing of files or manifests, and no record's value leaves it.
"""

from __future__ import annotations

import msgspec

from mics_iac.documents.report import SHOWN, Finding, Report


class Checker:
    """One pass over the bytes of one file, fed in blocks of any size."""

    def __init__(self, document_type: str, *, csv: bool = False) -> None:
        self._csv = csv
        self._rest = b""
        self._lines = self._records = 0
        self._counts: dict[str, int] = {}
        self._findings: list[Finding] = []

    def feed(self, block: bytes) -> None:
        """Take the next block."""
        *lines, self._rest = (self._rest + block).split(b"\n")
        for line in lines:
            self._take(line)

    def end(self) -> Report:
        """The report; nothing can be fed after that."""
        if self._rest:
            self._take(self._rest)
        if not self._records:
            self._note(Finding(0, 0, "MICS301", "", "the file holds no record"))
        return Report(self._records, self._lines, self._counts, tuple(self._findings))

    def _take(self, line: bytes) -> None:
        self._lines += 1
        if line.isspace() or not line:
            return
        self._records += 1
        if not self._csv and (flaw := _flaw(line)):
            self._note(Finding(self._lines, 1, flaw, "", "not one JSON object on this line"))

    def _note(self, finding: Finding) -> None:
        self._counts[finding.code] = self._counts.get(finding.code, 0) + 1
        if self._counts[finding.code] <= SHOWN:
            self._findings.append(finding)


class Sieve:
    """Parts the lines of one file by the same decisions: those with a finding of a code in `drop`, and the others."""

    def __init__(self, document_type: str, *, csv: bool, drop: frozenset[str]) -> None:
        self._drop = drop
        self._csv = csv
        self._rest = b""

    def feed(self, block: bytes) -> tuple[bytes, bytes]:
        """The next whole lines that are kept, and those that are dropped."""
        *lines, self._rest = (self._rest + block).split(b"\n")
        return self._part([line + b"\n" for line in lines])

    def end(self) -> tuple[bytes, bytes]:
        """What is left when the file ends."""
        return self._part([self._rest] if self._rest else [])

    def _part(self, lines: list[bytes]) -> tuple[bytes, bytes]:
        kept = [line for line in lines if self._csv or line.isspace() or _flaw(line) not in self._drop]
        dropped = [line for line in lines if not (self._csv or line.isspace() or _flaw(line) not in self._drop)]
        return b"".join(kept), b"".join(dropped)


def _flaw(line: bytes) -> str | None:
    try:
        return None if isinstance(msgspec.json.decode(line), dict) else "MICS307"
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "MICS306"
