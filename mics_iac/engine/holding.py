"""A project's state, held for a command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mics_iac.core.journal import Entry
from mics_iac.core.tally import Tally
from mics_iac.engine.project import Project
from mics_iac.store.held import Held, hold


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

    with hold(
        world.backend,
        clock=world.clock,
        context=project.context(command),
        lock_timeout=world.limits.lock_timeout,
        tell=told,
        repair=repair,
        shelter=world.shelter,
    ) as held:
        yield held
