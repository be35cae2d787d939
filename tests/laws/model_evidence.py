"""What the model knows that the tool may not: whose an execution is, and what evidence of it is left.

The sandbox keeps everything that ever happened, deleted imports too. `theirs` are ids of what other hands made; all
else is ours.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from mics_iac.core.address import base_of
from mics_iac.core.state import Execution, ImportState, Incarnation, State
from mics_iac.engine.project import SANDBOX_URL
from mics_iac.sandbox.sandbox import SeenExecution, SeenImport
from mics_iac.store.file import FileBackend
from mics_iac.store.history import peek
from tests.laws.model_project import Project, Wish
from tests.rig import Rig

FAILED = {"FAILED", "CANCELED", "LOST"}


def known_state(rig: Rig) -> State:
    """What the tool would begin with now: the state with its journals folded in."""
    return peek(FileBackend(rig.state_path, clock=rig.clock), api_url=SANDBOX_URL, environment=None).state()


def incarnations(held: ImportState) -> tuple[Incarnation, ...]:
    return (held.current, *held.former)


def executions(state: State) -> Iterator[tuple[str, Incarnation, Execution]]:
    """Every execution that the state holds, with its address and import."""
    for address, held in state.imports.items():
        for incarnation in incarnations(held):
            for execution in incarnation.executions:
                yield address, incarnation, execution


def doubts(state: State) -> set[tuple[str, str]]:
    """Import id and sha256 of every upload whose answer was lost."""
    return {(i.id, d.sha256) for held in state.imports.values() for i in incarnations(held) for d in i.doubts}


def kind_of(seen: SeenExecution | SeenImport) -> tuple[str, str]:
    return (seen.datamart_id, seen.document_type)


@dataclass
class Witness:
    """Sees platform, state and project at once."""

    rig: Rig
    project: Project
    their_imports: set[str] = field(default_factory=set)
    their_executions: set[str] = field(default_factory=set)
    # Imports and executions of ours that a lost or an older state forgot: it need not hold these again.
    forgiven: set[str] = field(default_factory=set)

    # The platform.

    def ours(self) -> list[SeenExecution]:
        return [e for e in self.rig.sandbox.executions(deleted=True) if e.id not in self.their_executions]

    def our_imports(self, *, deleted: bool = False) -> list[SeenImport]:
        return [i for i in self.rig.sandbox.imports(deleted=deleted) if i.id not in self.their_imports]

    def loaded(self, wish: Wish) -> set[str]:
        """The contents that truly were loaded where this import's would be: by us, or by others through an import of
        its name or that the state has for it."""
        state = known_state(self.rig)
        own = {
            i.id
            for a, held in state.imports.items()
            if base_of(a) in self.bases(wish, state)
            for i in incarnations(held)
        }
        own |= {i.id for i in self.rig.sandbox.imports() if self._titled(i, wish)}
        return {
            e.sha256
            for e in self.rig.sandbox.executions(deleted=True)
            if kind_of(e) == wish.kind
            and e.status not in FAILED
            and (e.id not in self.their_executions or e.import_id in own)
        }

    def shows(self, import_id: str, wish: Wish) -> bool:
        """Whether the platform has the import of this id under the name and type of the wish."""
        return any(i.id == import_id and self._titled(i, wish) for i in self.rig.sandbox.imports())

    @staticmethod
    def _titled(seen: SeenImport, wish: Wish) -> bool:
        return (*kind_of(seen), seen.name) == (*wish.kind, wish.name)

    def candidates(self, wish: Wish, state: State, *, gone: Collection[str] = ()) -> list[SeenImport]:
        """The imports of this name and type that no address has."""
        owned = {i.id for held in state.imports.values() for i in incarnations(held)}
        return [
            i for i in self.rig.sandbox.imports() if self._titled(i, wish) and i.id not in owned and i.id not in gone
        ]

    def choice(self, wish: Wish, state: State, *, gone: Collection[str] = ()) -> SeenImport | None:
        """The one that a person who knows the truth would adopt: that with most of ours in it."""
        ours = [e.import_id for e in self.ours()]
        fitting = [i for i in self.candidates(wish, state, gone=gone) if i.mime_type == wish.form[1]]
        return max(fitting, key=lambda i: (ours.count(i.id), i.id not in self.their_imports, int(i.id)), default=None)

    def home(self, wish: Wish, state: State, *, gone: Collection[str] = ()) -> str | None:
        """The import that this one's files would go into now, None if that is yet to be created."""
        addresses = [
            base + wish.address.removeprefix(wish.key) for base in (wish.key, *sorted(self.bases(wish, state)))
        ]
        held = next((state.imports[a].current for a in addresses if a in state.imports), None)
        if held is not None and held.id not in gone:
            seen = next((i for i in self.rig.sandbox.imports() if i.id == held.id), None)
            if seen is not None and kind_of(seen) == wish.kind and seen.mime_type == wish.form[1]:
                return seen.id
        chosen = self.choice(wish, state, gone=gone)
        return None if chosen is None else chosen.id

    def bases(self, wish: Wish, state: State) -> set[str]:
        """The keys under which the state has an import: today's, and the one that it is moved from.

        Nothing is moved to where the state has something already.
        """
        moved = {source for source, target in self.project.moved.items() if target == wish.key}
        takes = {base_of(a) for a in state.imports if wish.key + a.removeprefix(base_of(a)) not in state.imports}
        return {wish.key, *(moved & takes)}

    def todo(self, wish: Wish, state: State) -> set[str]:
        """The contents of an import that the tool does not know to be loaded."""
        known = {
            e.sha256
            for address, i, e in executions(state)
            if i.settings.kind == wish.kind and base_of(address) in self.bases(wish, state) and e.status not in FAILED
        }
        return self.project.digests(wish) - known

    # Evidence.

    def orphans(self, state: State) -> list[SeenImport]:
        """Imports of ours that are there and that the tool should know, and does not."""
        held = {i.id for one in state.imports.values() for i in incarnations(one)}
        return [i for i in self.our_imports() if i.id not in held and i.id not in self.forgiven]

    def unknown(self, state: State) -> list[SeenExecution]:
        """Executions of ours of which the tool has neither the id nor a doubt.

        Of equal bytes in one import it may take another's for ours: nothing tells them apart, and nothing has to.
        """
        known = {(i.id, e.id) for _, i, e in executions(state)}
        known |= {(i.id, e.sha256) for _, i, e in executions(state) if e.status not in FAILED} | doubts(state)
        return [e for e in self.ours() if known.isdisjoint({(e.import_id, e.id), (e.import_id, e.sha256)})]

    def forgive(self) -> None:
        """Ask no more that the state holds what it does not know now."""
        state = known_state(self.rig)
        self.forgiven |= {e.id for e in self.unknown(state)} | {i.id for i in self.orphans(state)}

    def forgotten(self, state: State) -> list[SeenExecution]:
        """Those of them that came to something: none of these may be sent again."""
        return [e for e in self.unknown(state) if e.status not in FAILED]

    def provable(self, *, gone: Collection[str] = ()) -> bool:
        """Whether the tool could find out that each content it would send was sent before.

        What it forgot must lie in the import that the content would go into. `gone`: as if these were deleted.
        """
        state = known_state(self.rig)
        forgotten = self.forgotten(state)
        # An import whose creation is in doubt is known by its name and type alone.
        for made in self.orphans(state):
            if not any(self._titled(made, w) and made.mime_type == w.form[1] for w in self.project.wishes.values()):
                return False
        for wish in self.project.wishes.values():
            todo = self.todo(wish, state)
            home = self.home(wish, state, gone=gone)
            if any(e.sha256 in todo and kind_of(e) == wish.kind and e.import_id != home for e in forgotten):
                return False
        return True
