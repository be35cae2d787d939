"""The ledger: a State in the making, with an index by content.

Pure: `add` folds one Entry in, `state` gives the value. The planner asks it what was loaded, a running apply keeps it
up to date; both see the same thing because there is one fold. Not thread-safe: `store/held` guards it.

An entry about an address that the ledger does not hold is passed over: it can only come from a journal that outlived
its state (a restored backup), and whatever it did is found again on the platform by name, type and bytes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import assert_never

import msgspec

from mics_iac.core import journal
from mics_iac.core.address import base_of
from mics_iac.core.observed import ENDED, FAILED, RUNNING
from mics_iac.core.settings import Settings
from mics_iac.core.slots import HeldImport, Slot
from mics_iac.core.state import (
    Creating,
    Doubt,
    Execution,
    ImportState,
    Incarnation,
    Refusal,
    State,
    Stranger,
)


@dataclass(frozen=True, slots=True)
class Loaded:
    """Where a content stands in the ledger."""

    address: str
    import_id: str
    execution: Execution

    @property
    def failed(self) -> bool:
        """Whether its execution came to nothing, so that the content does not count as loaded."""
        return self.execution.status in FAILED


@dataclass(frozen=True, slots=True)
class OpenDoubt:
    """An upload of this content into an import, whose answer was lost; `askable` while that import is there to ask."""

    address: str
    import_id: str
    kind: tuple[str, str]
    sha256: str
    askable: bool


class Ledger:
    """A State that entries can be added to, with what was loaded indexed by content."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._slots = {
            address: Slot(HeldImport.thaw(value.current), value.protect, [HeldImport.thaw(f) for f in value.former])
            for address, value in state.imports.items()
        }
        self._creating = dict(state.creating)
        # By sha256, where it was accepted (address, import id, execution id). Places that a move or a change of
        # settings left behind stay in it: `loaded` looks whether each still holds.
        self._contents: dict[str, dict[tuple[str, str, str], None]] = {}
        self._newest: dict[tuple[str, str], Execution] = {}
        for address, slot in self._slots.items():
            for import_ in [*slot.former, slot.current]:
                for execution in import_.executions.values():
                    self._index(address, import_, execution)

    def state(self) -> State:
        """The state as it stands now, with addresses in order."""
        imports = {
            address: ImportState(slot.current.freeze(), slot.protect, tuple(f.freeze() for f in slot.former))
            for address, slot in sorted(self._slots.items())
        }
        creating = dict(sorted(self._creating.items()))
        return msgspec.structs.replace(self._state, imports=imports, creating=creating)

    # What the planner and a running apply ask.

    @property
    def lineage(self) -> str | None:
        """The name of this state's history, None where there is no state yet."""
        return self._state.lineage or None

    @property
    def serial(self) -> int:
        """How often the state was saved."""
        return self._state.serial

    def executions_of(self, import_ids: Collection[str]) -> dict[tuple[str, str], Loaded]:
        """Every accepted part of these imports of the platform, by import id and execution id."""
        return {
            (import_.id, execution.id): Loaded(address, import_.id, execution)
            for address, slot in self._slots.items()
            for import_ in slot.all()
            if import_.id in import_ids
            for execution in import_.executions.values()
        }

    def datamart_of(self, loaded: Loaded) -> str:
        """The id of the datamart that this content was loaded into."""
        return self._find(loaded.address, loaded.import_id).settings.datamart_id

    def addresses(self) -> list[str]:
        """Every address that has an import, in order."""
        return sorted(self._slots)

    def settings(self, address: str) -> Settings | None:
        """The settings last known of the import behind an address."""
        slot = self._slots.get(address)
        return slot.current.settings if slot is not None else None

    def protected(self, address: str) -> bool:
        """Whether the state guards the import behind an address against deletion."""
        slot = self._slots.get(address)
        return slot is not None and slot.protect

    def import_id(self, address: str) -> str | None:
        """The id behind an address, None where there is none or where the platform no longer has it."""
        slot = self._slots.get(address)
        return slot.current.id if slot is not None and not slot.current.gone else None

    def owned_ids(self, datamart_id: str) -> dict[str, str]:
        """Every import id of a datamart that this state holds, current or former, with its address."""
        return {
            import_.id: address
            for address, slot in self._slots.items()
            for import_ in slot.all()
            if import_.settings.datamart_id == datamart_id
        }

    def living(self, datamart_id: str) -> set[str]:
        """Every import id of a datamart that this state holds and that the platform had when last asked."""
        return {
            import_.id
            for slot in self._slots.values()
            for import_ in slot.all()
            if import_.settings.datamart_id == datamart_id and not import_.gone
        }

    def loaded(self, kind: tuple[str, str], sha256: str) -> list[Loaded]:
        """Where this content was accepted, in this datamart and document type, under whatever address."""
        return [
            Loaded(address, import_id, execution)
            for address, import_id, execution_id in self._contents.get(sha256, ())
            if (execution := self._execution(address, import_id, execution_id, kind=kind)) is not None
            and execution.sha256 == sha256
        ]

    def gone(self, address: str) -> bool:
        """Whether the platform was seen without the import that stood behind this address."""
        slot = self._slots.get(address)
        return slot is not None and slot.current.gone

    def former(self, address: str) -> list[Incarnation]:
        """The imports that the one of this address replaced and that may still be there, without their ledgers."""
        slot = self._slots.get(address)
        return [Incarnation(f.id, f.settings, f.adopted) for f in slot.former if not f.gone] if slot is not None else []

    def last_of(self, address: str, source: str) -> Execution | None:
        """The newest accepted part of this source path under any batch of this address."""
        return self._newest.get((base_of(address), source))

    def refusals(self, address: str) -> dict[str, int]:
        """The parts that the import of today behind this address refused: HTTP status by sha256."""
        slot = self._slots.get(address)
        return {r.sha256: r.status for r in slot.current.refusals.values()} if slot is not None else {}

    def open_doubts(self) -> list[OpenDoubt]:
        """Every upload whose answer was lost and was not settled yet, by address."""
        return [
            OpenDoubt(
                address, import_.id, import_.settings.kind, doubt.sha256, import_ is slot.current and not import_.gone
            )
            for address, slot in sorted(self._slots.items())
            for import_ in slot.all()
            for doubt in import_.doubts.values()
        ]

    def known_executions(self, address: str) -> frozenset[str]:
        """The execution ids of an address's current import that are in the ledger."""
        slot = self._slots.get(address)
        return frozenset(slot.current.executions) if slot is not None else frozenset()

    def doubts(self, address: str) -> list[Doubt]:
        """The uploads into an address's current import whose outcome is not known."""
        slot = self._slots.get(address)
        return list(slot.current.doubts.values()) if slot is not None else []

    def stranger_digests(self, address: str) -> dict[str, str]:
        """The digests of strangers' input files that were read, by execution id."""
        return {s.id: s.sha256 for s in self._slots[address].current.strangers.values()}

    def accepted(self, address: str, import_id: str, execution_id: str) -> Loaded:
        """One accepted part, which must be there."""
        return Loaded(address, import_id, self._find(address, import_id).executions[execution_id])

    def creating(self, address: str) -> Creating | None:
        """The creation of this address whose outcome is not known."""
        return self._creating.get(address)

    # The fold.

    def extend(self, entries: Iterable[journal.Entry]) -> None:
        """Fold entries in, in their order."""
        for entry in entries:
            self.add(entry)

    def add(self, entry: journal.Entry) -> None:
        """Fold one entry in."""
        match entry:
            case journal.RunBegun():
                pass
            case journal.CreateBegun():
                self._creating[entry.address] = Creating(entry.settings, entry.known)
            case journal.ImportCreated():
                self._stand(entry.address, HeldImport(entry.id, entry.settings), entry.protect)
            case journal.ImportAdopted():
                import_ = HeldImport(entry.id, entry.settings, adopted=not entry.ours)
                self._stand(entry.address, import_, entry.protect)
            case journal.CreateAbandoned():
                self._creating.pop(entry.address, None)
            case journal.ImportMoved():
                self._move(entry.source, entry.target)
            case _:
                slot = self._slots.get(entry.address)
                if slot is not None:
                    self._add_to(slot, entry)

    def _add_to(
        self,
        slot: Slot,
        entry: journal.ChangeBegun
        | journal.ImportChanged
        | journal.GuardChanged
        | journal.ImportGone
        | journal.UploadBegun
        | journal.UploadAccepted
        | journal.UploadDoubted
        | journal.UploadAbandoned
        | journal.UploadRefused
        | journal.ExecutionAdopted
        | journal.StrangerRead
        | journal.ExecutionSettled,
    ) -> None:
        match entry:
            case journal.ChangeBegun():
                pass
            case journal.ImportChanged():
                slot.current.settings = entry.settings
            case journal.GuardChanged():
                slot.protect = entry.protect
            case journal.ImportGone():
                for import_ in slot.all():
                    if import_.id == entry.id:
                        import_.gone = True
            case journal.StrangerRead():
                slot.current.strangers[entry.id] = Stranger(entry.id, entry.sha256)
            case journal.ExecutionSettled():
                self._settle(slot, entry)
            case _:
                self._add_upload(slot, entry)

    def _add_upload(
        self,
        slot: Slot,
        entry: journal.UploadBegun
        | journal.UploadAccepted
        | journal.UploadDoubted
        | journal.UploadAbandoned
        | journal.UploadRefused
        | journal.ExecutionAdopted,
    ) -> None:
        import_ = slot.current
        match entry:
            case journal.UploadBegun():
                import_.doubts[entry.attempt] = Doubt(
                    entry.attempt,
                    entry.source,
                    entry.part,
                    entry.sha256,
                    entry.bytes,
                    entry.records,
                    entry.lines,
                    entry.strangers,
                )
            case journal.UploadDoubted():
                if (doubt := import_.doubts.get(entry.attempt)) is not None:
                    import_.doubts[entry.attempt] = msgspec.structs.replace(doubt, body_left=entry.body_left)
            case journal.UploadAbandoned():
                import_.doubts.pop(entry.attempt, None)
            case journal.UploadRefused():
                if (doubt := import_.doubts.pop(entry.attempt, None)) is not None:
                    refusal = Refusal(doubt.source, doubt.part, doubt.sha256, entry.status)
                    import_.refusals[refusal.source, refusal.part, refusal.sha256] = refusal
            case journal.UploadAccepted():
                if (doubt := import_.doubts.pop(entry.attempt, None)) is not None:
                    self._accept(entry.address, import_, doubt, entry)
            case journal.ExecutionAdopted():
                for attempt in [a for a, d in import_.doubts.items() if d.sha256 == entry.sha256]:
                    del import_.doubts[attempt]
                self._accept(entry.address, import_, entry, entry)
            case _:
                assert_never(entry)

    def _accept(
        self,
        address: str,
        import_: HeldImport,
        part: Doubt | journal.ExecutionAdopted,
        answer: journal.UploadAccepted | journal.ExecutionAdopted,
    ) -> None:
        import_.refusals.pop((part.source, part.part, part.sha256), None)
        import_.strangers.pop(answer.id, None)
        execution = Execution(
            answer.id,
            part.source,
            part.part,
            part.sha256,
            part.bytes,
            part.records,
            # Its end counts once its figures were judged: ExecutionSettled says so, and a run may die before that.
            RUNNING if answer.status in ENDED else answer.status,
            answer.creation_date,
        )
        import_.executions[answer.id] = execution
        self._index(address, import_, execution)

    def _settle(self, slot: Slot, entry: journal.ExecutionSettled) -> None:
        for import_ in slot.all():
            if (execution := import_.executions.get(entry.id)) is not None:
                import_.executions[entry.id] = msgspec.structs.replace(
                    execution,
                    status=entry.status,
                    total_success=entry.total_success,
                    total_failure=entry.total_failure,
                )

    def _stand(self, address: str, import_: HeldImport, protect: bool) -> None:  # noqa: FBT001 (a field, not a switch)
        """Put an import behind an address; the one that stood there becomes a former one."""
        self._creating.pop(address, None)
        slot = self._slots.get(address)
        if slot is None:
            self._slots[address] = Slot(import_, protect, [])
            return
        stood = slot.all()
        # One that comes back brings along what was loaded through it.
        known = next((i for i in stood if i.id == import_.id), None)
        if known is not None:
            known.settings, known.gone = import_.settings, False
        current = known or import_
        self._slots[address] = Slot(current, protect, [i for i in reversed(stood) if i is not current])

    def _move(self, source: str, target: str) -> None:
        slot = self._slots.pop(source, None)
        if slot is None:
            return
        there = self._slots.get(target)
        if there is not None:
            # Whatever stood there keeps its ledger: what was loaded through it stays loaded.
            slot = Slot(slot.current, slot.protect or there.protect, [*reversed(there.all()), *slot.former])
        self._slots[target] = slot
        for import_ in reversed(slot.all()):
            for execution in import_.executions.values():
                self._index(target, import_, execution)
        if (creating := self._creating.pop(source, None)) is not None:
            self._creating[target] = creating

    def _index(self, address: str, import_: HeldImport, execution: Execution) -> None:
        self._contents.setdefault(execution.sha256, {})[address, import_.id, execution.id] = None
        self._newest[base_of(address), execution.source] = execution

    def _execution(self, address: str, import_id: str, execution_id: str, *, kind: tuple[str, str]) -> Execution | None:
        slot = self._slots.get(address)
        for import_ in slot.all() if slot is not None else ():
            if import_.id == import_id and import_.settings.kind == kind and execution_id in import_.executions:
                return import_.executions[execution_id]
        return None

    def _find(self, address: str, import_id: str) -> HeldImport:
        return next(i for i in self._slots[address].all() if i.id == import_id)

    def unsettled(self) -> Iterator[Loaded]:
        """Every accepted part whose execution had not ended when last seen, and whose import is still there."""
        for address, slot in sorted(self._slots.items()):
            for import_ in (i for i in slot.all() if not i.gone):
                for execution in import_.executions.values():
                    if execution.status not in ENDED:
                        yield Loaded(address, import_.id, execution)
