"""`mics-iac demo`."""

from __future__ import annotations

from pathlib import Path

import click

from mics_iac.cli.screen import Screen

DEFAULT_FOLDER = "mics-iac-demo"

_HELP = """See it all at work: no account, no network, nothing to set up.

Writes a small project into DIR (default mics-iac-demo, which must be new or empty), then runs validate, plan, apply,
status and plan again, against the imitated platform. The project stays there to be played with.

\b
Examples:
  mics-iac demo
  mics-iac demo /tmp/trial
"""


@click.command("demo", help=_HELP, short_help="See it all at work, against the sandbox.")
@click.argument("directory", metavar="[DIR]", default=DEFAULT_FOLDER, type=click.Path(path_type=Path))
@click.pass_context
def command(ctx: click.Context, directory: Path) -> int:
    """Write the project, and run the commands."""
    screen: Screen = ctx.obj
    from mics_iac.cli.demonstrating import demonstrate  # noqa: PLC0415 (kept out of the start-up of --help)

    root = ctx.find_root().command
    return demonstrate(screen, directory, run=lambda args: _run(root, args, screen))


def _run(root: click.Command, args: list[str], screen: Screen) -> int:
    """One command line through the same door as from a shell."""
    code = root.main(args=args, prog_name="mics-iac", standalone_mode=False, obj=screen)
    return code if isinstance(code, int) else 0
