"""`mics-iac lock`: who holds the state."""

from __future__ import annotations

import click

from mics_iac.cli.options import Common, common, whose_state

_HELP = """The lock of the state: a run holds it while it works, and it ends by itself."""

_STATUS = """Show who holds the state, since when and until when, and whether that run is known to be dead.

Takes no lock and changes nothing. Exits with 0 whether somebody holds it or not.

\b
Examples:
  mics-iac lock status
  mics-iac lock status --format json | jq .locked
"""


@click.group("lock", help=_HELP, short_help="Show who holds the state.")
def command() -> None:
    """Hold the command."""


@command.command("status", help=_STATUS, short_help="Show who holds the state, and until when.")
@whose_state
@common
def status(given: Common) -> int:
    """Look, and show."""
    from mics_iac.cli.locking import lock_status  # noqa: PLC0415 (kept out of the start-up of --help)

    return lock_status(given)
