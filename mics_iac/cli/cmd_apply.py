"""`mics-iac apply`."""

from __future__ import annotations

from typing import Any

import click
from click.core import ParameterSource

from mics_iac.cli.options import Common, common, limits, network, option, refresh, selection
from mics_iac.errors import UsageError

_HELP = """Create and change imports, and load each file once.

Shows the plan and asks. Where nobody can be asked (no terminal, CI, --no-input), it needs --auto-approve or a saved
PLAN. Interrupted at any moment, it goes on where it was when it is run again: no file is loaded twice.

\b
Examples:
  mics-iac apply
  mics-iac apply plan.json
  mics-iac apply --auto-approve --expect-digest sha256:...
  mics-iac apply --auto-approve --no-wait
"""

# Options that choose what is planned: a saved plan has chosen already.
_CHOICES = ("target", "exclude", "reload", "retry_failed", "ignore_history", "no_refresh", "expect_digest")


@click.command("apply", help=_HELP, short_help="Create and change imports, load each file once.")
@click.argument("plan", required=False, metavar="[PLAN]")
@option(
    "--auto-approve", "--yes", "-y", "auto_approve", is_flag=True, variable=None, help="Do not ask: do what is planned."
)
@option("--no-input", is_flag=True, help="Never ask anything, also on a terminal.")
@option("--expect-digest", metavar="DIGEST", help="Go on only if the plan comes to this digest (exit 5 otherwise).")
@selection
@refresh
@limits
@network
@common
def command(given: Common, *, plan: str | None, auto_approve: bool, **options: Any) -> int:
    """Check that somebody approves, then go."""
    if plan is not None:
        _refuse_choices(click.get_current_context())
    if not (auto_approve or plan is not None or given.can_ask):
        raise UsageError(
            "nobody can be asked to approve: this is no terminal, or --no-input is set",
            remedy="review with `mics-iac plan --out plan.json`, then run `mics-iac apply plan.json`; "
            "or add --auto-approve",
        )
    given.screen.begin(f"applying {plan or given.file}")
    from mics_iac.cli.applying import apply  # noqa: PLC0415 (kept out of the start-up of --help)

    return apply(given, options, saved=plan, auto_approve=auto_approve)


def _refuse_choices(ctx: click.Context) -> None:
    """Refuse options that choose what is planned; those that only the environment sets are not meant for this."""
    typed = [n for n in _CHOICES if ctx.get_parameter_source(n) is ParameterSource.COMMANDLINE]
    if typed:
        names = ", ".join("--" + name.replace("_", "-") for name in typed)
        raise UsageError(
            f"a saved plan has chosen already: {names} cannot be given with it",
            remedy="plan again with these options and --out, then apply that plan",
        )
