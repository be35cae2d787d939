"""The runs of the model, in which things go wrong or may, and what becomes of the state between them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from mics_iac.core.outcome import Outcome
from mics_iac.core.plan import Options, Plan
from mics_iac.core.progress import Told
from mics_iac.engine import workflow
from mics_iac.engine.world import Stop
from mics_iac.errors import MicsError, StateUnreadable
from mics_iac.sandbox.faults import Fault
from mics_iac.store.backend import LEASE, MARGIN
from mics_iac.store.file import FileBackend
from tests.laws.model_evidence import Witness
from tests.rig import Rig
from tests.store.stand import Died, FaultyDisk

PLAIN = Options()


@dataclass
class Runs:
    """`older` are the states that were ever saved. `miscounted` are executions that the platform counts wrongly."""

    rig: Rig
    witness: Witness
    older: list[bytes] = field(default_factory=list)
    miscounted: set[str] = field(default_factory=set)

    def run(
        self,
        faults: Sequence[Fault],
        *,
        wait: bool = True,
        disk: FaultyDisk | None = None,
        meanwhile: Callable[[], object] | None = None,
        at: int = 0,
        saved: Plan | None = None,
        options: Options = PLAIN,
    ) -> None:
        """One run with these faults. `meanwhile` happens when it tells something for the `at`-th time."""
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
        """Apply, on a disk that fails if one is given; whoever dies of it leaves the lock to time."""
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
            self._age_the_lock()

    def _age_the_lock(self) -> None:
        lock = self.rig.state_path.with_name("imports.state.lock")
        if lock.exists():
            os.utime(lock, (self.rig.clock.now(), self.rig.clock.now()))
            self.rig.clock.sleep(2 * LEASE + MARGIN)

    # The state.

    def remember(self) -> None:
        """Keep the state as it is now, to be put back later."""
        if self.rig.state_path.exists():
            now = self.rig.state_path.read_bytes()
            if now not in self.older:
                self.older.append(now)

    def lose(self, *, journals: bool) -> None:
        """The state is gone, with its journals or without."""
        self._damage(None, journals=journals)

    def put_back(self, older: bytes) -> None:
        """An older state takes the place of today's."""
        self._damage(older, journals=False)

    def _damage(self, state: bytes | None, *, journals: bool) -> None:
        """Change the state, unless that leaves no evidence of something that the manifest would load again."""
        before = self.state_files()
        if state is None:
            self.rig.state_path.unlink(missing_ok=True)
        else:
            self.rig.state_path.write_bytes(state)
        if journals:
            self._drop_journals()
        try:
            proven = self.witness.provable()
        except StateUnreadable:
            # The journal of another state than the one put back: it is refused with the advice to move it away.
            self._drop_journals()
            proven = self.witness.provable()
        if proven:
            self.witness.forgive()
            return
        for path in self.state_files():
            path.unlink()
        for path, data in before.items():
            path.write_bytes(data)

    def _drop_journals(self) -> None:
        for path in self.rig.state_path.parent.glob("*.journal.*"):
            path.unlink()

    def state_files(self) -> dict[Path, bytes]:
        """The state and its journals."""
        found = [self.rig.state_path, *self.rig.state_path.parent.glob("*.journal.*")]
        return {path: path.read_bytes() for path in found if path.exists()}
