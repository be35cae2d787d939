"""The command line: the table of commands, and the one place where an error becomes an exit code.

Only click is imported here; each command is imported when it is run.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from mics_iac import __version__
from mics_iac.cli.build import read_environ
from mics_iac.cli.lazy import Entry, LazyGroup
from mics_iac.cli.screen import Screen
from mics_iac.errors import MicsError, UsageError, exit_code

EXIT_CODES = (
    (0, "done, or nothing to do"),
    (1, "error"),
    (2, "changes present (plan --detailed-exitcode only)"),
    (3, "apply incomplete: run it again"),
    (4, "manifest or records invalid"),
    (5, "the saved plan is stale"),
    (6, "locked by somebody else"),
    (7, "an execution failed or went over its budget"),
    (8, "a guard refused"),
    (9, "not authenticated, or not allowed"),
    (10, "state unreadable"),
    (64, "wrong usage"),
    (130, "interrupted (Ctrl-C)"),
    (143, "terminated (SIGTERM)"),
)

COMMANDS = {
    "init": Entry("mics_iac.cli.cmd_init", "Write a manifest to start from."),
    "validate": Entry("mics_iac.cli.cmd_validate", "Check the manifest, its files and their records."),
    "plan": Entry("mics_iac.cli.cmd_plan", "Show what apply would do."),
    "apply": Entry("mics_iac.cli.cmd_apply", "Create and change imports, load each file once."),
    "status": Entry("mics_iac.cli.cmd_status", "Show imports, executions and record counts."),
    "state": Entry("mics_iac.cli.cmd_state", "Look at the state, check it, mend it, decide on doubts."),
    "lock": Entry("mics_iac.cli.cmd_lock", "Show who holds the state, or hold it by hand."),
    "force-unlock": Entry("mics_iac.cli.cmd_force_unlock", "Take the lock away from a run that is dead."),
    "schema": Entry("mics_iac.cli.cmd_schema", "Print the JSON Schema of the manifest."),
    "completion": Entry("mics_iac.cli.cmd_completion", "Print a completion script for your shell."),
    "sandbox": Entry("mics_iac.cli.cmd_sandbox", "Run or empty the imitated platform."),
    "demo": Entry("mics_iac.cli.cmd_demo", "See it all at work, against the sandbox."),
    "version": Entry("mics_iac.cli.cmd_version", "Print the version."),
}

_HELP = """Manage mediarithmics document imports as code.

Declare imports and their files in imports.yaml, review the plan, apply it: imports are created or changed, and every
file is loaded exactly once.

\b
  mics-iac demo       see it at work, with no account
  mics-iac init       write imports.yaml
  mics-iac plan       show what would be done
  mics-iac apply      do it

Every option of a command can be given as MICS_IAC_<OPTION> in the environment, apart from those that approve or load
again. See mics-iac COMMAND --help.
"""

_EPILOG = "\b\nExit codes:\n" + "\n".join(f"  {code:>3}  {meaning}" for code, meaning in EXIT_CODES)


@click.group(
    cls=LazyGroup,
    table=COMMANDS,
    invoke_without_command=True,
    help=_HELP,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, "-V", "--version", prog_name="mics-iac", message="%(prog)s %(version)s")
@click.pass_context
def cli(ctx: click.Context) -> int | None:
    """Print the help where no command is named."""
    if ctx.invoked_subcommand is not None:
        return None
    screen: Screen = ctx.obj
    screen.err(ctx.get_help() + "\n")
    return UsageError.exit_code


def main(args: Sequence[str] | None = None) -> int:
    """Run one command line and say its exit code; every error ends here."""
    screen = Screen(sys.stdout, sys.stderr, read_environ())
    try:
        code = cli.main(args=args, prog_name="mics-iac", standalone_mode=False, obj=screen)
    except click.UsageError as error:
        return _usage(screen, error)
    except click.ClickException as error:
        return _fail(screen, MicsError(error.format_message()))
    except (click.Abort, KeyboardInterrupt):
        screen.err("interrupted\n")
        return 130
    except MicsError as error:
        return _fail(screen, error)
    except Exception as error:  # noqa: BLE001 (the last stop: no traceback ever reaches a user who did not ask for it)
        return _crash(screen, error)
    return code if isinstance(code, int) else 0


def run() -> NoReturn:
    """The console script."""
    for stream in (s for s in (sys.stdout, sys.stderr) if s is not None):  # None where the shell closed it
        # Text that the terminal's encoding does not know is shown as escapes; it does not end the run.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # TextIO does not tell
    sys.exit(main())


def _usage(screen: Screen, error: click.UsageError) -> int:
    from mics_iac.core.wording import visible  # noqa: PLC0415 (kept out of the start-up of --help)

    if error.ctx is not None and isinstance(error, _HELP_ASKED):
        screen.err(error.ctx.get_help() + "\n")
        return UsageError.exit_code
    if error.ctx is not None and not screen.json:
        screen.err(error.ctx.get_usage() + "\n")
    command = error.ctx.command_path if error.ctx is not None else "mics-iac"
    usage = UsageError(visible(" ".join(error.format_message().split())), remedy=f"see {command} --help")
    return _fail(screen, usage)


# A group that was called without a command; click before 8.2 prints its help by itself.
_HELP_ASKED: tuple[type[Exception], ...] = tuple(filter(None, [getattr(click.exceptions, "NoArgsIsHelpError", None)]))


def _fail(screen: Screen, error: MicsError) -> int:
    from mics_iac.reporting.failure import error_json, error_lines  # noqa: PLC0415 (kept out of the start-up of --help)
    from mics_iac.reporting.lines import json_text  # noqa: PLC0415 (kept out of the start-up of --help)

    try:
        match screen.format:
            case "json":
                screen.err(json_text(error_json(error)))
            case "github":
                _annotate(screen, error)
                screen.warn(error_lines(error, problems=False))
            case "text":
                screen.warn(error_lines(error))
    except MicsError:
        pass  # nowhere left to say it; the exit code does
    _debug(screen, error)
    return exit_code(error)


def _annotate(screen: Screen, error: MicsError) -> None:
    from mics_iac.cli.seeing import from_repository  # noqa: PLC0415 (kept out of the start-up of --help)
    from mics_iac.reporting.github import error_annotations  # noqa: PLC0415 (kept out of the start-up of --help)

    found = error_annotations(error, at=lambda path: from_repository(screen.environ, path))
    screen.out("".join(f"{one}\n" for one in found))


def _crash(screen: Screen, error: Exception) -> int:
    """Name the place and the kind of an error of ours, and never its text: that could hold record data or a token."""
    import traceback  # noqa: PLC0415 (kept out of the start-up of --help)

    frames = traceback.extract_tb(error.__traceback__)
    where = f" in {os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""  # noqa: PTH119
    internal = MicsError(
        f"internal error: {type(error).__name__}{where} (mics-iac {__version__})",
        remedy="please report it with this line; MICS_IAC_DEBUG=1 shows where it came from",
    )
    internal.__traceback__ = error.__traceback__
    return _fail(screen, internal)


def _debug(screen: Screen, error: MicsError) -> None:
    """The way an error took, without any values."""
    if screen.environ.get("MICS_IAC_DEBUG", "") not in ("", "0"):
        import traceback  # noqa: PLC0415 (kept out of the start-up of --help)

        screen.err("".join(traceback.format_tb(error.__traceback__)))
