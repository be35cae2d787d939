"""`mics-iac status`."""

from __future__ import annotations

import click

from mics_iac.cli.options import Common, common, network, refresh

_HELP = """Show the imports behind each address, their executions and their record counts.

Asks the platform, and writes nothing. Executions that did not end well are named one by one; all are with --verbose.

\b
Examples:
  mics-iac status
  mics-iac status --no-refresh             # from the state alone: no network
  mics-iac status --format json
"""


@click.command("status", help=_HELP, short_help="Show imports, executions and record counts.")
@refresh
@network
@common
def command(given: Common, *, no_refresh: bool, parallelism: int) -> int:
    """Look, and show."""
    given.screen.begin(f"looking at {given.file}")
    from mics_iac.cli.looking import status  # noqa: PLC0415 (kept out of the start-up of --help)

    return status(given, no_refresh=no_refresh, parallelism=parallelism)
