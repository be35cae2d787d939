"""How it stands with a state and what lies beside it, and what must hold in every state.

Pure values and rules. Made by `store/survey`, shown by `state check`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import msgspec

from mics_iac.core.address import ADDRESS
from mics_iac.core.state import Incarnation, State

_SHA256 = re.compile(r"[0-9a-f]{64}")


class OpenUpload(msgspec.Struct, frozen=True):
    """An upload whose outcome is not known yet."""

    address: str
    import_id: str
    source: str


class SavedState(msgspec.Struct, frozen=True):
    """A state as saved, the one of today or a backup. All but `where` is None where it cannot be read.

    `moved_to` is where it was moved to, "" where it was not.
    """

    where: str
    lineage: str | None = None
    serial: int | None = None
    imports: int | None = None
    executions: int | None = None
    damage: str | None = None
    moved_to: str | None = None


class FoundJournal(msgspec.Struct, frozen=True):
    """A run that has not been folded into the state: who and what it was, how much of its journal can be read.

    `at` is epoch milliseconds, `torn` bytes of a last line that was not written to its end. `folded`: all of it is in
    the state already.
    """

    where: str
    entries: int
    torn: int = 0
    folded: bool = False
    who: str | None = None
    command: str | None = None
    at: int | None = None
    damage: str | None = None


class Trouble(msgspec.Struct, frozen=True):
    """Something that is wrong, and what to do about it."""

    message: str
    remedy: str


class KeptHere(msgspec.Struct, frozen=True):
    """Outcomes that a run kept on this machine; `damage` is why not all of them can be read, None if they can."""

    where: str
    entries: int
    damage: str | None = None


class Health(msgspec.Struct, frozen=True):
    """Everything that was found of one environment; `state` is None where none was saved.

    `kept` was taken into account. `doubts` and `creating` (addresses) are what the next apply has to find out. `faults`
    are all that is wrong: with the state, with a journal, or with what the state says.
    """

    state: SavedState | None
    journals: tuple[FoundJournal, ...]
    backups: tuple[SavedState, ...]
    doubts: tuple[OpenUpload, ...]
    creating: tuple[str, ...]
    faults: tuple[Trouble, ...]
    kept: tuple[KeptHere, ...] = ()


class Mended(msgspec.Struct, frozen=True):
    """What was mended.

    `state`: the state was made again, from the backup `built_on` (None: there was none), with so many `entries` of the
    journals. `aside` are the places of journals that were set aside, `kept` that of the damaged state's bytes.
    """

    state: bool
    built_on: str | None
    entries: int
    aside: tuple[str, ...]
    kept: str | None


def saved_state(where: str, state: State) -> SavedState:
    """The figures of a state that can be read."""
    imports = [i for value in state.imports.values() for i in (value.current, *value.former)]
    executions = sum(len(i.executions) for i in imports)
    return SavedState(where, state.lineage, state.serial, len(state.imports), executions, moved_to=state.moved_to)


def audit(state: State) -> Iterator[str]:
    """What does not hold in a state although it must, as sentences; nothing for every state this tool ever wrote."""
    if not state.lineage:
        yield "the state has no lineage"
    stands = Counter[tuple[str, str]]()
    for address, value in state.imports.items():
        if not re.fullmatch(ADDRESS, address):
            yield f"{address!r} is no address"
        for import_ in (value.current, *value.former):
            stands[import_.settings.datamart_id, import_.id] += 1
            yield from (f"{address}: import {import_.id}: {what}" for what in _audit_import(import_))
    for (datamart_id, import_id), count in stands.items():
        if count > 1:
            yield f"import {import_id} of datamart {datamart_id} stands {count} times in the state"


def _audit_import(import_: Incarnation) -> Iterator[str]:
    ids = Counter(e.id for e in import_.executions)
    yield from (f"execution {id_} stands there {count} times" for id_, count in ids.items() if count > 1)
    for e in import_.executions:
        if not _SHA256.fullmatch(e.sha256):
            yield f"execution {e.id} has no sha256"
        if min(e.part - 1, e.bytes, e.records, e.total_success or 0, e.total_failure or 0) < 0:
            yield f"execution {e.id} has a count that cannot be"
    yield from (f"the upload {d.attempt} has no sha256" for d in import_.doubts if not _SHA256.fullmatch(d.sha256))
