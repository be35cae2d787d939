"""Makes the imports of the platform what the plan says: adopts, creates, changes. One call of `prepare` an import.

Every request is preceded by its intent in the journal and followed by its outcome. Whether a creation whose answer
was lost happened is found out by looking, twice, before it is sent again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mics_iac.core import journal
from mics_iac.core.diff import changes_in_place
from mics_iac.core.observed import Observed, RemoteImport
from mics_iac.core.plan import Adopt, Change, Create, Guard, Move, Upload
from mics_iac.core.settings import Settings
from mics_iac.engine.gate import FATAL, Gate
from mics_iac.engine.gather import steady
from mics_iac.engine.world import FRESH, World
from mics_iac.errors import (
    ApiError,
    ApiRefused,
    ApiUnreachable,
    GuardRefused,
    Interrupted,
    MicsError,
    NotAllowed,
    PlanStale,
)
from mics_iac.store.held import Held

# These say that a POST surely did not act; after any other error it may have.
NOT_ACTED = (ApiUnreachable, ApiRefused, NotAllowed, Interrupted)

# How often a creation is tried whose answer gets lost every time.
_TRIES = 3
# Seconds between the two looks after a body that surely did not leave whole.
SHORT_DELAY = 5.0


@dataclass(frozen=True, slots=True)
class Ready:
    """An import that parts can be loaded through. `fresh`: made just now, so there is nothing in it."""

    import_id: str
    settings: Settings
    fresh: bool


def prepare(
    address: str, effects: Sequence[object], *, observed: Observed, world: World, held: Held, gate: Gate
) -> Ready:
    """Do what the plan says about one import, in order; MicsError when it cannot be done."""
    fresh = False
    for effect in effects:
        world.stop.check()
        gate.check()
        match effect:
            case Adopt():
                held.record(journal.ImportAdopted(address, effect.id, effect.before, effect.protect, effect.ours))
            case Create():
                fresh = _Creation(effect, observed, world, held, gate).run()
            case Change():
                _change(effect, observed, world, held, gate)
            case Guard():
                held.record(journal.GuardChanged(address, effect.protect))
            case Move() | Upload() | _:
                pass
    with held.reading() as ledger:
        import_id, settings = ledger.import_id(address), ledger.settings(address)
    if import_id is None or settings is None:
        raise GuardRefused(f"{address} has no import to load through", remedy="plan again")
    return Ready(import_id, settings, fresh)


def _change(action: Change, observed: Observed, world: World, held: Held, gate: Gate) -> None:
    datamart_id = action.before.datamart_id
    remote = observed.imports.get(datamart_id, {}).get(action.id) or world.api.read_import(datamart_id, action.id)
    if remote is None:
        raise ApiRefused(
            f"import {action.id} is not in datamart {datamart_id} any more", status=404, remedy="plan again"
        )
    held.record(journal.ChangeBegun(action.address, action.after))
    # Always asked as it leaves: nobody waits to see what becomes of a change, as they do for what may load twice.
    answer = world.api.update_import(
        remote, name=action.after.name, priority=action.after.priority, before_send=gate.then(held.fence)
    )
    if (answer.settings.name, answer.settings.priority) != (action.after.name, action.after.priority):
        raise ApiError(
            f"the platform answered the change of import {action.id} with other settings than were asked for",
            remedy="look at the import in Navigator, then plan again",
        )
    held.record(journal.ImportChanged(action.address, answer.settings))


@dataclass(frozen=True, slots=True)
class LostCreation:
    """A creation whose answer was lost, and the looks that find out whether it happened.

    `known` are the ids of that title that were there before it; `protect` is the guard that it gets if it is found.
    """

    address: str
    settings: Settings
    known: tuple[str, ...]
    protect: bool
    world: World
    held: Held

    def settle(self, *, body_left: bool = True) -> bool:
        """Look for it at once, and again after a delay; True if it is there, and ours from now on."""
        for last in (False, True):
            if last:
                delay = self.world.limits.settle_delay if body_left else SHORT_DELAY
                self.world.clock.sleep(min(delay, self.world.limits.settle_delay))
            found = self.new_ones()
            if len(found) > 1:
                ids = ", ".join(i.id for i in found)
                raise GuardRefused(
                    f"{self.address}: the answer to its creation was lost, and several imports of that name and "
                    f"type have come to be since: {ids}",
                    remedy=f'add `adopt: "{found[0].id}"` (or another of them) to the import, then plan again',
                )
            if found:
                adopted = journal.ImportAdopted(self.address, found[0].id, found[0].settings, self.protect, ours=True)
                self.held.record(adopted)
                return True
        self.held.record(journal.CreateAbandoned(self.address, "no import of it came to be"))
        return False

    def new_ones(self) -> list[RemoteImport]:
        """The imports of its title that have come to be since, and that nothing of ours is known to be."""
        listed, whole = steady(lambda: self.world.api.list_imports(self.settings.datamart_id))
        if not whole:
            raise ApiError(
                f"the imports of datamart {self.settings.datamart_id} do not hold still while they are listed, or one "
                "of them cannot be read",
                remedy="run again when nobody else creates or deletes imports there",
            )
        with self.held.reading() as ledger:
            owned = ledger.owned_ids(self.settings.datamart_id)
        return [i for i in listed if i.settings.title == self.settings.title and i.id not in {*self.known, *owned}]


def settle_creation(address: str, *, world: World, held: Held) -> None:
    """Find out what became of a creation in doubt that the plan does not go on with; MicsError if it cannot be told."""
    with held.reading() as ledger:
        open_ = ledger.creating(address)
    if open_ is not None:
        LostCreation(address, open_.settings, open_.known, protect=False, world=world, held=held).settle()


@dataclass(frozen=True, slots=True)
class _Creation:
    action: Create
    observed: Observed
    world: World
    held: Held
    gate: Gate

    def run(self) -> bool:
        """Create the import, or find that it was created; True when it surely was created just now."""
        address, settings = self.action.address, self.action.after
        with self.held.reading() as ledger:
            open_ = ledger.creating(address)
        known = tuple(i.id for i in self.observed.titled(settings.title))
        if open_ is not None and open_.settings.title == settings.title:
            known = open_.known
            if self._lost(known).settle():
                return False
        elif open_ is not None:
            # Declared otherwise since: what may have been created then is ours all the same, and is replaced.
            settle_creation(address, world=self.world, held=self.held)
        elif self.world.clock.monotonic() - self.observed.at > FRESH and self._lost(known).new_ones():
            raise PlanStale(
                f"{address}: an import of that name and type has come to be since the plan was made",
                moved=(f"imports named {settings.name!r} in datamart {settings.datamart_id}",),
                remedy="plan again: it will be adopted",
            )
        for attempt in range(1, _TRIES + 1):
            self.held.record(journal.CreateBegun(address, settings, known))
            clearance = self.held.clearance()
            try:
                self.gate.check()
                clearance.ask_ahead()
                remote = self.world.api.create_import(settings, before_send=self.gate.then(clearance))
            except FATAL:
                raise
            except NOT_ACTED as error:
                self.gate.saw(error)
                self.held.record(journal.CreateAbandoned(address, error.message))
                raise
            except MicsError as error:
                if self._lost(known).settle(body_left=getattr(error, "body_left", True)):
                    return False
                if attempt == _TRIES:
                    raise
            else:
                created = journal.ImportCreated(address, remote.id, remote.settings, self.action.protect)
                self.held.record(created)
                self._compare(remote)
                return True
        raise AssertionError  # the last attempt returns or raises

    def _lost(self, known: tuple[str, ...]) -> LostCreation:
        return LostCreation(
            self.action.address, self.action.after, known, self.action.protect, world=self.world, held=self.held
        )

    def _compare(self, remote: RemoteImport) -> None:
        """Load nothing into an import that is not what was asked for."""
        if not changes_in_place(remote.settings, self.action.after):
            raise ApiError(
                f"the platform created import {remote.id} with other settings than were asked for",
                remedy="look at the import in Navigator, and write in the manifest what it can have",
            )
