"""What two values of a manifest mean together, checked on all that are right by themselves, whatever their neighbours.

Within one import (`import_faults`), between imports (`import_clashes`), and between imports and moves (`move_faults`).
Nothing here knows YAML; where a place is needed beyond those the values carry, the caller gives it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mics_iac.core.manifest import DOCUMENT_TYPES, Place
from mics_iac.core.remote import is_remote
from mics_iac.core.scalars import UNKNOWN_TYPE
from mics_iac.core.wording import Hints, listed, quoted, visible
from mics_iac.errors import Problem


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StatedImport:
    """One import so far as what is written of it is right; None where a value is not there, or at fault."""

    datamart: str
    realm: tuple[str, str]
    """What tells datamarts apart: the id, or the key where the id is at fault."""
    key: str
    place: Place
    name: str | None
    document_type: str | None
    mime_type: str | None
    batch: str | None
    batch_known: bool
    """False: there may be a batch, and it is at fault."""
    adopt: str | None
    any_type: bool
    """Document types that the tool does not know pass, or may do."""
    confined: tuple[tuple[str, Place], ...]
    """Paths of sources that must stay in the manifest's folder, remote ones among them: these are in none."""
    place_of: Callable[[str], Place]
    """Place of the value of a key that is not None here."""

    @property
    def base(self) -> str:
        """`datamart/import`."""
        return f"{self.datamart}/{self.key}"

    @property
    def address(self) -> str:
        """The address, as it is written: a key in it may be at fault."""
        return self.base if self.batch is None else f"{self.base}@{self.batch}"


@dataclass(frozen=True, slots=True, eq=False)
class StatedMove:
    """One move; None where an address is not there, or at fault."""

    source: str | None
    target: str | None
    place: Place


def import_faults(one: StatedImport, *, hints: Hints) -> Iterator[Problem]:
    """What is wrong inside one import."""
    kind = one.document_type
    if kind is not None and kind not in DOCUMENT_TYPES and not (one.any_type and re.fullmatch(UNKNOWN_TYPE, kind)):
        message = _unknown_type(kind, any_type=one.any_type, hints=hints)
        yield _at(one.place_of("document_type"), "MICS107", message)
    elif one.mime_type == "TEXT_CSV" and kind not in (None, "USER_SEGMENT"):
        # mediarithmics-api.md 2.1, documented.
        message = f"TEXT_CSV goes with USER_SEGMENT only, not with {kind}; write APPLICATION_X_NDJSON"
        yield _at(one.place_of("mime_type"), "MICS119", message)
    if one.batch is not None and one.name is not None and one.batch not in one.name:
        message = f"the batch {quoted(one.batch)} does not stand in the name {quoted(one.name)}; put it there"
        yield _at(one.place_of("name"), "MICS115", message)
    for path, place in one.confined:
        if not is_remote(path) and (path.startswith("/") or ".." in path.split("/")):
            # As the path is written; links are followed, and this is checked again, when the files are found.
            message = f"{quoted(path)} leaves the manifest's folder; set `allow_outside: true` on it to allow that"
            yield _at(place, "MICS202", message)


def _unknown_type(name: str, *, any_type: bool, hints: Hints) -> str:
    if any_type:
        return f"{quoted(name)} can be no document type; they are written in capitals, digits and `_`"
    hint = hints.did_you_mean(name, DOCUMENT_TYPES) or f" Known are {listed(sorted(DOCUMENT_TYPES), last='and')}."
    return f"unknown document type {quoted(name)}.{hint} To use it anyway, set `allow_unknown_document_type: true`."


def import_clashes(imports: Sequence[StatedImport], *, datamarts: Mapping[str, tuple[str, Place]]) -> Iterator[Problem]:
    """What two imports, or two datamarts (id and its place by key), must not share."""
    ids: dict[str, tuple[str, Place]] = {}
    for key, (number, place) in sorted(datamarts.items(), key=lambda item: item[1][1]):
        other, first = ids.setdefault(number, (key, place))
        if other != key:
            message = f"the datamart {quoted(other)} has the id {number} too, at {first}; put all under one key"
            yield _at(place, "MICS117", message)
    names: dict[tuple[tuple[str, str], str, str], StatedImport] = {}
    adopted: dict[tuple[tuple[str, str], str], StatedImport] = {}
    for one in sorted(imports, key=lambda one: one.place):
        if one.name is not None and one.document_type is not None:
            same = names.setdefault((one.realm, one.name, one.document_type), one)
            if same is not one:
                message = (
                    f"{visible(same.address)} at {same.place_of('name')} has the same name {quoted(one.name)} "
                    "and document type; give each a name of its own"
                )
                yield _at(one.place_of("name"), "MICS116", message)
        if one.adopt is not None:
            same = adopted.setdefault((one.realm, one.adopt), one)
            if same is not one:
                message = (
                    f"{visible(same.address)} at {same.place_of('adopt')} adopts the import {one.adopt} too; "
                    "remove one of the two"
                )
                yield _at(one.place_of("adopt"), "MICS118", message)


def move_faults(
    moves: Iterable[StatedMove],
    *,
    imports: Sequence[StatedImport],
    undecided: Callable[[str], bool],
    hints: Hints,
) -> Iterator[Problem]:
    """Moves that name what is not there, or contradict each other.

    `undecided` tells of an address without batch that no import has whether it stands, or may stand, where the manifest
    cannot be read: then nothing is said of it.
    """
    in_order = sorted(moves, key=lambda move: move.place)
    if not in_order:
        return
    declared = _Declared(imports, undecided)
    tangled = set()
    for move, message in _tangles(in_order):
        tangled.add(move)
        yield _at(move.place, "MICS123", message)
    for move in in_order:
        if move in tangled:
            continue
        if move.target is not None and not declared.takes(move.target, source=move.source):
            hint = hints.did_you_mean(move.target, declared.choices)
            message = f"nothing is declared at {move.target}; declare the import there, or correct the address.{hint}"
            yield _at(move.place, "MICS121", message)
        if move.source is not None and declared.still_has(move.source, target=move.target):
            message = f"{move.source} is still declared, so it was not moved; rename its key, or remove the move"
            yield _at(move.place, "MICS122", message)


class _Declared:
    """The addresses that imports stand at; `batched` is None where an import may have a batch, and it is at fault."""

    def __init__(self, imports: Iterable[StatedImport], undecided: Callable[[str], bool]) -> None:
        named = [one for one in imports if "@" not in one.key]  # else an address would be read otherwise than written
        self._undecided = undecided
        self._addresses = {one.address for one in named if one.batch_known}
        self._batched = {one.base: (one.batch is not None) if one.batch_known else None for one in named}
        self.choices = sorted(self._addresses | self._batched.keys())

    def takes(self, target: str, *, source: str | None) -> bool:
        """Earlier batches stay as they are, so an address with a batch needs an import that has batches at all."""
        base = _base(target)
        if base not in self._batched:
            return self._undecided(base)
        batched = self._batched[base]
        if batched is None:
            return True
        if "@" in target:
            return batched
        return source is None or "@" not in source or not batched

    def still_has(self, source: str, *, target: str | None) -> bool:
        return source in (self._addresses if target is None or "@" in source + target else self._batched)


def _tangles(moves: Sequence[StatedMove]) -> Iterator[tuple[StatedMove, str]]:
    """Moves that cannot all be done: of one thing, to one thing, in a chain or a circle."""
    sources, targets = _Taken(), _Taken()
    for move in moves:
        sources.add(move.source, move)
    for move in moves:
        targets.add(move.target, move)
        if move.source is not None and move.source == move.target:
            yield move, f"{move.source} is moved to itself; remove the move"
        elif (first := sources.meets(move.source)) is not None and first is not move:
            yield move, f"{move.source} is moved at {first.place} already; keep one of the two"
        elif (other := targets.meets(move.target)) is not None and other is not move:
            before = other.source or "something"
            yield move, f"{move.target} is what {before} was moved to, at {other.place}; two cannot become one"
        elif (onward := sources.meets(move.target)) is not None and onward is not move:
            start = move.source or "the oldest address"
            yield move, f"{move.target} is moved on at {onward.place}; write one move from {start} to its end"


class _Taken:
    """Addresses that moves speak of; `datamart/import` covers all its batches."""

    def __init__(self) -> None:
        self._exact: dict[str, StatedMove] = {}
        self._bases: dict[str, StatedMove] = {}

    def add(self, address: str | None, move: StatedMove) -> None:
        if address is not None:
            self._exact.setdefault(address, move)
            self._bases.setdefault(_base(address), move)

    def meets(self, address: str | None) -> StatedMove | None:
        """The first move that speaks of the address, of all its batches, or of one of them."""
        if address is None:
            return None
        found = [self._exact.get(address), self._exact.get(_base(address))]
        if "@" not in address:
            found.append(self._bases.get(address))
        return min((move for move in found if move is not None), key=lambda move: move.place, default=None)


def _base(address: str) -> str:
    return address.partition("@")[0]


def _at(place: Place, code: str, message: str) -> Problem:
    return Problem(place.file, place.line, place.column, code, message)
