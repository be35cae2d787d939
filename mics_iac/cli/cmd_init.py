"""`mics-iac init`."""

from __future__ import annotations

from pathlib import Path

import click

from mics_iac.cli.screen import Screen

_HELP = """Write a manifest to start from: imports.yaml, its JSON Schema for your editor, and a .gitignore.

Files that are there already are kept as they are, and named.

\b
Examples:
  mics-iac init
  mics-iac init crm-imports
"""


@click.command("init", help=_HELP, short_help="Write a manifest to start from.")
@click.argument("directory", metavar="[DIR]", default=".", type=click.Path(path_type=Path))
@click.pass_obj
def command(screen: Screen, directory: Path) -> int:
    """Write the files."""
    from mics_iac.cli.starting import write_starter  # noqa: PLC0415 (kept out of the start-up of --help)

    return write_starter(screen, directory)
