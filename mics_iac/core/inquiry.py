"""What must be asked of the platform for a plan, and what must not have moved when it is applied. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from mics_iac.core.desired import Desired
from mics_iac.core.diff import changes_in_place
from mics_iac.core.ledger import Ledger
from mics_iac.core.observed import Observed
from mics_iac.core.plan import (
    Adopt,
    Change,
    Create,
    Effect,
    Fetch,
    Guard,
    Keep,
    Move,
    Options,
    Plan,
    Stuck,
    Upload,
    fingerprint,
)
from mics_iac.core.selection import moves_of, selected
from mics_iac.core.settings import Settings


def to_ask(desired: Desired, ledger: Ledger, options: Options, *, refresh: bool) -> dict[str, set[str]]:
    """The datamarts whose imports must be listed for a plan, and the ids that the state expects there.

    Those of the declared imports, and those whose executions will be listed, since an import that is gone has none.
    Without `refresh` only those where an import must be found or created.
    """
    asked = _unsettled_in(ledger) if refresh else set()
    moves = moves_of(desired, ledger)
    for wanted in selected(desired, options, ledger):
        held = moves.get(wanted.address, wanted.address)
        import_id, known = ledger.import_id(held), ledger.settings(held)
        datamart_id, adopt = wanted.settings.datamart_id, wanted.declared.adopt
        here = known is not None and known.datamart_id == datamart_id
        settled = import_id is not None and here and adopt in {None, import_id}
        changed = settled and known is not None and not changes_in_place(known, wanted.settings)
        if refresh or not settled or changed:
            asked.add(datamart_id)
    return {datamart_id: ledger.living(datamart_id) for datamart_id in sorted(asked)}


def _unsettled_in(ledger: Ledger) -> set[str]:
    """The datamarts with executions that had not settled or with open doubts when last seen."""
    found = {ledger.datamart_of(loaded) for loaded in ledger.unsettled()}
    return found | {doubting.settings.datamart_id for doubting in ledger.doubting()}


def to_check(plan: Plan, ledger: Ledger) -> dict[str, set[str]]:
    """The datamarts whose imports must be listed again before a saved plan is applied, and the ids expected there."""
    asked = {datamart_id: ledger.living(datamart_id) for datamart_id in _unsettled_in(ledger)}
    held = _held_under(plan.effects)

    def ask(datamart_id: str) -> set[str]:
        if datamart_id not in asked:
            asked[datamart_id] = ledger.living(datamart_id)
        return asked[datamart_id]

    for action in plan.effects:
        match action:
            case Create():
                ask(action.after.datamart_id)
            case Adopt() | Change():
                ask(action.before.datamart_id).add(action.id)
            case Upload() | Fetch() | Guard() | Move():
                settings = ledger.settings(held.get(action.address, action.address))
                if settings is not None:
                    ask(settings.datamart_id)
    return asked


def _held_under(effects: Iterable[Effect]) -> dict[str, str]:
    """The address under which the state holds what the plan moves, by its new address."""
    return {action.address: action.source for action in effects if isinstance(action, Move)}


def to_list(plan: Plan, ledger: Ledger) -> dict[str, tuple[str, str]]:
    """The imports whose executions bear on the plan, by import id: (datamart id, address).

    Those that are there already and that something is to be loaded through or has failed to, those with unsettled
    executions or open doubts, and those in which failed what is to be loaded: it may have run again.
    """
    there = {a.address: (a.id, a.settings.datamart_id) for a in plan.actions if isinstance(a, Keep)}
    there |= {a.address: (a.id, a.before.datamart_id) for a in plan.actions if isinstance(a, Adopt | Change)}
    wanted = {a.address for a in plan.actions if isinstance(a, Upload | Fetch | Stuck)} & there.keys()
    found = {there[a][0]: (there[a][1], a) for a in sorted(wanted)}
    for loaded in ledger.unsettled():
        found.setdefault(loaded.import_id, (ledger.datamart_of(loaded), loaded.address))
    for import_id, place in failed_in(plan, ledger).items():
        found.setdefault(import_id, place)
    for doubting in ledger.doubting():
        found.setdefault(doubting.import_id, (doubting.settings.datamart_id, doubting.address))
    return found


def failed_in(plan: Plan, ledger: Ledger) -> dict[str, tuple[str, str]]:
    """The imports in which failed what is to be loaded, as of `to_list`: it may have run again since."""
    settings = settings_in(plan)
    living = {kind[0]: ledger.living(kind[0]) for kind in {s.kind for s in settings.values()}}
    found: dict[str, tuple[str, str]] = {}
    for upload in plan.uploads:
        kind = settings[upload.address].kind
        for loaded in ledger.loaded(kind, upload.sha256):
            if loaded.failed and loaded.import_id in living[kind[0]]:
                found[loaded.import_id] = (kind[0], loaded.address)
    return found


def settings_in(plan: Plan) -> dict[str, Settings]:
    """The settings that each import of a plan has once it is applied, by address."""
    settings = {a.address: a.settings for a in plan.actions if isinstance(a, Keep)}
    settings |= {a.address: a.before for a in plan.actions if isinstance(a, Adopt)}
    return settings | {a.address: a.after for a in plan.actions if isinstance(a, Create | Change)}


def pins_of(effects: Iterable[Effect], observed: Observed, ledger: Ledger) -> dict[str, str]:
    """Fingerprints of what must not move between plan and apply.

    The settings of each import that the actions name, and for each creation the ids that hold its title already.
    """
    pins: dict[str, str] = {}
    effects = tuple(effects)
    held = _held_under(effects)
    for action in effects:
        match action:
            case Create():
                datamart_id, name, document_type = action.after.title
                ids = [i.id for i in observed.titled(action.after.title)]
                pins[f"imports named {name!r} ({document_type}) in datamart {datamart_id}"] = fingerprint(ids)
            case Adopt():
                pins |= _pin(action.before.datamart_id, action.id, observed)
            case Change():
                pins |= _pin(action.before.datamart_id, action.id, observed)
            case Upload() | Fetch() | Guard() | Move():
                address = held.get(action.address, action.address)
                import_id, settings = ledger.import_id(address), ledger.settings(address)
                if import_id is not None and settings is not None:
                    pins |= _pin(settings.datamart_id, import_id, observed)
    return dict(sorted(pins.items()))


def _pin(datamart_id: str, import_id: str, observed: Observed) -> dict[str, str]:
    if datamart_id not in observed.imports:
        return {}
    remote = observed.imports[datamart_id].get(import_id)
    return {f"import {import_id} in datamart {datamart_id}": fingerprint(remote.settings if remote else None)}
