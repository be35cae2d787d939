"""`mics-iac force-unlock`."""

from __future__ import annotations

import click

from mics_iac.cli.options import Common, common, option, whose_state

_HELP = """Take the lock of this ID away from whoever holds it. `mics-iac lock status` shows the ID.

For a run that is dead although nobody can know it: its machine or container is gone. A lock ends by itself at the time
that `mics-iac lock status` shows, and that of a process of this machine as soon as the process does. A run that lives
after all notices, sends nothing more and ends with 6; what it had begun is found out by the next run.

\b
Examples:
  mics-iac force-unlock 5f0c2a37e1f24be3a4d7c9c1f1f0e9ab
  mics-iac force-unlock 5f0c2a37e1f24be3a4d7c9c1f1f0e9ab --force
"""


@click.command("force-unlock", help=_HELP, short_help="Take the lock away from a run that is dead.")
@click.argument("lock_id", metavar="ID")
@option("--force", is_flag=True, variable=None, help="Do not ask.")
@whose_state
@common
def command(given: Common, *, lock_id: str, force: bool) -> int:
    """Ask, and break it."""
    from mics_iac.cli.locking import force_unlock  # noqa: PLC0415 (kept out of the start-up of --help)

    return force_unlock(given, lock_id, force=force)
