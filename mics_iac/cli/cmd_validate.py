"""`mics-iac validate`."""

from __future__ import annotations

import click

from mics_iac.cli.options import Common, common

_HELP = """Check the manifest and find its files.

Every mistake is reported at once, each as file:line:column. Each file is looked for and counted; nothing is sent and
no token is needed.

\b
Examples:
  mics-iac validate
  mics-iac validate -f imports/ --env staging
"""


@click.command("validate", help=_HELP, short_help="Check the manifest and find its files; no network.")
@common
def command(given: Common) -> int:
    """Check, and say what was found."""
    given.screen.begin(f"checking {given.file}")
    from mics_iac.cli.checking import validate  # noqa: PLC0415 (kept out of the start-up of --help)

    return validate(given)
