"""`mics-iac schema`."""

from __future__ import annotations

import click

from mics_iac.cli.screen import Screen

_HELP = """Print the JSON Schema (draft-07) of the manifest, for editors and other tools.

`init` writes it beside the manifest, where the first line of the manifest names it.

\b
Examples:
  mics-iac schema > .mics-iac/imports.schema.json
"""


@click.command("schema", help=_HELP, short_help="Print the JSON Schema of the manifest.")
@click.pass_obj
def command(screen: Screen) -> int:
    """Print the schema."""
    from mics_iac.core.schema import manifest_schema  # noqa: PLC0415 (kept out of the start-up of --help)

    screen.document(manifest_schema())
    return 0
