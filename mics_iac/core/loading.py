"""What becomes of each part of an import: loaded, to load, or failed before. Pure.

The ledger knows every accepted part by content. Content is looked up over all batches and incarnations of an import;
the same content loaded by another import of the same datamart and document type is refused, since that is how a file
ends up in the figures twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from shlex import quote

import msgspec

from mics_iac.core.address import base_of, matches
from mics_iac.core.desired import DesiredImport, Part
from mics_iac.core.ledger import Ledger
from mics_iac.core.loaded import Loaded, OpenDoubt
from mics_iac.core.observed import SUCCEEDED, Observed
from mics_iac.core.outcome import shortfall_of
from mics_iac.core.plan import Options, Refused, Skip, Stuck, Upload
from mics_iac.core.state import Stranger
from mics_iac.core.strangers import counts_like


class Loading:
    """Decides on parts; remembers what the plan loads so far, so that equal content is planned once."""

    def __init__(self, ledger: Ledger, observed: Observed, options: Options) -> None:
        self._ledger = ledger
        self._observed = observed
        self._options = options
        self._planned: dict[tuple[str, str, str], tuple[str, str]] = {}
        self._doubts: dict[tuple[str, str], list[OpenDoubt]] = {}
        for doubt in ledger.open_doubts():
            self._doubts.setdefault(doubt.kind, []).append(doubt)

    def plan_parts(
        self, wanted: DesiredImport, held: str, import_id: str | None, *, bases: frozenset[str]
    ) -> tuple[list[Upload | Skip | Stuck], list[Refused]]:
        """Decide on the parts of one import.

        `held` is the address under which the ledger knows it, `import_id` the import that will take them, None where
        it is yet to be created. `bases` are the base addresses whose batches count as this import's.
        """
        target = self._target(wanted, held, import_id, bases)
        actions: list[Upload | Skip | Stuck] = []
        refusals: list[Refused] = []
        stops: str | None = None
        for part in wanted.parts:
            decided = self._decide(target, part)
            if isinstance(decided, Upload) and stops is not None and wanted.declared.ordered:
                decided = _stuck(wanted, part, f"`ordered`: waits for {stops}")
            elif isinstance(decided, Stuck):
                stops = decided.source
            elif isinstance(decided, Skip) and not self._options.retry_failed and self._fell_short(target, part):
                stops = f"{part.source}, which went over its budget: raise `max_failures`, or use --retry-failed"
            if isinstance(decided, Refused):
                refusals.append(decided)
            else:
                actions.append(decided)
                if isinstance(decided, Upload):
                    self._planned[*wanted.settings.kind, part.sha256] = (wanted.address, part.source)
        return actions, refusals

    def _fell_short(self, target: _Target, part: Part) -> bool:
        """Whether the execution that loaded a part settled with more rejected records than the import allows."""
        budget = target.wanted.declared.max_failures
        for found in self._ledger.loaded(target.wanted.settings.kind, part.sha256):
            e = found.execution
            if e.status in SUCCEEDED and base_of(found.address) in target.bases:
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
            import_id,
            bases,
            possible=possible,
            equal=equal,
            refused=self._ledger.refusals(held) if import_id is not None else {},
            doubted=frozenset(d.sha256 for d in self._ledger.doubts(held)),
            elsewhere={d.sha256: d.address for d in doubts if d.askable and d.import_id != import_id},
            lost={d.sha256: d for d in doubts if not d.askable},
        )

    def _decide(self, target: _Target, part: Part) -> Upload | Skip | Stuck | Refused:
        wanted, held = target.wanted, target.held
        kind = wanted.settings.kind
        found = self._ledger.loaded(kind, part.sha256)
        mine = [f for f in found if base_of(f.address) in target.bases or f.import_id == target.import_id]
        loaded = next((f for f in mine if f.counts), None)
        planned = self._planned.get((*kind, part.sha256))
        if planned is not None and base_of(planned[0]) == base_of(wanted.address):
            return _skip(wanted, part, f"same content as {planned[1]}")
        again = self._asked_again(wanted.address, part)
        if loaded is not None and again:
            return _upload(wanted, part, f"--reload: execution {loaded.execution.id} loaded it before", again=True)
        if loaded is not None:
            return _skip(wanted, part, _where(loaded, held, part))
        lost_sight = next((f for f in mine if f.lost_sight), None)
        if lost_sight is not None and not again:
            return _unseen(wanted, part, lost_sight)
        if not wanted.declared.allow_shared_content:
            other = next((f for f in found if not f.failed and f not in mine), None)
            if other is not None or planned is not None:
                return _shared(wanted, part, other, planned)
        if part.sha256 in target.lost:
            return _lost(wanted, part, target.lost[part.sha256])
        if part.sha256 in target.elsewhere:
            why = f"the answer to its upload into {target.elsewhere[part.sha256]} was lost: apply settles that first"
            return msgspec.structs.replace(_upload(wanted, part, why), doubted=True)
        if again:
            return _upload(wanted, part, "--reload")
        undone = self._undone(target, part, [f for f in mine if f.import_id == target.import_id])
        others = [] if wanted.declared.allow_shared_content else [f for f in found if f not in mine]
        if isinstance(undone, Upload) and others:
            # It failed there, and may have run again by the time that it is sent.
            return msgspec.structs.replace(undone, doubted=True)
        return undone

    def _undone(self, target: _Target, part: Part, failed: list[Loaded]) -> Upload | Stuck:
        """Decide on content that is not loaded: first what an earlier attempt came to, then whether it is new."""
        wanted = target.wanted
        trouble = None
        if failed:
            last = failed[-1].execution
            trouble = f"execution {last.id} {last.status}"
        elif part.sha256 in target.refused:
            trouble = f"refused with HTTP {target.refused[part.sha256]}"
        if trouble is not None and not self._options.retry_failed:
            return _stuck(wanted, part, f"{trouble}: sent again only with --retry-failed")
        if trouble is not None:
            return _upload(wanted, part, f"--retry-failed: {trouble}")
        if part.sha256 in target.doubted:
            return _upload(wanted, part, "its last answer was lost: apply looks for its execution first")
        if part.sha256 in target.equal:
            return _upload(wanted, part, f"execution {target.equal[part.sha256]} has the same bytes: apply adopts it")
        for count in counts_like(lines=part.lines, records=part.records):
            may_be = next((s.id for s in target.possible.get(count, ()) if part.sha256 not in s.not_), None)
            if may_be is not None:
                return _upload(wanted, part, f"may be execution {may_be}: apply compares the bytes first")
        before = self._ledger.last_of(target.held, part.source)
        return _upload(wanted, part, "new" if before is None else f"changed since execution {before.id} loaded it")

    def _asked_again(self, address: str, part: Part) -> bool:
        for wish in self._options.reload:
            pattern, colon, path = wish.partition(":")
            if matches(address, (pattern,)) and (not colon or fnmatchcase(part.source, path)):
                return True
        return False


@dataclass(frozen=True, slots=True)
class _Target:
    """One import, and what the ledger and the platform say of parts that may go into it.

    `possible` are executions that the ledger does not know, by line count (None: not counted yet), `equal` those whose
    bytes were read before, by sha256. `refused` are HTTP statuses by sha256, `doubted` the parts whose last answer was
    lost; `elsewhere` those whose answer was lost by another import, with its address, `lost` those by an import that
    cannot be asked any more.
    """

    wanted: DesiredImport
    held: str
    import_id: str | None
    bases: frozenset[str]
    possible: dict[int | None, list[Stranger]]
    equal: dict[str, str]
    refused: dict[str, int]
    doubted: frozenset[str]
    elsewhere: dict[str, str]
    lost: dict[str, OpenDoubt]


def _upload(wanted: DesiredImport, part: Part, reason: str, *, again: bool = False) -> Upload:
    return Upload(
        wanted.address, part.source, part.number, part.sha256, part.bytes, part.lines, part.records, reason, again
    )


def _skip(wanted: DesiredImport, part: Part, reason: str) -> Skip:
    return Skip(wanted.address, part.source, part.number, part.sha256, part.bytes, part.records, reason)


def _stuck(wanted: DesiredImport, part: Part, reason: str) -> Stuck:
    return Stuck(wanted.address, part.source, part.number, part.sha256, part.bytes, part.records, reason)


def _unseen(wanted: DesiredImport, part: Part, loaded: Loaded) -> Stuck:
    """Content whose import was deleted before its execution had ended: a person must decide."""
    resolve = f"mics-iac state resolve {quote(f'{wanted.address}:{part.source}')}"
    reason = (
        f"execution {loaded.execution.id} had not ended when its import was deleted: if it was loaded, {resolve} "
        f"--execution {loaded.execution.id}; if it was not, {resolve} --resend"
    )
    return msgspec.structs.replace(_stuck(wanted, part, reason), unseen=True)


def _where(loaded: Loaded, held: str, part: Part) -> str:
    reason = f"loaded by execution {loaded.execution.id}"
    if loaded.execution.source != part.source:
        reason += f" as {loaded.execution.source}"
    if loaded.address != held:
        reason += f" in {loaded.address}"
    return reason


def _shared(wanted: DesiredImport, part: Part, other: Loaded | None, planned: tuple[str, str] | None) -> Refused:
    if other is not None:
        where = f"{other.address} loaded it already (execution {other.execution.id}, {other.execution.source})"
    else:
        address, source = planned or ("", "")
        where = f"{address} loads it too ({source})"
    kind = wanted.settings.document_type
    message = (
        f"{part.source}: the same content would be loaded twice as {kind} into datamart "
        f"{wanted.settings.datamart_id}: {where}. "
        "Remove one of the two, or set `allow_shared_content: true` on this import"
    )
    return Refused(wanted.address, message)


def _lost(wanted: DesiredImport, part: Part, doubt: OpenDoubt) -> Refused:
    resolve = f"mics-iac state resolve {quote(f'{doubt.address}:{doubt.source}')}"
    message = (
        f"{part.source}: the answer to its upload into import {doubt.import_id} was lost, and that import cannot be "
        f"asked any more whether it was loaded. If it was: {resolve} --execution ID. If it was not: {resolve} "
        f"--resend, or apply with --ignore-history {wanted.address}"
    )
    return Refused(wanted.address, message)
