"""What becomes of each source of an import, and of each part of it: loaded, to load, or failed before. Pure.

The ledger knows every accepted part by content, and every source by its whole content. Both are looked up over all
batches and incarnations of an import; the same content loaded by another import of the same datamart and document type
is refused, since that is how a file ends up in the figures twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from mics_iac.core import verdicts
from mics_iac.core.address import base_of, matches
from mics_iac.core.content import Content, Part
from mics_iac.core.desired import DesiredImport, SourceFile
from mics_iac.core.history import Histories, History, given_pieces, settled, tails
from mics_iac.core.ledger import Ledger
from mics_iac.core.loaded import Loaded, OpenDoubt
from mics_iac.core.observed import SUCCEEDED, Observed
from mics_iac.core.outcome import shortfall_of
from mics_iac.core.plan import Fetch, Options, Refused, Skip, SourceCut, Stuck, Upload
from mics_iac.core.records import dropped_codes
from mics_iac.core.selection import asked_again
from mics_iac.core.state import NOTHING, Cut, Piece, Stranger
from mics_iac.core.strangers import counts_like

Decided = Upload | Fetch | Skip | Stuck


@dataclass(slots=True)
class Loads:
    """What was decided on the sources of one import.

    `judged` are the paths of those whose records matter: not all of them is loaded. `stops` is why nothing more may be
    loaded of an ordered import.
    """

    actions: list[Decided] = field(default_factory=list)
    refusals: list[Refused] = field(default_factory=list)
    cuts: list[SourceCut] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    judged: set[str] = field(default_factory=set)
    stops: str | None = None


class Loading:
    """Decides on sources; remembers what the plan loads so far, so that equal content is planned once."""

    def __init__(self, ledger: Ledger, observed: Observed, options: Options) -> None:
        self._ledger = ledger
        self._histories = Histories(ledger)
        self._observed = observed
        self._options = options
        self._planned: dict[tuple[str, str, str], tuple[str, str]] = {}
        self._doubts: dict[tuple[str, str], list[OpenDoubt]] = {}
        for doubt in ledger.open_doubts():
            self._doubts.setdefault(doubt.kind, []).append(doubt)

    def plan_sources(self, wanted: DesiredImport, held: str, import_id: str | None, *, bases: frozenset[str]) -> Loads:
        """Decide on the sources of one import.

        `held` is the address under which the ledger knows it, `import_id` the import that will take them, None where
        it is yet to be created. `bases` are the base addresses whose batches count as this import's.
        """
        target = self._target(wanted, held, import_id, bases)
        loads = Loads()
        for source in wanted.sources:
            self._decide_source(target, source, loads)
        return loads

    def _take(self, target: _Target, decided: Decided, loads: Loads) -> Decided:
        """Take a decision into the plan, unless order keeps the part back."""
        wanted = target.wanted
        if isinstance(decided, Upload | Fetch) and loads.stops is not None and wanted.declared.ordered:
            decided = verdicts.waiting(wanted, decided, f"`ordered`: waits for {loads.stops}")
        elif isinstance(decided, Stuck):
            loads.stops = decided.source
        elif wanted.declared.ordered and isinstance(decided, Skip) and self._fell_short(target, decided):
            loads.stops = f"{decided.source}, which went over its budget: raise `max_failures`, or use --retry-failed"
        if isinstance(decided, Upload):
            self._planned[*wanted.settings.kind, decided.sha256] = (wanted.address, decided.source)
        loads.actions.append(decided)
        return decided

    def _decide_source(self, target: _Target, source: SourceFile, loads: Loads) -> None:
        """What becomes of one source, part by part."""
        wanted, content, history = target.wanted, source.content, target.history
        again = asked_again(wanted.address, source.path, self._options)
        if content is None:
            for one in self._decide_unread(target, source, again=again):
                self._take(target, one, loads)
            return
        whole = history.wholly(content.sha256)
        if whole is not None and not again:
            # What the store says of an object may have changed while its bytes did not.
            loads.cuts += _known(target, source, content)
            for skip in self._skips(target, source, whole):
                self._take(target, skip, loads)
            return
        loads.judged.add(source.path)
        refused = self._refusal(target, source, content, again=again)
        given = () if again else given_pieces(history, source, on_growth=wanted.declared.on_growth)
        if any((part.start, part.end) != (p.start, p.end) for part, p in zip(content.parts, given, strict=False)):
            refused = verdicts.moved_cut(wanted, source.path)
        if refused is not None:
            loads.refusals.append(refused)
            return
        if not again and (doubt := self._in_doubt_elsewhere(target, content)) is not None:
            self._wait_for(doubt, target, source, loads)
            return
        if (known := history.left_out(source.path)) is not None and not given:
            loads.warnings.append(verdicts.mended(wanted, source.path, known))
        pieces: list[Piece] = []
        sends = False
        for index, part in enumerate(content.parts):
            decided = self._decide(target, source, part, given[index] if index < len(given) else None)
            if isinstance(decided, Refused):
                loads.refusals.append(decided)
            else:
                sends = isinstance(self._take(target, decided, loads), Upload) or sends
                pieces.append(Piece(part.start, part.end, decided.sha256))
        if not content.parts:
            self._take(target, verdicts.emptied(wanted, source.path, content), loads)
        if sends:
            self._planned[*wanted.settings.kind, content.sha256] = (wanted.address, source.path)
        if len(pieces) == len(content.parts):
            loads.cuts += _cut(target, source, content, pieces, sends=sends)

    def _in_doubt_elsewhere(self, target: _Target, content: Content) -> OpenDoubt | None:
        """The doubt about a part of this content that another import was sent, cut otherwise than it would be here."""
        whole = [content.sha256] if [part.sha256 for part in content.parts] != [content.sha256] else []
        cuts = self._ledger.cuts(target.wanted.settings.kind, content.sha256)
        pieces = [piece.sha256 for found in cuts if not target.history.owns(found) for piece in found.cut.pieces]
        here = {part.sha256 for part in content.parts}
        return next((target.others[one] for one in (*whole, *pieces) if one in target.others and one not in here), None)

    def _wait_for(self, doubt: OpenDoubt, target: _Target, source: SourceFile, loads: Loads) -> None:
        """Send nothing of a source as long as it is not known whether another import has some of it loaded."""
        assert source.content is not None
        if not doubt.askable:
            loads.refusals.append(verdicts.lost(target.wanted, source, doubt))
            return
        why = f"the answer to its upload into {doubt.address} was lost: apply settles that first"
        for part in source.content.parts:
            self._take(target, verdicts.stuck(target.wanted, source.path, part, why), loads)

    def _decide_unread(self, target: _Target, source: SourceFile, *, again: bool) -> list[Skip] | list[Fetch]:
        """A remote object that was not read: it may be known from when it was."""
        known = target.history.sealed(source.path, source.seal)
        whole = target.history.wholly(known.sha256) if known is not None else None
        if whole is not None and not again:
            return self._skips(target, source, whole)
        reason = "not read yet" if known is None else "read again: not all of it is loaded"
        return [Fetch(target.wanted.address, source.path, source.bytes, source.seal, reason)]

    def _skips(self, target: _Target, source: SourceFile, whole: Sequence[Loaded]) -> list[Skip]:
        address = target.wanted.address
        return [
            Skip(
                address,
                source.path,
                e.part,
                e.sha256,
                e.bytes,
                e.records,
                verdicts.where(one, target.held, source.path),
            )
            for one in whole
            for e in [one.execution]
        ]

    def _refusal(self, target: _Target, source: SourceFile, content: Content, *, again: bool) -> Refused | None:
        """Why no part of a source may be loaded: another import has it, or it has grown from what is loaded."""
        wanted = target.wanted
        planned = self._planned.get((*wanted.settings.kind, content.sha256))
        if planned is not None and base_of(planned[0]) == base_of(wanted.address):
            return None  # each part says so
        if not wanted.declared.allow_shared_content and target.history.counting(content.sha256) is None:
            other = target.history.others(content.sha256)
            if (other is not None or planned is not None) and not self._lost_sight(target, content.sha256):
                return verdicts.shared(wanted, source.path, other, planned)
        grown, on_growth = source.grown, wanted.declared.on_growth
        if again or grown is None or target.history.begun(content.sha256, content.bytes):
            return None
        if on_growth == "whole" or tails(grown, on_growth):
            return None
        return verdicts.grown(wanted, source.path, grown, target.history.begun(grown.sha256, grown.bytes))

    def _lost_sight(self, target: _Target, sha256: str) -> bool:
        return any(f.lost_sight for f in target.history.loaded(sha256))

    def _fell_short(self, target: _Target, skip: Skip) -> bool:
        """Whether the execution that loaded a part settled with more rejected records than the import allows."""
        if self._options.retry_failed:
            return False
        budget = target.wanted.declared.max_failures
        for found in target.history.loaded(skip.sha256):
            e = found.execution
            if e.status in SUCCEEDED and base_of(found.address) in target.history.bases:
                return (
                    shortfall_of(
                        status=e.status, sent=e.records, loaded=e.total_success, rejected=e.total_failure, budget=budget
                    )
                    is not None
                )
        return False

    def _target(self, wanted: DesiredImport, held: str, import_id: str | None, bases: frozenset[str]) -> _Target:
        ignored = matches(wanted.address, self._options.ignore_history)
        possible: dict[int | None, list[Stranger]] = {}
        equal: dict[str, str] = {}
        if import_id is not None and not ignored:
            known, strangers = self._ledger.known_executions(held, import_id), self._ledger.strangers(held, import_id)
            for execution in self._observed.executions.get(import_id, ()):
                stranger = strangers.get(execution.id, Stranger(execution.id))
                if stranger.sha256 is not None:
                    equal.setdefault(stranger.sha256, execution.id)
                elif execution.id not in known:
                    possible.setdefault(execution.number_of_lines, []).append(stranger)
        # What another import may have loaded counts as what it did load: unless sharing is allowed.
        doubts = [
            d
            for d in ([] if ignored else self._doubts.get(wanted.settings.kind, ()))
            if base_of(d.address) in bases or not wanted.declared.allow_shared_content
        ]
        return _Target(
            wanted,
            held,
            self._histories.of(wanted.settings.kind, bases, import_id),
            drops=bool(dropped_codes(wanted.declared)),
            possible=possible,
            equal=equal,
            refused=self._ledger.refusals(held) if import_id is not None else {},
            doubted=frozenset(d.sha256 for d in self._ledger.doubts(held)),
            elsewhere={d.sha256: d.address for d in doubts if d.askable and d.import_id != import_id},
            others={d.sha256: d for d in doubts if d.import_id != import_id and base_of(d.address) not in bases},
            lost={d.sha256: d for d in doubts if not d.askable},
        )

    def _decide(
        self, target: _Target, source: SourceFile, part: Part, piece: Piece | None
    ) -> Upload | Skip | Stuck | Refused:
        """What becomes of one part; `piece` is what it was when its source began to be sent, None for a new cut."""
        wanted, held, history = target.wanted, target.held, target.history
        if piece is not None and (piece.sha256 == NOTHING or (target.drops and part.records == 0)):
            skip = verdicts.skip(wanted, source.path, part, "all of its records are left out")
            return msgspec.structs.replace(skip, sha256=NOTHING)
        again = asked_again(wanted.address, source.path, self._options)
        if piece is not None and (done := history.wholly(piece.sha256)) is not None:
            # Other records may be left out of it today; what was sent of it is what counts.
            reason = verdicts.where(done[0], held, source.path) if len(done) == 1 else f"loaded in {len(done)} parts"
            return msgspec.structs.replace(verdicts.skip(wanted, source.path, part, reason), sha256=piece.sha256)
        if piece is not None and piece.sha256 != part.sha256:
            vanished = next((f for f in history.loaded(piece.sha256) if f.lost_sight), None)
            if vanished is not None:
                unseen = verdicts.unseen(wanted, source, part, vanished)
                return msgspec.structs.replace(unseen, sha256=piece.sha256)
        if piece is not None and piece.sha256 != part.sha256 and target.awaits(piece.sha256):
            stuck = verdicts.stuck(wanted, source.path, part, "its last answer was lost: apply settles that first")
            return msgspec.structs.replace(stuck, sha256=piece.sha256)
        kind = wanted.settings.kind
        found = self._ledger.loaded(kind, part.sha256)
        mine = [f for f in found if history.owns(f)]
        loaded = next((f for f in mine if f.counts), None)
        planned = self._planned.get((*kind, part.sha256))
        if planned is not None and base_of(planned[0]) == base_of(wanted.address):
            return verdicts.skip(wanted, source.path, part, f"same content as {planned[1]}")
        if loaded is not None and again:
            reason = f"--reload: execution {loaded.execution.id} loaded it before"
            return verdicts.upload(wanted, source, part, reason, again=True)
        if loaded is not None:
            return verdicts.skip(wanted, source.path, part, verdicts.where(loaded, held, source.path))
        lost_sight = next((f for f in mine if f.lost_sight), None)
        if lost_sight is not None and not again:
            return verdicts.unseen(wanted, source, part, lost_sight)
        if not wanted.declared.allow_shared_content:
            other = next((f for f in found if not f.failed and f not in mine), None)
            if other is not None or planned is not None:
                return verdicts.shared(wanted, source.path, other, planned)
        if part.sha256 in target.lost:
            return verdicts.lost(wanted, source, target.lost[part.sha256])
        if part.sha256 in target.elsewhere:
            why = f"the answer to its upload into {target.elsewhere[part.sha256]} was lost: apply settles that first"
            return msgspec.structs.replace(verdicts.upload(wanted, source, part, why), doubted=True)
        if again:
            return verdicts.upload(wanted, source, part, "--reload")
        undone = self._undone(target, source, part, piece, [f for f in mine if f.import_id == history.import_id])
        others = [] if wanted.declared.allow_shared_content else [f for f in found if f not in mine]
        if isinstance(undone, Upload) and others:
            # It failed there, and may have run again by the time that it is sent.
            return msgspec.structs.replace(undone, doubted=True)
        return undone

    def _undone(
        self, target: _Target, source: SourceFile, part: Part, piece: Piece | None, failed: list[Loaded]
    ) -> Upload | Stuck:
        """Decide on content that is not loaded: first what an earlier attempt came to, then whether it is new."""
        wanted = target.wanted
        trouble = None
        if failed:
            last = failed[-1].execution
            trouble = f"execution {last.id} {last.status}"
        elif part.sha256 in target.refused:
            trouble = f"refused with HTTP {target.refused[part.sha256]}"
        if trouble is not None and not self._options.retry_failed:
            return verdicts.stuck(wanted, source.path, part, f"{trouble}: sent again only with --retry-failed")
        if trouble is not None:
            return verdicts.upload(wanted, source, part, f"--retry-failed: {trouble}")
        if part.sha256 in target.doubted:
            return verdicts.upload(
                wanted, source, part, "its last answer was lost: apply looks for its execution first"
            )
        if part.sha256 in target.equal:
            why = f"execution {target.equal[part.sha256]} has the same bytes: apply adopts it"
            return verdicts.upload(wanted, source, part, why)
        for count in counts_like(lines=part.lines, records=part.records):
            may_be = next((s.id for s in target.possible.get(count, ()) if part.sha256 not in s.not_), None)
            if may_be is not None:
                return verdicts.upload(
                    wanted, source, part, f"may be execution {may_be}: apply compares the bytes first"
                )
        return verdicts.upload(wanted, source, part, self._why_new(target, source, piece))

    def _why_new(self, target: _Target, source: SourceFile, piece: Piece | None) -> str:
        if piece is not None:
            return "not loaded yet"
        grown = source.grown
        if grown is not None and target.wanted.declared.on_growth == "tail":
            return f"new since the first {grown.bytes:,} bytes were loaded"
        before = self._ledger.last_of(target.held, source.path)
        return "new" if before is None else f"changed since execution {before.id} loaded it"


@dataclass(frozen=True, slots=True)
class _Target:
    """One import, and what the ledger and the platform say of parts that may go into it.

    `drops`: invalid records are left out of what is sent.

    `possible` are executions that the ledger does not know, by line count (None: not counted yet), `equal` those whose
    bytes were read before, by sha256. `refused` are HTTP statuses by sha256, `doubted` the parts whose last answer was
    lost; `elsewhere` those whose answer was lost by another import, with its address, `lost` those by an import that
    cannot be asked any more. `others` are all that another address sent.
    """

    wanted: DesiredImport
    held: str
    history: History
    drops: bool
    possible: dict[int | None, list[Stranger]]
    equal: dict[str, str]
    refused: dict[str, int]
    doubted: frozenset[str]
    elsewhere: dict[str, str]
    others: dict[str, OpenDoubt]
    lost: dict[str, OpenDoubt]

    def awaits(self, sha256: str) -> bool:
        """Whether it is not known what became of a part."""
        return sha256 in self.doubted or sha256 in self.elsewhere or sha256 in self.lost


def _known(target: _Target, source: SourceFile, content: Content) -> list[SourceCut]:
    """That a remote object holds content which is loaded: else the next plan would have to read it again."""
    if source.seal is None:
        return []
    piece = Piece(0, content.bytes, content.sha256)
    cut = target.history.whole_cut(content.sha256) or Cut(source.path, content.sha256, content.bytes, (piece,))
    return _unless_known(target, msgspec.structs.replace(cut, source=source.path, seal=source.seal))


def _cut(
    target: _Target, source: SourceFile, content: Content, pieces: Sequence[Piece], *, sends: bool
) -> list[SourceCut]:
    """How the source is loaded, where the ledger of its parts alone would not tell that all of it is.

    One that is known is told again where something is sent and something left out: that is kept by the run that sends.
    """
    as_it_lies = len(pieces) == 1 and pieces[0].sha256 == content.sha256
    if as_it_lies and source.seal is None:
        return []
    rejects = verdicts.rejects_path(target.wanted, source.path, content.sha256) if content.dropped else None
    pieces = tuple(pieces)
    cut = Cut(source.path, content.sha256, content.bytes, pieces, source.seal, content.dropped, rejects)
    return _unless_known(target, cut, anyway=sends and rejects is not None)


def _unless_known(target: _Target, cut: Cut, *, anyway: bool = False) -> list[SourceCut]:
    if target.history.knows(cut) and not anyway:
        return []
    return [SourceCut(target.wanted.address, cut, settled(target.history, cut.pieces))]
