"""What becomes of each part of an import: loaded, to load, or failed before. Pure.

The ledger knows every accepted part by content. Content is looked up over all batches and incarnations of an import;
the same content loaded by another import of the same datamart and document type is refused, since that is how a file
ends up in the figures twice.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from mics_iac.core.address import base_of, matches
from mics_iac.core.desired import DesiredImport, Part
from mics_iac.core.ledger import Ledger, Loaded
from mics_iac.core.observed import Observed
from mics_iac.core.plan import Options, Refused, Skip, Stuck, Upload
from mics_iac.core.strangers import may_be


class Loading:
    """Decides on parts; remembers what the plan loads so far, so that equal content is planned once."""

    def __init__(self, ledger: Ledger, observed: Observed, options: Options) -> None:
        self._ledger = ledger
        self._observed = observed
        self._options = options
        self._planned: dict[tuple[str, str, str], tuple[str, str]] = {}

    def plan_parts(
        self, wanted: DesiredImport, held: str, import_id: str | None
    ) -> tuple[list[Upload | Skip | Stuck], list[Refused]]:
        """Decide on the parts of one import.

        `held` is the address under which the ledger knows it, `import_id` the import that will take them, None where
        it is yet to be created.
        """
        actions: list[Upload | Skip | Stuck] = []
        refusals: list[Refused] = []
        stuck: Stuck | None = None
        for part in wanted.parts:
            decided = self._decide(wanted, held, import_id, part)
            if isinstance(decided, Upload) and stuck is not None and wanted.declared.ordered:
                decided = _stuck(wanted, part, f"`ordered`: waits for {stuck.source}")
            elif isinstance(decided, Stuck):
                stuck = decided
            if isinstance(decided, Refused):
                refusals.append(decided)
            else:
                actions.append(decided)
                if isinstance(decided, Upload):
                    self._planned[*wanted.settings.kind, part.sha256] = (wanted.address, part.source)
        return actions, refusals

    def _decide(
        self, wanted: DesiredImport, held: str, import_id: str | None, part: Part
    ) -> Upload | Skip | Stuck | Refused:
        kind = wanted.settings.kind
        found = self._ledger.loaded(kind, part.sha256)
        mine = [f for f in found if base_of(f.address) in {base_of(wanted.address), base_of(held)}]
        loaded = next((f for f in mine if not f.failed), None)
        planned = self._planned.get((*kind, part.sha256))
        if planned is not None and base_of(planned[0]) == base_of(wanted.address):
            return _skip(wanted, part, f"same content as {planned[1]}")
        if self._asked_again(wanted.address, part):
            why = f"--reload: execution {loaded.execution.id} loaded it before" if loaded else "--reload"
            return _upload(wanted, part, why, again=loaded is not None)
        if loaded is not None:
            return _skip(wanted, part, _where(loaded, held, part))
        if not wanted.declared.allow_shared_content:
            other = next((f for f in found if not f.failed and f not in mine), None)
            if other is not None or planned is not None:
                return _shared(wanted, part, other, planned)
        return self._undone(wanted, held, import_id, part, [f for f in mine if f.import_id == import_id])

    def _undone(
        self, wanted: DesiredImport, held: str, import_id: str | None, part: Part, failed: list[Loaded]
    ) -> Upload | Stuck:
        """Decide on content that is not loaded: first what an earlier attempt came to, then whether it is new."""
        trouble = None
        if failed:
            last = failed[-1].execution
            trouble = f"execution {last.id} {last.status}"
        elif import_id is not None and (refusal := self._ledger.refused(held, part.sha256)) is not None:
            trouble = f"refused with HTTP {refusal.status}"
        if trouble is not None and not self._options.retry_failed:
            return _stuck(wanted, part, f"{trouble}: sent again only with --retry-failed")
        if trouble is not None:
            return _upload(wanted, part, f"--retry-failed: {trouble}", again=True)
        if any(doubt.sha256 == part.sha256 for doubt in self._ledger.doubts(held)):
            return _upload(wanted, part, "its last answer was lost: apply looks for its execution first")
        if import_id is not None and (stranger := self._possible(held, import_id, part)) is not None:
            return _upload(wanted, part, f"may be execution {stranger}: apply compares the bytes first")
        before = self._ledger.last_of(held, part.source)
        return _upload(wanted, part, "new" if before is None else f"changed since execution {before.id} loaded it")

    def _possible(self, held: str, import_id: str, part: Part) -> str | None:
        if matches(held, self._options.ignore_history):
            return None
        known = self._ledger.known_executions(held) if self._ledger.import_id(held) == import_id else frozenset()
        for execution in self._observed.executions.get(import_id, ()):
            if execution.id not in known and may_be(execution, lines=part.lines, records=part.records):
                return execution.id
        return None

    def _asked_again(self, address: str, part: Part) -> bool:
        for wish in self._options.reload:
            pattern, colon, path = wish.partition(":")
            if matches(address, (pattern,)) and (not colon or fnmatchcase(part.source, path)):
                return True
        return False


def _upload(wanted: DesiredImport, part: Part, reason: str, *, again: bool = False) -> Upload:
    return Upload(
        wanted.address, part.source, part.number, part.sha256, part.bytes, part.lines, part.records, reason, again
    )


def _skip(wanted: DesiredImport, part: Part, reason: str) -> Skip:
    return Skip(wanted.address, part.source, part.number, part.sha256, part.bytes, part.records, reason)


def _stuck(wanted: DesiredImport, part: Part, reason: str) -> Stuck:
    return Stuck(wanted.address, part.source, part.number, part.sha256, part.bytes, part.records, reason)


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
