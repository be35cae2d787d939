"""Finds the source files of a manifest and reads them, as far as a plan needs it. Changes nothing anywhere."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from mics_iac.core.content import Content
from mics_iac.core.desired import Desired, DesiredImport, SourceFile
from mics_iac.core.fitting import (
    Again,
    Probe,
    checkable,
    grown_from,
    to_probe,
    to_read_again,
    with_sources,
)
from mics_iac.core.ledger import Ledger
from mics_iac.core.manifest import DOCUMENT_TYPES, Import, Manifest
from mics_iac.core.plan import Options
from mics_iac.core.progress import Notice
from mics_iac.core.progress import Reading as Progress
from mics_iac.core.records import dropped_codes
from mics_iac.core.remote import is_remote
from mics_iac.engine.crew import side_by_side
from mics_iac.engine.world import World
from mics_iac.errors import FilesInvalid, ManifestInvalid, MicsError, Problem, SourceFailed, SourceRefused, SourceUnfit
from mics_iac.sources.source import Found, Reading

T = TypeVar("T")
R = TypeVar("R")

# Reading waits for disks, networks and other processes as much as for this one.
_WORKERS = 4
# So many files that cannot be read are told beside the first one.
_TOLD = 20
# What may be wrong with single files that were found: the others can be read all the same.
_OF_A_FILE = frozenset({"MICS204", "MICS205"})


def find_files(
    manifest: Manifest, world: World, *, passing_over: bool = False, wrong: list[Problem] | None = None
) -> dict[str, tuple[Found, ...]]:
    """The files of each declared import, by address; ManifestInvalid with every source that is wrong.

    With `passing_over`, a source that is wrong is told of, and what can be found is found. What is wrong with single
    files alone goes into `wrong`, where that is given, and is not raised.
    """
    files: dict[str, tuple[Found, ...]] = {}
    problems: list[Problem] = []
    for declared in manifest.imports:
        found: dict[str, Found] = {}
        for spec in declared.sources:
            world.stop.check()
            matches, more = world.source.find(spec)
            found |= {match.path: match for match in matches if match.path not in found}
            problems += more
        files[declared.address] = tuple(found.values())
    if wrong is not None and all(problem.code in _OF_A_FILE for problem in problems):
        wrong += problems
        return files
    if problems and not passing_over:
        raise ManifestInvalid(problems)
    for problem in problems:
        world.tell(Notice(f"passed over: {problem}"))
    return files


def read_desired(
    manifest: Manifest,
    world: World,
    *,
    files: Mapping[str, tuple[Found, ...]],
    ledger: Ledger | None = None,
    check: bool = True,
    fetch: bool = False,
    unfit: list[Problem] | None = None,
) -> Desired:
    """What should be: every file here read once, hashed and cut.

    FilesInvalid with all that are damaged or not what they must be, SourceFailed where some cannot be read. Where
    `unfit` is given, the former are named there, and have no content.

    With `check` the records are checked too, but of files that by path and length are what the `ledger` has loaded:
    should their bytes be others after all, `fitted` sees to it. Remote objects are read only with `fetch`, or where
    their store does not say what tells one content from another.
    """

    def how(declared: Import, found: Found) -> Reading | None:
        if _unread(found, fetch=fetch):
            return None
        # Where invalid records are left out, what is sent of a file is not known before they are found.
        checked = check or declared.on_invalid == "skip"
        return _how(declared, check=checked and not _likely(declared, found, ledger))

    wanted = {i.address: [(found, how(i, found)) for found in files[i.address]] for i in manifest.imports}
    jobs = dict.fromkeys((found, way) for some in wanted.values() for found, way in some if way is not None)
    contents = dict(zip(jobs, _read_all(jobs, world, unfit=unfit), strict=True))
    return Desired(
        tuple(
            DesiredImport(
                declared,
                tuple(
                    SourceFile(found.path, found.bytes, found.seal, contents[found, way] if way is not None else None)
                    for found, way in wanted[declared.address]
                ),
            )
            for declared in manifest.imports
        ),
        manifest.moved,
    )


def fetched(desired: Desired, wanted: Iterable[tuple[str, str]], world: World) -> Desired:
    """The same, with these remote objects (address and path) read and checked."""
    chosen = frozenset(wanted)
    jobs = {
        (w.address, s.path): (_found(s), _how(w.declared, check=checkable(w)))
        for w in desired.imports
        for s in w.sources
        if (w.address, s.path) in chosen and s.content is None
    }
    return _with_contents(desired, jobs, world)


def fitted(desired: Desired, ledger: Ledger, options: Options, world: World, *, check: bool = True) -> Desired:
    """The same, with all that the ledger makes necessary read: what has grown, other cuts, records not checked yet."""
    probes = list(to_probe(desired, ledger, options))
    if probes:
        desired = _probed(desired, probes, world)
    again = list(to_read_again(desired, ledger, options, check=check))
    return _read_again(desired, again, world) if again else desired


def _probed(desired: Desired, probes: list[Probe], world: World) -> Desired:
    csv = {w.address: w.declared.mime_type == "TEXT_CSV" for w in desired.imports}
    watch = _Watch(world, total=sum(min(max(p.contents), p.source.bytes) for p in probes))

    def probe(one: Probe) -> SourceFile:
        found = world.source.prefixes(_found(one.source), sorted(one.contents), csv=csv[one.address], watch=watch.read)
        grown = grown_from(one.contents, {n: (prefix.sha256, prefix.whole) for n, prefix in found.items()})
        return replace(one.source, grown=grown)

    changed = dict(zip(((p.address, p.source.path) for p in probes), _abreast(probe, probes, _of_probe), strict=True))
    return with_sources(desired, lambda address, source: changed.get((address, source.path)) or source)


def _read_again(desired: Desired, again: list[Again], world: World) -> Desired:
    imports = {w.address: w for w in desired.imports}

    def how(one: Again) -> Reading:
        wanted = imports[one.address]
        return replace(_how(wanted.declared, check=checkable(wanted)), ranges=one.ranges, settled=one.settled)

    jobs = {(one.address, one.source.path): (_found(one.source), how(one)) for one in again}
    return _with_contents(desired, jobs, world)


def _with_contents(desired: Desired, jobs: Mapping[tuple[str, str], tuple[Found, Reading]], world: World) -> Desired:
    """The same, with these sources (by address and path) read."""
    contents = dict(zip(jobs, _read_all(jobs.values(), world), strict=True))

    def read(address: str, source: SourceFile) -> SourceFile:
        content = contents.get((address, source.path))
        if content is None:
            return source
        return replace(source, content=content, settled=jobs[address, source.path][1].settled)

    return with_sources(desired, read)


def _read_all(
    jobs: Iterable[tuple[Found, Reading]], world: World, *, unfit: list[Problem] | None = None
) -> list[Content | None]:
    wanted = list(jobs)
    watch = _Watch(world, total=sum(found.bytes for found, _ in wanted))

    def read(job: tuple[Found, Reading]) -> Content:
        world.stop.check()
        return world.source.read(job[0], job[1], watch=watch.read)

    return _abreast(read, wanted, _of_job, unfit=unfit)


def _abreast(
    work: Callable[[T], R], jobs: Iterable[T], path_of: Callable[[T], str], *, unfit: list[Problem] | None = None
) -> list[R | None]:
    """`work` of each job, several at once; what is wrong with files is gathered over all of them."""
    failed: list[SourceFailed] = []

    def attempt(job: T) -> R | None:
        try:
            return work(job)
        except SourceFailed as error:
            failed.append(error)
            if is_remote(path_of(job)) and not isinstance(error, SourceUnfit):
                raise  # a place that cannot be asked was asked long enough
            return None

    try:
        results = side_by_side(attempt, jobs, workers=max(_WORKERS, os.cpu_count() or 1))
    except SourceFailed:
        results = []
    if unfit is not None and all(isinstance(error, SourceUnfit) for error in failed):
        unfit += {error.problem for error in failed if isinstance(error, SourceUnfit)}
    elif failed:
        raise _worst(failed)
    return results


def _worst(failed: list[SourceFailed]) -> MicsError:
    """One error for all of them: the files that must be mended in it, what failed otherwise in its notes."""
    problems = {error.problem for error in failed if isinstance(error, SourceUnfit)}
    others = sorted((error for error in failed if not isinstance(error, SourceUnfit)), key=str)
    refused = [error for error in others if isinstance(error, SourceRefused)]
    worst = FilesInvalid(list(problems)) if problems and not refused else (refused or others)[0]
    notes = sorted({error.message for error in others} - {worst.message})
    if not isinstance(worst, FilesInvalid):
        notes += map(str, sorted(problems))
    for note in notes[:_TOLD]:
        worst.add_note(note)
    if len(notes) > _TOLD:
        worst.add_note(f"{len(notes) - _TOLD:,} more files cannot be read")
    return worst


def _of_job(job: tuple[Found, Reading]) -> str:
    return job[0].path


def _of_probe(probe: Probe) -> str:
    return probe.source.path


def _unread(found: Found, *, fetch: bool) -> bool:
    return found.seal is not None and not fetch


def _likely(declared: Import, found: Found, ledger: Ledger | None) -> bool:
    """Whether a file is, by its path and its length, what was loaded from there."""
    if ledger is None:
        return False
    kind = (declared.datamart_id, declared.document_type)
    return ledger.has_source(declared.address, kind, found.path, found.bytes)


def _how(declared: Import, *, check: bool) -> Reading:
    checked = check and declared.document_type in DOCUMENT_TYPES
    return Reading(
        declared.document_type if checked else None,
        csv=declared.mime_type == "TEXT_CSV",
        limit=declared.split,
        # What is not checked is read for what it is alone: should it be sent, it is read again.
        drop=dropped_codes(declared) if checked else frozenset(),
    )


def _found(source: SourceFile) -> Found:
    return Found(source.path, source.bytes, source.seal)


@dataclass(slots=True)
class _Watch:
    """Tells how far the reading of all files has come, and ends it when the run is to stop."""

    world: World
    total: int
    _done: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self, more: int) -> None:
        self.world.stop.check()
        with self._lock:
            self._done += more
            self.world.tell(Progress(self._done, self.total))
