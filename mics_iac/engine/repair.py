"""What a person decides about the state: what an upload in doubt came to, what is forgotten, what is renamed.

Each takes the lock, decides on the state as it is then, and records the decision like anything else that happened. The
platform is asked wherever it can tell, so that nobody decides against what the bytes say; it is never changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase

from mics_iac.core import journal
from mics_iac.core.address import ADDRESS
from mics_iac.core.decision import Decision, Subject
from mics_iac.core.health import Health
from mics_iac.core.learn import settled
from mics_iac.core.ledger import Ledger
from mics_iac.core.observed import RemoteExecution
from mics_iac.core.state import ImportState, Incarnation, State
from mics_iac.core.strangers import Verdict, judge
from mics_iac.core.wording import did_you_mean, quoted, visible
from mics_iac.engine.gather import find_files, read_desired, steady
from mics_iac.engine.holding import holding
from mics_iac.engine.project import Project
from mics_iac.engine.upload import read_digest
from mics_iac.errors import ApiError, GuardRefused, MicsError, UsageError
from mics_iac.store.held import Held
from mics_iac.store.survey import health, survey


def check(project: Project) -> Health:
    """How it stands with state, journals and backups. Changes nothing, takes no lock, asks nobody."""
    return health(survey(project.world.backend, api_url=project.api_url, environment=project.environment))


def resolve(project: Project, address: str, *, path: str | None, execution: str | None) -> Decision:
    """Record a person's decision about one part: this execution is it, or (None) it was not loaded.

    `path` names the file where several are in doubt; it may be a glob. GuardRefused where the bytes say otherwise;
    UsageError where it is not clear which part is meant, or nothing like that is known.
    """
    with holding(project, "state resolve") as held:
        with held.reading() as ledger:
            state = ledger.state()
        subject = _subject(project, state, address, path)
        if execution is None:
            return _send_again(project, held, subject)
        return _take(project, held, subject, execution)


def forget(project: Project, address: str) -> ImportState:
    """Take an address out of the state, with its ledger; the platform keeps the import and what was loaded.

    GuardRefused while something of it is in doubt: what is not known any more could be sent twice.
    """
    with holding(project, "state rm") as held:
        with held.reading() as ledger:
            state = ledger.state()
        held_import = _held_import(state, address)
        doubts = [d.source for i in _incarnations(held_import) for d in i.doubts]
        if doubts:
            raise GuardRefused(
                f"{address} has uploads in doubt: {', '.join(visible(source) for source in doubts)}",
                remedy="run apply, which finds out what became of them; or decide with "
                f"`mics-iac state resolve {address}:PATH`",
            )
        if address in state.creating:
            raise GuardRefused(
                f"whether an import of {address} was created is not known yet",
                remedy="run apply, or `mics-iac state recover`, which find that out",
            )
        held.record(journal.ImportForgotten(address))
        return held_import


def rename(project: Project, source: str, target: str) -> list[tuple[str, str]]:
    """Give an address of the state another name; one without a batch takes all its batches along.

    Returns what was renamed, from and to. UsageError where there is nothing to rename, or something is in the way.
    """
    for address in (source, target):
        if not re.fullmatch(ADDRESS, address):
            raise UsageError(f"{quoted(address)} is no address: write datamart/import, or datamart/import@batch")
    with holding(project, "state mv") as held:
        with held.reading() as ledger:
            addresses = ledger.addresses()
        moved = [a for a in addresses if a == source or ("@" not in source + target and a.startswith(f"{source}@"))]
        if not moved:
            raise not_held(source, addresses)
        pairs = [(a, target + a[len(source) :]) for a in moved]
        taken = [new for _, new in pairs if new in addresses]
        if taken:
            raise UsageError(
                f"{taken[0]} is in the state already",
                remedy="rename that one first, or take it out of the state with `mics-iac state rm`",
            )
        held.record(*(journal.ImportMoved(old, new) for old, new in pairs))
        return pairs


def _subject(project: Project, state: State, address: str, path: str | None) -> Subject:
    """The part that a person means: one in doubt, else one that the manifest declares."""
    held = _held_import(state, address)
    found = [s for s in _in_doubt(address, held) if path is None or s.source == path or fnmatchcase(s.source, path)]
    if len(found) > 1:
        sources = "\n".join(f"  {address}:{visible(subject.source)}" for subject in found)
        raise UsageError(
            f"{len(found)} uploads of {address} are in doubt: say which of them is meant:\n{sources}",
            remedy="decide on one at a time",
        )
    if found:
        return found[0]
    if path is None:
        raise UsageError(
            f"no upload of {address} is in doubt",
            remedy=f"name the file that apply called doubtful: {address}:PATH",
        )
    declared = _declared(project, address, held.current, path)
    if declared is not None:
        # A file that was renamed since it was sent is known by its content.
        same = (s for s in _in_doubt(address, held) if s.sha256 == declared.sha256)
        declared = next(same, declared)
    if declared is None:
        raise UsageError(
            f"{address} has no upload of {quoted(path)} in doubt, and the manifest declares no such file for it",
            remedy="see `mics-iac state show " + address + "` for what is in doubt",
        )
    return declared


def _in_doubt(address: str, held: ImportState) -> Iterator[Subject]:
    """The parts in doubt, each once however often it was sent into an import."""
    for import_ in _incarnations(held):
        by_content: dict[str, list[str]] = {}
        for doubt in import_.doubts:
            by_content.setdefault(doubt.sha256, []).append(doubt.attempt)
        last = {d.sha256: d for d in import_.doubts}
        for sha256, attempts in by_content.items():
            d = last[sha256]
            yield Subject(address, import_, d.source, d.part, d.sha256, d.bytes, d.records, d.lines, tuple(attempts))


def _declared(project: Project, address: str, current: Incarnation, path: str) -> Subject | None:
    """The part that the manifest declares under this path, read from the file."""
    manifest = project.manifest
    imports = tuple(i for i in manifest.imports if i.address == address) if manifest is not None else ()
    if manifest is None or not imports:
        return None
    only = replace(manifest, imports=imports)
    desired = read_desired(only, project.world, files=find_files(only, project.world))
    for p in desired.imports[0].parts:
        if p.source == path:
            return Subject(address, current, p.source, p.number, p.sha256, p.bytes, p.records, p.lines)
    return None


def _take(project: Project, held: Held, subject: Subject, execution_id: str) -> Decision:
    with held.reading() as ledger:
        owner = _owner(ledger, subject, execution_id)
    if owner is not None:
        raise GuardRefused(
            f"execution {execution_id} is {visible(owner)} already",
            remedy="name the execution of this file, or use --resend if there is none",
        )
    remote = RemoteExecution(execution_id, "UNKNOWN")
    if not subject.import_.gone:
        remote = _find(project, subject, execution_id)
        digest = read_digest(remote.input_uri, project.world) if remote.input_uri is not None else None
        if digest is not None and digest != subject.sha256:
            raise GuardRefused(
                f"execution {execution_id} holds other bytes than {visible(subject.source)}: it is not that file",
                remedy="name another execution, or use --resend if there is none",
            )
    held.record(
        journal.ExecutionAdopted(
            subject.address,
            subject.import_.id,
            remote.id,
            subject.source,
            subject.part,
            subject.sha256,
            subject.bytes,
            subject.records,
            remote.status,
            remote.creation_date,
        )
    )
    if remote.complete:
        held.record(settled(subject.address, remote))
    return Decision(subject, remote.id)


def _find(project: Project, subject: Subject, execution_id: str) -> RemoteExecution:
    datamart_id, import_id = subject.import_.settings.datamart_id, subject.import_.id
    remote = project.world.api.read_execution(datamart_id, import_id, execution_id)
    if remote is None:
        raise MicsError(
            f"import {import_id} of datamart {datamart_id} has no execution {execution_id}",
            remedy="look for its id in Navigator, or use --resend if there is none",
        )
    return remote


def _send_again(project: Project, held: Held, subject: Subject) -> Decision:
    """The part was not loaded: whatever might be it, and cannot be told from it by its bytes, is somebody else's."""
    dismissed: list[str] = []
    for execution in _strangers(project, held, subject):
        digest = read_digest(execution.input_uri, project.world) if execution.input_uri is not None else None
        if digest == subject.sha256:
            raise GuardRefused(
                f"execution {execution.id} holds exactly the bytes of {visible(subject.source)}: it was loaded",
                remedy=f"use --execution {execution.id}; to load it once more after that, apply has --reload",
            )
        if digest is None:
            dismissed.append(execution.id)
        else:
            held.record(journal.StrangerRead(subject.address, subject.import_.id, execution.id, digest))
    held.record(
        *(journal.StrangerDismissed(subject.address, subject.import_.id, id_) for id_ in dismissed),
        *(journal.UploadAbandoned(subject.address, a, "a person decided to send it again") for a in subject.attempts),
    )
    return Decision(subject, None, tuple(dismissed))


def _strangers(project: Project, held: Held, subject: Subject) -> list[RemoteExecution]:
    """The executions that may be the part, as far as the ledger and their line counts tell."""
    if subject.import_.gone:
        return []
    datamart_id, import_id = subject.import_.settings.datamart_id, subject.import_.id
    listed, whole = steady(lambda: project.world.api.list_executions(datamart_id, import_id))
    if not whole:
        raise ApiError(
            f"the executions of import {import_id} do not hold still while they are listed",
            remedy="run again when nobody else loads into that import",
        )
    with held.reading() as ledger:
        known = ledger.known_executions(subject.address, import_id)
        read = ledger.stranger_digests(subject.address, import_id)

    def verdict(execution: RemoteExecution) -> Verdict:
        return judge(
            execution,
            sha256=subject.sha256,
            lines=subject.lines,
            records=subject.records,
            read=read.get(execution.id),
            gone=False,
        )

    return [e for e in listed if e.id not in known and verdict(e) is not Verdict.OTHER]


def _owner(ledger: Ledger, subject: Subject, execution_id: str) -> str | None:
    """The file that an execution is known to be."""
    known = ledger.executions_of({subject.import_.id}).get((subject.import_.id, execution_id))
    return known.execution.source if known is not None else None


def _held_import(state: State, address: str) -> ImportState:
    held = state.imports.get(address)
    if held is None:
        raise not_held(address, list(state.imports))
    return held


def not_held(address: str, addresses: list[str]) -> UsageError:
    """The error for an address that the state does not hold."""
    return UsageError(
        f"the state holds no {quoted(address)}.{did_you_mean(address, addresses)}",
        remedy="see `mics-iac state list`",
    )


def _incarnations(held: ImportState) -> tuple[Incarnation, ...]:
    return (held.current, *held.former)
