"""What `apply` does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mics_iac.cli.build import in_ci
from mics_iac.cli.options import Common
from mics_iac.cli.prompt import asked
from mics_iac.cli.session import Session, chosen_place, options_of, session
from mics_iac.core.outcome import Outcome
from mics_iac.core.place import FilePlace, StatePlace, describe
from mics_iac.core.plan import Plan, decode_plan
from mics_iac.core.wording import visible
from mics_iac.engine import workflow
from mics_iac.engine.world import Limits
from mics_iac.errors import MicsError, UsageError
from mics_iac.reporting.lines import Span, line
from mics_iac.reporting.outcome import broken_off_lines, outcome_json, outcome_lines, trouble_lines
from mics_iac.reporting.text import plan_lines

_QUESTION = """
Do you want to perform these actions?
  Only 'yes' will be accepted to approve.

  Enter a value: """


def apply(given: Common, options: Mapping[str, Any], *, saved: str | None, auto_approve: bool) -> int:
    """Show the plan, ask if need be, do it, and tell how it ended."""
    reviewed = read_plan(given.at(saved)) if saved is not None else None
    if reviewed is not None:
        _refuse_other_choices(given, reviewed)
    with session(given, limits_of(options), saved=reviewed) as run:
        _warn_about_state(given, run.project.state)
        review = _Review(given, run, ask=not auto_approve and reviewed is None)
        try:
            outcome = _carry_out(run, options, reviewed, review)
        except MicsError:
            # What was done until then was done: it is counted on this way out too.
            scene = run.display.scene
            if review.approved and scene.plan is not None:
                given.screen.warn(broken_off_lines(scene.plan, scene.tally, running=len(scene.unsettled)))
            raise
    if not review.seen:  # there was nothing to approve
        _show_plan(given, outcome.plan)
    _report(given, outcome, running=len(run.display.scene.unsettled))
    return outcome.exit_code


def _carry_out(run: Session, options: Mapping[str, Any], reviewed: Plan | None, review: _Review) -> Outcome:
    if reviewed is not None:
        return workflow.apply_saved(run.project, reviewed, approve=review)
    return workflow.apply(
        run.project,
        options_of(options),
        approve=review,
        expect_digest=options["expect_digest"],
        refresh=not options["no_refresh"],
    )


def _refuse_other_choices(given: Common, reviewed: Plan) -> None:
    """A saved plan has its environment, state and variables already; others would be passed over in silence."""
    if given.environment not in {None, reviewed.environment}:
        planned = f"for {reviewed.environment}" if reviewed.environment is not None else "without an environment"
        raise UsageError(
            f"the plan was made {visible(planned)}, not for {visible(given.environment or '')}",
            remedy="leave --env out, or plan again for the other environment",
        )
    chosen = chosen_place(given, reviewed)
    if chosen not in {None, reviewed.state}:
        planned = describe(reviewed.state) if reviewed.state is not None else "the sandbox's own state"
        raise UsageError(
            f"the plan was made on {visible(planned)}, not on {visible(given.state or '')}",
            remedy="leave --state out, or plan again with it and --out",
        )
    if given.variables or given.variable_files:
        raise UsageError(
            "a saved plan has its variables already: --var and --var-file cannot be given with it",
            remedy="leave them out, or plan again with them and --out",
        )


def read_plan(path: Path) -> Plan:
    """The plan that was saved; UsageError where there is none to read."""
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it cannot be read"
        raise UsageError(
            f"cannot read the saved plan {visible(str(path))}: {why}", remedy="save one with `mics-iac plan --out FILE`"
        ) from error
    return decode_plan(data, name=visible(str(path)))


def limits_of(options: Mapping[str, Any]) -> Limits:
    """How much at once, and how long."""
    return Limits(
        parallelism=options["parallelism"],
        transfers=options["transfers"],
        lock_timeout=options["lock_timeout"],
        wait=options["wait"],
        wait_timeout=options["wait_timeout"],
        settle_delay=options["settle_delay"],
        fail_fast=options["fail_fast"],
    )


class _Review:
    """Shows a plan and says whether it is to be done; remembers both."""

    def __init__(self, given: Common, run: Session, *, ask: bool) -> None:
        self._given = given
        self._run = run
        self._ask = ask
        self.seen = False
        self.approved = False

    def __call__(self, plan: Plan) -> bool:
        """Show the plan; whether it is to be done."""
        self.seen = True
        display = self._run.display
        display.pause()
        _show_plan(self._given, plan)
        self.approved = not self._ask or asked(self._given, self._run, _QUESTION)
        display.resume()
        if self.approved:
            display.expect(plan)
        return self.approved


def _show_plan(given: Common, plan: Plan) -> None:
    """The plan as text; beside a JSON document it is no result, and goes to standard error."""
    lines = plan_lines(plan, every=given.screen.verbose)
    if given.screen.json:
        given.screen.warn(lines)
    else:
        given.screen.show(lines)


def _warn_about_state(given: Common, state: StatePlace | None) -> None:
    if in_ci(given.screen.environ) and isinstance(state, FilePlace) and not given.sandbox:
        text = "the state is a file on this CI runner's disk: keep it, or name a place for all runs with --state"
        given.screen.warn([line(Span("Warning: ", "warn"), text, hang=2)])


def _report(given: Common, outcome: Outcome, *, running: int) -> None:
    screen = given.screen
    screen.warn(trouble_lines(outcome))
    if screen.json:
        screen.document(outcome_json(outcome, running=running))
    else:
        screen.show([line(), *outcome_lines(outcome, running=running)])
