"""What the `lock` commands and `force-unlock` do. Looking and unlocking work on a damaged lock too."""

from __future__ import annotations

import msgspec

from mics_iac.cli.options import Common
from mics_iac.cli.prompt import asked
from mics_iac.cli.session import Session, session
from mics_iac.core.wording import visible
from mics_iac.engine.holding import hold_by_hand
from mics_iac.engine.world import Limits
from mics_iac.errors import MicsError, UsageError
from mics_iac.reporting.lines import Line, line
from mics_iac.store.backend import Holder, LockInfo, describe_holder, other_id
from mics_iac.store.process import is_gone, same_machine, this_process


def lock_status(given: Common) -> int:
    """Who holds the state, if anybody does."""
    with session(given, Limits()) as run:
        backend = run.project.world.backend
        holder = backend.holder()
        where, state = backend.describe_lock(), backend.describe()
    if given.screen.json:
        given.screen.document(_lock_json(holder, state=state, lock=where))
    elif holder is None:
        given.screen.show([line(f"not locked: {visible(state)}")])
    else:
        given.screen.show([line(f"locked: {visible(where)}"), *_holder_lines(holder)])
    return 0


def lock_by_hand(given: Common, *, reason: str, ttl: float, lock_timeout: float) -> int:
    """Take the lock for a person, and say how to let it go."""
    with session(given, Limits(lock_timeout=lock_timeout)) as run:
        taken = hold_by_hand(run.project, reason=reason, ttl=ttl)
        backend = run.project.world.backend
        where, state = backend.describe_lock(), backend.describe()
    if given.screen.json:
        given.screen.document(_lock_json(taken, state=state, lock=where))
    else:
        release = f"let it go with: mics-iac force-unlock {taken.id} --force"
        given.screen.show([line(f"locked: {visible(where)}"), *_holder_lines(taken), line(release)])
    return 0


def _lock_json(holder: Holder | None, *, state: str, lock: str) -> dict[str, object]:
    facts = None if holder is None else {**msgspec.to_builtins(holder), "alive": _alive(holder)}
    return {"locked": holder is not None, "state": state, "lock": lock, "holder": facts}


def _holder_lines(holder: Holder) -> list[Line]:
    lines = [line(one) for one in describe_holder(holder).split("\n")]
    if isinstance(holder, LockInfo) and holder.by_hand:
        return lines
    alive = {None: "not known from here", True: "yes: that process is running", False: "no: the next run takes over"}
    return [*lines, line(f"  alive:     {alive[_alive(holder)]}")]


def _alive(holder: Holder) -> bool | None:
    """Whether the run that holds the lock lives, None if that cannot be told from here."""
    if not isinstance(holder, LockInfo):
        return None
    ours = this_process()
    if is_gone(holder.process, ours=ours):
        return False
    return True if same_machine(holder.process, ours) else None


def force_unlock(given: Common, lock_id: str, *, force: bool) -> int:
    """Break the lock of this id, once a person has said so."""
    with session(given, Limits()) as run:
        backend = run.project.world.backend
        holder = backend.holder()
        if holder is None:
            raise MicsError(f"there is no lock: {backend.describe()}", remedy="nothing keeps the next run out")
        if holder.id != lock_id:
            raise other_id(lock_id, holder)
        if not (force or given.can_ask):
            raise UsageError("nobody can be asked whether to take the lock away", remedy="add --force")
        if not (force or _confirmed(given, run, holder)):
            given.screen.show([line("the lock was left as it is")])
            return 1
        if not backend.break_lock(lock_id):
            raise MicsError(
                f"the lock could not be taken away, or was let go at that moment: {backend.describe_lock()}",
                remedy="see `mics-iac lock status`",
            )
    given.screen.show([line(f"unlocked: {visible(lock_id)}")])
    return 0


def _confirmed(given: Common, run: Session, holder: Holder) -> bool:
    run.display.pause()
    given.screen.show(_holder_lines(holder))
    return asked(given, run, _QUESTION)


_QUESTION = """
Do you really want to take this lock away?
  Only 'yes' will be accepted to confirm.

  Enter a value: """
