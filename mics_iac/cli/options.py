"""Every option, declared once, with its help and its environment variable.

An option that approves, or that may load data again, has no variable: it must stand in the command that is run.
Knows click alone; what the options mean to the engine is `session.py`'s.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import click
from click.core import ParameterSource

from mics_iac.cli.build import in_ci
from mics_iac.cli.screen import Screen

F = TypeVar("F", bound=Callable[..., Any])
Decorator: TypeAlias = Callable[[F], F]

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)?")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, None: 1.0}


def duration(value: str | float) -> float:
    """`90`, `90s`, `10m`, `1h`: seconds; a usage error for anything else."""
    found = _DURATION.fullmatch(str(value).strip())
    if found is None:
        raise click.BadParameter(f"{value!r} is no duration: write 90, 90s, 10m or 1h")
    return float(found[1]) * _UNITS[found[2]]


def assignment(value: str) -> tuple[str, str]:
    """`NAME=VALUE`, split at the first equals sign; the value may be empty, the name may not."""
    name, equals, text = value.partition("=")
    if not (name and equals):
        raise click.BadParameter(f"{value!r} is no assignment: write NAME=VALUE")
    return name, text


def place(value: str) -> str:
    """The text of a place, once it is known to be one: only then may it be shown again."""
    from mics_iac.core.place import parse_place  # noqa: PLC0415 (kept out of the start-up of --help)

    parse_place(value)
    return value


@dataclass(frozen=True, slots=True)
class Common:
    """What every command that reads a manifest takes. Paths given by the user go through `at`."""

    screen: Screen
    file: str
    folder: Path
    environment: str | None
    state: str | None
    """As it was given; a place, with no secret in it."""
    variables: tuple[tuple[str, str], ...]
    variable_files: tuple[str, ...]
    token_file: str | None
    token_command: str | None
    sandbox: bool
    may_ask: bool

    def at(self, path: str) -> Path:
        """A path of the command line, as seen from `--chdir`."""
        return self.folder / path

    @property
    def can_ask(self) -> bool:
        """Whether a person can be asked: there is a terminal, and neither CI nor the user said no."""
        return self.may_ask and not in_ci(self.screen.environ) and self.screen.interactive

    def echo(self) -> str:
        """The options that name the same manifest again, for a command that is suggested."""
        from shlex import join  # noqa: PLC0415 (kept out of the start-up of --help)

        words: list[str] = []
        words += ["-C", str(self.folder)] if self.folder != Path() else []
        words += ["-f", self.file] if self.file != DEFAULT_MANIFEST else []
        words += ["--env", self.environment] if self.environment is not None else []
        words += ["--state", self.state] if self.state is not None else []
        words += [w for name, value in self.variables for w in ("--var", f"{name}={value}")]
        words += [w for path in self.variable_files for w in ("--var-file", path)]
        words += ["--sandbox"] if self.sandbox else []
        return f" {join(words)}" if words else ""


DEFAULT_MANIFEST = "imports.yaml"


def option(*names: str, variable: str | None = "", **settings: Any) -> Decorator[Any]:
    """An option with its `MICS_IAC_…` variable, named after its first long name; `variable=None` for none."""
    long = next(name for name in names if name.startswith("--")).partition("/")[0]
    if variable is not None:
        settings |= {"envvar": variable or "MICS_IAC_" + long[2:].upper().replace("-", "_"), "show_envvar": True}
    return click.option(*names, **settings)


def _set_color(ctx: click.Context, _param: click.Parameter, value: str | None) -> None:
    if value is not None:
        ctx.obj.color = value


def _set_plain(ctx: click.Context, _param: click.Parameter, value: bool) -> None:  # noqa: FBT001 (click's signature)
    if value:
        ctx.obj.color = "never"


def _set_flag(name: str) -> Callable[[click.Context, click.Parameter, bool], None]:
    def put(ctx: click.Context, _param: click.Parameter, value: bool) -> None:  # noqa: FBT001 (click's signature)
        if value:
            setattr(ctx.obj, name, True)

    return put


def _set_format(ctx: click.Context, _param: click.Parameter, value: str) -> None:
    ctx.obj.format = value


def output(command: F) -> F:
    """How results and progress look."""
    return _with(_OUTPUT, formatted(command))


def formatted(command: F, *, annotating: bool = False) -> F:
    """Text or JSON; or, where a command is `annotating`, what GitHub shows beside the lines of files."""
    also = " github prints annotations, too." if annotating else ""
    put: Decorator[F] = option(
        "--format", type=click.Choice(["text", "json", "github"] if annotating else ["text", "json"]), default="text",
        show_default=True, is_eager=True, expose_value=False, callback=_set_format,
        help=f"How to print the result; with json, an error is JSON on standard error too.{also}",
    )  # fmt: skip
    return put(command)


def common(command: F) -> F:
    """Gather what names a manifest and its environment into one `Common`, passed first."""
    return _with(_OUTPUT, formatted(_gathering(command)))


def annotating(command: F) -> F:
    """The same for a command that can print annotations."""
    return _with(_OUTPUT, formatted(_gathering(command), annotating=True))


def _gathering(command: F) -> F:
    @wraps(command)
    @click.pass_obj
    def packed(screen: Screen, /, **given: Any) -> Any:
        gathered = Common(
            screen=screen,
            file=given.pop("file"),
            folder=Path(given.pop("chdir")),
            environment=given.pop("env"),
            state=_typed_place(given.pop("state", None), sandbox=given.get("sandbox", False)),
            variables=given.pop("var"),
            variable_files=given.pop("var_file"),
            token_file=given.pop("token_file", None),
            token_command=given.pop("token_command", None),
            sandbox=given.pop("sandbox", False),
            may_ask=not given.pop("no_input", False),
        )
        screen.echo = gathered.echo
        return command(gathered, **given)

    return _with(_MANIFEST, packed)  # type: ignore[return-value]  # click adds options to the same function


def _typed_place(state: str | None, *, sandbox: bool) -> str | None:
    """The place of the state, unless it comes from the environment and a sandbox is asked for.

    A variable that is set for every run names the platform's state; a trial must not be written there.
    """
    source = click.get_current_context().get_parameter_source("state")
    return None if sandbox and source is ParameterSource.ENVIRONMENT else state


_OUTPUT = (
    option(
        "--color", type=click.Choice(["auto", "always", "never"]), expose_value=False, callback=_set_color,
        help="Colour the output; auto is the default, for terminals only.",
    ),
    option(
        "--no-color", is_flag=True, expose_value=False, callback=_set_plain,
        help="The same as --color never; so is a NO_COLOR in the environment.",
    ),
    option("-q", "--quiet", is_flag=True, expose_value=False, callback=_set_flag("quiet"), help="Show no progress."),
    option(
        "-v", "--verbose", is_flag=True, expose_value=False, callback=_set_flag("verbose"),
        help="Show each file and each import, also where nothing happens to it.",
    ),
)  # fmt: skip

_MANIFEST = (
    option(
        "-f", "--file", default=DEFAULT_MANIFEST, show_default=True, metavar="PATH",
        help="The manifest: a file, or a folder whose *.yaml files are read as one.",
    ),
    option("-C", "--chdir", default=".", metavar="DIR", help="Read all other paths as seen from this folder."),
    option("--env", metavar="NAME", help="The environment; needed where the manifest declares any."),
    option(
        "--var", type=assignment, multiple=True, metavar="NAME=VALUE",
        help="Give a variable its value; also MICS_VAR_<name> in the environment.",
    ),
    option("--var-file", multiple=True, metavar="FILE", help="Read values from a YAML file; later ones win."),
)  # fmt: skip

_STATE = (
    option(
        "--state", type=place, metavar="URL",
        help="Where the state is: a path, s3://bucket/prefix, gs://bucket/prefix, az://account/container/prefix or "
        "https://host/path. Wins over the manifest.",
    ),
)  # fmt: skip

_NETWORK = (
    option("--sandbox", is_flag=True, help="Talk to the imitated platform inside this tool: no account, no network."),
    option("--token-file", metavar="FILE", help="Read the token from a file, instead of MICS_API_TOKEN."),
    option("--token-command", metavar="COMMAND", help="Run a command that prints the token; runs without a shell."),
)

_PARALLEL = (
    option(
        "--parallelism", type=click.IntRange(min=1), default=10, show_default=True, metavar="N",
        help="Calls to the platform at once, uploads aside.",
    ),
)  # fmt: skip

_REFRESH = option(
    "--no-refresh",
    is_flag=True,
    help="Do not ask the platform about imports: trust the state. Changes made outside are not seen.",
)

_SELECTION = (
    option("--target", multiple=True, metavar="ADDRESS", help="Only these imports; globs such as 'fr/*' work."),
    option("--exclude", multiple=True, metavar="ADDRESS", help="All but these imports; globs work."),
    option(
        "--reload", multiple=True, variable=None, metavar="ADDRESS[:PATH]",
        help="Load again what was loaded: every file of an import, or one.",
    ),
    option("--retry-failed", is_flag=True, help="Send again what failed before."),
    option(
        "--ignore-history", multiple=True, variable=None, metavar="ADDRESS",
        help="Do not compare with executions that somebody else made in this import.",
    ),
)  # fmt: skip

_WAIT = option(
    "--wait/--no-wait", default=True, show_default=True,
    help="Wait until each execution has ended, and count its records.",
)  # fmt: skip
_SETTLING = (
    option(
        "--wait-timeout", type=duration, default="1h", show_default=True, metavar="TIME",
        help="How long to wait for executions and doubts.",
    ),
    option(
        "--settle-delay", type=duration, default="60s", show_default=True, metavar="TIME",
        help="How long a lost upload must leave no trace before it is sent again.",
    ),
)  # fmt: skip
_LOCKING = (
    option(
        "--lock-timeout", type=duration, default="0s", show_default=True, metavar="TIME",
        help="How long to wait for somebody else's lock.",
    ),
)  # fmt: skip
_SENDING = (
    option(
        "--transfers", type=click.IntRange(min=1), default=4, show_default=True, metavar="N",
        help="Uploads at once.",
    ),
    option("--fail-fast", is_flag=True, help="Begin nothing new once something failed."),
)  # fmt: skip


def network(command: F) -> F:
    """Who is talked to, and with which token."""
    return _with((*_STATE, *_NETWORK, *_PARALLEL), command)


def refresh(command: F) -> F:
    """Whether the platform is asked."""
    return _with((_REFRESH,), command)


def selection(command: F) -> F:
    """What a plan is narrowed or widened to."""
    return _with(_SELECTION, command)


def limits(command: F) -> F:
    """How much at once and how long."""
    return _with((_WAIT, *_SETTLING, *_LOCKING, *_SENDING), command)


def settling(command: F) -> F:
    """How long to look for what was lost."""
    return _with(_SETTLING, command)


def locking(command: F) -> F:
    """How long to wait for the lock."""
    return _with(_LOCKING, command)


def whose_state(command: F) -> F:
    """Which of a manifest's states is meant: where it is, and whether it is the platform's or the sandbox's."""
    return _with((*_STATE, _NETWORK[0]), command)


def _with(options: tuple[Decorator[Any], ...], command: F) -> F:
    for decorate in reversed(options):
        command = decorate(command)
    return command
