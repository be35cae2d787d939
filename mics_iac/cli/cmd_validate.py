"""`mics-iac validate`."""

from __future__ import annotations

import click

from mics_iac.cli.options import Common, annotating, option

_HELP = """Check the manifest, its files and their records.

Every mistake is reported at once, each as file:line:column: of the manifest all, of each rule for records the first ten
in each file. Exits with 4 where the manifest is not valid, or a file would be refused. Nothing is sent and no token is
needed; files in buckets and on servers are read with --fetch alone.

\b
Examples:
  mics-iac validate
  mics-iac validate --no-records           # the manifest alone: no file is read
  mics-iac validate -f imports/ --env staging
  mics-iac validate --format github        # in a workflow of GitHub Actions
"""


@click.command("validate", help=_HELP, short_help="Check the manifest, its files and their records.")
@option("--no-records", is_flag=True, help="Check the manifest and look for its files alone: none is read.")
@option("--fetch", is_flag=True, help="Read files in buckets and on servers, too.")
@annotating
def command(given: Common, *, no_records: bool, fetch: bool) -> int:
    """Check, and say what was found."""
    if no_records and fetch:
        raise click.UsageError("--no-records reads no file: leave --fetch out", ctx=click.get_current_context())
    given.screen.begin(f"checking {given.file}")
    from mics_iac.cli.checking import validate  # noqa: PLC0415 (kept out of the start-up of --help)

    return validate(given, records=not no_records, fetch=fetch)
