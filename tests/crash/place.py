"""Where a scene is played: a project with its state, the platform beside it, and one run of apply between them.

Made of files alone, so that a run of another process finds all of it. Knows nothing of processes.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import uuid4

from mics_iac.core.plan import Options
from mics_iac.core.state import State, decode_state
from mics_iac.engine import workflow
from mics_iac.engine.project import Inputs, Project, open_project
from mics_iac.engine.world import Limits
from mics_iac.errors import MicsError, exit_code
from mics_iac.sandbox.profile import Profile
from mics_iac.sandbox.sandbox import Sandbox
from mics_iac.store.shelter import Shelter
from tests.clocks import SteppingClock
from tests.crash import truths
from tests.crash.effects import CountedAdapter, Effects
from tests.crash.kept import Kept, kept_at
from tests.crash.order import Order
from tests.crash.scenes import Version

# A lock whose maker died before he wrote who he is ends after a minute, of a clock that costs no time.
AT_ONCE = Limits(lock_timeout=1000)
# One thread for calls and one for uploads, so that they can be kept in order.
IN_TURN = replace(AT_ONCE, parallelism=1, transfers=1)


@dataclass(frozen=True, slots=True)
class Ran:
    """How one run ended.

    `code` is its exit code, None if it died. `struck` is the first effect that went wrong, None if none did; then
    `names` are those of all effects. `clock` is the moment of the end (epoch seconds), `wrong` what should hold after
    it and does not.
    """

    code: int | None
    struck: str | None
    clock: float
    wrong: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Place:
    """A folder with all that outlives a process, and how much a run does at once.

    `where` is where the state is kept (`kept_at`), under this `name`.
    """

    folder: Path
    limits: Limits = IN_TURN
    where: str = "file"
    name: str = field(default_factory=lambda: uuid4().hex)

    @property
    def project(self) -> Path:
        """The folder of the manifest."""
        return self.folder / "project"

    @property
    def kept(self) -> Kept:
        """Where the state is kept."""
        return kept_at(self.where, self.folder, self.name)

    def copy(self, folder: Path) -> Place:
        """The same once more, but for what is kept elsewhere."""
        shutil.copytree(self.folder, folder)
        return Place(folder, self.limits, self.where)

    def apply(self, wanted: Version, *, clock: SteppingClock, effects: Effects, order: Order) -> Ran:
        """One apply as the command line would end it; what is no MicsError goes through."""
        effects.on_strike = order.end
        profile = Profile(queue_ms=1000, run_ms=1000)
        path = self.folder / "platform.sqlite"
        with Sandbox(path, now=lambda: int(clock.now() * 1000), profile=profile) as sandbox:
            wrong: list[str] = []
            try:
                project = self._open(sandbox, clock, effects, order)
                outcome = workflow.apply(project, Options(), approve=lambda _: True)
            except MicsError as error:
                code = exit_code(error)
            else:
                code = outcome.exit_code
                if code == 0:
                    wrong += truths.done(wanted, outcome, sandbox, self._state(clock))
            if effects.mishap is None:
                again = workflow.plan(self._open(sandbox, clock, effects, order), Options())
                wrong += truths.cleared_up([*self.kept.strays(), *self._sheltered()], again)
            names = effects.names if effects.struck is None else []
            return Ran(code, effects.struck, clock.now(), wrong, names)

    def _sheltered(self) -> list[str]:
        """What a run kept on this machine and none has taken in."""
        folder = self.folder / "emergency"
        return [path.name for path in folder.iterdir()] if folder.is_dir() else []

    def _state(self, clock: SteppingClock) -> State:
        """The state as it was saved, seen by one whose calls nobody counts."""
        snapshot = self.kept.backend(clock, Effects()).read()
        assert snapshot is not None
        return decode_state(snapshot.data, name="the state")

    def _open(self, sandbox: Sandbox, clock: SteppingClock, effects: Effects, order: Order) -> Project:
        """The project, with the calls to where its state is and the exchanges with its platform counted."""
        inputs = Inputs(
            manifest_path=self.project / "imports.yaml",
            sandbox=CountedAdapter(sandbox, effects, wait=clock.sleep),
            limits=self.limits,
            tell=order.tell,
            stop=order,
            clock=clock,
            who="tester@host",
        )
        project = open_project(inputs)
        backend = self.kept.backend(clock, effects)
        shelter = Shelter(self.folder / "emergency") if backend.distant else None
        return replace(project, world=replace(project.world, backend=backend, shelter=shelter))
