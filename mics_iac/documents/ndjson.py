"""Judges the lines of NDJSON: one JSON object each, of the shape of its document type (mediarithmics-api.md 4)."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from mics_iac.documents.decoding import MOST_KEYS, REFUSED, decode_of
from mics_iac.documents.explaining import explain_text, rules_of
from mics_iac.documents.notes import MARK, MARKED, Flaw, Looked, Notes, is_utf8
from mics_iac.documents.place import field_of, offset_of
from mics_iac.documents.shapes import Shape

# Lines with keys of the user's own that are looked at slowly before those keys are learned, and how often one learns.
_PATIENCE: Final = 64
_LESSONS: Final = 32


class Lines:
    """The judge of one file's lines; shown every piece of it, in their order."""

    def __init__(self, document_type: str) -> None:
        self._shape, self._rules = rules_of(document_type)
        self._decode = decode_of(self._shape, {})
        self._first = True  # nothing was looked at yet
        self._begun = False  # a line was that is not blank
        self._closed = False  # the file is no NDJSON at all: what is wrong with its lines would say nothing
        self._lengths: set[int] = set()
        self._pupil = Pupil()

    def look(self, piece: bytes) -> Looked:
        """Judge whole lines."""
        records = list(io.BytesIO(piece))
        looked = Looked(records, len(records))
        if not self._begun:
            records = self._begin(records, looked)
        if self._closed:
            looked.empty = sum(map(bytes.isspace, records))
        else:
            self._look(records, looked, ascii_alone=piece.isascii())
        return looked

    @staticmethod
    def place(looked: Looked, number: int, flaw: Flaw) -> tuple[int, int, str]:
        """How many lines of the piece stand before a flaw, its column, and the path of its field."""
        if isinstance(flaw.at, int):
            return number, flaw.at + 1, ""
        text = looked.records[number].removeprefix(MARK).decode()
        column = offset_of(text, flaw.at, key=flaw.code == "MICS324") + 1
        return number, column, field_of(flaw.at)

    def _begin(self, records: list[bytes], looked: Looked) -> list[bytes]:
        """What only the beginning of a file can tell; the lines without the mark before them."""
        if self._first and records[0].startswith(MARK):
            looked.flaws.append((0, MARKED))
            records = [records[0].removeprefix(MARK), *records[1:]]
        self._first = False
        number = next((number for number, line in enumerate(records) if not line.isspace()), None)
        if number is None:
            return records
        self._begun = True
        start = records[number].strip()
        if start.startswith(b"["):
            why = "the file is a JSON array: write its objects one a line, without brackets and commas around them"
            looked.flaws.append((number, Flaw("MICS304", 0, why)))
            self._closed = True
        elif start == b"{":
            why = "the first object is spread over several lines: write each object on a line of its own"
            looked.flaws.append((number, Flaw("MICS305", 0, why)))
            self._closed = True
        return records

    def _look(self, records: list[bytes], looked: Looked, *, ascii_alone: bool) -> None:
        # What the types skip over is not asked whether it is UTF-8. A line that is not is made one that fails.
        whole = records if ascii_alone else [line if line.isascii() or is_utf8(line) else b"" for line in records]
        docs, slow = self._decoded(whole)
        good: Sequence[int] = range(len(records))
        if slow:
            failed = set(slow)
            good = [number for number in good if number not in failed]
        hashes = self._rules.hashes(docs)
        odd = self._rules.odd(docs)
        if hashes and "@" in "".join(hashes):
            odd += [place for place, one in enumerate(docs) if any("@" in text for text in self._rules.hashes([one]))]
        if len(self._lengths) < 2 and not self._lengths.issuperset(map(len, hashes)):
            self._measure(docs, odd, good, looked)
        if odd or slow:
            self._explain(records, sorted({*slow, *(good[place] for place in odd)}), looked)
        if looked.hashes:
            self._lengths.update(looked.hashes)

    def _decoded(self, lines: Sequence[bytes]) -> tuple[list[Any], list[int]]:
        """The records that the fast look takes, and the numbers of the lines that it does not."""
        docs: list[Any] = []
        slow: list[int] = []
        decoding = map(self._decode, lines)
        while True:
            try:
                # What was decoded before one failed stays in the list, and the next call goes on behind it.
                docs.extend(decoding)
            except REFUSED:
                slow.append(len(docs) + len(slow))
            else:
                return docs, slow

    def _measure(self, docs: Sequence[Any], odd: Sequence[int], good: Sequence[int], looked: Looked) -> None:
        """Where hashes of a length stand that was not met before. Those of odd records are measured with their flaws."""
        passed = frozenset(odd)
        for place, one in enumerate(docs):
            if place not in passed:
                for text in self._rules.hashes([one]):
                    self._met(len(text), good[place], looked)

    def _met(self, length: int, number: int, looked: Looked) -> None:
        if length not in self._lengths:
            looked.hashes[length] = min(number, looked.hashes.get(length, number))

    def _explain(self, records: Sequence[bytes], numbers: Sequence[int], looked: Looked) -> None:
        lonely = len(self._lengths) < 2
        for number in numbers:
            if looked.records[number].isspace():
                looked.blank(number)
                continue
            notes = explain_text(records[number], self._shape, self._rules)
            if notes.flaws:
                looked.flaws.extend([(number, flaw) for flaw in notes.flaws])
            if lonely:
                for length in notes.hashes:
                    self._met(length, number, looked)
            if notes.own and self._pupil.meet(notes):
                self._decode = decode_of(self._shape, self._pupil.learned)


class Pupil:
    """Learns the keys of the user's own that come again, so that the fast look takes them too."""

    def __init__(self) -> None:
        self.learned: dict[Shape, frozenset[str]] = {}
        self._met: Counter[tuple[Shape, str]] = Counter()
        self._waiting = 0
        self._lessons = 0

    def meet(self, notes: Notes) -> bool:
        """Take in the keys of one record; tells whether something was learned."""
        if self._lessons >= _LESSONS:
            return False
        self._met.update(notes.own)
        self._waiting += 1
        if self._waiting < _PATIENCE:
            return False
        before = sum(map(len, self.learned.values()))
        for (shape, key), times in self._met.items():
            known = self.learned.get(shape, frozenset())
            if times > 1 and len(known) < MOST_KEYS:
                self.learned[shape] = known | {key}
        self._met.clear()
        self._waiting = 0
        self._lessons += 1
        return sum(map(len, self.learned.values())) > before
