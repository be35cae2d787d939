"""A command that goes wrong in ways that no command of ours should."""

from __future__ import annotations

import click

ERRORS = {"ours": KeyError("secret-token-or-record"), "interrupt": KeyboardInterrupt()}


@click.command("broken")
@click.argument("how", type=click.Choice(list(ERRORS)))
def command(how: str) -> int:
    raise ERRORS[how]
