"""The check of a content whose beginning is loaded already: that is not judged again, and lines keep their numbers.

Knows no rules: `documents/check` does.
"""

from __future__ import annotations

import msgspec

from mics_iac.documents.check import Checker
from mics_iac.documents.report import Report
from mics_iac.sources.ends import HEADER, header_in


class Judge:
    """Feed it a content's blocks, then `end` it: what is wrong behind the first `settled` bytes."""

    def __init__(self, document_type: str, *, csv: bool, settled: int) -> None:
        self._checker = Checker(document_type, csv=csv)
        self._left = settled
        self._passed = 0  # lines that were passed over
        self._begun: bytes | None = b"" if csv and settled else None  # of the header, which the check must know
        self._ahead = 0  # lines of it
        self._seam = bool(settled)  # the last line that is loaded may be without its end, which comes then

    def feed(self, block: bytes) -> None:
        """Take the next block."""
        if self._left:
            block = self._pass_over(block)
        if self._seam and block and not self._left:
            block = self._pass_end(block)
        if block:
            self._checker.feed(block)

    def end(self) -> Report:
        """What was found, each at its line of the whole content."""
        report = self._checker.end()
        shift = self._passed - self._ahead
        if not shift:
            return report
        moved = (
            msgspec.structs.replace(f, line=f.line + (shift if f.line > self._ahead else 0)) for f in report.findings
        )
        return msgspec.structs.replace(report, findings=tuple(moved))

    def _pass_over(self, block: bytes) -> bytes:
        passed, block = block[: self._left], block[self._left :]
        self._left -= len(passed)
        self._passed += passed.count(b"\n")
        if self._begun is not None:
            self._begun += passed
            header = header_in(self._begun)
            if header or len(self._begun) > HEADER:
                self._checker.feed(header)
                self._ahead, self._begun = header.count(b"\n"), None
        self._seam = not passed.endswith(b"\n")
        return block

    def _pass_end(self, block: bytes) -> bytes:
        for end in (b"\r\n", b"\n"):
            if block.startswith(end):
                self._passed += 1
                block = block[len(end) :]
                break
        self._seam = False
        return block
