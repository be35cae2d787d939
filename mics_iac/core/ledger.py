"""The ledger: a State in the making, with an index by content.

Pure: `add` folds one Entry in, `state` gives the value. The planner asks it what was loaded, a running apply keeps it
up to date; both see the same thing because there is one fold. Not thread-safe: `store/held` guards it.

An entry about an address or an import that the ledger does not hold is passed over: it can only come from a journal
that outlived its state (a restored backup), and whatever it did is found again on the platform by name, type and bytes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import TypeAlias, assert_never

import msgspec

from mics_iac.core import journal
from mics_iac.core.index import Index
from mics_iac.core.loaded import Doubting, FoundCut, Loaded, OpenDoubt
from mics_iac.core.observed import ENDED, FAILED
from mics_iac.core.settings import Settings
from mics_iac.core.slots import HeldImport, Outcome, Slot, cut_key
from mics_iac.core.state import Creating, Doubt, Execution, ImportState, Incarnation, State, Stranger

_ToImport: TypeAlias = (
    journal.SourceCut
    | journal.UploadBegun
    | journal.ExecutionAdopted
    | journal.StrangerRead
    | journal.StrangerDismissed
)
_ToSlot: TypeAlias = (
    Outcome
    | _ToImport
    | journal.ChangeBegun
    | journal.ImportChanged
    | journal.GuardChanged
    | journal.ImportGone
    | journal.ExecutionSettled
)


class Ledger:
    """A State that entries can be added to, with what was loaded indexed by content."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._slots = {
            address: Slot(HeldImport.thaw(value.current), value.protect, [HeldImport.thaw(f) for f in value.former])
            for address, value in state.imports.items()
        }
        self._creating = dict(state.creating)
        self._forgotten = {address: [HeldImport.thaw(i) for i in held] for address, held in state.forgotten.items()}
        self._index = Index()
        for address, slot in self._slots.items():
            for import_ in [*slot.former, slot.current]:
                self._index.add(address, import_)
        for address, held in self._forgotten.items():
            for import_ in held:
                self._index.add(address, import_)

    def state(self) -> State:
        """The state as it stands now, with addresses in order."""
        imports = {
            address: ImportState(slot.current.freeze(), slot.protect, tuple(f.freeze() for f in slot.former))
            for address, slot in sorted(self._slots.items())
        }
        return msgspec.structs.replace(
            self._state,
            imports=imports,
            creating=dict(sorted(self._creating.items())),
            forgotten={a: tuple(i.freeze() for i in held) for a, held in sorted(self._forgotten.items())},
        )

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
        found: list[Loaded] = []
        for address, import_id, execution_id in self._index.executions(sha256):
            for import_ in self._held(address):
                if import_.id == import_id and (execution := import_.executions.get(execution_id)) is not None:
                    if import_.settings.kind == kind and execution.sha256 == sha256:
                        found.append(Loaded(address, import_id, execution, import_.gone))
                    break
        return found

    def cuts(self, kind: tuple[str, str], sha256: str) -> list[FoundCut]:
        """How a content is or was loaded that did not go out in one piece, under whatever address; the newest last."""
        return [found for found in self._cuts_at(sha256) if found.kind == kind and found.cut.sha256 == sha256]

    def cuts_of(self, kind: tuple[str, str], source: str) -> list[FoundCut]:
        """The same for a source by its path, whatever its content was."""
        return [found for found in self._cuts_at(source) if found.kind == kind and found.cut.source == source]

    def contents(self, address: str) -> Iterator[tuple[int, str]]:
        """What was loaded there, or begun to be, from the first byte of a source: length in bytes, and sha256."""
        for import_ in self._slots[address].all():
            for execution in import_.executions.values():
                if execution.part == 1 and execution.status not in FAILED:
                    yield execution.bytes, execution.sha256
            for cut in import_.cuts.values():
                yield cut.bytes, cut.sha256

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
        return self._index.newest(address, source)

    def has_source(self, address: str, kind: tuple[str, str], source: str, length: int) -> bool:
        """Whether content of this length was loaded, or begun to be, from that path under any batch of this address."""
        newest = self._index.newest(address, source)
        return (newest is not None and newest.bytes == length) or any(
            found.cut.bytes == length for found in self.cuts_of(kind, source)
        )

    def refusals(self, address: str) -> dict[str, int]:
        """The parts that the import of today behind this address refused: HTTP status by sha256."""
        slot = self._slots.get(address)
        return {r.sha256: r.status for r in slot.current.refusals.values()} if slot is not None else {}

    def open_doubts(self) -> list[OpenDoubt]:
        """Every upload whose answer was lost and was not settled yet, by address."""
        return [
            OpenDoubt(address, import_.id, import_.settings.kind, d.source, d.part, d.sha256, askable=not import_.gone)
            for address, slot in sorted(self._slots.items())
            for import_ in slot.all()
            for d in import_.doubts.values()
        ]

    def doubting(self) -> list[Doubting]:
        """Every import that can be asked about uploads whose outcome is not known, by address."""
        return [
            Doubting(address, i.id, i.settings, tuple(i.doubts.values()), current=i is slot.current)
            for address, slot in sorted(self._slots.items())
            for i in slot.all()
            if i.doubts and not i.gone
        ]

    def known_executions(self, address: str, import_id: str | None = None) -> frozenset[str]:
        """The execution ids in the ledger of an import of this address: of that id, or (None) that of today."""
        import_ = self._one(address, import_id)
        return frozenset(import_.executions) if import_ is not None else frozenset()

    def doubts(self, address: str) -> list[Doubt]:
        """The uploads into an address's current import whose outcome is not known."""
        slot = self._slots.get(address)
        return list(slot.current.doubts.values()) if slot is not None else []

    def strangers(self, address: str, import_id: str) -> dict[str, Stranger]:
        """What is known of the executions that others made in this import, by id."""
        import_ = self._one(address, import_id)
        return dict(import_.strangers) if import_ is not None else {}

    def accepted(self, address: str, import_id: str, execution_id: str) -> Loaded:
        """One accepted part, which must be there."""
        return Loaded(address, import_id, self._find(address, import_id).executions[execution_id])

    def creations(self) -> list[str]:
        """The addresses of creations whose outcome is not known."""
        return sorted(self._creating)

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
            case journal.ImportForgotten():
                self._forget(entry.address)
            case _:
                slot = self._slots.get(entry.address)
                if slot is not None:
                    self._add_to(entry.address, slot, entry)

    def _add_to(self, address: str, slot: Slot, entry: _ToSlot) -> None:
        match entry:
            case journal.ChangeBegun():
                pass
            case journal.ImportChanged():
                slot.current.settings = entry.settings
            case journal.GuardChanged():
                slot.protect = entry.protect
            case journal.ExecutionSettled():
                self._settle(slot, entry)
            case (
                journal.UploadAccepted() | journal.UploadDoubted() | journal.UploadAbandoned() | journal.UploadRefused()
            ):
                if (sending := slot.sending(entry.attempt)) is not None:
                    self._accept(address, sending, sending.end(entry))
            case journal.ImportGone():
                if (import_ := slot.of(entry.id)) is not None:
                    import_.gone = True
            case _:
                if (import_ := slot.of(entry.import_id)) is not None:
                    self._add_to_import(address, import_, entry)

    def _add_to_import(self, address: str, import_: HeldImport, entry: _ToImport) -> None:
        match entry:
            case journal.SourceCut():
                import_.cuts[cut_key(entry.cut)] = entry.cut
                self._index.add_cut(address, import_.id, entry.cut)
            case journal.UploadBegun():
                import_.begin(entry)
            case journal.ExecutionAdopted():
                self._accept(address, import_, import_.adopt(entry))
            case journal.StrangerRead() | journal.StrangerDismissed():
                import_.read(entry)
            case _:
                assert_never(entry)

    def _accept(self, address: str, import_: HeldImport, execution: Execution | None) -> None:
        if execution is not None:
            self._index.add_execution(address, import_.id, execution)

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
        self._remember(address, import_)
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

    def _forget(self, address: str) -> None:
        self._creating.pop(address, None)
        slot = self._slots.pop(address, None)
        if slot is not None:
            self._forgotten[address] = [*self._forgotten.get(address, []), *slot.all()]

    def _remember(self, address: str, import_: HeldImport) -> None:
        """An import that a person had forgotten comes back, under whatever address, with what it loaded."""
        for former, held in list(self._forgotten.items()):
            for known in [i for i in held if i.id == import_.id and i.settings.kind[0] == import_.settings.kind[0]]:
                import_.bring(known)
                held.remove(known)
            if not held:
                del self._forgotten[former]
        self._index.add(address, import_)

    def _move(self, source: str, target: str) -> None:
        if (creating := self._creating.pop(source, None)) is not None:
            self._creating[target] = creating
        slot = self._slots.pop(source, None)
        if slot is None:
            return
        there = self._slots.get(target)
        if there is not None:
            # Whatever stood there keeps its ledger: what was loaded through it stays loaded.
            slot = Slot(slot.current, slot.protect or there.protect, [*reversed(there.all()), *slot.former])
        self._slots[target] = slot
        for import_ in reversed(slot.all()):
            self._index.add(target, import_)

    def _cuts_at(self, key: str) -> Iterator[FoundCut]:
        for address, import_id, which in self._index.cuts(key):
            for import_ in self._held(address):
                if import_.id == import_id and (cut := import_.cuts.get(which)) is not None:
                    yield FoundCut(address, import_id, import_.settings.kind, cut)

    def _held(self, address: str) -> list[HeldImport]:
        """Every import that stands, stood or was forgotten there."""
        slot = self._slots.get(address)
        return [*(slot.all() if slot is not None else ()), *self._forgotten.get(address, [])]

    def _one(self, address: str, import_id: str | None) -> HeldImport | None:
        slot = self._slots.get(address)
        if slot is None:
            return None
        return slot.current if import_id is None else slot.of(import_id)

    def _find(self, address: str, import_id: str) -> HeldImport:
        return next(i for i in self._slots[address].all() if i.id == import_id)

    def unsettled(self) -> Iterator[Loaded]:
        """Every accepted part whose execution had not ended when last seen, and whose import is still there."""
        for address, slot in sorted(self._slots.items()):
            for import_ in (i for i in slot.all() if not i.gone):
                for execution in import_.executions.values():
                    if execution.status not in ENDED:
                        yield Loaded(address, import_.id, execution)
