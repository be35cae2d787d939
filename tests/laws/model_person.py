"""The person of the model: reads why a run did not come to its end, and does what it says.

Believes nothing without a look: every refusal and every part that is held back must have a reason that the platform or
the project shows. And decides only as one would who knows the truth about what was loaded.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from mics_iac.core.address import base_of
from mics_iac.core.outcome import Outcome, Shortfall
from mics_iac.core.plan import Options, Refused, Stuck
from mics_iac.engine import workflow
from mics_iac.engine.resolution import resolve
from mics_iac.errors import GuardRefused, MicsError, PlanStale
from tests.laws.model_evidence import FAILED, Witness, executions, incarnations, kind_of, known_state
from tests.laws.model_project import Wish
from tests.rig import Rig, digest


@dataclass
class Person:
    """`answer` gives the options of the next run, and may have edited the project before."""

    rig: Rig
    witness: Witness

    def answer(self, ended: Outcome | MicsError, asked: Options) -> Options:
        match ended:
            case GuardRefused():
                return self._unguard(asked)
            case PlanStale():
                return Options()
            case MicsError():
                raise AssertionError(f"a quiet run failed: {ended!r} {ended.remedy}") from ended
            case Outcome():
                return self._go_on(ended, asked)

    # Refused plans.

    def _unguard(self, asked: Options) -> Options:
        ignored: set[str] = set()
        refusals = workflow.plan(self.rig.open(), asked).refusals
        assert refusals, "refused for no reason that the plan shows"
        for refused in refusals:
            wish = self.witness.project.wish_of(refused.address)
            assert wish is not None, refused
            if self._resolve(wish, refused):
                ignored.add(wish.address)
        self.witness.project.lay_out(self.rig)
        return Options(ignore_history=tuple(sorted(ignored)))

    def _resolve(self, wish: Wish, refused: Refused) -> bool:
        """Do what a refusal says; whether the history of its import is to be ignored."""
        project, said = self.witness.project, refused.message
        state = known_state(self.rig)
        candidates = self.witness.candidates(wish, state)
        if "moved:" in said:
            source = re.search(r"from: (\S+), to: (\S+)}", said)
            assert source is not None, said
            assert source[2] == wish.address
            held = state.imports[source[1]].current
            assert project.wish_of(source[1]) is None, said
            assert held.settings.title == wish.title or self.witness.shows(held.id, wish), said
            if not project.move_from(wish, source[1]) or wish.address in state.imports:
                self._unmove(wish, source[1])
                project.relabel(wish)
        elif "imports on the platform have that name" in said:
            assert len(candidates) > 1, said
            chosen = self.witness.choice(wish, state)
            if chosen is None:
                project.relabel(wish)
            else:
                assert f'adopt: "{chosen.id}"' in said
                wish.adopt = chosen.id
        elif "would be adopted, but it has" in said:
            assert any(i.mime_type != wish.form[1] for i in candidates) or wish.adopt is not None, said
            wish.adopt = None
            project.relabel(wish)
        elif "has no import" in said:
            assert wish.adopt not in {i.id for i in self.rig.sandbox.imports()}, said
            wish.adopt = None
        elif "stands behind" in said:
            owned = {i.id: a for a, held in state.imports.items() for i in incarnations(held)}
            assert wish.adopt is not None, said
            assert owned[wish.adopt] != wish.address, said
            wish.adopt = None
        elif (path := said.partition(":")[0]) not in project.files:
            pass  # taken out meanwhile
        elif "allow_shared_content" in said:
            assert self._is_shared(wish, digest(project.files[path])), said
            project.delete(path)
        elif "--ignore-history" in said:
            assert self._is_lost(wish, digest(project.files[path])), said
            return self._decide(wish)
        else:
            raise AssertionError(f"refused for a reason that the model does not know: {said}")
        return False

    def _unmove(self, wish: Wish, source: str) -> None:
        if self.witness.project.moved.get(source) == wish.key:
            del self.witness.project.moved[source]

    def _is_shared(self, wish: Wish, sha256: str) -> bool:
        """Whether another import has this content too, in the manifest or in what was loaded."""
        project, state = self.witness.project, known_state(self.rig)
        declared = any(
            w is not wish and w.kind == wish.kind and sha256 in project.digests(w) for w in project.wishes.values()
        )
        loaded = any(
            e.sha256 == sha256 and e.status not in FAILED and i.settings.kind == wish.kind
            for a, i, e in executions(state)
            if base_of(a) not in self.witness.bases(wish, state)
        )
        return declared or loaded

    def _is_lost(self, wish: Wish, sha256: str) -> bool:
        """Whether an answer about this content was lost by an import that cannot be asked any more."""
        living = {seen.id for seen in self.rig.sandbox.imports()}
        return any(
            d.sha256 == sha256 and i.settings.kind == wish.kind
            for held in known_state(self.rig).imports.values()
            for i in incarnations(held)
            for d in i.doubts
            if i is not held.current or i.id not in living
        )

    # Parts that nobody but a person can decide about.

    def _decide(self, wish: Wish) -> bool:
        """Take out what truly was loaded; only if there is no such thing, let the history be ignored (True)."""
        project = self.witness.project
        done = self.witness.loaded(wish) & self.witness.todo(wish, known_state(self.rig))
        for sha256 in sorted(done):
            project.take_out(wish, sha256)
        project.lay_out(self.rig)
        return not done

    # Runs that came to their end with something left.

    def _go_on(self, outcome: Outcome, asked: Options) -> Options:
        said = "\n".join((*outcome.unfinished, *(f"{f.error.message} {f.error.remedy}" for f in outcome.failures)))
        code = outcome.exit_code
        assert code in (3, 5, 7, 8), f"a quiet run ended with {code}: {said}"
        if code == 7:
            assert outcome.shortfalls
            assert all(self._fell_short(s) for s in outcome.shortfalls), outcome.shortfalls
        self._tell_of_unseen(outcome)
        if "--retry-failed" in said:
            assert self._has_failed(), said
        doubtful = re.findall(r"^if it did: +mics-iac state resolve (.+) --execution \S+$", said, re.MULTILINE)
        for subject in dict.fromkeys(shlex.split(one)[0] for one in doubtful):
            self._resolve_doubt(*subject.split(":", 1))
        retry = asked.retry_failed or "--retry-failed" in said
        if doubtful:  # what else was said may rest on these: the next run tells
            return Options(retry_failed=retry)
        ignored: tuple[str, ...] = ()
        for address in dict.fromkeys(re.findall(r"--ignore-history (\S+)", said)):
            wish = self.witness.project.wish_of(address)
            if wish is None:
                self._drop_doubts(address)
                ignored += (address,)
            else:
                assert self._is_untold(wish), said
                ignored += (address,) if self._decide(wish) else ()
        # One part may need both: it failed before, and something else may be it.
        return Options(ignore_history=ignored, retry_failed=retry)

    def _resolve_doubt(self, address: str, path: str) -> None:
        """Say of each content of this file that is in doubt which execution it is, or that none is."""
        held = known_state(self.rig).imports[address]
        contents = {d.sha256 for i in incarnations(held) for d in i.doubts if d.source == path}
        if not contents:
            contents = {digest(self.witness.project.files[path])}
        known = {e.id for _, _, e in executions(known_state(self.rig))}
        ids = {i.id for i in incarnations(held)}
        there = [e for e in self.rig.sandbox.executions() if e.import_id in ids]
        # One whose file is gone may have been told of already, as another file.
        assert any(e.file_gone for e in there), f"{address}:{path} could have been told by its bytes"
        for sha256 in sorted(contents):
            found = next((e.id for e in there if e.sha256 == sha256 and e.id not in known), None)
            resolve(self.rig.open(), address, path=f"sha256:{sha256}", execution=found)

    def _tell_of_unseen(self, outcome: Outcome) -> None:
        """What had not ended when its import was deleted was loaded, as the platform knows."""
        unseen = [a for a in outcome.plan.actions if isinstance(a, Stuck) and a.unseen]
        for stuck in {(a.address, a.sha256): a for a in unseen}.values():
            (execution,) = re.findall(r"--execution (\S+?);", stuck.reason)
            resolve(self.rig.open(), stuck.address, path=f"sha256:{stuck.sha256}", execution=execution)

    def _drop_doubts(self, address: str) -> None:
        """Of an import that is not declared any more nothing is sent: its doubts can go, if no other has the files."""
        project, held = self.witness.project, known_state(self.rig).imports[address]
        open_ = [(i.settings.kind, d.sha256) for i in incarnations(held) for d in i.doubts]
        assert open_, address
        for wish in project.wishes.values():
            for kind, sha256 in open_:
                if kind == wish.kind and sha256 in self.witness.loaded(wish):
                    project.take_out(wish, sha256)
        project.lay_out(self.rig)

    def _fell_short(self, short: Shortfall) -> bool:
        """Whether it failed or is miscounted. One that is not declared any more has no budget."""
        seen = next(e for e in self.rig.sandbox.executions(deleted=True) if e.id == short.execution_id)
        odd = seen.status in FAILED or seen.success + seen.failure != short.sent
        return odd or (seen.failure > 0 and self.witness.project.wish_of(short.address) is None)

    def _has_failed(self) -> bool:
        state = known_state(self.rig)
        refused = any(i.refusals for held in state.imports.values() for i in incarnations(held))
        return refused or any(e.status in FAILED for _, _, e in executions(state))

    def _is_untold(self, wish: Wish) -> bool:
        """Whether something of that kind lies on the platform whose file is gone and that the state does not know."""
        known = {e.id for _, _, e in executions(known_state(self.rig))}
        return any(
            e.file_gone and e.id not in known and kind_of(e) == wish.kind
            for e in self.rig.sandbox.executions(deleted=True)
        )
