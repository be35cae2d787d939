"""A model: whatever happens to manifest, files, platform, state and runs, the promises hold after each quiet run.

The machine draws edits of the manifest and of the files, what other hands do on the platform, runs with faults and
deaths, lost and older states. After each quiet run (nothing goes wrong, and a person does what the runs say) all of
`model_promises` must hold; that nothing is loaded twice must hold at every moment.

Where all evidence of an upload is destroyed nothing can be promised. These are not drawn (`Witness.provable`):

* The state is lost, or an older one put back, and what it forgot was loaded through an import that is no longer found
  by its name and type, or that is not the one that the content would go into now: it was deleted or renamed by other
  hands, renamed in the manifest, replaced (another mime type, document type or datamart), or followed by a new batch;
  or the file was moved to another import. Either may come first.
* The same with an import whose creation is in doubt: until it is found, its name and type are all that is known of it,
  so neither the platform nor the manifest may change them.

    MODEL_EXAMPLES=3000 MODEL_STEPS=50 pytest tests/laws/test_model.py

runs it for long.
"""

from __future__ import annotations

import errno
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mics_iac.core.outcome import Outcome
from mics_iac.core.plan import Options, Plan
from mics_iac.errors import MicsError
from mics_iac.sandbox.faults import Fault
from mics_iac.sandbox.profile import Profile
from tests.laws import model_project as project_of
from tests.laws.model_evidence import Witness, doubts, incarnations, known_state
from tests.laws.model_person import Person
from tests.laws.model_project import Project, Wish, pick
from tests.laws.model_promises import Promises
from tests.laws.model_runs import Runs
from tests.laws.model_trouble import FAULTS, LOST, PROFILES
from tests.rig import Rig
from tests.store.stand import FaultyDisk

pytestmark = pytest.mark.slow

EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "75"))
STEPS = int(os.environ.get("MODEL_STEPS", "25"))

# Which of several: small numbers, which shrink to the first.
WHICH = st.integers(0, 5)
KEY = st.sampled_from(project_of.KEYS)
LABEL = st.sampled_from(project_of.LABELS)
FORM = st.sampled_from([project_of.FORMS[0], *project_of.FORMS])
BATCH = st.sampled_from(project_of.BATCHES)
PRIORITY = st.sampled_from(project_of.PRIORITIES)
NAME = st.sampled_from(project_of.NAMES)
# Of which import, under which name, which content.
FILE = st.tuples(WHICH, NAME, WHICH)
MEANWHILE = [
    *("delete an import", "rename an import", "change a priority", "change a file", "remove a file"),
    *("run a second time", "let half an hour pass"),
]


class Model(RuleBasedStateMachine):
    """One project on one platform, and everything that happens to them."""

    @initialize(
        profile=PROFILES,
        workers=st.sampled_from([1, 1, 3]),
        forms=st.lists(FORM, min_size=1, max_size=3),
        files=st.lists(FILE, max_size=6),
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
        self.runs = Runs(self.rig, self.witness)
        self.promises = Promises(self.witness, self.runs)
        self.saved: Plan | None = None
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

    @rule(files=st.lists(FILE, min_size=1, max_size=4))
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
        self.runs.run(faults, wait=wait)

    @rule(files=st.lists(FILE, min_size=1, max_size=3), faults=LOST, wait=st.booleans())
    def load_with_a_lost_answer(self, files: list[tuple[int, str, int]], faults: list[Fault], wait: bool) -> None:
        self.write(files)
        self.runs.run(faults, wait=wait)

    @rule(files=st.lists(FILE, max_size=2), faults=st.lists(FAULTS, max_size=2), at=st.integers(20, 90))
    def load_and_die(self, files: list[tuple[int, str, int]], faults: list[Fault], at: int) -> None:
        self.write(files)
        self.runs.run(faults, disk=FaultyDisk(at=at))

    @rule(faults=st.lists(FAULTS, max_size=2), at=st.integers(1, 120))
    def die(self, faults: list[Fault], at: int) -> None:
        self.runs.run(faults, disk=FaultyDisk(at=at))

    @rule(faults=st.lists(FAULTS, max_size=2), at=st.integers(1, 120), code=st.sampled_from([errno.EIO, errno.ENOSPC]))
    def disk_fails(self, faults: list[Fault], at: int, code: int) -> None:
        self.runs.run(faults, disk=FaultyDisk(at=at, code=code))

    @rule(faults=st.lists(FAULTS, max_size=2), at=st.integers(1, 30))
    def interrupt(self, faults: list[Fault], at: int) -> None:
        self.runs.run(faults, meanwhile=lambda: self.rig.stop.request(2), at=at)

    @rule(
        faults=st.lists(FAULTS, max_size=2),
        at=st.integers(1, 30),
        act=st.sampled_from(MEANWHILE),
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
                case "rename an import" if import_id is not None and self.is_found_by_id(import_id):
                    self.rig.sandbox.change_import(import_id, name="Else")
                case "run a second time":
                    with suppress(MicsError):
                        self.runs.carry_out(Options())
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

        self.runs.run(faults, meanwhile=happen, at=at)

    @rule(faults=st.lists(FAULTS, max_size=2))
    def retry(self, faults: list[Fault]) -> None:
        self.runs.run(faults, options=Options(retry_failed=True))

    @rule(save=st.booleans())
    def plan(self, save: bool) -> None:
        plan = self.promises.a_plan_changes_nothing()
        if save:
            self.saved = plan

    @rule(faults=st.lists(FAULTS, max_size=2))
    def apply_what_was_saved(self, faults: list[Fault]) -> None:
        saved, self.saved = self.saved, None
        if saved is not None:
            self.runs.run(faults, saved=saved)

    # The state.

    @rule(journals=st.booleans())
    def lose_the_state(self, journals: bool) -> None:
        self.runs.lose(journals=journals)

    @rule(which=WHICH)
    def put_an_older_state_back(self, which: int) -> None:
        if (older := pick(self.runs.older, which)) is not None:
            self.runs.put_back(older)

    # What must hold.

    @invariant()
    def nothing_is_loaded_twice(self) -> None:
        if hasattr(self, "promises"):
            self.promises.nothing_is_loaded_twice()

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
            self.promises.nothing_is_loaded_twice()
            if isinstance(ended, Outcome) and ended.exit_code == 0:
                break
            options = self.person.answer(ended, options)
        else:
            raise AssertionError(f"it never came to its end: {told}")
        self.runs.remember()
        self.project.moved.clear()
        self.project.lay_out(self.rig)
        self.promises.all_is_as_declared()

    def quiet_run(self, options: Options) -> Outcome | MicsError:
        state = known_state(self.rig)
        imports, sent = len(self.witness.our_imports(deleted=True)), len(self.witness.ours())
        try:
            outcome = self.runs.carry_out(options)
        except MicsError as error:
            assert len(self.witness.ours()) == sent
            return error
        if not doubts(state) and not state.creating:
            assert outcome.tally.loaded == len(self.witness.ours()) - sent
            assert outcome.tally.added == len(self.witness.our_imports(deleted=True)) - imports
        return outcome


TestModel = Model.TestCase
TestModel.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
