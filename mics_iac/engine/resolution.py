"""What a person decides about a part of which it cannot be found out whether it was loaded.

Takes the lock, decides on the state as it is then, and records the decision like anything else that happened. Whatever
bytes and line counts can still tell is asked first, so that nobody decides against it; the platform is never changed.
A decision is about one content: what an execution is not for one file, it may still be for another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from itertools import zip_longest

from mics_iac.core import journal
from mics_iac.core.decision import Decision, Subject
from mics_iac.core.history import Histories, given_pieces
from mics_iac.core.learn import settled
from mics_iac.core.ledger import Ledger
from mics_iac.core.naming import DIGEST, called, digest_name, is_digest_of
from mics_iac.core.observed import ENDED, RemoteExecution
from mics_iac.core.plan import Options
from mics_iac.core.selection import bases_of, moves_of
from mics_iac.core.state import NOTHING, ImportState, State
from mics_iac.core.strangers import Verdict, judge, may_be
from mics_iac.core.wording import quoted, visible
from mics_iac.engine.addresses import held_import
from mics_iac.engine.files import find_files, fitted, read_desired
from mics_iac.engine.gather import steady
from mics_iac.engine.holding import holding
from mics_iac.engine.project import Project
from mics_iac.engine.reading import read_digest
from mics_iac.errors import ApiError, GuardRefused, MicsError, NotTheFile, UsageError
from mics_iac.store.held import Held

# How many choices are shown.
_SHOWN = 20


def resolve(project: Project, address: str, *, path: str | None, execution: str | None) -> Decision:
    """Record a person's decision about one part: this execution is it, or (None) none of those there is.

    `path` names the file where several are in doubt; it may be a glob, or `sha256:` and the first digits of the
    content's digest. GuardRefused where bytes or line counts say otherwise; UsageError where it is not clear which part
    is meant, or nothing like that is known.
    """
    with holding(project, "state resolve") as held:
        with held.reading() as ledger:
            state = ledger.state()
        subjects = _subjects(project, state, address, path)
        if execution is None:
            return _deny(project, held, subjects)
        return _take(project, held, subjects, execution)


def _subjects(project: Project, state: State, address: str, path: str | None) -> list[Subject]:
    """The one content that a person means, in each import that it may have gone into; never empty."""
    held = held_import(state, address)
    open_ = [*_in_doubt(address, held), *_vanished(state, address, held)]
    found = [s for s in open_ if path is None or _is_meant(s, path)]
    if found:
        return _one(address, found)
    if path is None:
        raise UsageError(
            f"no upload of {address} is in doubt",
            remedy=f"name the file that apply called doubtful: {address}:PATH",
        )
    declared = list(_declared(project, state, address, path))
    if not declared:
        raise UsageError(
            f"{address} has no upload of {quoted(path)} in doubt, and the manifest declares no such file for it",
            remedy=f"see `mics-iac state show {address}` for what is in doubt",
        )
    # A file that was renamed since it was sent is known by its content.
    contents = {s.sha256 for s in declared}
    if doubted := [s for s in open_ if s.sha256 in contents]:
        return _one(address, doubted)
    loaded = {s.sha256: _where_loaded(state, s) for s in declared}
    meant = [s for s in declared if loaded[s.sha256] is None]
    if not meant:
        raise GuardRefused(
            f"{visible(declared[0].source)} is not in doubt: execution {loaded[declared[0].sha256]} loaded it",
            remedy="to load it once more, apply has --reload",
        )
    return _one(address, meant, are="may be meant")


def _one(address: str, found: Sequence[Subject], *, are: str = "are in doubt") -> list[Subject]:
    """The same, which must be about one content; `are` says what several of them are."""
    contents = {s.sha256: s for s in found}
    if len(contents) == 1:
        return list(found)
    per_path = Counter(s.source for s in contents.values())
    lines = [_choice(address, s, several=per_path[s.source] > 1) for s in contents.values()]
    more = [f"  and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    raise UsageError(
        f"{len(lines)} uploads of {address} {are}: say which of them is meant:\n" + "\n".join(lines[:_SHOWN] + more),
        remedy="decide on one at a time",
    )


def _choice(address: str, subject: Subject, *, several: bool) -> str:
    path, digest = visible(subject.source), digest_name(subject.sha256)
    if several:
        return f"  {address}:{digest}  ({called(path, subject.part, several=True)})"
    return f"  {address}:{path}  (or {address}:{digest})"


def _where_loaded(state: State, subject: Subject) -> str | None:
    """The execution that loaded this content, None where none did."""
    kind = subject.import_.settings.kind
    return next((one.execution.id for one in Ledger(state).loaded(kind, subject.sha256) if one.counts), None)


def _is_meant(subject: Subject, path: str) -> bool:
    return subject.source == path or fnmatchcase(subject.source, path) or is_digest_of(path, subject.sha256)


def _in_doubt(address: str, held: ImportState) -> Iterator[Subject]:
    """The contents in doubt, each once an import however often it was sent into it."""
    for import_ in (held.current, *held.former):
        last = {d.sha256: d for d in import_.doubts}
        for d in last.values():
            attempts = tuple(other.attempt for other in import_.doubts if other.sha256 == d.sha256)
            yield Subject(address, import_, d.source, d.part, d.sha256, d.bytes, d.records, d.lines, attempts)


def _vanished(state: State, address: str, held: ImportState) -> Iterator[Subject]:
    """The contents whose import was deleted before their execution had ended: in that import, and in that of today."""
    ledger = Ledger(state)
    for import_ in (i for i in (held.current, *held.former) if i.gone):
        for e in (e for e in import_.executions if e.status not in ENDED):
            if any(one.counts for one in ledger.loaded(import_.settings.kind, e.sha256)):
                continue
            for taker in {i.id: i for i in (import_, held.current) if i is import_ or not i.gone}.values():
                lines = e.records + (taker.settings.mime_type == "TEXT_CSV")
                yield Subject(address, taker, e.source, e.part, e.sha256, e.bytes, e.records, lines)


def _declared(project: Project, state: State, address: str, path: str) -> Iterator[Subject]:
    """The parts that the manifest declares under this path, read from the files, cut as they began to be sent."""
    manifest, world = project.manifest, project.world
    imports = tuple(i for i in manifest.imports if i.address == address) if manifest is not None else ()
    if manifest is None or not imports:
        return
    only = replace(manifest, imports=imports)
    files = find_files(only, world)
    if not path.startswith(DIGEST):
        files = {address: tuple(found for found in some if found.path == path) for address, some in files.items()}
    ledger = Ledger(state)
    desired = read_desired(only, world, files=files, check=False, fetch=True)
    desired = fitted(desired, ledger, Options(), world, check=False)
    wanted, current = desired.imports[0], state.imports[address].current
    bases = bases_of(address, moves_of(desired, ledger))
    history = Histories(ledger).of(wanted.settings.kind, bases, current.id)
    for source in wanted.sources:
        if source.content is None:
            continue
        whole = history.wholly(source.content.sha256)
        given = given_pieces(history, source, on_growth=wanted.declared.on_growth) if whole is None else ()
        sent = [piece.sha256 for piece in given]
        for p, sha256 in zip_longest(source.content.parts, sent[: len(source.content.parts)]):
            # What it was when its source began to be sent is what it is meant by.
            named = sha256 or p.sha256
            if sha256 != NOTHING and (source.path == path or is_digest_of(path, named)):
                yield Subject(address, current, source.path, p.number, named, p.bytes, p.records, p.lines)


def _take(project: Project, held: Held, subjects: Sequence[Subject], execution_id: str) -> Decision:
    """The part is this execution: of an import that is there, or, on a person's word alone, of one that is gone."""
    if _saw_end(held, subjects, "SUCCEEDED", execution_id=execution_id):
        return Decision(subjects[0], execution_id, checked=False)
    for subject in subjects:
        _refuse_known(held, subject, execution_id)
        if not subject.import_.gone and (remote := _find(project, subject, execution_id)) is not None:
            _refuse_other(project, subject, remote)
            return _adopt(held, subject, remote, checked=True)
    gone = next((s for s in subjects if s.import_.gone), None)
    if gone is None:
        imports = ", ".join(s.import_.id for s in subjects)
        raise MicsError(
            f"import {imports} has no execution {quoted(execution_id)}",
            remedy="look for its id in Navigator, or use --resend if there is none",
        )
    decided = _adopt(held, gone, RemoteExecution(execution_id, "SUCCEEDED"), checked=False)
    held.record(journal.ExecutionSettled(gone.address, execution_id, "SUCCEEDED"))
    return decided


def _saw_end(held: Held, subjects: Sequence[Subject], status: str, *, execution_id: str | None = None) -> bool:
    """Record how an execution ended whose import was deleted before it had; False if there is no such.

    `execution_id` is which one, None for all that were of this content.
    """
    with held.reading() as ledger:
        found = [
            one
            for subject in subjects
            for one in ledger.loaded(subject.import_.settings.kind, subject.sha256)
            if one.lost_sight and execution_id in {None, one.execution.id}
        ]
    held.record(*(journal.ExecutionSettled(one.address, one.execution.id, status) for one in found))
    return bool(found)


def _refuse_known(held: Held, subject: Subject, execution_id: str) -> None:
    import_id = subject.import_.id
    with held.reading() as ledger:
        known = ledger.executions_of({import_id}).get((import_id, execution_id))
    if known is not None:
        raise GuardRefused(
            f"execution {execution_id} is {visible(known.execution.source)} already",
            remedy="name the execution of this file, or use --resend if there is none",
        )


def _find(project: Project, subject: Subject, execution_id: str) -> RemoteExecution | None:
    settings = subject.import_.settings
    return project.world.api.read_execution(settings.datamart_id, subject.import_.id, execution_id)


def _refuse_other(project: Project, subject: Subject, remote: RemoteExecution) -> None:
    digest = _digest(project, subject, remote)
    if digest is not None and digest != subject.sha256:
        why = "holds other bytes than"
    elif digest is None and not may_be(remote, lines=subject.lines, records=subject.records):
        why = f"has {remote.number_of_lines} lines, which is not"
    else:
        return
    raise GuardRefused(
        f"execution {remote.id} {why} {visible(subject.source)}: it is not that file",
        remedy="name another execution, or use --resend if there is none",
    )


def _digest(project: Project, subject: Subject, execution: RemoteExecution) -> str | None:
    """The digest of an execution's input file, None where there is none to read."""
    if execution.input_uri is None:
        return None
    return read_digest(execution, subject.import_.settings, expected={subject.sha256}, world=project.world)


def _adopt(held: Held, subject: Subject, remote: RemoteExecution, *, checked: bool) -> Decision:
    adopted = journal.ExecutionAdopted(
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
    held.record(adopted)
    if remote.complete:
        held.record(settled(subject.address, remote))
    return Decision(subject, remote.id, checked=checked)


def _deny(project: Project, held: Held, subjects: Sequence[Subject]) -> Decision:
    """None of the executions that may be the part, and cannot be told from it, is it.

    A doubt stays open: the next apply looks for it as for any other, and sends the part once nothing shows up. Of an
    import that is gone nobody can look for anything: there the doubt is over.
    """
    if _saw_end(held, subjects, "LOST"):
        return Decision(subjects[0], None)
    denied: list[str] = []
    for subject in subjects:
        if subject.import_.gone:
            held.record(
                *(journal.UploadAbandoned(subject.address, a, "by a person's decision") for a in subject.attempts)
            )
            continue
        ids = [execution.id for execution in _undecidable(project, held, subject)]
        held.record(
            *(journal.StrangerDismissed(subject.address, subject.import_.id, id_, subject.sha256) for id_ in ids)
        )
        denied += ids
    return Decision(subjects[0], None, tuple(denied))


def _undecidable(project: Project, held: Held, subject: Subject) -> Iterator[RemoteExecution]:
    """The executions of which nothing but a person can tell whether they are the part; what can be told is recorded."""
    for execution in _strangers(project, held, subject):
        try:
            digest = _digest(project, subject, execution)
        except NotTheFile:
            digest = None
        if digest == subject.sha256:
            raise GuardRefused(
                f"execution {execution.id} holds exactly the bytes of {visible(subject.source)}: it was loaded",
                remedy=f"use --execution {execution.id}; to load it once more after that, apply has --reload",
            )
        if digest is not None:
            held.record(journal.StrangerRead(subject.address, subject.import_.id, execution.id, digest))
        elif execution.input_uri is None and not execution.ended:
            raise GuardRefused(
                f"execution {execution.id} may be {visible(subject.source)} and has not started yet",
                remedy="wait until it has: apply compares its bytes then, and nobody needs to decide",
            )
        else:
            yield execution


def _strangers(project: Project, held: Held, subject: Subject) -> list[RemoteExecution]:
    """The executions that may be the part, as far as the ledger and their line counts tell."""
    datamart_id, import_id = subject.import_.settings.datamart_id, subject.import_.id
    listed, whole = steady(lambda: project.world.api.list_executions(datamart_id, import_id))
    if not whole:
        raise ApiError(
            f"the executions of import {import_id} do not hold still while they are listed",
            remedy="run again when nobody else loads into that import",
        )
    with held.reading() as ledger:
        known = ledger.known_executions(subject.address, import_id)
        strangers = ledger.strangers(subject.address, import_id)

    def verdict(execution: RemoteExecution) -> Verdict:
        stranger = strangers.get(execution.id)
        return judge(
            execution,
            sha256=subject.sha256,
            lines=subject.lines,
            records=subject.records,
            read=stranger.sha256 if stranger is not None else None,
            gone=False,
        )

    return [e for e in listed if e.id not in known and verdict(e) is not Verdict.OTHER]
