"""What `plan` does."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from shlex import join
from typing import Any

from mics_iac.cli.build import in_ci
from mics_iac.cli.options import Common
from mics_iac.cli.session import echo_options, options_of, session
from mics_iac.core.plan import Options, Plan, encode_plan
from mics_iac.core.wording import visible
from mics_iac.engine import workflow
from mics_iac.engine.world import Limits
from mics_iac.errors import GuardRefused, StoreFailed
from mics_iac.reporting.terraform import plan_json
from mics_iac.reporting.text import plan_lines, refusal_lines

CHANGES_PRESENT = 2


def plan(
    given: Common,
    chosen: Mapping[str, Any],
    *,
    out: str | None,
    detailed_exitcode: bool,
    no_refresh: bool,
    parallelism: int,
) -> int:
    """Plan, show, and save if asked; a plan with refusals is shown and not saved (exit 8)."""
    options = options_of(chosen)
    target = checked_target(given.at(out)) if out is not None else None
    with session(given, Limits(parallelism=parallelism)) as run:
        made = workflow.plan(run.project, options, refresh=not no_refresh)
    if given.screen.json:
        given.screen.document(plan_json(made))
    else:
        hint = None if in_ci(given.screen.environ) or made.refusals else _next(given, options, out)
        given.screen.show(plan_lines(made, every=given.screen.verbose, hint=hint))
    if made.refusals:
        given.screen.warn(refusal_lines(made))
        return GuardRefused.exit_code
    if target is not None:
        save_plan(made, target)
        given.screen.note(f"saved to {target}")
    return CHANGES_PRESENT if detailed_exitcode and not made.empty else 0


def _next(given: Common, options: Options, out: str | None) -> str:
    if out is not None:
        return f"mics-iac apply{given.echo()} {join([out])}"
    words = echo_options(options)
    return f"mics-iac apply{given.echo()}" + (f" {join(words)}" if words else "")


def checked_target(path: Path) -> Path:
    """The path to save to; StoreFailed at once where nothing can be saved there."""
    shown = visible(str(path))
    try:
        if path.is_dir():
            raise StoreFailed(f"cannot save the plan: {shown} is a folder", remedy="name a file with --out")
        if os.path.lexists(path) and not _is_plan(path):
            raise StoreFailed(
                f"cannot save the plan: {shown} is there already and is no saved plan",
                remedy="name another file with --out",
            )
        if not path.parent.is_dir():
            folder = visible(str(path.parent))
            raise StoreFailed(f"cannot save the plan: there is no folder {folder}", remedy="make it, or name another")
    except OSError as error:
        why = error.strerror or "the file system refused"
        raise StoreFailed(f"cannot save the plan to {shown}: {why}", remedy="name another file") from error
    return path


def _is_plan(path: Path) -> bool:
    """Whether a file may be replaced by a plan: it is one. Anything else that stands there may be somebody's data."""
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(200)
    return head.lstrip().startswith(b"{") and b'"mics_iac_version"' in head


def save_plan(made: Plan, path: Path) -> None:
    """Write the plan aside and rename it, so that nobody reads half of it; readable by its owner alone."""
    aside: str | None = None
    try:
        # mkstemp makes it 0600: names of files and imports are nobody else's business.
        descriptor, aside = tempfile.mkstemp(prefix=".mics-iac-plan.", dir=path.parent)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(encode_plan(made))
            stream.flush()
            os.fsync(stream.fileno())
        Path(aside).replace(path)
    except OSError as error:
        if aside is not None:
            with suppress(OSError):
                Path(aside).unlink()
        why = error.strerror or "the file system refused"
        raise StoreFailed(f"cannot save the plan to {visible(str(path))}: {why}", remedy="name another file") from error
