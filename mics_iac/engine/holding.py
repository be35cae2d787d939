"""A project's state, held for a command, or by hand for a person."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import msgspec

from mics_iac.core.journal import Entry
from mics_iac.core.progress import Notice
from mics_iac.core.tally import Tally
from mics_iac.core.wording import visible
from mics_iac.engine.project import Project
from mics_iac.errors import StateDamaged, UsageError
from mics_iac.store.backend import LockInfo
from mics_iac.store.held import Held, hold
from mics_iac.store.history import peek
from mics_iac.store.lease import take
from mics_iac.store.process import nobody

LONGEST = 86_400.0
"""Seconds that a lock taken by hand may last: longer than any repair, shorter than anybody's holidays."""

_WORDS = 500

# Where asking crosses a network, for how many seconds the word that the lock is held is taken when a request leaves.
# Whoever takes the lock over in that time finds the intent of that request, and waits --settle-delay to see what became
# of it; what is trusted is taken off that wait, so it is never more than a small share of it.
_TRUST = 0.5
_SHARE = 0.05


@contextmanager
def holding(
    project: Project, command: str, tally: Tally | None = None, *, repair: bool = False, also_moved: bool = False
) -> Iterator[Held]:
    """The state, locked, read and at the end saved; with `repair` mended first. `command` is what the lock says.

    With `also_moved` one that was moved elsewhere is held too. With a `tally` every entry is counted and told; without
    one, nobody is told.
    """
    world = project.world

    def told(entry: Entry) -> None:
        if tally is not None:
            tally.add(entry)
            world.tell(entry)

    limits = world.limits
    with hold(
        world.backend,
        clock=world.clock,
        context=project.context(command),
        lock_timeout=limits.lock_timeout,
        trust=min(_TRUST, limits.settle_delay * _SHARE) if world.backend.distant else 0.0,
        tell=told,
        repair=repair,
        also_moved=also_moved,
    ) as held:
        for text in held.notices:
            world.tell(Notice(text))
        yield held


def hold_by_hand(project: Project, *, reason: str, ttl: float) -> LockInfo:
    """Take the lock and leave it, for `ttl` seconds: nothing renews it, and the end of this process does not end it.

    The state may be damaged, which is what a person may want to look into; not moved, newer or another one's. Raises
    UsageError, StateUnreadable, Locked and StoreFailed.
    """
    if not reason.strip() or len(reason) > _WORDS:
        raise UsageError(
            f"a lock taken by hand needs a reason, of at most {_WORDS} characters",
            remedy="say in --reason what is being done and whom to ask",
        )
    if not 1 <= ttl <= LONGEST:
        raise UsageError(f"a lock taken by hand lasts 1s to 24h, not {ttl:g}s", remedy="choose another --ttl")
    context, world = project.context("lock acquire"), project.world
    with suppress(StateDamaged):
        peek(world.backend, api_url=project.api_url, environment=project.environment)
    claim = msgspec.structs.replace(
        context.claim(), process=nobody(context.process.host), reason=visible(reason), by_hand=True
    )
    return take(world.backend, claim, clock=world.clock, lease=ttl, timeout=world.limits.lock_timeout).info
