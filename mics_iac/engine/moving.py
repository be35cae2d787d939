"""A state that moves from one place to another, with its history; at no instant two places have a live one.

    source                  target
    live                    nothing, or a state that was moved to the source before
    live                    each backup, then the state, as ones that are at the source
    moved to the target     the same; so for this instant no run goes on from either
    moved to the target     live

Every step is one write. A move that was killed between two of them goes on when it is run again: what the two states
say of each other tells how far it came. Both locks are held, the source's first.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec

from mics_iac.core.clock import Clock
from mics_iac.core.migration import Migration
from mics_iac.core.place import BucketPlace, FilePlace, HttpPlace, StatePlace, parse_place, url_of
from mics_iac.core.state import State, decode_state, encode_state
from mics_iac.core.wording import visible
from mics_iac.engine.holding import holding
from mics_iac.engine.project import Project, state_name
from mics_iac.errors import GuardRefused, MicsError, StateUnreadable, StoreFailed, UsageError
from mics_iac.store.backend import LEASE, Backend
from mics_iac.store.held import SAVING, Held
from mics_iac.store.history import History, read_history, read_saved, refuse_moved
from mics_iac.store.lease import take


@dataclass(frozen=True, slots=True)
class End:
    """One of the two places, and what keeps the state there."""

    place: StatePlace
    backend: Backend

    @property
    def address(self) -> str:
        """How the state at the other end names this one: as `--state` takes it."""
        return url_of(self.place)


def migrate(project: Project, place: StatePlace) -> Migration:
    """Move the project's state to another place; raises what `move` does, and UsageError for the sandbox's own."""
    if project.state is None:
        raise UsageError(
            "the sandbox keeps its own state, which stays with it",
            remedy="leave --sandbox out; or, to try a place, name the one to move from with --state",
        )
    world, name = project.world, state_name(project.path, project.environment)
    source = End(_explicit(project.state, name), world.backend)
    target = End(_explicit(place, name), project.backend_at(place))
    with holding(project, "state migrate", also_moved=True) as held:
        return move(
            held,
            source,
            target,
            clock=world.clock,
            api_url=project.api_url,
            environment=project.environment,
            lock_timeout=world.limits.lock_timeout,
        )


def _explicit(place: StatePlace, name: str) -> StatePlace:
    """The default file by its name, so that the state at the other end can say it."""
    return FilePlace(name) if place == FilePlace(None) else place


def move(
    held: Held,
    source: End,
    target: End,
    *,
    clock: Clock,
    api_url: str,
    environment: str | None,
    lock_timeout: float = 0.0,
) -> Migration:
    """Move the state, which `held` holds at the source, to the target; what open journals hold is saved before.

    The target must hold neither state nor journals, or what a move left there that came from it. Raises
    UsageError where both are one place, MicsError where there is nothing to move, GuardRefused for a target that is
    taken, StateUnreadable, Locked, StateConflict and StoreFailed. After any of them it can be run again.
    """
    if _is_one_place(source, target):
        raise UsageError(f"the state is there already: {source.backend.describe()}", remedy="name another place")
    held.save()
    claim = msgspec.structs.replace(held.lock, after=None)
    with take(target.backend, claim, clock=clock, lease=LEASE, timeout=lock_timeout) as lease:
        there = read_history(target.backend, api_url=api_url, environment=environment, also_moved=True)
        state = _leaving(source, target)
        if state.moved_to and _is_live(there) and there.state.lineage == state.lineage:
            return _done(source, target, there.state, already=True)
        _refuse_taken(source, target, state, there)
        with _told_to_go_on():
            target.backend.drop(list(there.done))

            def fence() -> None:
                # One who slept since he marked the source may have lost that lock, and another one put a state there.
                held.fence(SAVING)
                lease.fence(SAVING)

            writer = _Writer(target.backend, there.version, fence=fence)
            return _carry_over(held, source, target, state, there.state.serial, writer)


def _carry_over(held: Held, source: End, target: End, state: State, serial: int, writer: _Writer) -> Migration:
    """The steps of the table above that are left. `serial` is that of what stands at the target, 0 for nothing."""
    if not state.moved_to:
        for former in (*_history(source.backend), state):
            writer.write(msgspec.structs.replace(former, moved_to=source.address))
        state = msgspec.structs.replace(state, moved_to=target.address, serial=state.serial + 1)
        held.replace(state)
    live = msgspec.structs.replace(state, moved_to="", serial=max(state.serial, serial) + 1)
    writer.write(live)
    return _done(source, target, live)


def _done(source: End, target: End, state: State, *, already: bool = False) -> Migration:
    return Migration(source.place, target.place, state, len(target.backend.backups()), already)


class _Writer:
    """Writes one state after the other to the target, each under both locks and read back."""

    def __init__(self, backend: Backend, version: str | None, *, fence: Callable[[], None]) -> None:
        self._backend = backend
        self._version = version
        self._fence = fence

    def write(self, state: State) -> None:
        data = encode_state(state)
        self._fence()
        self._version = self._backend.write(data, expected=self._version)
        found = self._backend.read()
        if found is None or found.data != data:
            raise StoreFailed(
                f"what was written is not what is read again: {self._backend.describe()}",
                remedy="the state is still where it was; look into that store, or choose another",
            )


def _history(backend: Backend) -> Iterator[State]:
    """The backups that can be read, oldest first."""
    for blob in reversed(backend.backups()):
        with contextlib.suppress(StateUnreadable):
            yield decode_state(blob.data, name=blob.where)


@contextlib.contextmanager
def _told_to_go_on() -> Iterator[None]:
    try:
        yield
    except MicsError as error:
        error.add_note("the state was not moved to the end: run the same command again, and it goes on")
        raise


def _leaving(source: End, target: End) -> State:
    """The state at the source: live, or moved to this target before."""
    state = read_saved(source.backend)
    if state is None:
        raise MicsError(
            f"there is no state to move: {source.backend.describe()}",
            remedy="if none was made yet, set `state:` in the manifest to the new place: the first apply makes one",
        )
    if state.moved_to and not _same(state.moved_to, target.address):
        refuse_moved(source.backend.describe(), state)
    return state


def _is_live(there: History) -> bool:
    return there.version is not None and not there.state.moved_to


def _refuse_taken(source: End, target: End, state: State, there: History) -> None:
    """Raise GuardRefused unless the target is empty, or holds what a move left there.

    Of a move between these two it may be a backup of the source, which may be of another lineage. Of one to a third
    place, from where the state came here since, it is an older memory of this state.
    """
    where, found = target.backend.describe(), there.state
    if there.unsaved:
        raise GuardRefused(
            f"a run that did not come to its end left journals at {where}: {', '.join(there.unsaved)}",
            remedy="choose another place, such as another prefix",
        )
    if there.version is None:
        if state.moved_to:
            raise GuardRefused(
                f"the state was moved to {where} before, and there is none there any more",
                remedy="bring it back there; or make the one that is left here the state again, as old as it is: "
                "`mics-iac state pull --out FILE`, then `mics-iac state push FILE --force`",
            )
        return
    if found.moved_to and _same(found.moved_to, source.address) and found.lineage in _lineages(source, state):
        return
    if found.moved_to and not state.moved_to and found.lineage == state.lineage and found.serial < state.serial:
        return
    whose = "this state's lineage" if found.lineage == state.lineage else f"lineage {visible(found.lineage)}"
    if found.moved_to:
        moved, way_out = f", moved to {visible(found.moved_to)}", "remove what is there, if nobody needs it any more"
    else:
        moved, way_out = "", "set `state:` in the manifest to it, if that is the state of today"
    raise GuardRefused(
        f"there is a state at {where} already: of {whose}, serial {found.serial}{moved}",
        remedy=f"choose another place, such as another prefix; or {way_out}",
    )


def _lineages(source: End, state: State) -> set[str]:
    return {state.lineage, *(former.lineage for former in _history(source.backend))}


def _is_one_place(source: End, target: End) -> bool:
    """Whether both ends are one place; a file is one under all its names, as its lock is."""
    locks = [e.backend.describe_lock() for e in (source, target) if isinstance(e.place, FilePlace)]
    return _same(source.address, target.address) or (len(locks) == 2 and locks[0] == locks[1])


def _same(one: str, other: str) -> bool:
    """Whether two addresses name one place; a region or a lock's address are ways to it, not the place."""
    return _core(one) == _core(other)


def _core(address: str) -> object:
    try:
        place = parse_place(address)
    except UsageError:
        return address
    match place:
        case BucketPlace():
            return msgspec.structs.replace(place, region=None)
        case HttpPlace():
            return place.address
        case _:
            return place
