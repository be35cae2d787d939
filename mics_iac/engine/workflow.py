"""What the commands do, told as stories: plan, apply, recover, status. No printing, no prompting, no exiting.

Each joins the pure core with the edges of a World; who shows what comes out, and asks a person, is the caller's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace

from mics_iac.core.consent import strayed
from mics_iac.core.desired import Desired, settings_of
from mics_iac.core.health import Health
from mics_iac.core.inquiry import failed_in, pins_of, settings_in, to_ask, to_check, to_list
from mics_iac.core.learn import learn_executions, learn_imports
from mics_iac.core.ledger import Ledger
from mics_iac.core.observed import Observed
from mics_iac.core.outcome import Outcome, Recovery
from mics_iac.core.place import describe
from mics_iac.core.plan import Base, Create, Options, Plan, Skip, fingerprint
from mics_iac.core.planner import Origin, make_plan
from mics_iac.core.progress import Decided, Failure, Notice
from mics_iac.core.records import invalid
from mics_iac.core.state import State
from mics_iac.core.status import ImportStatus, Status
from mics_iac.core.tally import Tally
from mics_iac.core.wording import listed
from mics_iac.engine import gather
from mics_iac.engine.execute import execute
from mics_iac.engine.files import fetched, find_files, fitted, read_desired
from mics_iac.engine.holding import holding
from mics_iac.engine.manifest_files import read_manifest_texts
from mics_iac.engine.project import Project
from mics_iac.engine.slices import keep_rejects, read_through, slice_of
from mics_iac.errors import GuardRefused, MicsError, PlanStale, SourceFailed, UsageError
from mics_iac.store.held import Held
from mics_iac.store.history import peek
from mics_iac.store.survey import health, survey


def plan(project: Project, options: Options, *, refresh: bool = True, fetch: bool = False) -> Plan:
    """What apply would do now. Nothing is written and no lock is taken; what was refused stands in the plan.

    With `fetch` remote objects are read, too: else apply reads those that are not known yet.
    """
    ledger = _peek(project)
    desired = _read(project, ledger, fetch=fetch)
    return _plan(project, desired, ledger, options, refresh=refresh)[0]


def apply(
    project: Project,
    options: Options,
    *,
    approve: Callable[[Plan], bool],
    expect_digest: str | None = None,
    refresh: bool = True,
) -> Outcome:
    """Plan, have it approved, and do it, all under one lock.

    `approve` is asked if there is something to do. Raises PlanStale when the plan does not come to `expect_digest`,
    GuardRefused when a guard refuses part of it, RecordsInvalid when a file has records that are not valid; nothing was
    done then.
    """
    # Most of the reading is done before the lock is held; what another run did meanwhile is seen under it.
    desired = _read(project, _peek(project))
    tally = Tally()
    with holding(project, "apply", tally) as held:
        with held.reading() as ledger:
            state = ledger.state()
        decided, observed = _plan(project, desired, Ledger(state), options, refresh=refresh)
        if expect_digest is not None and decided.digest != expect_digest:
            raise PlanStale(
                f"the plan comes to {decided.digest} now, not to {expect_digest}",
                moved=("what would be done is not what was reviewed",),
                remedy="plan again, and review that",
            )
        if (declined := _declined(decided, tally, approve=approve)) is not None:
            return declined
        if decided.fetches:
            desired = fetched(desired, ((a.address, a.source) for a in decided.fetches), project.world)
            before = decided
            decided, observed = _plan(project, desired, Ledger(state), options, refresh=refresh)
            _refuse(decided)
            _refuse_strayed(before, decided)
            project.world.tell(Decided(decided))
        return _carry_out(project, decided, observed, held, tally)


def apply_saved(project: Project, saved: Plan, *, approve: Callable[[Plan], bool]) -> Outcome:
    """Do exactly what a saved plan says; PlanStale, naming all that moved, if anything it rests on did.

    UsageError for a plan that does not say what is to be loaded of some remote object, since it was not read.
    """
    world = project.world
    if saved.fetches:
        unread = listed((f.source for f in saved.fetches), last="and")
        raise UsageError(
            f"the saved plan does not say what is to be loaded of {unread}: it was made without reading that",
            remedy="plan again with `fetch=True`, and save that",
        )
    if project.state != saved.state:
        here, there = (describe(at) if at is not None else "the sandbox's own" for at in (project.state, saved.state))
        raise PlanStale(
            "the saved plan was made on another state", moved=(f"the state: it is {here}, not {there}",), remedy=_AGAIN
        )
    tally = Tally()
    with holding(project, "apply", tally) as held:
        with held.reading() as ledger:
            scratch = Ledger(ledger.state())
        moved = [*_moved_files(project, saved), *_moved_base(saved, scratch)]
        observed = gather.observe(to_check(saved, scratch), world, needed=set(saved.datamarts.values()))
        now = pins_of(saved.effects, observed, scratch)
        moved += [pin for pin, value in saved.pins.items() if now.get(pin) != value]
        if moved:
            raise PlanStale("the saved plan is stale: what it rests on has moved", moved=tuple(moved), remedy=_AGAIN)
        scratch.extend(learn_imports(scratch, observed))
        lists = {i: dm for i, (dm, _) in to_list(saved, scratch).items() if dm in observed.imports}
        observed = gather.with_executions(observed, lists, world)
        if (declined := _declined(saved, tally, approve=approve)) is not None:
            return declined
        return _carry_out(project, saved, observed, held, tally)


def recover(project: Project) -> Recovery:
    """Mend what is damaged, and find again on the platform what the state should know; nothing is sent there.

    Imports are found by name and type, executions by their bytes; files that are not there any more are passed over.
    Raises StateUnreadable for a state that is newer or of another platform or environment, which must not be mended.
    """
    world, manifest = project.world, project.declared
    tally = Tally()
    with holding(project, "state recover", tally, repair=True) as held:
        try:
            files = find_files(manifest, world, passing_over=True)
            desired = read_desired(manifest, world, files=files, check=False)
            with held.reading() as ledger:
                state = ledger.state()
            decided, observed = _plan(project, desired, Ledger(state), Options(), refresh=True, check=False)
            keep_rejects(decided, world)
            outcome = execute(
                decided, observed, world=world, held=held, run=held.lock.id[:8], tally=tally, sending=False
            )
        except MicsError as error:
            if held.mended is not None and held.mended.state:
                error.add_note("the state was mended before that, and can be read again")
            raise
        refused = [Failure(r.address, None, GuardRefused(r.message)) for r in decided.refusals]
        absent = {a.address for a in decided.actions if isinstance(a, Create)}
        missing = outcome.missing + sum(upload.address in absent for upload in decided.uploads)
        return Recovery(replace(outcome, failures=(*outcome.failures, *refused)), held.mended, missing)


_AGAIN = "plan again, and review that"


def status(project: Project, *, refresh: bool = True) -> Status:
    """What stands behind each address; with `refresh` the platform is asked, one list a datamart and few executions."""
    world = project.world
    ledger = _peek(project)
    if refresh:
        observed = gather.observe(_held_imports(ledger), world)
        ledger.extend(learn_imports(ledger, observed))
        lists = {loaded.import_id: ledger.datamart_of(loaded) for loaded in ledger.unsettled()}
        observed = gather.with_executions(observed, lists, world)
        ledger.extend([entry for _, entry in learn_executions(ledger, observed)])
    declared = {i.address: i for i in (project.manifest.imports if project.manifest else ())}
    state = ledger.state()
    rows = [
        ImportStatus(
            address=address,
            id=value.current.id,
            settings=value.current.settings,
            declared=address in declared,
            protect=value.protect,
            adopted=value.current.adopted,
            gone=value.current.gone,
            executions=value.current.executions,
            doubts=value.current.doubts,
            former=tuple(f.id for f in value.former if not f.gone),
            cuts=value.current.cuts,
        )
        for address, value in state.imports.items()
    ]
    rows += [
        ImportStatus(
            address=address,
            id=None,
            settings=settings_of(i),
            declared=True,
            protect=i.protect,
            adopted=False,
            gone=False,
            executions=(),
            doubts=(),
        )
        for address, i in declared.items()
        if address not in state.imports
    ]
    return Status(
        api_url=project.api_url,
        environment=project.environment,
        lineage=ledger.lineage,
        serial=ledger.serial,
        refreshed=refresh,
        imports=tuple(sorted(rows, key=lambda row: row.address)),
    )


def read_state(project: Project) -> State:
    """The state as it stands, with what an unfinished run recorded folded in. Changes nothing and takes no lock.

    One that was moved elsewhere is read too: it says so in `moved_to`.
    """
    return _peek(project, also_moved=True).state()


def check_state(project: Project) -> Health:
    """How it stands with state, journals and backups. Changes nothing, takes no lock, asks nobody."""
    world = project.world
    found = survey(world.backend, api_url=project.api_url, environment=project.environment)
    moved = found.saved is not None and found.saved.state is not None and found.saved.state.moved_to
    kept = world.shelter.kept(found.base.lineage or None) if world.shelter is not None and not moved else []
    return health(found, kept)


def _peek(project: Project, *, also_moved: bool = False) -> Ledger:
    world = project.world
    return peek(
        world.backend,
        api_url=project.api_url,
        environment=project.environment,
        also_moved=also_moved,
        shelter=world.shelter,
        notice=lambda text: world.tell(Notice(text)),
    )


def _held_imports(ledger: Ledger) -> dict[str, set[str]]:
    datamarts = {ledger.datamart_of(loaded) for loaded in ledger.unsettled()}
    for address in ledger.addresses():
        settings = ledger.settings(address)
        if settings is not None and ledger.import_id(address) is not None:
            datamarts.add(settings.datamart_id)
    return {datamart_id: ledger.living(datamart_id) for datamart_id in sorted(datamarts)}


def _read(project: Project, ledger: Ledger, *, fetch: bool = False) -> Desired:
    manifest, world = project.declared, project.world
    return read_desired(manifest, world, files=find_files(manifest, world), ledger=ledger, fetch=fetch)


def _plan(
    project: Project, desired: Desired, ledger: Ledger, options: Options, *, refresh: bool, check: bool = True
) -> tuple[Plan, Observed]:
    """The plan, and what it was made from. `ledger` is a copy of the caller's: what is learned is folded into it."""
    manifest, world = project.declared, project.world
    origin = Origin(
        api_url=project.api_url,
        environment=project.environment,
        manifest_path=str(project.path),
        manifest=project.pins,
        datamarts=dict(sorted(manifest.datamarts.items())),
        state=project.state,
        base=_base(ledger),
    )
    needed = {w.settings.datamart_id for w in desired.imports}
    observed = gather.observe(to_ask(desired, ledger, options, refresh=refresh), world, needed=needed)
    ledger.extend(learn_imports(ledger, observed))
    desired = fitted(desired, ledger, options, world, check=check)
    draft = make_plan(desired, observed, ledger, origin=origin, options=options, refreshed=refresh)
    asked = to_list(draft, ledger) if refresh else failed_in(draft, ledger)
    if not asked:
        return draft, observed
    lists = {i: dm for i, (dm, _) in asked.items() if dm in observed.imports or not refresh}
    observed = gather.with_executions(observed, lists, world)
    ledger.extend([entry for _, entry in learn_executions(ledger, observed)])
    # What failed meanwhile is not loaded after all: it may have to be read as it was sent.
    desired = fitted(desired, ledger, options, world, check=check)
    return make_plan(desired, observed, ledger, origin=origin, options=options, refreshed=refresh), observed


def _base(ledger: Ledger) -> Base:
    state = ledger.state()
    return Base(ledger.lineage, ledger.serial, fingerprint((state.imports, state.creating)))


def _declined(decided: Plan, tally: Tally, *, approve: Callable[[Plan], bool]) -> Outcome | None:
    """The outcome of a plan that nobody approves of, None where it is to be done; raises what stands in its way."""
    _refuse(decided)
    if decided.empty or approve(decided):
        return None
    skipped = sum(isinstance(a, Skip) for a in decided.actions)
    return Outcome(decided, tally, skipped, declined=True)


def _refuse(decided: Plan) -> None:
    if decided.invalid:
        error = invalid(decided.invalid)
        for refused in decided.refusals:
            error.add_note(f"{refused.address}: {refused.message}")
        raise error
    if decided.refusals:
        raise GuardRefused(
            "\n".join(f"{refused.address}: {refused.message}" for refused in decided.refusals),
            remedy="nothing was done; resolve this, then plan again",
        )


def _refuse_strayed(approved: Plan, now: Plan) -> None:
    """What was approved stands: what was read now may have become parts to load, and nothing else more."""
    if moved := tuple(strayed(approved, now)):
        raise PlanStale("the plan changed while remote files were read", moved=moved, remedy=_AGAIN)


def _carry_out(project: Project, decided: Plan, observed: Observed, held: Held, tally: Tally) -> Outcome:
    keep_rejects(decided, project.world)
    return execute(decided, observed, world=project.world, held=held, run=held.lock.id[:8], tally=tally)


def _moved_base(saved: Plan, ledger: Ledger) -> Iterator[str]:
    now = _base(ledger)
    if saved.base.lineage not in {None, now.lineage}:
        yield f"the state: it is another one (lineage {now.lineage}, not {saved.base.lineage})"
    elif saved.base.serial != now.serial:
        yield f"the state: it was saved since (serial {now.serial}, not {saved.base.serial})"
    elif saved.base.content != now.content:
        yield "the state: a run that did not come to its end changed it since"


def _moved_files(project: Project, saved: Plan) -> Iterator[str]:
    """The files of the manifest and the data files that are not what they were when the plan was made.

    A remote object is not read for that: its store refuses to give another content than the one that was planned.
    """
    now = {text.name: hashlib.sha256(text.data).hexdigest() for text in read_manifest_texts(project.path)}
    before = {pin.name: pin.sha256 for pin in saved.manifest}
    yield from (
        f"the manifest: {name}" for name in sorted(now.keys() | before.keys()) if now.get(name) != before.get(name)
    )
    moved: dict[str, str] = {}
    settings = settings_in(saved)
    for upload in saved.uploads:
        if upload.seal is not None or upload.source in moved:
            continue
        try:
            read_through(slice_of(upload, settings[upload.address], saved.policies[upload.address]), project.world)
        except SourceFailed as error:
            moved[upload.source] = error.message
    yield from moved.values()
