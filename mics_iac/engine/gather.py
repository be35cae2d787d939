"""Looks at the platform, so that the pure core can decide. Changes nothing anywhere."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from mics_iac.core.observed import Listing, Observed, RemoteExecution, RemoteImport
from mics_iac.core.progress import Listing as ListingProgress
from mics_iac.core.progress import Notice
from mics_iac.engine.crew import side_by_side
from mics_iac.engine.world import World
from mics_iac.errors import ApiError, ApiRefused, ApiUnreachable, MicsError, NotAllowed

T = TypeVar("T")
Item = TypeVar("Item", RemoteImport, RemoteExecution)

# Up to how many missing imports are asked for one by one.
_MANY = 20
# How often a list is read again whose pages shifted under the reader, before what was seen in all must do.
_READINGS = 3


def list_datamarts(
    datamart_ids: Iterable[str], world: World, *, needed: Collection[str] | None = None
) -> dict[str, tuple[dict[str, RemoteImport], bool]]:
    """All imports of these datamarts, by datamart id and import id: one paged list each, side by side.

    Each with whether the list held still and all of it could be read. One that is not among the `needed` (None: all
    are) may refuse to be listed: it is left out then, with a notice.
    """
    wanted = sorted(set(datamart_ids))
    count = _Count(world, len(wanted))

    def read(datamart_id: str) -> tuple[dict[str, RemoteImport], bool] | None:
        try:
            found, whole = count.one(lambda: steady(lambda: world.api.list_imports(datamart_id)))
        except (ApiRefused, NotAllowed) as error:
            if needed is None or datamart_id in needed or (isinstance(error, NotAllowed) and error.status == 401):
                raise
            world.tell(Notice(f"datamart {datamart_id}, which the state knows, was left out: {error.message}"))
            return None
        return {i.id: i for i in found}, whole

    listed = zip(wanted, side_by_side(read, wanted, workers=world.limits.parallelism), strict=True)
    return {datamart_id: found for datamart_id, found in listed if found is not None}


def list_executions(wanted: Mapping[str, str], world: World) -> dict[str, tuple[RemoteExecution, ...]]:
    """The executions of these imports, given as import id to datamart id; by import id, one paged list each.

    An import whose list does not hold still is left out: nothing may be concluded from what it does not show. So is one
    whose list is refused, with a notice: that is its own trouble, and stops no other import.
    """
    count = _Count(world, len(wanted))

    def read(import_id: str) -> tuple[tuple[RemoteExecution, ...], bool]:
        try:
            return count.one(lambda: steady(lambda: world.api.list_executions(wanted[import_id], import_id)))
        except (ApiUnreachable, NotAllowed) as error:
            if not isinstance(error, NotAllowed) or error.status == 401:
                raise
            refused: MicsError = error
        except ApiError as error:
            refused = error
        world.tell(Notice(f"the executions of import {import_id} could not be listed: {refused.message}"))
        return (), False

    listed = zip(wanted, side_by_side(read, wanted, workers=world.limits.parallelism), strict=True)
    return {import_id: found for import_id, (found, whole) in listed if whole}


@dataclass(slots=True)
class _Count:
    world: World
    total: int
    _done: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def one(self, work: Callable[[], T]) -> T:
        self.world.stop.check()
        result = work()
        with self._lock:
            self._done += 1
            self.world.tell(ListingProgress(self._done, self.total))
        return result


def steady(read: Callable[[], Listing[Item]]) -> tuple[tuple[Item, ...], bool]:
    """Read a list until its pages hold still: its items, and True; or all that several readings saw, and False."""
    seen: dict[str, Item] = {}
    for _ in range(_READINGS):
        listing = read()
        if listing.steady:
            return listing.items, True
        seen = {item.id: item for item in listing.items} | seen
    return tuple(seen.values()), False


def observe(wanted: Mapping[str, set[str]], world: World, *, needed: Collection[str] | None = None) -> Observed:
    """The imports of these datamarts; executions are added by `with_executions` once it is known whose matter.

    `needed` as for `list_datamarts`. An import that is expected and not in the list is looked for once more before it
    counts as gone, since pages may shift without a sign of it: by its id, or by a second whole list where many are
    missing from a whole one.
    """
    at = world.clock.monotonic()
    listed = list_datamarts(wanted, world, needed=needed)
    imports = {
        datamart_id: _complete(datamart_id, found, wanted[datamart_id], world, whole=whole)
        for datamart_id, (found, whole) in listed.items()
    }
    return Observed(imports, at=at, until=world.clock.monotonic())


def _complete(
    datamart_id: str, found: dict[str, RemoteImport], expected: set[str], world: World, *, whole: bool
) -> dict[str, RemoteImport]:
    """The imports that were listed, and those of the expected that the platform has all the same."""
    if whole and len(expected - found.keys()) > _MANY:
        again, sure = list_datamarts([datamart_id], world)[datamart_id]
        found = again | found
        if sure:
            return found
    ask = partial(world.api.read_import, datamart_id)
    answers = side_by_side(ask, sorted(expected - found.keys()), workers=world.limits.parallelism)
    return found | {remote.id: remote for remote in answers if remote is not None}


def with_executions(observed: Observed, wanted: Mapping[str, str], world: World) -> Observed:
    """The same, with the executions of these imports (import id to datamart id)."""
    executions = list_executions(wanted, world)
    return Observed(observed.imports, executions, at=observed.at, until=world.clock.monotonic())
