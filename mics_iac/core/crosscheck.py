"""What two values of a manifest mean together, checked on those that are right by themselves.

Within one import (`import_faults`), between imports (`import_clashes`), and between imports and moves (`move_faults`).
Nothing here knows YAML; where a place is needed beyond those the values carry, the caller gives it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from mics_iac.core.manifest import DOCUMENT_TYPES, Import, Moved, Place, SourceSpec
from mics_iac.core.scalars import UNKNOWN_TYPE
from mics_iac.core.wording import did_you_mean, listed, quoted
from mics_iac.errors import Problem


def import_faults(one: Import, *, any_type: bool, place_of: Callable[[str], Place]) -> Iterator[Problem]:
    """What is wrong inside one import. `any_type`: unknown document types pass. `place_of`: place of a key's value."""
    if one.document_type not in DOCUMENT_TYPES and not (any_type and re.fullmatch(UNKNOWN_TYPE, one.document_type)):
        yield _at(place_of("document_type"), "MICS107", _unknown_type(one.document_type, any_type=any_type))
    elif one.mime_type == "TEXT_CSV" and one.document_type != "USER_SEGMENT":
        # mediarithmics-api.md 2.1, documented.
        message = f"TEXT_CSV goes with USER_SEGMENT only, not with {one.document_type}; write APPLICATION_X_NDJSON"
        yield _at(place_of("mime_type"), "MICS119", message)
    if one.batch is not None and one.batch not in one.name:
        message = f"the batch {quoted(one.batch)} does not stand in the name {quoted(one.name)}; put it there"
        yield _at(one.name_place, "MICS115", message)
    for source in one.sources:
        yield from _leaving(source)


def _unknown_type(name: str, *, any_type: bool) -> str:
    if any_type:
        return f"{quoted(name)} can be no document type; they are written in capitals, digits and `_`"
    hint = did_you_mean(name, DOCUMENT_TYPES) or f" Known are {listed(sorted(DOCUMENT_TYPES), last='and')}."
    return f"unknown document type {quoted(name)}.{hint} To use it anyway, set `allow_unknown_document_type: true`."


def _leaving(source: SourceSpec) -> Iterator[Problem]:
    """As the path is written; links are followed, and this is checked again, when the files are found."""
    if not source.allow_outside and (source.path.startswith("/") or ".." in source.path.split("/")):
        message = f"{quoted(source.path)} leaves the manifest's folder; set `allow_outside: true` on it to allow that"
        yield _at(source.place, "MICS202", message)


def import_clashes(imports: Sequence[Import], *, datamarts: Mapping[str, tuple[str, Place]]) -> Iterator[Problem]:
    """What two imports, or two datamarts (id and its place by key), must not share."""
    ids: dict[str, tuple[str, Place]] = {}
    for key, (number, place) in sorted(datamarts.items(), key=lambda item: item[1][1]):
        other, first = ids.setdefault(number, (key, place))
        if other != key:
            message = f"the datamart {quoted(other)} has the id {number} too, at {first}; put all under one key"
            yield _at(place, "MICS117", message)
    in_order = sorted(imports, key=lambda one: one.place)
    names: dict[tuple[str, str, str], Import] = {}
    adopted: dict[tuple[str, str], Import] = {}
    for one in in_order:
        same = names.setdefault((one.datamart_id, one.name, one.document_type), one)
        if same is not one:
            message = (
                f"{same.address} at {same.name_place} has the same name {quoted(one.name)} and document type; "
                "give each a name of its own"
            )
            yield _at(one.name_place, "MICS116", message)
        if one.adopt is None or one.adopt_place is None:
            continue
        same = adopted.setdefault((one.datamart_id, one.adopt), one)
        if same is not one:
            message = f"{same.address} at {same.adopt_place} adopts the import {one.adopt} too; remove one of the two"
            yield _at(one.adopt_place, "MICS118", message)


def move_faults(
    moves: Iterable[Moved], *, imports: Sequence[Import], undecided: Callable[[str], bool]
) -> Iterator[Problem]:
    """Moves that name what is not there, or contradict each other.

    `undecided` tells of an address without batch that it is declared with mistakes, so that nothing can be said of it.
    """
    in_order = sorted(moves, key=lambda move: move.place)
    addresses = {one.address for one in imports}
    batched = {one.base: one.batch is not None for one in imports}
    tangled = set()
    for move, message in _tangles(in_order):
        tangled.add(move)
        yield _at(move.place, "MICS123", message)
    for move in in_order:
        if move in tangled:
            continue
        if not undecided(_base(move.target)) and not _declares(move, addresses=addresses, batched=batched):
            hint = did_you_mean(move.target, sorted(addresses | batched.keys()))
            message = f"nothing is declared at {move.target}; declare the import there, or correct the address.{hint}"
            yield _at(move.place, "MICS121", message)
        if not undecided(_base(move.source)) and _still_there(move, addresses=addresses, batched=batched):
            message = f"{move.source} is still declared, so it was not moved; rename its key, or remove the move"
            yield _at(move.place, "MICS122", message)


def _declares(move: Moved, *, addresses: set[str], batched: Mapping[str, bool]) -> bool:
    """Earlier batches stay as they are, so an address with a batch needs an import that has batches at all."""
    if "@" in move.target:
        return batched.get(_base(move.target), False)
    return move.target in addresses if "@" in move.source else move.target in batched


def _still_there(move: Moved, *, addresses: set[str], batched: Mapping[str, bool]) -> bool:
    return move.source in (addresses if "@" in move.source + move.target else batched)


def _tangles(moves: Sequence[Moved]) -> Iterator[tuple[Moved, str]]:
    """Moves that cannot all be done: of one thing, to one thing, in a chain or a circle."""
    sources, targets = _Taken(), _Taken()
    for move in moves:
        sources.add(move.source, move)
    for move in moves:
        targets.add(move.target, move)
        first = sources.first(move.source)
        if move.source == move.target:
            yield move, f"{move.source} is moved to itself; remove the move"
        elif first is not move:
            yield move, f"{move.source} is moved at {first.place} already; keep one of the two"
        elif (other := targets.first(move.target)) is not move:
            yield move, f"{move.target} is what {other.source} was moved to, at {other.place}; two cannot become one"
        elif (onward := sources.meets(move.target)) is not None and onward is not move:
            message = f"{move.target} is moved on at {onward.place}; write one move from {move.source} to its end"
            yield move, message


class _Taken:
    """Addresses that moves speak of; `datamart/import` covers all its batches."""

    def __init__(self) -> None:
        self._exact: dict[str, Moved] = {}
        self._bases: dict[str, Moved] = {}

    def add(self, address: str, move: Moved) -> None:
        self._exact.setdefault(address, move)
        self._bases.setdefault(_base(address), move)

    def meets(self, address: str) -> Moved | None:
        """The first move that speaks of the address, of all its batches, or of one of them."""
        found = [self._exact.get(address), self._exact.get(_base(address))]
        if "@" not in address:
            found.append(self._bases.get(address))
        return min((move for move in found if move is not None), key=lambda move: move.place, default=None)

    def first(self, address: str) -> Moved:
        """The same for an address that was added."""
        move = self.meets(address)
        assert move is not None
        return move


def _base(address: str) -> str:
    return address.partition("@")[0]


def _at(place: Place, code: str, message: str) -> Problem:
    return Problem(place.file, place.line, place.column, code, message)
