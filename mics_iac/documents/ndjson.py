"""Judges the lines of NDJSON: one JSON object each, of the shape of its document type (mediarithmics-api.md 4)."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from mics_iac.documents.decoding import MOST_KEYS, REFUSED, decode_of, unused
from mics_iac.documents.explaining import explain_text, rules_of
from mics_iac.documents.notes import MARK, MARKED, Flaw, Looked, Notes, is_utf8
from mics_iac.documents.place import field_of, offset_of
from mics_iac.documents.shapes import Shape

# Bytes of good records after which a file is taken to be all of a piece; making a type costs as much as 1 MB of them.
_TRIAL: Final = 2_000_000
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
        self._gappy = False  # the last piece had blank lines
        self._lengths: set[int] = set()
        self._pupil = Pupil()
        self._trial = _TRIAL
        self._without: list[str] = []  # fields that the records of this file seem not to have

    def look(self, piece: bytes) -> Looked:
        """Judge whole lines."""
        flaws = [] if self._begun else self._begin(self.records(piece))
        if self._closed:
            records = self.records(piece)
            return Looked(len(records), len(records), sum(map(bytes.isspace, records)), flaws=flaws)
        body = piece.removeprefix(MARK) if flaws else piece
        blanks: list[int] = []
        if self._gappy:
            docs, slow = self._past_blanks(self.records(body), blanks)
        else:
            docs, slow = self._decoded(io.BytesIO(body), whole=body)
        if not body:
            slow[0] = True  # the mark was all there is
        lines = len(docs) + len(slow) + len(blanks)
        looked = Looked(lines, lines, len(blanks), flaws=flaws, blanks=blanks)
        odd, hashes = self._rules.survey(docs)
        if hashes and "@" in "".join(hashes):
            odd += [place for place, one in enumerate(docs) if any("@" in text for text in self._hashes(one))]
        new = len(self._lengths) < 2 and not self._lengths.issuperset(map(len, hashes))
        if slow or odd or new:
            self._look_again(piece, docs, slow, odd, looked)
        elif self._trial > 0:
            self._try(docs, len(piece))
        self._gappy = bool(looked.blanks)
        return looked

    @staticmethod
    def records(piece: bytes) -> list[bytes]:
        """The lines of a piece, each with its newline."""
        return list(io.BytesIO(piece))

    def place(self, piece: bytes, number: int, flaw: Flaw) -> tuple[int, int, str]:
        """How many lines of the piece stand before a flaw, its column, and the path of its field."""
        if isinstance(flaw.at, int):
            return number, flaw.at + 1, ""
        text = self.records(piece)[number].removeprefix(MARK).decode()
        column = offset_of(text, flaw.at, key=flaw.code == "MICS324") + 1
        return number, column, field_of(flaw.at)

    def _begin(self, records: Sequence[bytes]) -> list[tuple[int, Flaw]]:
        """What only the beginning of a file can tell."""
        flaws: list[tuple[int, Flaw]] = []
        if self._first and records[0].startswith(MARK):
            flaws.append((0, MARKED))
        self._first = False
        number = next((number for number, line in enumerate(records) if not line.isspace()), None)
        if number is None:
            return flaws
        self._begun = True
        start = (records[number].removeprefix(MARK) if flaws else records[number]).strip()
        if start.startswith(b"["):
            why = "the file is a JSON array: write its objects one a line, without brackets and commas around them"
            flaws.append((number, Flaw("MICS304", 0, why)))
        elif start == b"{":
            why = "the first object is spread over several lines: write each object on a line of its own"
            flaws.append((number, Flaw("MICS305", 0, why)))
        self._closed = start.startswith(b"[") or start == b"{"
        return flaws

    def _past_blanks(self, lines: Sequence[bytes], blanks: list[int]) -> tuple[list[Any], dict[int, bool]]:
        """As `_decoded`; blank lines do not come before the decoder, whose refusal of each would cost the most."""
        others = [number for number, line in enumerate(lines) if not line.isspace()]
        if len(others) < len(lines):
            blanks.extend([number for number, line in enumerate(lines) if line.isspace()])
        kept = [lines[number] for number in others]
        docs, slow = self._decoded(kept, whole=b"".join(kept))
        return docs, {others[place]: broken for place, broken in slow.items()}

    def _decoded(self, lines: Iterable[bytes], *, whole: bytes) -> tuple[list[Any], dict[int, bool]]:
        """The records that the fast look takes, and the numbers of the other lines, with whether they are no JSON."""
        # What the types skip over is not asked whether it is UTF-8: a line that is not is made one that fails.
        if not whole.isascii() and not is_utf8(whole):
            lines = [line if is_utf8(line) else b"" for line in lines]
        docs: list[Any] = []
        slow: dict[int, bool] = {}
        decoding = map(self._decode, lines)
        while True:
            try:
                # What was decoded before one failed stays in the list, and the next call goes on behind it.
                docs.extend(decoding)
            except REFUSED as error:
                slow[len(docs) + len(slow)] = not isinstance(error, msgspec.ValidationError)
            else:
                return docs, slow

    def _look_again(
        self, piece: bytes, docs: Sequence[Any], slow: Mapping[int, bool], odd: Sequence[int], looked: Looked
    ) -> None:
        good: Sequence[int] = range(looked.count)
        if slow or looked.blanks:
            passed = {*slow, *looked.blanks}
            good = [number for number in good if number not in passed]
        marked = bool(looked.flaws)
        self._measure(docs, odd, good, looked)
        records = self.records(piece)
        for number in sorted({*slow, *(good[place] for place in odd)}):
            record = records[number]
            if record.isspace():
                looked.blank(number)
            else:
                line = record.removeprefix(MARK) if marked and not number else record
                self._explain(line, number, looked, broken=slow.get(number, False))
        self._lengths.update(looked.hashes)

    def _measure(self, docs: Sequence[Any], odd: Sequence[int], good: Sequence[int], looked: Looked) -> None:
        """Where hashes of a length not met before stand. Those of odd records are measured as they are explained."""
        if len(self._lengths) < 2:
            passed = frozenset(odd)
            for place, one in enumerate(docs):
                if place not in passed:
                    self._met(map(len, self._hashes(one)), good[place], looked)

    def _met(self, lengths: Iterable[int], number: int, looked: Looked) -> None:
        for length in lengths:
            if length not in self._lengths:
                looked.hashes[length] = min(number, looked.hashes.get(length, number))

    def _hashes(self, one: Any) -> list[str]:
        return self._rules.survey((one,))[1]

    def _try(self, docs: Sequence[Any], size: int) -> None:
        """Once enough of a large file was seen, go on with a type that has only the fields that its records have."""
        self._trial -= size
        if self._trial <= 0:
            self._without = unused(self._shape, docs)
            self._renew()

    def _renew(self) -> None:
        self._decode = decode_of(self._shape, self._pupil.learned, without=self._without)

    def _explain(self, line: bytes, number: int, looked: Looked, *, broken: bool) -> None:
        notes = explain_text(line, self._shape, self._rules, broken=broken)
        if notes.flaws:
            looked.flaws.extend([(number, flaw) for flaw in notes.flaws])
        if notes.hashes and len(self._lengths) < 2:
            self._met(notes.hashes, number, looked)
        learned = bool(notes.own) and self._pupil.meet(notes)
        if learned or (self._without and not notes.flaws):
            self._without = []
            self._renew()


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
