"""A model: whatever happens to manifest, files, platform, state and runs, the promises hold after each quiet run."""

from __future__ import annotations

import errno
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mics_iac.core.outcome import Outcome
from mics_iac.core.plan import Options, Plan, encode_plan
from mics_iac.core.progress import Told
from mics_iac.core.state import State, decode_state
from mics_iac.engine import workflow
from mics_iac.engine.world import Stop
from mics_iac.errors import MicsError, StateUnreadable
from mics_iac.sandbox.faults import Fault
from mics_iac.sandbox.profile import Profile
from mics_iac.store.backend import MARGIN
from mics_iac.store.file import FileBackend
from tests.laws import model_project as project_of
from tests.laws.model_evidence import FAILED, Witness, doubts, executions, incarnations, kind_of, known_state
from tests.laws.model_person import Person
from tests.laws.model_project import Project, Wish, pick
from tests.rig import Rig
from tests.store.stand import Died, FaultyDisk

EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "25"))
STEPS = int(os.environ.get("MODEL_STEPS", "20"))
PLAIN = Options()

# Which of several: small numbers, which shrink to the first.
WHICH = st.integers(0, 5)
NTH = st.integers(1, 3)
KEY = st.sampled_from(project_of.KEYS)
LABEL = st.sampled_from(project_of.LABELS)
FORM = st.sampled_from([project_of.FORMS[0], *project_of.FORMS])
BATCH = st.sampled_from(project_of.BATCHES)
PRIORITY = st.sampled_from(project_of.PRIORITIES)
NAME = st.sampled_from(project_of.NAMES)

EXECUTIONS, IMPORTS = "*/executions", "*/document_imports"
# The POST may have acted or not, and its answer says nothing true of it.
POSTED = [
    *("refuse", "connect_timeout", "tls", "reset_before", "reset_midway", "reset_after", "hang", "cut_answer"),
    *("delay", "throttle", "expired_token", "forbidden", "truncated_json", "garbage", "extra_fields", "duplicate_key"),
]
SHAPED = [
    *("stuck", "ends_failed", "ends_canceled", "ends_lost", "odd_status", "rejects_lines", "file_gone", "lines_off"),
    "unbalanced",
]
FAULTS: st.SearchStrategy[Fault] = st.one_of(
    st.builds(
        Fault,
        st.sampled_from(POSTED),
        st.sampled_from(["POST", "POST", "GET", "PUT"]),
        st.sampled_from([EXECUTIONS, IMPORTS, "*"]),
        NTH,
        st.integers(1, 4),
        delay_ms=st.sampled_from([0, 0, 2_000, 90_000]),
    ),
    # A platform that refuses what it did, or says 404 of what is there, would be believed: those are not drawn.
    st.builds(
        Fault, st.just("error"), st.just("POST"), st.just("*"), NTH, status=st.sampled_from([400, 404, 409, 422])
    ),
    st.builds(
        Fault,
        st.just("error"),
        st.sampled_from(["POST", "GET", "PUT"]),
        st.just("*"),
        NTH,
        st.integers(1, 6),
        status=st.sampled_from([500, 502, 504]),
        acts=st.booleans(),
    ),
    st.builds(Fault, st.sampled_from(["capped", "no_total"]), st.just("GET"), nth=NTH, times=st.just(None)),
    st.builds(Fault, st.sampled_from(SHAPED), nth=NTH, times=st.integers(1, 2), count=st.sampled_from([1, -1])),
)

PROFILES = st.builds(
    Profile,
    queue_ms=st.just(1000),
    run_ms=st.just(1000),
    queue=st.sampled_from(["parallel", "sequential"]),
    page_size=st.just(50),
    page_limit=st.sampled_from([None, 2]),
    total=st.booleans(),
    import_order=st.sampled_from(["id_asc", "id_desc", "name"]),
    execution_order=st.sampled_from(["newest_first", "oldest_first"]),
    counts_header=st.booleans(),
    counts_unterminated=st.booleans(),
    blank_lines=st.sampled_from(["skip", "count"]),
)


class Model(RuleBasedStateMachine):
    """One project on one platform, and everything that happens to them."""

    @initialize(
        profile=PROFILES,
        workers=st.sampled_from([1, 1, 3]),
        forms=st.lists(FORM, min_size=1, max_size=3),
        files=st.lists(st.tuples(WHICH, NAME, WHICH), max_size=6),
    )
    def begin(
        self, profile: Profile, workers: int, forms: list[tuple[str, str]], files: list[tuple[int, str, int]]
    ) -> None:
        self.folder = Path(tempfile.mkdtemp())
        (self.folder / "project").mkdir()
        self.rig = Rig(self.folder / "project", profile=profile)
        self.rig.limit(parallelism=workers, transfers=workers)
        self.project = Project()
        self.witness = Witness(self.rig, self.project)
        self.person = Person(self.rig, self.witness)
        self.older: list[bytes] = []
        self.saved: Plan | None = None
        self.miscounted: set[str] = set()
        for key, label, folder, form in zip(
            project_of.KEYS, project_of.LABELS, project_of.FOLDERS, forms, strict=False
        ):
            self.project.declare(key, label, form, folder, None)
        self.write(files)

    def teardown(self) -> None:
        if not hasattr(self, "rig"):
            return
        try:
            if sys.exc_info()[0] is None:
                self.quiet()
        finally:
            self.rig.sandbox.close()
            shutil.rmtree(self.folder)

    # What a person edits.

    def edit(self, change: Callable[[], object]) -> None:
        """Edit the project, unless that would put a forgotten content where nobody looks for it."""
        before = (
            {k: replace(w) for k, w in self.project.wishes.items()},
            dict(self.project.files),
            dict(self.project.moved),
        )
        change()
        if not self.witness.provable():
            self.project.wishes, self.project.files, self.project.moved = before
        self.project.lay_out(self.rig)

    def wish(self, which: int) -> Wish | None:
        return pick(list(self.project.wishes.values()), which)

    def with_wish(self, which: int, change: Callable[[Wish], object]) -> None:
        if (wish := self.wish(which)) is not None:
            self.edit(lambda: change(wish))

    @rule(key=KEY, label=LABEL, form=FORM, folder=st.sampled_from(project_of.FOLDERS), batch=BATCH)
    def declare(self, key: str, label: str, form: tuple[str, str], folder: str, batch: str | None) -> None:
        self.edit(lambda: self.project.declare(key, label, form, folder, batch))

    @rule(which=WHICH)
    def remove(self, which: int) -> None:
        self.with_wish(which, self.project.remove)

    @rule(which=WHICH, label=LABEL)
    def relabel(self, which: int, label: str) -> None:
        self.with_wish(which, lambda wish: self.project.relabel(wish, label))

    @rule(which=WHICH, batch=BATCH)
    def rebatch(self, which: int, batch: str | None) -> None:
        self.with_wish(which, lambda wish: self.project.rebatch(wish, batch))

    @rule(which=WHICH, key=KEY)
    def rename_key(self, which: int, key: str) -> None:
        self.with_wish(which, lambda wish: self.project.rename_key(wish, key))

    @rule(which=WHICH, form=FORM)
    def reform(self, which: int, form: tuple[str, str]) -> None:
        self.with_wish(which, lambda wish: self.project.reform(wish, form))

    @rule(which=WHICH, priority=PRIORITY, ordered=st.booleans())
    def resettle(self, which: int, priority: str, ordered: bool) -> None:
        def change(wish: Wish) -> None:
            wish.priority, wish.ordered = priority, ordered

        self.with_wish(which, change)

    @rule(files=st.lists(st.tuples(WHICH, NAME, WHICH), min_size=1, max_size=4))
    def write(self, files: list[tuple[int, str, int]]) -> None:
        """New files, and new content under known names."""
        for which, name, number in files:
            self.with_wish(which, partial(self.project.write, name=name, number=number))
        self.project.lay_out(self.rig)

    @rule(which=WHICH)
    def delete_file(self, which: int) -> None:
        if (path := pick(list(self.project.files), which)) is not None:
            self.edit(lambda: self.project.delete(path))

    @rule(which=WHICH, name=NAME)
    def rename_file(self, which: int, name: str) -> None:
        if (path := pick(list(self.project.files), which)) is not None:
            self.edit(lambda: self.project.rename(path, name))

    @rule(which=WHICH, into=WHICH)
    def copy_file(self, which: int, into: int) -> None:
        path = pick(list(self.project.files), which)
        if path is not None:
            self.with_wish(into, lambda wish: self.project.copy(path, wish))

    # What other hands do.

    def seen(self, which: int) -> str | None:
        """The id of an import, of ours or of others."""
        return pick([i.id for i in self.rig.sandbox.imports()], which)

    @rule(which=WHICH, label=st.sampled_from([*project_of.LABELS, "Else"]))
    def others_rename(self, which: int, label: str) -> None:
        if (import_id := self.seen(which)) is None or not self.is_found_by_id(import_id):
            return
        before = next(i.name for i in self.rig.sandbox.imports() if i.id == import_id)
        self.rig.sandbox.change_import(import_id, name=label)
        if not self.witness.provable():
            self.rig.sandbox.change_import(import_id, name=before)

    def is_found_by_id(self, import_id: str) -> bool:
        """Whether the state has it. One that it forgot, or whose creation is in doubt, is known by its name alone."""
        held = {i.id for one in known_state(self.rig).imports.values() for i in incarnations(one)}
        return import_id in held or import_id in self.witness.their_imports

    @rule(which=WHICH, priority=PRIORITY)
    def others_change_the_priority(self, which: int, priority: str) -> None:
        if (import_id := self.seen(which)) is not None:
            self.rig.sandbox.change_import(import_id, priority=priority)

    @rule(which=WHICH)
    def others_delete(self, which: int) -> None:
        if (import_id := self.seen(which)) is not None and self.witness.provable(gone={import_id}):
            self.rig.sandbox.delete_import(import_id)

    @rule(which=WHICH, form=FORM)
    def others_add_an_import_of_our_name(self, which: int, form: tuple[str, str]) -> None:
        wish = self.wish(which)
        if wish is not None:
            mime_type = wish.form[1] if wish.form[0] != "USER_SEGMENT" else form[1]
            made = self.rig.sandbox.add_import(wish.datamart_id, wish.name, wish.form[0], mime_type=mime_type)
            self.witness.their_imports.add(made)

    @rule(which=WHICH, number=WHICH)
    def others_upload(self, which: int, number: int) -> None:
        if (import_id := self.seen(which)) is not None:
            self.upload_by_hand(import_id, number)

    def upload_by_hand(self, import_id: str, number: int) -> None:
        seen = next(i for i in self.rig.sandbox.imports() if i.id == import_id)
        fitting = project_of.CONTENTS[seen.document_type, seen.mime_type]
        made = self.rig.sandbox.add_execution(import_id, fitting[number % len(fitting)].encode())
        self.witness.their_executions.add(made)

    @rule(which=WHICH)
    def others_remove_an_input_file(self, which: int) -> None:
        found = [e.id for e in self.rig.sandbox.executions()]
        if (execution_id := pick(found[::-1], which)) is not None:
            self.rig.sandbox.remove_input_file(execution_id)

    @rule()
    def the_queue_moves(self) -> None:
        self.rig.sandbox.release()

    @rule(seconds=st.sampled_from([2, 100, 4000]))
    def time_passes(self, seconds: int) -> None:
        self.rig.clock.sleep(seconds)

    # Runs.

    @rule(faults=st.lists(FAULTS, max_size=4), wait=st.booleans())
    def apply(self, faults: list[Fault], wait: bool) -> None:
        self.run(faults, wait=wait)

    @rule(faults=st.lists(FAULTS, max_size=2), at=st.integers(1, 120))
    def die(self, faults: list[Fault], at: int) -> None:
        self.run(faults, disk=FaultyDisk(at=at))

    @rule(faults=st.lists(FAULTS, max_size=2), at=st.integers(1, 120), code=st.sampled_from([errno.EIO, errno.ENOSPC]))
    def disk_fails(self, faults: list[Fault], at: int, code: int) -> None:
        self.run(faults, disk=FaultyDisk(at=at, code=code))

    @rule(faults=st.lists(FAULTS, max_size=2), at=st.integers(1, 30))
    def interrupt(self, faults: list[Fault], at: int) -> None:
        self.run(faults, meanwhile=lambda: self.rig.stop.request(2), at=at)

    @rule(
        faults=st.lists(FAULTS, max_size=2),
        at=st.integers(1, 30),
        act=st.sampled_from(["delete an import", "change a priority", "change a file", "remove a file", "wait long"]),
        which=WHICH,
    )
    def something_happens_meanwhile(self, faults: list[Fault], at: int, act: str, which: int) -> None:
        if self.witness.unknown(known_state(self.rig)):
            return  # what it destroyed could be the only evidence

        def happen() -> None:
            import_id, path = self.seen(which), pick(list(self.project.files), which)
            match act:
                case "delete an import" if import_id is not None:
                    self.rig.sandbox.delete_import(import_id)
                case "change a priority" if import_id is not None:
                    self.rig.sandbox.change_import(import_id, priority="LOW")
                case "change a file" if path is not None:
                    owner = next((w for w in self.project.wishes.values() if path in self.project.of(w)), None)
                    if owner is not None:
                        self.project.write(owner, path.partition("/")[2], which)
                        self.project.lay_out(self.rig)
                case "remove a file" if path is not None:
                    self.project.delete(path)
                    self.project.lay_out(self.rig)
                case _:
                    self.rig.clock.sleep(1800)

        self.run(faults, meanwhile=happen, at=at)

    @rule(faults=st.lists(FAULTS, max_size=2))
    def retry(self, faults: list[Fault]) -> None:
        self.run(faults, options=Options(retry_failed=True))

    @rule(save=st.booleans())
    def plan(self, save: bool) -> None:
        before = self.traces()
        plan = self.rig.plan()
        assert encode_plan(self.rig.plan()) == encode_plan(plan)
        assert self.traces() == before, "a plan changed something"
        if save:
            self.saved = plan

    @rule(faults=st.lists(FAULTS, max_size=2))
    def apply_what_was_saved(self, faults: list[Fault]) -> None:
        saved, self.saved = self.saved, None
        if saved is not None:
            self.run(faults, saved=saved)

    def run(
        self,
        faults: list[Fault],
        *,
        wait: bool = True,
        disk: FaultyDisk | None = None,
        meanwhile: Callable[[], object] | None = None,
        at: int = 0,
        saved: Plan | None = None,
        options: Options = PLAIN,
    ) -> None:
        """One run in which things go wrong, or may."""
        self.rig.fault(*faults)
        self.rig.limit(wait=wait, wait_timeout=120)
        before = {e.id for e in self.witness.ours()}
        told = 0

        def tell(_: Told) -> None:
            nonlocal told
            told += 1
            if told == at and meanwhile is not None:
                meanwhile()

        self.rig.on_tell = tell
        try:
            self.carry_out(options, disk=disk, saved=saved)
        except (MicsError, Died):
            pass
        finally:
            self.rig.on_tell, self.rig.stop = lambda _: None, Stop()
            self.rig.faults.clear()
        if any(f.kind == "unbalanced" for f in faults):
            self.miscounted |= {e.id for e in self.witness.ours()} - before
        self.remember()

    def carry_out(self, options: Options, *, disk: FaultyDisk | None = None, saved: Plan | None = None) -> Outcome:
        if saved is not None:
            return self.rig.apply_saved(saved)
        project = self.rig.open()
        if disk is None:
            return workflow.apply(project, options, approve=lambda _: True)
        backend = FileBackend(self.rig.state_path, clock=self.rig.clock, disk=disk)
        project = replace(project, world=replace(project.world, backend=backend))
        try:
            return workflow.apply(project, options, approve=lambda _: True)
        finally:
            disk.bury()
            self.age_the_lock()

    def age_the_lock(self) -> None:
        """Time passes until the lock of one who died before he had filled it, or could not let it go, has ended."""
        lock = self.rig.state_path.with_name("imports.state.lock")
        if lock.exists():
            os.utime(lock, (self.rig.clock.now(), self.rig.clock.now()))
            self.rig.clock.sleep(10_000 + MARGIN)

    # The state.

    def remember(self) -> None:
        if self.rig.state_path.exists():
            now = self.rig.state_path.read_bytes()
            if now not in self.older:
                self.older.append(now)

    def state_files(self) -> dict[Path, bytes]:
        folder = self.rig.state_path.parent
        return {path: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}

    def lose(self, change: Callable[[], object]) -> None:
        """Damage the state, unless that leaves no evidence of something that the manifest would load again."""
        before = self.state_files()
        change()
        try:
            lost = not self.witness.provable()
        except StateUnreadable:
            # A journal of another state than the one put back: it says to move the journal away.
            for path in self.rig.state_path.parent.glob("*.journal.*"):
                path.unlink()
            lost = not self.witness.provable()
        if lost:
            for path in self.state_files():
                path.unlink()
            for path, data in before.items():
                path.write_bytes(data)
            return
        self.witness.forgive()

    @rule(journals=st.booleans())
    def lose_the_state(self, journals: bool) -> None:
        def change() -> None:
            self.rig.state_path.unlink(missing_ok=True)
            for path in self.rig.state_path.parent.glob("*.journal.*") if journals else ():
                path.unlink()

        self.lose(change)

    @rule(which=WHICH)
    def put_an_older_state_back(self, which: int) -> None:
        if (older := pick(self.older, which)) is not None:
            self.lose(lambda: self.rig.state_path.write_bytes(older))

    # What must hold.

    @invariant()
    def nothing_is_loaded_twice(self) -> None:
        if not hasattr(self, "rig"):
            return
        ours = self.witness.ours()
        loaded = Counter((*kind_of(e), e.sha256) for e in ours if e.status not in FAILED)
        assert all(count == 1 for count in loaded.values()), f"loaded twice: {loaded}"
        for theirs in self.rig.sandbox.executions(deleted=True):
            if theirs.id in self.witness.their_executions and theirs.status not in FAILED:
                again = [
                    e.id
                    for e in ours
                    if (e.import_id, e.sha256) == (theirs.import_id, theirs.sha256)
                    and int(e.id) > int(theirs.id)
                    and e.status not in FAILED
                ]
                assert not again, f"{again} had been loaded by hand as {theirs.id}"

    @rule()
    def quiet(self) -> None:
        """Nothing goes wrong any more; a person does what each run says, and within a few runs all is well."""
        self.rig.sandbox.release()
        self.rig.limit(wait=True, wait_timeout=3600)
        options = Options()
        told: list[object] = []
        for _ in range(12):
            ended = self.quiet_run(options)
            told.append(ended)
            if options.ignore_history:
                # A person said that nothing came of them, and took the files out of which something did.
                self.witness.forgive()
            self.nothing_is_loaded_twice()
            if isinstance(ended, Outcome) and ended.exit_code == 0:
                break
            options = self.person.answer(ended, options)
        else:
            raise AssertionError(f"it never came to its end: {told}")
        self.remember()
        self.project.moved.clear()
        self.project.lay_out(self.rig)
        self.all_is_as_declared()

    def quiet_run(self, options: Options) -> Outcome | MicsError:
        state = known_state(self.rig)
        imports, sent = len(self.witness.our_imports(deleted=True)), len(self.witness.ours())
        try:
            outcome = self.carry_out(options)
        except MicsError as error:
            assert len(self.witness.ours()) == sent
            return error
        if not doubts(state) and not state.creating:
            assert outcome.tally.loaded == len(self.witness.ours()) - sent
            assert outcome.tally.added == len(self.witness.our_imports(deleted=True)) - imports
        return outcome

    def all_is_as_declared(self) -> None:
        data = self.rig.state_path.read_bytes() if self.rig.state_path.exists() else None
        state = decode_state(data, name="state") if data is not None else known_state(self.rig)
        assert data is None or b"CUST-" not in data
        assert not self.rig.journals()
        self.imports_are_there(state)
        self.executions_are_there(state)
        before = self.traces()
        plan = self.rig.plan()
        assert plan.empty, list(plan.effects)
        assert encode_plan(self.rig.plan()) == encode_plan(plan)
        assert self.traces() == before, "a plan changed something"

    def imports_are_there(self, state: State) -> None:
        living = {i.id: i for i in self.rig.sandbox.imports()}
        for wish in self.project.wishes.values():
            held = state.imports[wish.address].current
            seen = living[held.id]
            wanted = (*wish.kind, *wish.form[1:], wish.name, wish.priority)
            assert (*kind_of(seen), seen.mime_type, seen.name, seen.priority) == wanted
            assert not held.gone
        orphans = [i.id for i in self.witness.orphans(state)]
        assert not orphans, f"imports of ours that the state does not know: {orphans}"

    def executions_are_there(self, state: State) -> None:
        seen = {e.id: e for e in self.rig.sandbox.executions(deleted=True)}
        held = list(executions(state))
        for _, incarnation, execution in held:
            there = seen[execution.id]
            assert (there.import_id, there.sha256, there.bytes) == (incarnation.id, execution.sha256, execution.bytes)
            if there.deleted:
                continue
            assert execution.status == there.status
            if execution.status not in FAILED:
                told = (execution.total_success, execution.total_failure)
                assert told == (there.success, there.failure), f"{execution} is {there}"
                assert execution.id in self.miscounted or execution.records == there.success + there.failure
        lost = {e.id for e in self.witness.unknown(state)} - self.witness.forgiven
        assert not lost, f"executions of ours that the state does not know: {lost}"
        for wish in self.project.wishes.values():
            good = {
                e.sha256
                for _, i, e in held
                if (i.settings.datamart_id, i.settings.document_type) == wish.kind and e.status not in FAILED
            }
            missing = self.project.digests(wish) - good
            assert not missing, f"{wish.address}: not loaded: {missing}"

    def traces(self) -> tuple[object, ...]:
        """Everything that a plan must leave as it is."""
        requests = [r for r in self.rig.sandbox.requests() if r.method != "GET"]
        return (self.state_files(), self.rig.sandbox.imports(), self.rig.sandbox.executions(), len(requests))


TestModel = Model.TestCase
TestModel.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
