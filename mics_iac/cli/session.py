"""One run of a command against the engine: its inputs, its display and its way to be stopped.

The one place where options become what the engine takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mics_iac.cli.identity import run_url, who
from mics_iac.cli.options import DEFAULT_MANIFEST, Common
from mics_iac.cli.progress import Display, display_for
from mics_iac.cli.signals import Interrupts, interrupts
from mics_iac.cli.token import token_source
from mics_iac.core.place import StatePlace
from mics_iac.core.plan import Options, Plan
from mics_iac.core.variables import NO_VARIABLES, Given, VariableSources, parse_var_file
from mics_iac.embedded import open_sandbox, sandbox_folder
from mics_iac.engine.manifest_files import read_manifest_texts, read_var_file_text
from mics_iac.engine.project import Inputs, Project, named_place, open_project, open_saved
from mics_iac.engine.world import Limits, Stop
from mics_iac.errors import ManifestInvalid, NotAllowed, Problem

if TYPE_CHECKING:  # most runs have no use for the sandbox
    from mics_iac.sandbox.adapter import SandboxAdapter


@dataclass(frozen=True, slots=True)
class Session:
    """A project that was opened, what shows its progress, and what handles Ctrl-C."""

    project: Project
    display: Display
    interrupts: Interrupts


@contextmanager
def session(given: Common, limits: Limits, *, saved: Plan | None = None) -> Iterator[Session]:
    """Open the project of these options, or the one of a saved plan.

    Bars and signal handlers are there while the block runs.
    """
    stop = Stop()
    path = _manifest_path(given, saved)
    with (
        interrupts(stop.request) as handler,
        _sandbox(path, wanted=given.sandbox) as sandbox,
        display_for(given.screen) as display,
    ):
        environ = given.screen.environ
        inputs = Inputs(
            manifest_path=path,
            environment=given.environment,
            state=chosen_place(given, saved) if saved is None else None,
            variables=variable_sources(given) if saved is None else NO_VARIABLES,
            token=_token(given, stop),
            sandbox=sandbox,
            environ=environ,
            limits=limits,
            tell=display.tell,
            stop=stop,
            who=who(environ),
            run_url=run_url(environ),
        )
        project = open_project(inputs) if saved is None else open_saved(inputs, saved)
        with closing(project.world.source):
            yield Session(project, display, handler)


def _token(given: Common, stop: Stop) -> Callable[[], str]:
    """How to get the token. Ctrl-C ends the token command too, and that is no error of its."""
    fetch = token_source(
        given.screen.environ,
        file=given.at(given.token_file) if given.token_file is not None else None,
        command=given.token_command,
        folder=given.folder,
    )

    def fetch_unless_stopped() -> str:
        try:
            return fetch()
        except NotAllowed:
            stop.check()
            raise

    return fetch_unless_stopped


def chosen_place(given: Common, saved: Plan | None) -> StatePlace | None:
    """The place that `--state` names; None where it is not given. UsageError where it is none."""
    if given.state is None:
        return None
    return named_place(given.state, folder=given.folder, manifest_path=_manifest_path(given, saved))


def _manifest_path(given: Common, saved: Plan | None) -> Path:
    """The manifest: as the options name it; a saved plan knows its own where they do not."""
    path = given.at(given.file)
    return Path(saved.manifest_path) if saved is not None and path == Path(DEFAULT_MANIFEST) else path


@contextmanager
def _sandbox(manifest_path: Path, *, wanted: bool) -> Iterator[SandboxAdapter | None]:
    """The imitated platform of this manifest, where it was asked for."""
    if not wanted:
        yield None
        return
    from mics_iac.sandbox.adapter import SandboxAdapter  # noqa: PLC0415 (most runs have no use for it)

    require_manifest(manifest_path)
    with open_sandbox(sandbox_folder(manifest_path)) as sandbox:
        yield SandboxAdapter(sandbox)


def require_manifest(path: Path) -> None:
    """UsageError where there is no manifest: a sandbox is not made in a folder that was named by mistake."""
    try:
        there = path.exists()
    except OSError:
        there = False
    if not there:
        read_manifest_texts(path)


def variable_sources(given: Common) -> VariableSources:
    """All values of variables from outside the manifest; ManifestInvalid with every mistake in the files."""
    files: list[Mapping[str, Given]] = []
    problems: list[Problem] = []
    for path in given.variable_files:
        try:
            files.append(parse_var_file(read_var_file_text(given.at(path))))
        except ManifestInvalid as error:
            problems += error.problems
    if problems:
        raise ManifestInvalid(problems)
    return VariableSources(flags=dict(given.variables), files=tuple(files), process=given.screen.environ)


def options_of(chosen: Mapping[str, Any]) -> Options:
    """What narrows or widens the plan."""
    return Options(
        target=tuple(chosen["target"]),
        exclude=tuple(chosen["exclude"]),
        reload=tuple(chosen["reload"]),
        ignore_history=tuple(chosen["ignore_history"]),
        retry_failed=chosen["retry_failed"],
    )


def echo_options(options: Options) -> list[str]:
    """The same, as words of a command line that is suggested."""
    words = [w for address in options.target for w in ("--target", address)]
    words += [w for address in options.exclude for w in ("--exclude", address)]
    words += [w for wish in options.reload for w in ("--reload", wish)]
    words += [w for address in options.ignore_history for w in ("--ignore-history", address)]
    return words + (["--retry-failed"] if options.retry_failed else [])
