"""`mics-iac lock`: who holds the state, and holding it by hand."""

from __future__ import annotations

import click

from mics_iac.cli.options import Common, common, duration, locking, option, whose_state

_HELP = """The lock of the state: a run holds it while it works, a person by hand; it ends by itself."""

_STATUS = """Show who holds the state, since when and until when, and whether that run is known to be dead.

Takes no lock and changes nothing. Exits with 0 whether somebody holds it or not.

\b
Examples:
  mics-iac lock status
  mics-iac lock status --format json | jq .locked
"""

_ACQUIRE = """Take the lock by hand, so that no run begins while a person repairs something.

It stays when this command ends, is renewed by nobody, and ends by itself after --ttl, at most 24h. Who meets it is told
the reason. It is let go with `mics-iac force-unlock ID --force`; the ID is printed.

\b
Examples:
  mics-iac lock acquire --reason "repairing crm-profiles, ask ana"
  mics-iac lock acquire --reason "moving the state" --ttl 30m --lock-timeout 10m
"""


@click.group("lock", help=_HELP, short_help="Show who holds the state, or hold it by hand.")
def command() -> None:
    """Hold the commands."""


@command.command("status", help=_STATUS, short_help="Show who holds the state, and until when.")
@whose_state
@common
def status(given: Common) -> int:
    """Look, and show."""
    from mics_iac.cli.locking import lock_status  # noqa: PLC0415 (kept out of the start-up of --help)

    return lock_status(given)


@command.command("acquire", help=_ACQUIRE, short_help="Take the lock by hand, for a repair.")
@option("--reason", required=True, metavar="TEXT", help="Why, for whoever meets the lock.")
@option(
    "--ttl",
    type=duration,
    default="1h",
    show_default=True,
    metavar="TIME",
    help="How long it lasts, unless it is let go before; at most 24h.",
)
@whose_state
@locking
@common
def acquire(given: Common, *, reason: str, ttl: float, lock_timeout: float) -> int:
    """Take it, and say how to let it go."""
    from mics_iac.cli.locking import lock_by_hand  # noqa: PLC0415 (kept out of the start-up of --help)

    return lock_by_hand(given, reason=reason, ttl=ttl, lock_timeout=lock_timeout)
