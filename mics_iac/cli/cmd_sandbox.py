"""`mics-iac sandbox serve` and `mics-iac sandbox reset`."""

from __future__ import annotations

import click

from mics_iac.cli.options import DEFAULT_MANIFEST, option
from mics_iac.cli.screen import Screen

_HELP = """The imitated platform: what --sandbox talks to.

Its imports, executions and files lie in .mics-iac/sandbox beside the manifest, together with the state that belongs to
them. See docs/sandbox.md for what it imitates and what it cannot tell.
"""

_SERVE = """Serve the imitated platform over HTTP, for curl and other tools, until Ctrl-C.

It needs the extra: pip install 'mics-iac[sandbox]'. Any token is accepted. The address is printed once it listens.

\b
Examples:
  mics-iac sandbox serve
  mics-iac sandbox serve --port 0 --fault reset_after --fault throttle
  mics-iac sandbox serve --fault '{"kind": "error", "method": "POST", "nth": 2}'
"""

_RESET = """Empty the imitated platform, and forget the state that belongs to it.

What was loaded into the sandbox is deleted. Nothing else is touched.

\b
Examples:
  mics-iac sandbox reset
"""

_FILE = option(
    "-f", "--file", default=DEFAULT_MANIFEST, show_default=True, metavar="PATH",
    help="The manifest whose sandbox is meant.",
)  # fmt: skip
_CHDIR = option("-C", "--chdir", default=".", metavar="DIR", help="Read the path as seen from this folder.")


@click.group("sandbox", help=_HELP, short_help="Run or empty the imitated platform.")
def command() -> None:
    """Hold the two commands."""


@command.command("serve", help=_SERVE, short_help="Serve it over HTTP.")
@_FILE
@_CHDIR
@option("--host", default="127.0.0.1", show_default=True, metavar="HOST", help="The address to listen on.")
@option(
    "--port", type=click.IntRange(0, 65535), default=8080, show_default=True, metavar="PORT",
    help="The port to listen on; 0 takes a free one.",
)  # fmt: skip
@option(
    "--queue-ms", type=click.IntRange(min=0), default=300, show_default=True, metavar="MS",
    help="How long an execution stays PENDING, in milliseconds.",
)  # fmt: skip
@option(
    "--run-ms", type=click.IntRange(min=0), default=300, show_default=True, metavar="MS",
    help="How long it stays RUNNING, in milliseconds.",
)  # fmt: skip
@option(
    "--fault", "faults", multiple=True, metavar="FAULT",
    help="Something that goes wrong: a kind, or a JSON object with more about it.",
)  # fmt: skip
@click.pass_obj
def serve(
    screen: Screen, *, file: str, chdir: str, host: str, port: int, queue_ms: int, run_ms: int, faults: tuple[str, ...]
) -> int:
    """Serve until a signal."""
    from mics_iac.cli.imitating import serve_sandbox  # noqa: PLC0415 (kept out of the start-up of --help)

    return serve_sandbox(
        screen, file=file, chdir=chdir, host=host, port=port, queue_ms=queue_ms, run_ms=run_ms, faults=faults
    )


@command.command("reset", help=_RESET, short_help="Empty it, and forget its state.")
@_FILE
@_CHDIR
@click.pass_obj
def reset(screen: Screen, *, file: str, chdir: str) -> int:
    """Delete the files of the sandbox."""
    from mics_iac.cli.imitating import reset_sandbox  # noqa: PLC0415 (kept out of the start-up of --help)

    return reset_sandbox(screen, file=file, chdir=chdir)
