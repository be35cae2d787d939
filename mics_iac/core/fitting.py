"""What must still be read of the sources once the ledger is known, so that they can be decided on. Pure.

A source is read before it is known whether it is new: then its records may not have been checked yet, it may have to be
cut as it was when its upload began, or it may have grown from a content that is loaded. Each need is a value; the
engine reads, and asks again until nothing is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from mics_iac.core.desired import Desired, DesiredImport, Grown, SourceFile
from mics_iac.core.history import Histories, History, given_pieces, settled
from mics_iac.core.ledger import Ledger
from mics_iac.core.manifest import DOCUMENT_TYPES
from mics_iac.core.plan import Options
from mics_iac.core.selection import asked_again, bases_of, moves_of, selected


@dataclass(frozen=True, slots=True)
class Probe:
    """Whether the first so many bytes of a source have one of these sha256, by length."""

    address: str
    source: SourceFile
    contents: Mapping[int, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Again:
    """A source must be read again: cut into these ranges first, its records checked behind the `settled` bytes."""

    address: str
    source: SourceFile
    ranges: tuple[tuple[int, int], ...]
    settled: int


def to_probe(desired: Desired, ledger: Ledger, options: Options) -> Iterator[Probe]:
    """The sources that may have grown from what is loaded."""
    histories = Histories(ledger)
    for wanted, history in _each(desired, ledger, options, histories):
        earlier: dict[int, set[str]] | None = None
        for source in _open(wanted, history, options):
            if wanted.declared.on_growth == "whole" or source.content is None:
                continue
            if history.begun(source.content.sha256, source.content.bytes):
                continue
            if earlier is None:
                earlier = {
                    length: {sha256 for sha256 in some if history.has(sha256, length)}
                    for length, some in histories.earlier(history.bases).items()
                }
            shorter = {n: frozenset(some) for n, some in earlier.items() if some and 0 < n < source.content.bytes}
            if shorter:
                yield Probe(wanted.address, source, shorter)


def to_read_again(desired: Desired, ledger: Ledger, options: Options, *, check: bool) -> Iterator[Again]:
    """The sources that are to be loaded and were read under another cut, or (with `check`) were not checked."""
    for wanted, history in _each(desired, ledger, options, Histories(ledger)):
        for source in _open(wanted, history, options):
            content = source.content
            if content is None:
                continue
            asked = asked_again(wanted.address, source.path, options)
            given = () if asked else given_pieces(history, source, on_growth=wanted.declared.on_growth)
            ranges = tuple((piece.start, piece.end) for piece in given)
            unlike = tuple((part.start, part.end) for part in content.parts[: len(ranges)]) != ranges
            unchecked = check and content.report is None and checkable(wanted)
            done = settled(history, given)
            misjudged = done > source.settled and content.report is not None and bool(content.report.counts)
            if unlike or unchecked or misjudged:
                yield Again(wanted.address, source, ranges, done)


def checkable(wanted: DesiredImport) -> bool:
    """Whether there are rules for the records of this import."""
    return wanted.declared.document_type in DOCUMENT_TYPES


def with_sources(desired: Desired, change: Callable[[str, SourceFile], SourceFile]) -> Desired:
    """The same, each source replaced by what `change` makes of it."""
    return replace(
        desired,
        imports=tuple(
            replace(wanted, sources=tuple(change(wanted.address, source) for source in wanted.sources))
            for wanted in desired.imports
        ),
    )


def grown_from(contents: Mapping[int, frozenset[str]], found: Mapping[int, tuple[str, bool]]) -> Grown | None:
    """The longest content of which a source is a continuation; `found` has sha256 and record end by length."""
    for length in sorted(found, reverse=True):
        sha256, ends = found[length]
        if sha256 in contents.get(length, ()):
            return Grown(sha256, length, ends)
    return None


def _each(
    desired: Desired, ledger: Ledger, options: Options, histories: Histories
) -> Iterator[tuple[DesiredImport, History]]:
    moves = moves_of(desired, ledger)
    for wanted in selected(desired, options, ledger):
        held = moves.get(wanted.address, wanted.address)
        import_id = wanted.declared.adopt or ledger.import_id(held)
        yield wanted, histories.of(wanted.settings.kind, bases_of(wanted.address, moves), import_id)


def _open(wanted: DesiredImport, history: History, options: Options) -> Iterator[SourceFile]:
    """The sources that were read and of which not all is loaded, or that are to be loaded again."""
    for source in wanted.sources:
        if source.content is None:
            continue
        again = asked_again(wanted.address, source.path, options)
        if again or history.wholly(source.content.sha256) is None:
            yield source
