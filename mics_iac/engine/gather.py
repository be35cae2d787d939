"""Looks at files and at the platform, so that the pure core can decide. Changes nothing anywhere."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from mics_iac.core.desired import Desired, DesiredImport, Part
from mics_iac.core.manifest import Import, Manifest
from mics_iac.core.observed import Listing, Observed, RemoteExecution, RemoteImport
from mics_iac.core.progress import Listing as ListingProgress
from mics_iac.core.progress import Reading
from mics_iac.engine.world import World
from mics_iac.errors import ManifestInvalid, Problem
from mics_iac.sources.source import Fingerprint, Found

T = TypeVar("T")
R = TypeVar("R")
Item = TypeVar("Item", RemoteImport, RemoteExecution)

# How often a list is read again whose pages shifted under the reader, before what was seen in all must do.
_READINGS = 3


def find_files(manifest: Manifest, world: World) -> dict[str, tuple[Found, ...]]:
    """The files of each declared import, by address; ManifestInvalid with every source that is wrong."""
    files: dict[str, tuple[Found, ...]] = {}
    problems: list[Problem] = []
    for declared in manifest.imports:
        found: dict[str, Found] = {}
        for spec in declared.sources:
            matches, wrong = world.source.find(spec)
            found |= {match.path: match for match in matches if match.path not in found}
            problems += wrong
        files[declared.address] = tuple(found.values())
    if problems:
        raise ManifestInvalid(problems)
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


def list_datamarts(datamart_ids: Iterable[str], world: World) -> dict[str, dict[str, RemoteImport]]:
    """All imports of these datamarts, by datamart id and import id: one paged list each, side by side."""
    wanted = sorted(set(datamart_ids))
    count = _Count(world, len(wanted))

    def read(datamart_id: str) -> dict[str, RemoteImport]:
        found = count.one(lambda: _steady(lambda: world.api.list_imports(datamart_id)))
        return {i.id: i for i in found}

    return dict(zip(wanted, _side_by_side(read, wanted, workers=world.limits.parallelism), strict=True))


def list_executions(wanted: Mapping[str, str], world: World) -> dict[str, tuple[RemoteExecution, ...]]:
    """The executions of these imports, given as import id to datamart id; by import id, one paged list each."""
    count = _Count(world, len(wanted))

    def read(import_id: str) -> tuple[RemoteExecution, ...]:
        return count.one(lambda: _steady(lambda: world.api.list_executions(wanted[import_id], import_id)))

    return dict(zip(wanted, _side_by_side(read, wanted, workers=world.limits.parallelism), strict=True))


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


def _steady(read: Callable[[], Listing[Item]]) -> tuple[Item, ...]:
    """Read a list until its pages hold still; at last, everything that any reading saw."""
    seen: dict[str, Item] = {}
    for _ in range(_READINGS):
        listing = read()
        if listing.steady:
            return listing.items
        seen = {item.id: item for item in listing.items} | seen
    return tuple(seen.values())


def observe(wanted: Mapping[str, set[str]], world: World) -> Observed:
    """The imports of these datamarts; executions are added by `with_executions` once it is known whose matter.

    An import that is expected and not in the list is asked for by its id before it counts as gone: pages may shift.
    """
    imports = list_datamarts(wanted, world)
    for datamart_id, expected in wanted.items():
        for import_id in sorted(expected - imports[datamart_id].keys()):
            found = world.api.read_import(datamart_id, import_id)
            if found is not None:
                imports[datamart_id][import_id] = found
    return Observed(imports)


def with_executions(observed: Observed, wanted: Mapping[str, str], world: World) -> Observed:
    """The same, with the executions of these imports (import id to datamart id)."""
    at = world.clock.monotonic()
    return Observed(observed.imports, list_executions(wanted, world), at)


def _side_by_side(work: Callable[[T], R], jobs: Iterable[T], *, workers: int) -> list[R]:
    """`work` of each job, in order, several at once; the first error ends it, once what runs has ended."""
    with ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        futures = [pool.submit(work, job) for job in jobs]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
