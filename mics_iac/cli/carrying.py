"""What `state pull`, `state push` and `state migrate` do."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from mics_iac.cli.options import Common
from mics_iac.cli.saving import checked_target, save
from mics_iac.cli.session import session
from mics_iac.core.state import State, decode_state, encode_state
from mics_iac.core.wording import visible
from mics_iac.engine import carrying
from mics_iac.engine.moving import migrate
from mics_iac.engine.project import named_place
from mics_iac.engine.world import Limits
from mics_iac.errors import StateUnreadable, UsageError
from mics_iac.reporting.lines import Span, line, printable_json
from mics_iac.reporting.migration import migration_json, migration_lines
from mics_iac.reporting.state import HEAD, figures_json, figures_text, moved_lines


def pull_state(given: Common, *, out: str | None) -> int:
    """The state, to standard output or to a file."""
    with session(given, Limits()) as run:
        state = carrying.pull(run.project)
        where = run.project.world.backend.describe()
    data = encode_state(state)
    given.screen.warn(moved_lines(state))
    if out is not None:
        path = given.at(out)
        save(data, checked_target(path, kind="state", may_replace=_older(state, Path(where))), kind="state")
        if given.screen.json:
            given.screen.document({**HEAD, "out": str(path), **figures_json(state)})
        else:
            given.screen.show([line("pulled: ", Span(str(path), solid=True), f" {figures_text(state)}", hang=2)])
    elif given.screen.out_terminal:
        # For the eye: nobody takes it from here.
        given.screen.out(printable_json(data.decode()))
    else:
        given.screen.out_bytes(data)
    return 0


def _older(state: State, place: Path) -> Callable[[Path], bool]:
    """Whether a file may be replaced by this state: by being a copy of it from before, and not the state itself.

    That one is written under its lock alone.
    """

    def may_replace(path: Path) -> bool:
        try:
            there = decode_state(path.read_bytes(), name="")
        except StateUnreadable:
            return False
        whose = (there.lineage, there.environment, there.api_url)
        itself = path.resolve() == place.resolve() or there.moved_to
        return not itself and whose == (state.lineage, state.environment, state.api_url)

    return may_replace


def push_state(given: Common, file: str, *, force: bool, lock_timeout: float) -> int:
    """Put a state from a file, or from standard input, in the place of the one that is there."""
    data = _read(given, file)
    with session(given, Limits(lock_timeout=lock_timeout)) as run:
        pushed = carrying.push(
            run.project, data, name="the state on standard input" if file == "-" else file, force=force
        )
    if given.screen.json:
        former = figures_json(pushed.former) if pushed.former is not None else None
        given.screen.document({**HEAD, "changed": pushed.changed, **figures_json(pushed.state), "former": former})
    elif not pushed.changed:
        given.screen.show([line(f"nothing to do: that is the state already ({figures_text(pushed.state)})")])
    else:
        place = f", in the place of serial {pushed.former.serial}, which is a backup now" if pushed.former else ""
        given.screen.show([line(f"pushed: {figures_text(pushed.state)}{place}", hang=2)])
    return 0


def migrate_state(given: Common, to: str, *, lock_timeout: float) -> int:
    """Move the state to the place of this address, and print the block for the manifest."""
    with session(given, Limits(lock_timeout=lock_timeout)) as run:
        target = named_place(to, folder=given.folder, manifest_path=run.project.path)
        moved = migrate(run.project, target)
    if given.screen.json:
        given.screen.document(migration_json(moved))
    else:
        given.screen.show(migration_lines(moved))
    return 0


def _read(given: Common, file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else given.at(file).read_bytes()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it cannot be read"
        raise UsageError(
            f"cannot read the state {visible(file)}: {why}", remedy="name a file that `mics-iac state pull` wrote"
        ) from error
