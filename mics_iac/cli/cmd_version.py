"""`mics-iac version`."""

from __future__ import annotations

import platform

import click

from mics_iac import __version__
from mics_iac.cli.options import formatted
from mics_iac.cli.screen import Screen

_HELP = """Print the version of mics-iac and of the Python that runs it.

\b
Examples:
  mics-iac version
  mics-iac version --format json
"""


@click.command("version", help=_HELP, short_help="Print the version.")
@formatted
@click.pass_obj
def command(screen: Screen) -> int:
    """Print the version."""
    if screen.json:
        screen.document({"mics_iac_version": __version__, "python_version": platform.python_version()})
    else:
        screen.out(f"mics-iac {__version__} (Python {platform.python_version()})\n")
    return 0
