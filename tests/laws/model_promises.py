"""What must hold in the model: at every moment, and after a quiet run. Design, section 1."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from mics_iac.core.plan import Plan, encode_plan
from mics_iac.core.state import State, decode_state
from tests.laws.model_evidence import FAILED, Witness, executions, kind_of, known_state
from tests.laws.model_runs import Runs

# Stands in every line of every file, and in no path and no name.
RECORD_DATA = b"CUST-"


@dataclass
class Promises:
    """Each asserts what its name says."""

    witness: Witness
    runs: Runs

    # At every moment.

    def nothing_is_loaded_twice(self) -> None:
        """No content twice by us, and none by us that other hands had loaded into that import before."""
        witness = self.witness
        ours = [e for e in witness.ours() if e.status not in FAILED]
        loaded = Counter((*kind_of(e), e.sha256) for e in ours)
        assert all(count == 1 for count in loaded.values()), f"loaded twice: {loaded}"
        for theirs in witness.rig.sandbox.executions(deleted=True):
            if theirs.id in witness.their_executions and theirs.status not in FAILED:
                alike = [e for e in ours if (e.import_id, e.sha256) == (theirs.import_id, theirs.sha256)]
                again = [e.id for e in alike if int(e.id) > int(theirs.id)]
                assert not again, f"{again} had been loaded by hand as {theirs.id}"

    def a_plan_changes_nothing(self) -> Plan:
        """Two plans are equal byte for byte, and leave no trace."""
        before = self._traces()
        plan = self.witness.rig.plan()
        assert encode_plan(self.witness.rig.plan()) == encode_plan(plan)
        assert self._traces() == before, "a plan changed something"
        return plan

    def _traces(self) -> tuple[object, ...]:
        rig = self.witness.rig
        asked = [r for r in rig.sandbox.requests() if r.method != "GET"]
        return (self.runs.state_files(), rig.sandbox.imports(), rig.sandbox.executions(), len(asked))

    # After a quiet run.

    def all_is_as_declared(self) -> None:
        """Everything is there once and known, and there is nothing more to do."""
        rig = self.witness.rig
        data = rig.state_path.read_bytes() if rig.state_path.exists() else None
        state = decode_state(data, name="state") if data is not None else known_state(rig)
        assert data is None or RECORD_DATA not in data
        assert not rig.journals()
        self._imports_are_there(state)
        self._executions_are_known(state)
        self._files_are_loaded(state)
        plan = self.a_plan_changes_nothing()
        assert plan.empty, list(plan.effects)

    def _imports_are_there(self, state: State) -> None:
        living = {i.id: i for i in self.witness.rig.sandbox.imports()}
        for wish in self.witness.project.wishes.values():
            held = state.imports[wish.address].current
            seen = living[held.id]
            wanted = (*wish.kind, wish.form[1], wish.name, wish.priority)
            assert (*kind_of(seen), seen.mime_type, seen.name, seen.priority) == wanted
            assert not held.gone
        orphans = [i.id for i in self.witness.orphans(state)]
        assert not orphans, f"imports of ours that the state does not know: {orphans}"

    def _executions_are_known(self, state: State) -> None:
        seen = {e.id: e for e in self.witness.rig.sandbox.executions(deleted=True)}
        for _, incarnation, execution in executions(state):
            there = seen[execution.id]
            assert (there.import_id, there.sha256, there.bytes) == (incarnation.id, execution.sha256, execution.bytes)
            if there.deleted:
                continue  # how it ended cannot be asked any more
            assert execution.status == there.status
            if execution.status not in FAILED:
                told = (execution.total_success, execution.total_failure)
                assert told == (there.success, there.failure), f"{execution} is {there}"
                assert execution.id in self.runs.miscounted or execution.records == there.success + there.failure
        lost = {e.id for e in self.witness.unknown(state)} - self.witness.forgiven
        assert not lost, f"executions of ours that the state does not know: {lost}"

    def _files_are_loaded(self, state: State) -> None:
        for wish in self.witness.project.wishes.values():
            missing = self.witness.todo(wish, state)
            assert not missing, f"{wish.address}: not loaded: {missing}"
