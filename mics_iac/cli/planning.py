"""What `plan` does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from shlex import join
from typing import Any

from mics_iac.cli.build import in_ci
from mics_iac.cli.options import Common
from mics_iac.cli.saving import checked_target, save
from mics_iac.cli.session import echo_options, options_of, session
from mics_iac.core.plan import Options, encode_plan
from mics_iac.core.records import invalid
from mics_iac.engine import workflow
from mics_iac.engine.world import Limits
from mics_iac.errors import GuardRefused
from mics_iac.reporting.terraform import plan_json
from mics_iac.reporting.text import plan_lines, refusal_lines

CHANGES_PRESENT = 2


def plan(
    given: Common,
    chosen: Mapping[str, Any],
    *,
    out: str | None,
    fetch: bool,
    detailed_exitcode: bool,
    no_refresh: bool,
    parallelism: int,
) -> int:
    """Plan, show, and save if asked; one with refusals (exit 8) or invalid records (exit 4) is shown and not saved.

    What is saved pins the bytes of every file, so that all of them are read.
    """
    options = options_of(chosen)
    target = checked_target(given.at(out), kind="plan", may_replace=_is_plan) if out is not None else None
    with session(given, Limits(parallelism=parallelism)) as run:
        made = workflow.plan(run.project, options, refresh=not no_refresh, fetch=fetch or out is not None)
    if given.screen.json:
        given.screen.document(plan_json(made))
    else:
        barred = made.refusals or made.invalid
        hint = None if in_ci(given.screen.environ) or barred else _next(given, options, out)
        given.screen.show(plan_lines(made, every=given.screen.verbose, hint=hint))
    if made.refusals:
        given.screen.warn(refusal_lines(made))
    if made.invalid:
        raise invalid(made.invalid)
    if made.refusals:
        return GuardRefused.exit_code
    if target is not None:
        save(encode_plan(made), target, kind="plan")
        given.screen.note(f"saved to {target}")
    return CHANGES_PRESENT if detailed_exitcode and not made.empty else 0


def _next(given: Common, options: Options, out: str | None) -> str:
    if out is not None:
        return f"mics-iac apply{given.echo()} {join([out])}"
    words = echo_options(options)
    return f"mics-iac apply{given.echo()}" + (f" {join(words)}" if words else "")


def _is_plan(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(200)
    return head.lstrip().startswith(b"{") and b'"mics_iac_version"' in head
