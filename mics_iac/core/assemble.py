"""The tree, as values: what is stated in it so far as it is right (`stated_…`), and what the model made of it.

The first is there whatever is wrong, for the checks of what two values mean together; the second (`assembled_…`) only
where nothing is: the values of `core/manifest`, defaults applied, each with its place. Nothing is judged here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeVar

from mics_iac.core.crosscheck import StatedImport, StatedMove
from mics_iac.core.explain import Trie
from mics_iac.core.manifest import Import, Moved, Place, SourceSpec, StateSettings
from mics_iac.core.model import DefaultsModel, ImportModel, ManifestModel, SourceModel
from mics_iac.core.place import BucketPlace, FilePlace, HttpPlace, StatePlace
from mics_iac.core.scalars import TRUE
from mics_iac.core.statecheck import StatedState
from mics_iac.core.statemodel import StateModel
from mics_iac.core.yamltree import Faulty, YamlList, YamlMap

T = TypeVar("T")
_NO_FAULT: Final[Trie] = {}


def stated_imports(tree: YamlMap, faults: Trie) -> Iterator[StatedImport]:
    """What is right of each import of each datamart, whatever else is wrong."""
    datamarts = _Right(tree, faults).below("datamarts")
    for datamart in datamarts.body:
        block = datamarts.below(datamart)
        number = block.text("id")
        imports = block.below("imports")
        for key, written in imports.body.items():
            one = imports.below(key)
            yield StatedImport(
                datamart=datamart,
                realm=("key", datamart) if number is None else ("id", number),
                key=key,
                place=imports.body.key_place(key),
                name=one.text("name"),
                document_type=one.text("document_type"),
                mime_type=one.text("mime_type"),
                batch=one.text("batch"),
                batch_known=isinstance(written, YamlMap) and not one.at_fault("batch"),
                adopt=one.text("adopt"),
                any_type=one.may_be_set("allow_unknown_document_type"),
                confined=tuple(_confined(one)),
                place_of=one.body.value_place,
            )


def _confined(one: _Right) -> Iterator[tuple[str, Place]]:
    """The paths that may not leave the manifest's folder."""
    written = one.body.get("sources")
    if not isinstance(written, YamlList):
        return
    faults = one.faults_below("sources")
    for index, item in enumerate(written):
        if faults.get(index, _NO_FAULT) is None:
            continue
        source = _Right(
            item if isinstance(item, YamlMap) else YamlMap([("path", item)]), faults.get(index) or _NO_FAULT
        )
        path = source.text("path")
        if path is not None and not source.may_be_set("allow_outside"):
            yield path, _path_place(written, index)


def stated_datamarts(tree: YamlMap, faults: Trie) -> dict[str, tuple[str, Place]]:
    """The id of each datamart and its place, by key, of those whose id is right."""
    datamarts = _Right(tree, faults).below("datamarts")
    found: dict[str, tuple[str, Place]] = {}
    for key in datamarts.body:
        block = datamarts.below(key)
        number = block.text("id")
        if number is not None:
            found[key] = (number, block.body.value_place("id"))
    return found


def stated_moves(tree: YamlMap, faults: Trie) -> list[StatedMove]:
    """What is right of the moves, in the order of the file."""
    written = tree.get("moved")
    if not isinstance(written, YamlList):
        return []
    below = _Right(tree, faults).faults_below("moved")
    found = []
    for index, item in enumerate(written):
        move = _Right(item if isinstance(item, YamlMap) else YamlMap(), below.get(index) or _NO_FAULT)
        found.append(StatedMove(move.text("from"), move.text("to"), written.item_place(index)))
    return found


def stated_state(tree: YamlMap, faults: Trie) -> StatedState | None:
    """What is right of where the state is to be kept; None where nothing is said of it."""
    written = tree.get("state")
    if not isinstance(written, YamlMap):
        return None
    block = _Right(tree, faults).below("state")
    return StatedState(
        backend=block.text("backend") if "backend" in written else "file",
        chosen="backend" in written,
        keys={key: written.key_place(key) for key in written},
        texts={key: text for key in written if (text := block.text(key)) is not None},
        place=tree.key_place("state"),
        place_of=written.value_place,
    )


class _Right:
    """A mapping of the tree, without the values in it that are at fault."""

    __slots__ = ("_faults", "body")

    def __init__(self, body: YamlMap, faults: Trie) -> None:
        self.body = body
        self._faults = faults

    def at_fault(self, key: str) -> bool:
        return self._faults.get(key, _NO_FAULT) is None

    def text(self, key: str) -> str | None:
        value = self.body.get(key)
        if not isinstance(value, str) or isinstance(value, Faulty) or self.at_fault(key):
            return None
        return value

    def may_be_set(self, key: str) -> bool:
        """Whether the switch is set, or is at fault and perhaps meant to be."""
        return key in self.body and (self.at_fault(key) or self.text(key) in TRUE)

    def below(self, key: str) -> _Right:
        return _Right(child(self.body, key), self.faults_below(key))

    def faults_below(self, key: str) -> Trie:
        return self._faults.get(key) or _NO_FAULT


def assembled_imports(model: ManifestModel, tree: YamlMap) -> Iterator[Import]:
    """Each import of each datamart."""
    datamarts = child(tree, "datamarts")
    for datamart, block in model.datamarts.items():
        written = child(datamarts, datamart)
        keys = child(written, "imports")
        id_place = written.value_place("id")
        for key, one in block.imports.items():
            yield _import(
                one,
                child(keys, key),
                defaults=model.defaults,
                address=(datamart, block.id, key),
                places=(keys.key_place(key), id_place),
            )


def assembled_moves(model: ManifestModel, tree: YamlMap) -> list[Moved]:
    """The moves, in the order of the file."""
    written = tree.get("moved")
    if not isinstance(written, YamlList):
        return []
    return [Moved(move.source, move.target, written.item_place(index)) for index, move in enumerate(model.moved)]


def assembled_state(model: ManifestModel, tree: YamlMap) -> StateSettings:
    """Where the state is to be kept."""
    at = tree.key_place("state") if "state" in tree else None
    return StateSettings(_state_place(model.state), at)


def _state_place(state: StateModel) -> StatePlace:
    endpoint = None if state.endpoint is None else state.endpoint.rstrip("/")
    prefix = (state.prefix or "").rstrip("/")
    match state.backend:
        case "file":
            return FilePlace(state.path)
        case "s3" | "gs":
            return BucketPlace(state.backend, state.bucket or "", prefix, region=state.region, endpoint=endpoint)
        case "az":
            return BucketPlace("az", state.container or "", prefix, account=state.account, endpoint=endpoint)
        case "http":
            return HttpPlace(
                state.address or "",
                lock_address=state.lock_address,
                unlock_address=state.unlock_address,
                lock_method=state.lock_method,
                unlock_method=state.unlock_method,
                update_method=state.update_method,
            )


def child(parent: YamlMap, key: str) -> YamlMap:
    """The mapping under that key; an empty one where nothing is."""
    node = parent.get(key)
    return node if isinstance(node, YamlMap) else YamlMap()


def _import(
    one: ImportModel,
    body: YamlMap,
    *,
    defaults: DefaultsModel,
    address: tuple[str, str, str],
    places: tuple[Place, Place],
) -> Import:
    datamart, datamart_id, key = address
    place, datamart_place = places
    return Import(
        datamart=datamart,
        datamart_id=datamart_id,
        key=key,
        batch=one.batch,
        name=one.name,
        document_type=one.document_type,
        mime_type=one.mime_type,
        encoding=_first(one.encoding, defaults.encoding),
        priority=_first(one.priority, defaults.priority),
        sources=_sources(one.sources, body),
        adopt=one.adopt,
        protect=_first(one.protect, defaults.protect),
        max_failures=_first(one.max_failures, defaults.max_failures),
        ordered=_first(one.ordered, defaults.ordered),
        split=_first(one.split, defaults.split),
        on_invalid=_first(one.on_invalid, defaults.on_invalid),
        on_growth=_first(one.on_growth, defaults.on_growth),
        ignore=frozenset(_first(one.ignore, defaults.ignore)),
        strict=_first(one.strict, defaults.strict),
        allow_shared_content=one.allow_shared_content,
        place=place,
        name_place=body.value_place("name"),
        adopt_place=body.value_place("adopt") if one.adopt is not None else None,
        datamart_place=datamart_place,
    )


def _first(given: T | None, default: T) -> T:
    return default if given is None else given


def _sources(sources: list[SourceModel], body: YamlMap) -> tuple[SourceSpec, ...]:
    written = body.get("sources")
    if not isinstance(written, YamlList):
        return ()
    return tuple(
        SourceSpec(source.path, source.allow_empty, source.allow_outside, _path_place(written, index))
        for index, source in enumerate(sources)
    )


def _path_place(written: YamlList, index: int) -> Place:
    item = written[index]
    return item.value_place("path") if isinstance(item, YamlMap) else written.item_place(index)
