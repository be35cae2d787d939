"""What an execution came to, judged against its import's budget; rejected lines are fetched for a person to look at."""

from __future__ import annotations

from dataclasses import replace

from mics_iac.core.loaded import Loaded
from mics_iac.core.manifest import Budget
from mics_iac.core.observed import RemoteExecution
from mics_iac.core.outcome import Shortfall, shortfall_of
from mics_iac.core.progress import Notice
from mics_iac.engine.upload import keep_error_file
from mics_iac.engine.world import World
from mics_iac.errors import MicsError


def shortfall(loaded: Loaded, remote: RemoteExecution, budget: Budget) -> Shortfall | None:
    """What this ended execution lacks beyond its budget, None if it lacks nothing."""
    sent = loaded.execution.records
    short = shortfall_of(status=remote.status, sent=sent, loaded=remote.loaded, rejected=remote.rejected, budget=budget)
    if short is None:
        return None
    rejected, unaccounted = short
    return Shortfall(
        loaded.address,
        loaded.execution.source,
        remote.id,
        remote.status,
        sent,
        rejected,
        unaccounted,
        budget,
        remote.message,
    )


def fetch_errors(short: Shortfall, remote: RemoteExecution, world: World) -> Shortfall:
    """The same shortfall with the place of its rejected lines, where the platform has them."""
    if not short.rejected or remote.error_uri is None:
        return short
    try:
        place = keep_error_file(remote.error_uri, address=short.address, execution_id=remote.id, world=world)
    except MicsError as error:
        world.tell(
            Notice(f"{short.address}: the rejected lines of execution {remote.id} were not saved: {error.message}")
        )
        return short
    return replace(short, error_file=place)
