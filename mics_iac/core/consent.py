"""Whether a plan that was made anew, once remote objects were read, still is the one that was approved. Pure.

What an object turns out to hold may rightly make less of the rest: a file here of the same content is loaded under the
object's name, one that is to come after it waits. It never makes more of the rest, nor anything else of an import.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import msgspec

from mics_iac.core.plan import Effect, Fetch, Plan, Upload


def strayed(approved: Plan, now: Plan) -> Iterator[str]:
    """What would be done now and was not approved, or was approved and would not be done any more."""
    before, after = (Counter(_key(e) for e in plan.effects if not _of_a_part(e)) for plan in (approved, now))
    addresses = {e.address: None for plan in (approved, now) for e in plan.effects if not _of_a_part(e)}
    differing = {key[0] for key in (before - after) | (after - before)}
    yield from (f"{address}: what would be done with its import" for address in addresses if address in differing)
    read = {(f.address, f.source) for f in approved.fetches}
    agreed = {_key(e) for e in approved.effects if _of_a_part(e)}
    more = [e for e in now.effects if isinstance(e, Upload | Fetch) and (e.address, e.source) not in read]
    wider = {(e.address, e.source): None for e in more if _key(e) not in agreed}
    yield from (f"{address}: {source}: what would be loaded of it" for address, source in wider)


def _of_a_part(effect: Effect) -> bool:
    return isinstance(effect, Upload | Fetch)


def _key(effect: Effect) -> tuple[str, bytes]:
    """What is done, less how it is told and what it waits for."""
    match effect:
        case Upload():
            told: Effect = msgspec.structs.replace(effect, reason="", doubted=False)
        case Fetch():
            told = msgspec.structs.replace(effect, reason="")
        case _:
            told = effect
    return effect.address, msgspec.json.encode(told)
