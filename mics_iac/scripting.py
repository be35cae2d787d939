"""mics-iac from Python: load a manifest, plan it, apply the plan, read the state.

    import mics_iac

    with mics_iac.open_project("imports.yaml", sandbox=True) as project:
        plan = mics_iac.plan(project)
        outcome = mics_iac.apply(project, plan)

Nothing here prints, prompts, exits, or reads the process's environment; what goes wrong is a `MicsError`. These names
are those of `import mics_iac`; what they return are values with types and docstrings of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from mics_iac.core.outcome import Outcome
from mics_iac.core.plan import Options, Plan
from mics_iac.core.progress import Told
from mics_iac.core.state import State
from mics_iac.core.status import Status
from mics_iac.core.variables import VariableSources
from mics_iac.embedded import open_sandbox, sandbox_folder
from mics_iac.engine import checking, workflow
from mics_iac.engine import project as projects
from mics_iac.engine.checking import Valid
from mics_iac.engine.project import Project
from mics_iac.engine.world import Limits, nobody

if TYPE_CHECKING:  # most scripts have no use for the sandbox
    from mics_iac.sandbox.adapter import SandboxAdapter


@contextmanager
def open_project(  # noqa: PLR0913 (one keyword for each choice)
    manifest: str | PathLike[str],
    *,
    environment: str | None = None,
    state: str | None = None,
    variables: Mapping[str, str] | None = None,
    token: str | Callable[[], str] = projects.no_token,
    sandbox: bool = False,
    environ: Mapping[str, str] | None = None,
    limits: Limits | None = None,
    tell: Callable[[Told], None] = nobody,
) -> Iterator[Project]:
    """Load a manifest and connect it with its platform and its state; nothing is called yet.

    `manifest` is a file or a folder. `state` is where the state is, as `--state` has it, stronger than the manifest; a
    relative path is seen from the current folder. `token` is sent as it is; a callable is asked once, when the platform
    is first called. `sandbox` takes the platform's place and needs no token. `environ` is looked at for proxies,
    certificates and the credentials of the state's place alone. `tell` gets every journal entry and every sign of
    progress, from any thread.
    Raises ManifestInvalid (with all problems) and UsageError.
    """
    path = Path(manifest)
    with _adapter(path, wanted=sandbox) as adapter:
        project = projects.open_project(
            projects.Inputs(
                manifest_path=path,
                environment=environment,
                state=projects.named_place(state, folder=Path(), manifest_path=path) if state is not None else None,
                variables=VariableSources(flags=dict(variables or {})),
                token=token if callable(token) else lambda: token,
                environ=dict(environ or {}),
                sandbox=adapter,
                limits=limits or Limits(),
                tell=tell,
                who="script",
            )
        )
        with closing(project.world.source):
            yield project


@contextmanager
def _adapter(path: Path, *, wanted: bool) -> Iterator[SandboxAdapter | None]:
    if not wanted:
        yield None
        return
    from mics_iac.sandbox.adapter import SandboxAdapter  # noqa: PLC0415 (most scripts have no use for it)

    with open_sandbox(sandbox_folder(path)) as sandbox:
        yield SandboxAdapter(sandbox)


def check(project: Project, *, records: bool = True, fetch: bool = False) -> Valid:
    """Find and read the files that the manifest names, and check their records; without `records` none is read.

    Remote files are read with `fetch` alone.

    Needs no token. Raises ManifestInvalid and SourceFailed. Look at `refused` for files that would not be loaded.
    """
    return checking.check(project, records=records, fetch=fetch)


def plan(project: Project, options: Options | None = None, *, refresh: bool = True, fetch: bool = True) -> Plan:
    """What `apply` would do now. Changes nothing and takes no lock.

    Look at `plan.empty`, `plan.refusals` and `plan.invalid`. Without `fetch` remote objects are not read: such a plan
    can be looked at, and not be given to `apply`.
    """
    return workflow.plan(project, options or Options(), refresh=refresh, fetch=fetch)


def apply(project: Project, saved: Plan | None = None, options: Options | None = None) -> Outcome:
    """Do what the saved plan says, or plan now and do that; returns how it ended, `exit_code` included.

    Raises PlanStale when something that the saved plan rests on has moved, GuardRefused, Locked, StateUnreadable,
    StoreFailed. What goes wrong with a single import or file stands in the outcome instead.
    """
    if saved is not None:
        return workflow.apply_saved(project, saved, approve=_yes)
    return workflow.apply(project, options or Options(), approve=_yes)


def _yes(decided: Plan) -> bool:  # noqa: ARG001 (a script has reviewed the plan before, or does not want to)
    return True


def status(project: Project, *, refresh: bool = True) -> Status:
    """What stands behind each address, with its executions; with `refresh` the platform is asked."""
    return workflow.status(project, refresh=refresh)


def read_state(project: Project) -> State:
    """The state as it stands, with what an unfinished run recorded folded in. Changes nothing and takes no lock."""
    return workflow.read_state(project)
