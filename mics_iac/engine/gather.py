"""Looks at files and at the platform, so that the pure core can decide. Changes nothing anywhere."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from mics_iac.core.desired import Desired, DesiredImport, Part
from mics_iac.core.manifest import Import, Manifest
from mics_iac.core.observed import Listing, Observed, RemoteExecution, RemoteImport
from mics_iac.core.progress import Listing as ListingProgress
from mics_iac.core.progress import Notice, Reading
from mics_iac.engine.world import World
from mics_iac.errors import ApiError, ApiRefused, ApiUnreachable, ManifestInvalid, MicsError, NotAllowed, Problem
from mics_iac.sources.source import Fingerprint, Found

T = TypeVar("T")
R = TypeVar("R")
Item = TypeVar("Item", RemoteImport, RemoteExecution)

# Up to how many missing imports are asked for one by one.
_MANY = 20
# How often a list is read again whose pages shifted under the reader, before what was seen in all must do.
_READINGS = 3


def find_files(manifest: Manifest, world: World, *, passing_over: bool = False) -> dict[str, tuple[Found, ...]]:
    """The files of each declared import, by address; ManifestInvalid with every source that is wrong.

    With `passing_over`, a source that is wrong is told of, and what can be found is found.
    """
    files: dict[str, tuple[Found, ...]] = {}
    problems: list[Problem] = []
    for declared in manifest.imports:
        found: dict[str, Found] = {}
        for spec in declared.sources:
            matches, wrong = world.source.find(spec)
            found |= {match.path: match for match in matches if match.path not in found}
            problems += wrong
        files[declared.address] = tuple(found.values())
    if problems and not passing_over:
        raise ManifestInvalid(problems)
    for problem in problems:
        world.tell(Notice(f"passed over: {problem}"))
    return files


def read_desired(manifest: Manifest, world: World, *, files: Mapping[str, tuple[Found, ...]]) -> Desired:
    """What should be: every file read once, hashed and counted. SourceFailed when one cannot be read."""
    wanted = {(f, _is_csv(i)): None for i in manifest.imports for f in files[i.address]}
    watch = _Watch(world, total=sum(f.bytes for f, _ in wanted))

    def read(job: tuple[Found, bool]) -> Fingerprint:
        world.stop.check()
        return world.source.fingerprint(job[0], csv=job[1], watch=watch.read)

    prints = dict(zip(wanted, _side_by_side(read, wanted, workers=os.cpu_count() or 1), strict=True))
    imports = [
        DesiredImport(i, tuple(_part(f, prints[f, _is_csv(i)]) for f in files[i.address])) for i in manifest.imports
    ]
    return Desired(tuple(imports), manifest.moved)


def _is_csv(declared: Import) -> bool:
    return declared.mime_type == "TEXT_CSV"


def _part(found: Found, fingerprint: Fingerprint) -> Part:
    f = fingerprint
    return Part(found.path, 1, f.sha256, f.bytes, f.lines, f.records)


@dataclass(slots=True)
class _Watch:
    world: World
    total: int
    _done: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self, more: int) -> None:
        with self._lock:
            self._done += more
            self.world.tell(Reading(self._done, self.total))


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

    listed = zip(wanted, _side_by_side(read, wanted, workers=world.limits.parallelism), strict=True)
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

    listed = zip(wanted, _side_by_side(read, wanted, workers=world.limits.parallelism), strict=True)
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
    answers = _side_by_side(ask, sorted(expected - found.keys()), workers=world.limits.parallelism)
    return found | {remote.id: remote for remote in answers if remote is not None}


def with_executions(observed: Observed, wanted: Mapping[str, str], world: World) -> Observed:
    """The same, with the executions of these imports (import id to datamart id)."""
    executions = list_executions(wanted, world)
    return Observed(observed.imports, executions, at=observed.at, until=world.clock.monotonic())


def _side_by_side(work: Callable[[T], R], jobs: Iterable[T], *, workers: int) -> list[R]:
    """`work` of each job, in order, several at once; the first error ends it, once what runs has ended."""
    with ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        futures = [pool.submit(work, job) for job in jobs]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
