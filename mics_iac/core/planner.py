"""From what should be and what is to the plan: which import stands behind each address, and what becomes of it.

Pure: the same inputs give the same plan, byte for byte. Nothing is changed here, and nothing is decided later: what
apply does with each part it sends is `core/strangers`, what becomes of each part is decided in `core/loading`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from mics_iac import __version__
from mics_iac.core.address import base_of
from mics_iac.core.desired import Desired, DesiredImport
from mics_iac.core.diff import changes_in_place, field_changes
from mics_iac.core.inquiry import pins_of
from mics_iac.core.ledger import Ledger
from mics_iac.core.loading import Loading
from mics_iac.core.manifest import Import
from mics_iac.core.observed import Observed, RemoteImport
from mics_iac.core.place import StatePlace
from mics_iac.core.plan import (
    Action,
    Adopt,
    Base,
    Change,
    Checked,
    Create,
    Fetch,
    Guard,
    Keep,
    Leftover,
    ManifestPin,
    Move,
    Options,
    Plan,
    Policy,
    Refused,
    SourceCut,
    Unread,
    digest_of,
)
from mics_iac.core.records import dropped_codes, findings_of
from mics_iac.core.selection import bases_of, moves_of, selected
from mics_iac.core.settings import CHANGEABLE, Settings


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a plan comes from, apart from what should be and what is."""

    api_url: str
    environment: str | None
    manifest_path: str
    manifest: tuple[ManifestPin, ...]
    datamarts: dict[str, str]
    state: StatePlace | None
    base: Base


def make_plan(
    desired: Desired, observed: Observed, ledger: Ledger, *, origin: Origin, options: Options, refreshed: bool = True
) -> Plan:
    """Decide what is to be done; UsageError when an option names nothing that is declared."""
    chosen = selected(desired, options, ledger)
    planner = _Planner(desired, observed, ledger, options)
    planner.plan_batches(chosen)
    for wanted in chosen:
        planner.plan_import(wanted)
    leftovers, earlier = planner.leftovers()
    plan = Plan(
        mics_iac_version=__version__,
        api_url=origin.api_url,
        environment=origin.environment,
        manifest_path=origin.manifest_path,
        manifest=origin.manifest,
        datamarts=origin.datamarts,
        state=origin.state,
        base=origin.base,
        options=options,
        policies=planner.policies(chosen),
        actions=tuple(planner.actions),
        leftovers=tuple(leftovers),
        earlier=earlier,
        warnings=(*(() if refreshed else (_UNREFRESHED,)), *planner.warnings),
        refusals=tuple(planner.refusals),
        cuts=tuple(planner.cuts),
        checked=tuple(planner.checked),
        refreshed=refreshed,
    )
    plan = msgspec.structs.replace(plan, pins=pins_of(plan.effects, observed, ledger))
    return msgspec.structs.replace(plan, digest=digest_of(plan))


_UNREFRESHED = (
    "the platform was not asked about imports that the state knows: changes made outside are not seen (--no-refresh)"
)


@dataclass(slots=True)
class _Planner:
    desired: Desired
    observed: Observed
    ledger: Ledger
    options: Options
    actions: list[Action] = field(default_factory=list)
    refusals: list[Refused] = field(default_factory=list)
    cuts: list[SourceCut] = field(default_factory=list)
    checked: list[Checked] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    _moves: dict[str, str] = field(default_factory=dict)
    _declared: frozenset[str] = frozenset()
    _held: frozenset[str] = frozenset()
    _owned: dict[str, dict[str, str]] = field(default_factory=dict)
    # Imports that this plan adopts, by id: what one address takes is no candidate for another.
    _taken: dict[str, str] = field(default_factory=dict)
    _titles: dict[tuple[str, str, str], str] = field(default_factory=dict)
    _loading: Loading = field(init=False)

    def __post_init__(self) -> None:
        self._declared = frozenset(w.address for w in self.desired.imports)
        self._held = frozenset(self.ledger.addresses())
        self._moves = moves_of(self.desired, self.ledger)
        self._loading = Loading(self.ledger, self.observed, self.options)
        self._taken = {w.declared.adopt: w.address for w in self.desired.imports if w.declared.adopt is not None}
        for address in self.ledger.addresses():
            settings = self.ledger.settings(address)
            if settings is not None and not self.ledger.gone(address):
                self._titles[settings.title] = address

    def policies(self, chosen: Iterable[DesiredImport]) -> dict[str, Policy]:
        """How parts are loaded and judged: those to load, and those of earlier runs that settle only now."""
        loading = {w.address for w in chosen if w.sources}
        fetching = {a.address for a in self.actions if isinstance(a, Fetch)}
        return {
            w.address: _policy(w.declared, unread=w.address in fetching)
            for w in self.desired.imports
            if w.address in loading or self._moves.get(w.address, w.address) in self._held
        }

    def plan_batches(self, chosen: Iterable[DesiredImport]) -> None:
        """A key that was renamed takes its earlier batches along."""
        bases = {base_of(w.address) for w in chosen}
        self.actions.extend(
            Move(target, source)
            for target, source in sorted(self._moves.items())
            if target not in self._declared and base_of(target) in bases
        )

    def plan_import(self, wanted: DesiredImport) -> None:
        """Decide on one import, then on its parts unless it was refused."""
        source = self._moves.get(wanted.address)
        if source is not None:
            self.actions.append(Move(wanted.address, source))
        held = source or wanted.address
        actions = self._decide(wanted, held)
        self.actions.extend(actions)
        if not actions:
            return
        new = self.ledger.import_id(held) is None or any(isinstance(a, Create | Adopt) for a in actions)
        if not new and self.ledger.protected(held) != wanted.declared.protect:
            self.actions.append(Guard(wanted.address, wanted.declared.protect))
        if wanted.sources:
            remote_id = next((a.id for a in actions if isinstance(a, Keep | Change | Adopt)), None)
            bases = bases_of(wanted.address, self._moves)
            loads = self._loading.plan_sources(wanted, held, remote_id, bases=bases)
            self.actions.extend(loads.actions)
            self.refusals.extend(loads.refusals)
            self.cuts.extend(loads.cuts)
            self.warnings.extend(loads.warnings)
            self.checked.extend(findings_of(wanted, loads.actions, loads.cuts, of=loads.judged))

    def _decide(self, wanted: DesiredImport, held: str) -> list[Action]:
        import_id, known = self.ledger.import_id(held), self.ledger.settings(held)
        adopt = wanted.declared.adopt
        if adopt is not None and adopt != import_id:
            return self._adopt_named(wanted, adopt)
        if import_id is None or known is None:
            return self._find_or_create(wanted, why="deleted outside" if self.ledger.gone(held) else "new")
        if known.datamart_id != wanted.settings.datamart_id:
            if adopt is not None:
                return self._adopt_named(wanted, adopt)
            return self._find_or_create(wanted, why=_why_replaced(known, wanted.settings), replaces=import_id)
        remote = self._look(known, import_id)
        if remote is None:
            return self._find_or_create(wanted, why="deleted outside")
        return self._compare(wanted, remote.id, remote.settings)

    def _look(self, known: Settings, import_id: str) -> RemoteImport | None:
        """The import as the platform shows it; as the state knows it where the platform was not asked."""
        asked = self.observed.imports.get(known.datamart_id)
        return RemoteImport(import_id, known, {}) if asked is None else asked.get(import_id)

    def _compare(self, wanted: DesiredImport, import_id: str, found: Settings) -> list[Action]:
        changes = field_changes(found, wanted.settings)
        if not changes:
            return [Keep(wanted.address, import_id, found)]
        if changes_in_place(found, wanted.settings):
            return [Change(wanted.address, import_id, found, wanted.settings)]
        if wanted.declared.adopt is not None:
            return self._adopt_named(wanted, wanted.declared.adopt)
        return self._find_or_create(wanted, why=_why_replaced(found, wanted.settings), replaces=import_id)

    def _find_or_create(self, wanted: DesiredImport, *, why: str, replaces: str | None = None) -> list[Action]:
        settings = wanted.settings
        holder = self._titles.get(settings.title)
        if holder is not None and holder not in self._declared and holder not in self._moves.values():
            self._refuse(wanted, _moved_block(holder, wanted.address))
            return []
        owned = self._owned_in(settings.datamart_id)
        candidates = [
            i
            for i in self.observed.titled(settings.title)
            if i.id not in owned and self._taken.get(i.id, wanted.address) == wanted.address
        ]
        creating = self.ledger.creating(self._moves.get(wanted.address, wanted.address))
        if creating is not None and creating.settings.kind == settings.kind:
            # The name may have been changed since.
            made = self.observed.titled(creating.settings.title)
            ours = [i for i in made if i.id not in owned and i.id not in creating.known and i.id not in self._taken]
            if len(ours) == 1 and changes_in_place(ours[0].settings, settings):
                return self._adopt(wanted, ours[0], why="created by a run whose answer was lost", ours=True)
        if not candidates:
            return [Create(wanted.address, settings, wanted.declared.protect, why, replaces)]
        if len(candidates) > 1:
            self._refuse(wanted, _ambiguous(wanted, candidates))
            return []
        return self._adopt(wanted, candidates[0], why="same name and document type")

    def _adopt_named(self, wanted: DesiredImport, adopt: str) -> list[Action]:
        datamart_id = wanted.settings.datamart_id
        owner = self._owned_in(datamart_id).get(adopt)
        remote = self.observed.imports.get(datamart_id, {}).get(adopt)
        place = wanted.declared.adopt_place
        if owner not in {None, wanted.address, self._moves.get(wanted.address)}:
            self._refuse(
                wanted, f"{place}: import {adopt} stands behind {owner} already: name another id, or use `moved`"
            )
            return []
        if remote is None:
            self._refuse(
                wanted, f"{place}: datamart {datamart_id} has no import {adopt}: correct `adopt`, or remove it"
            )
            return []
        return self._adopt(wanted, remote, why="named by `adopt`")

    def _adopt(self, wanted: DesiredImport, remote: RemoteImport, *, why: str, ours: bool = False) -> list[Action]:
        changes = field_changes(remote.settings, wanted.settings)
        fixed = [c for c in changes if c.field not in CHANGEABLE]
        if fixed:
            self._refuse(wanted, _misfit(remote, fixed))
            return []
        self._taken[remote.id] = wanted.address
        adopted = Adopt(wanted.address, remote.id, remote.settings, wanted.declared.protect, why, ours)
        if not changes:
            return [adopted]
        return [adopted, Change(wanted.address, remote.id, remote.settings, wanted.settings)]

    def leftovers(self) -> tuple[list[Leftover], dict[str, int]]:
        """What the state holds and the manifest does not declare, and how many earlier batches each import has."""
        found: list[Leftover] = []
        earlier: dict[str, int] = {}
        batched = {base_of(a) for a in self._declared if "@" in a}
        moving = set(self._moves.values())
        for address in self.ledger.addresses():
            protect = self.ledger.protected(address)
            found.extend(
                Leftover(address, f.id, f.settings, protect, replaced=True) for f in self.ledger.former(address)
            )
            import_id, settings = self.ledger.import_id(address), self.ledger.settings(address)
            if import_id is None or settings is None or address in self._declared or address in moving:
                continue
            if "@" in address and base_of(address) in batched:
                earlier[base_of(address)] = earlier.get(base_of(address), 0) + 1
            else:
                found.append(Leftover(address, import_id, settings, protect, replaced=False))
        return found, earlier

    def _owned_in(self, datamart_id: str) -> dict[str, str]:
        if datamart_id not in self._owned:
            self._owned[datamart_id] = self.ledger.owned_ids(datamart_id)
        return self._owned[datamart_id]

    def _refuse(self, wanted: DesiredImport, message: str) -> None:
        self.refusals.append(Refused(wanted.address, message))


def _policy(declared: Import, *, unread: bool) -> Policy:
    d = declared
    terms = Unread(d.split, d.on_growth, d.on_invalid, tuple(sorted(d.ignore)), d.strict, d.allow_shared_content)
    return Policy(str(d.max_failures), d.ordered, tuple(sorted(dropped_codes(d))), terms if unread else None)


def _why_replaced(found: Settings, wanted: Settings) -> str:
    changed = [f"{c.field} {c.before} -> {c.after}" for c in field_changes(found, wanted) if c.field not in CHANGEABLE]
    return "cannot change in place: " + ", ".join(changed)


def _moved_block(holder: str, address: str) -> str:
    return (
        f"an import of that name and type stands behind {holder}, which is not declared any more. "
        f"If it was renamed, add to the manifest:\n  moved:\n    - {{from: {holder}, to: {address}}}\n"
        "else give one of them another name"
    )


def _ambiguous(wanted: DesiredImport, candidates: list[RemoteImport]) -> str:
    place = wanted.declared.name_place
    lines = "\n".join(f'  adopt: "{c.id}"' for c in candidates)
    return (
        f"{place}: {len(candidates)} imports on the platform have that name and document type. "
        f"Choose one by adding one of these lines to the import, or choose another name:\n{lines}"
    )


def _misfit(remote: RemoteImport, fixed: Iterable[tuple[str, str, str]]) -> str:
    what = ", ".join(f"{name} {before}, the manifest {after}" for name, before, after in fixed)
    return (
        f"import {remote.id} would be adopted, but it has {what}, which cannot change in place: "
        "write in the manifest what the import has, or give yours another name"
    )
