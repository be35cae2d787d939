"""`mics-iac plan`."""

from __future__ import annotations

from typing import Any

import click

from mics_iac.cli.options import Common, common, network, option, refresh, selection

_HELP = """Show what apply would do: imports to create and change, files to load, and files that are loaded already.

Nothing is changed anywhere, and no lock is taken. With --out the plan is saved, and `mics-iac apply FILE` does exactly
that or refuses. Exits with 4 where records that are not valid keep a file from being loaded.

Files in buckets and on servers that are not known yet are read by apply; by plan with --fetch, and with --out, since a
saved plan pins the bytes of every file.

\b
  +   create an import          ^  load a file
  ~   change it in place        =  loaded already
  <=  adopt one that is there   !  failed before, not sent again

\b
Examples:
  mics-iac plan
  mics-iac plan --fetch
  mics-iac plan --target 'fr/*' --out plan.json
  mics-iac plan --format json | jq .resource_changes
  mics-iac plan --detailed-exitcode        # 0 no changes, 1 error, 2 changes
"""


@click.command("plan", help=_HELP, short_help="Show what apply would do.")
@option("--out", metavar="FILE", help="Save the plan, for `apply FILE`.")
@option("--fetch", is_flag=True, help="Read files in buckets and on servers, too; --out does so anyway.")
@option("--detailed-exitcode", is_flag=True, help="Exit with 2 where there are changes; uploads count.")
@selection
@refresh
@network
@common
def command(
    given: Common,
    *,
    out: str | None,
    fetch: bool,
    detailed_exitcode: bool,
    no_refresh: bool,
    parallelism: int,
    **chosen: Any,
) -> int:
    """Plan, show, and save if asked."""
    given.screen.begin(f"planning {given.file}")
    from mics_iac.cli.planning import plan  # noqa: PLC0415 (kept out of the start-up of --help)

    return plan(
        given,
        chosen,
        out=out,
        fetch=fetch,
        detailed_exitcode=detailed_exitcode,
        no_refresh=no_refresh,
        parallelism=parallelism,
    )
