"""`mics-iac completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from mics_iac.cli.options import option
from mics_iac.cli.screen import Screen
from mics_iac.errors import MicsError

PROGRAM = "mics-iac"
VARIABLE = "_MICS_IAC_COMPLETE"

_INSTALL = {
    "bash": "put this line into ~/.bashrc:\n  eval \"$(mics-iac completion bash)\"\n",
    "zsh": "put this line into ~/.zshrc, after compinit:\n  eval \"$(mics-iac completion zsh)\"\n",
    "fish": "run once:\n  mics-iac completion fish > ~/.config/fish/completions/mics-iac.fish\n",
}  # fmt: skip

_HELP = """Print a script that completes commands and options in your shell.

With --install, say where to put it instead. Nothing is written.

\b
Examples:
  mics-iac completion bash --install
  eval "$(mics-iac completion bash)"
"""


@click.command("completion", help=_HELP, short_help="Print a completion script for your shell.")
@click.argument("shell", type=click.Choice(list(_INSTALL)))
@option("--install", is_flag=True, help="Say where the script goes, and print no script.")
@click.pass_context
def command(ctx: click.Context, shell: str, *, install: bool) -> int:
    """Print the script, or where it goes."""
    screen: Screen = ctx.obj
    if install:
        screen.out(_INSTALL[shell])
        return 0
    found = get_completion_class(shell)
    if found is None:
        raise MicsError(f"there is no completion for {shell}", remedy=f"choose one of {', '.join(_INSTALL)}")
    screen.out(found(ctx.find_root().command, {}, PROGRAM, VARIABLE).source() + "\n")
    return 0
