"""Checks the records of one file as its bytes go by, or sieves out the bad ones by the same decisions.

Pure: bytes in, values out. Knows nothing of files or manifests, and no record's value leaves it.
"""

from __future__ import annotations

from collections import Counter

from mics_iac.documents.cutting import LONGEST, Cutter, TooLong
from mics_iac.documents.ndjson import Lines
from mics_iac.documents.notes import BLANK, Flaw, Looked
from mics_iac.documents.report import SHOWN, Finding, Report
from mics_iac.documents.rules import RULES
from mics_iac.documents.table import Rows

# The vendor advises bulk import from about so many records a file on (mediarithmics-api.md 5.1, documented).
_FEW = 1_000
_TOO_LONG = f"the record is longer than {LONGEST // 1024**2} MiB: it is not looked at, divide or shorten it"
_UNTOLD = frozenset({"USER_IDENTIFIERS_DISSOCIATION_DECLARATIONS"})


class Checker:
    """One pass over the bytes of one file, fed in blocks of any size."""

    def __init__(self, document_type: str, *, csv: bool = False) -> None:
        self._untold = document_type in _UNTOLD
        self._cutter = Cutter(csv=csv)
        self._judge: Lines | Rows = Rows(document_type) if csv else Lines(document_type)
        self._lines = self._records = 0
        self._counts: Counter[str] = Counter()
        self._findings: list[Finding] = []
        self._hashes: list[tuple[int, int]] = []  # the line and the length of the first hash, and of one that differs
        self._long = _Long()

    def feed(self, block: bytes) -> None:
        """Take the next block."""
        for piece in self._cutter.feed(block):
            self._take(piece)

    def end(self) -> Report:
        """The report; nothing can be fed after that."""
        for piece in self._cutter.end():
            self._take(piece)
        self._whole()
        return Report(self._records, self._lines, dict(sorted(self._counts.items())), tuple(sorted(self._findings)))

    def _take(self, piece: bytes | TooLong) -> None:
        if isinstance(piece, TooLong):
            self._take_long(piece)
            return
        looked = self._judge.look(piece)
        for number, flaw in looked.flaws:
            self._counts[flaw.code] += 1
            if self._counts[flaw.code] <= SHOWN:
                self._show(piece, number, flaw)
        if looked.blanks:
            told = self._counts[BLANK.code]
            self._counts[BLANK.code] += len(looked.blanks)
            for number in looked.blanks[: max(0, SHOWN - told)]:
                self._show(piece, number, BLANK)
        if looked.hashes:
            self._measure(piece, looked)
        self._lines += looked.lines
        self._records += looked.count - looked.empty

    def _show(self, piece: bytes, number: int, flaw: Flaw) -> None:
        lines, column, field = self._judge.place(piece, number, flaw)
        self._findings.append(Finding(self._lines + lines + 1, column, flaw.code, field, flaw.message))

    def _take_long(self, piece: TooLong) -> None:
        if piece.first:
            self._long = _Long()
            self._note(self._lines + 1, "MICS309", _TOO_LONG)
        self._long.take(piece.data)
        if piece.last:
            self._lines += self._long.lines
            self._records += self._long.content

    def _measure(self, piece: bytes, looked: Looked) -> None:
        for length, number in looked.hashes.items():
            lines, _, _ = self._judge.place(piece, number, _HERE)
            self._hashes.append((self._lines + lines + 1, length))
        self._hashes = sorted(self._hashes)[:2]

    def _whole(self) -> None:
        """What can be told at the end alone."""
        if not self._records:
            self._note(0, "MICS301", "the file holds no record: write its records, or remove it")
        elif self._records < _FEW:
            how = "1 record" if self._records == 1 else f"{self._records:,} records"
            self._note(
                0, "MICS380", f"the file holds {how}: the platform's bulk import is made for a thousand and more"
            )
        if len(self._hashes) > 1:
            (line, length), (other, another) = self._hashes
            why = f"a hash of {length:,} characters is on line {line:,}, one of {another:,} on line {other:,}"
            self._note(0, "MICS381", f"{why}: make all with one function")
        if self._untold and self._records:
            why = "no page of the platform describes these records: they are checked to be JSON objects, no more"
            self._note(0, "MICS382", why)

    def _note(self, line: int, code: str, message: str) -> None:
        self._counts[code] += 1
        if self._counts[code] <= SHOWN:
            self._findings.append(Finding(line, min(line, 1), code, "", message))


_HERE = Flaw("MICS381", 0, "")


class _Long:
    """Counts the lines of a record that is too long, as its bytes go by."""

    def __init__(self) -> None:
        self.content = False
        self._ends = 0
        self._open = False

    def take(self, data: bytes) -> None:
        """The next of its bytes."""
        self._ends += data.count(b"\n")
        self._open = not data.endswith(b"\n") if data else self._open
        self.content = self.content or (data != b"" and not data.isspace())

    @property
    def lines(self) -> int:
        """How many there are; the last one needs no newline."""
        return self._ends + self._open


class Sieve:
    """Parts the records of one file by the same decisions: those with a finding of a code in `drop`, and the others.

    Codes of a whole file (`Rule.scope`) drop nothing, and the header of CSV is always kept.
    """

    def __init__(self, document_type: str, *, csv: bool, drop: frozenset[str]) -> None:
        self._drop = frozenset(code for code in drop if code in RULES and RULES[code].scope == "record")
        self._cutter = Cutter(csv=csv)
        self._judge: Lines | Rows = Rows(document_type) if csv else Lines(document_type)

    def feed(self, block: bytes) -> tuple[bytes, bytes]:
        """The next whole records that are kept, and those that are dropped."""
        parts = [self._part(piece) for piece in self._cutter.feed(block)]
        return b"".join(kept for kept, _ in parts), b"".join(dropped for _, dropped in parts)

    def end(self) -> tuple[bytes, bytes]:
        """What is left when the file ends."""
        parts = [self._part(piece) for piece in self._cutter.end()]
        return b"".join(kept for kept, _ in parts), b"".join(dropped for _, dropped in parts)

    def _part(self, piece: bytes | TooLong) -> tuple[bytes, bytes]:
        if isinstance(piece, TooLong):
            return (b"", piece.data) if "MICS309" in self._drop else (piece.data, b"")
        looked = self._judge.look(piece)
        bad = {number for number, flaw in looked.flaws if flaw.code in self._drop} - {looked.header}
        if BLANK.code in self._drop:
            bad.update(looked.blanks)
        if not bad:
            return piece, b""
        records = self._judge.records(piece)
        kept = [record for number, record in enumerate(records) if number not in bad]
        return b"".join(kept), b"".join(records[number] for number in sorted(bad))
