"""What `status` does."""

from __future__ import annotations

from mics_iac.cli.options import Common
from mics_iac.cli.session import session
from mics_iac.engine import workflow
from mics_iac.engine.world import Limits
from mics_iac.reporting.status import status_json, status_lines


def status(given: Common, *, no_refresh: bool, parallelism: int) -> int:
    """Look, and show."""
    with session(given, Limits(parallelism=parallelism)) as run:
        found = workflow.status(run.project, refresh=not no_refresh)
    if given.screen.json:
        given.screen.document(status_json(found))
    else:
        given.screen.show(status_lines(found, every=given.screen.verbose))
    return 0
