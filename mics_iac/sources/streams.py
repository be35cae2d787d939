"""Reads the content of files once through: decompresses, checks, hashes and cuts it in one pass over its bytes.

Stands on `Stored` alone, so that it serves files here and objects in any store.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from mics_iac.core.content import Content, Slice
from mics_iac.documents.check import Sieve
from mics_iac.documents.report import SHOWN, Finding, Report
from mics_iac.errors import SourceFailed
from mics_iac.sources.cutting import Cut, Cutter, Filter, TooShort
from mics_iac.sources.decompress import content, format_of
from mics_iac.sources.ends import ends_of
from mics_iac.sources.flow import BLOCK
from mics_iac.sources.judging import Judge
from mics_iac.sources.planned import changed
from mics_iac.sources.raw import Raw, Stored
from mics_iac.sources.source import Found, Prefix, Reader, Reading, Sifted, Watch
from mics_iac.sources.spool import Spool

# The rule that a record which is longer than a part may be breaks.
_OVERLONG = "MICS310"


class Streams:
    """All of a `Source` but how files are found. Parts that have to be made are spooled in a folder."""

    def __init__(self, stored: Stored, *, spool: Path) -> None:
        self._stored = stored
        self._spool = Spool(stored, spool)

    def read(self, found: Found, how: Reading, *, watch: Watch) -> Content:
        """See `Source.read`."""
        if how.document_type is None:
            cut = self._cut(found, how, watch)
            return Content(cut.sha256, cut.bytes, cut.parts, _with_overlong(None, cut, how.limit))
        # Of what is one part, the check counts the lines anyway: that is a tenth of the time of all the rest.
        count = how.csv or how.ranges != () or found.bytes > how.limit or format_of(found.path) is not None
        cut, report = self._checked(found, how, watch, count=count)
        if not count and cut.bytes > how.limit:  # it grew since it was found
            cut, report = self._checked(found, how, lambda _: watch(0), count=True)
        elif not count:
            cut = replace(cut, parts=(replace(cut.parts[0], lines=report.lines, records=report.records),))
        if how.drop and report.count(how.drop):
            # Once more, for those few files alone from which something is left out.
            kept = self._cut(found, how, lambda _: watch(0), sieve=_sieve(how))
            if kept.sha256 != cut.sha256:
                raise SourceFailed(f"{found.path} changed while it was read", remedy="run again")
            cut = kept
        return Content(cut.sha256, cut.bytes, cut.parts, _with_overlong(report, cut, how.limit), cut.dropped)

    def _checked(self, found: Found, how: Reading, watch: Watch, *, count: bool) -> tuple[Cut, Report]:
        assert how.document_type is not None
        judge = Judge(how.document_type, csv=how.csv, settled=how.settled)
        return self._cut(found, how, watch, look=judge.feed, count=count), judge.end()

    def check(self, found: Found, how: Reading, *, watch: Watch) -> Report:
        """What is wrong with a file's records, and nothing else of it."""
        assert how.document_type is not None
        judge = Judge(how.document_type, csv=how.csv, settled=how.settled)
        raw = self._content(found, watch)
        try:
            while block := raw.read(BLOCK):
                judge.feed(block)
        finally:
            raw.close()
        return judge.end()

    def _cut(
        self,
        found: Found,
        how: Reading,
        watch: Watch,
        *,
        look: Callable[[bytes], None] | None = None,
        sieve: Callable[[], Filter] | None = None,
        into: Callable[[bytes], object] | None = None,
        count: bool = True,
    ) -> Cut:
        cutter = Cutter(
            csv=how.csv,
            limit=how.limit,
            ranges=how.ranges,
            settled=how.settled,
            sieve=sieve,
            into=into,
            count=count,
        )
        raw = self._content(found, watch)
        try:
            while block := raw.read(BLOCK):
                if look is not None:
                    look(block)
                cutter.feed(block)
            return cutter.end()
        except TooShort as error:
            raise changed(found.path, "it is shorter than what was planned of it") from error
        finally:
            raw.close()

    def _content(self, found: Found, watch: Watch, *, end: int | None = None) -> Raw:
        raw = self._stored.open_raw(found.path, seal=found.seal, end=end)
        return content(_Watched(raw, watch), found.path)

    def prefixes(self, found: Found, lengths: Sequence[int], *, csv: bool, watch: Watch) -> dict[int, Prefix]:
        """See `Source.prefixes`; reads no farther than it needs to."""
        wanted = sorted(set(lengths), reverse=True)
        end = None
        if wanted and format_of(found.path) is None and wanted[0] + 2 < found.bytes:
            end = wanted[0] + 2
        raw = self._content(found, watch, end=end)
        try:
            return _prefixes(raw, wanted, csv=csv)
        finally:
            raw.close()

    def open(self, part: Slice) -> Reader:
        """See `Source.open`; the part is made before anything of it is given."""
        return self._spool.open(part)

    def sift(self, found: Found, how: Reading, into: Callable[[bytes], object]) -> Sifted:
        """See `Source.sift`."""
        sieve = _sieve(how) if how.drop and how.document_type is not None else None
        cut = self._cut(found, how, lambda _: None, sieve=sieve, into=into)
        return Sifted(cut.dropped, cut.sha256)

    def close(self) -> None:
        """See `Source.close`."""
        self._spool.close()


def _sieve(how: Reading) -> Callable[[], Filter]:
    assert how.document_type is not None
    document_type = how.document_type
    return lambda: Sieve(document_type, csv=how.csv, drop=how.drop)


class _Watched:
    """Stored bytes that are told of as they are read."""

    def __init__(self, raw: Raw, watch: Watch) -> None:
        self._raw = raw
        self._watch = watch

    def read(self, size: int, /) -> bytes:
        block = self._raw.read(size)
        self._watch(len(block))
        return block

    def close(self) -> None:
        self._raw.close()


def _with_overlong(report: Report | None, cut: Cut, limit: int) -> Report | None:
    """The report, with what the cut found out."""
    if not cut.overlong:
        return report
    what = f"this record is longer than a part may be ({limit:,} bytes): raise `split`, or shorten the record"
    told = tuple(Finding(line, 1, _OVERLONG, "", what) for line in cut.lines[:SHOWN])
    lines, records = sum(p.lines for p in cut.parts), sum(p.records for p in cut.parts)
    return together(report, Report(records, lines, {_OVERLONG: cut.overlong}, told))


def together(report: Report | None, of_cut: Report | None) -> Report | None:
    """What was found in the records and what the cut found, which have no code in common."""
    if report is None or of_cut is None:
        return report or of_cut
    findings = sorted((*report.findings, *of_cut.findings))
    return Report(report.records, report.lines, report.counts | of_cut.counts, tuple(findings))


def _prefixes(raw: Raw, wanted: list[int], *, csv: bool) -> dict[int, Prefix]:
    """Those prefixes of a content that it has; `wanted` descends, and is used up."""
    found: dict[int, Prefix] = {}
    digest, ends = hashlib.sha256(), ends_of(csv=csv)
    at, last, rest = 0, b"\n", b""
    while wanted:
        block = raw.read(BLOCK)
        rest += block
        # Two more bytes tell whether a record ends there that had no newline when it was the last one.
        while wanted and (not block or wanted[-1] + 2 <= at + len(rest)):
            if (step := wanted.pop() - at) > len(rest):
                return found
            taken, rest = rest[:step], rest[step:]
            digest.update(taken)
            ends.advance(taken)
            at, last = at + step, taken[-1:] or last
            behind = last == b"\n" or not rest or rest.startswith((b"\n", b"\r\n"))
            found[at] = Prefix(digest.copy().hexdigest(), whole=behind and not ends.inside)
        if wanted and (step := min(wanted[-1] - at, len(rest))) > 0:
            taken, rest = rest[:step], rest[step:]
            digest.update(taken)
            ends.advance(taken)
            at, last = at + step, taken[-1:]
        if not block:
            break
    return found
