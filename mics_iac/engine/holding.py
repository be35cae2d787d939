"""A project's state, held for a command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mics_iac.core.journal import Entry
from mics_iac.core.tally import Tally
from mics_iac.engine.project import Project
from mics_iac.store.held import Held, hold

# Where asking crosses a network, for how many seconds the word that the lock is held is taken when a request leaves.
# Whoever takes the lock over in that time finds the intent of that request, and waits --settle-delay to see what became
# of it; what is trusted is taken off that wait, so it is never more than a small share of it.
_TRUST = 0.5
_SHARE = 0.05


@contextmanager
def holding(project: Project, command: str, tally: Tally | None = None, *, repair: bool = False) -> Iterator[Held]:
    """The state, locked, read and at the end saved; with `repair` mended first. `command` is what the lock says.

    With a `tally` every entry is counted and told; without one, nobody is told.
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
    ) as held:
        yield held
