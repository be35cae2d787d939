"""A judged model and the tree it came from -> the values of `core/manifest`, each with its place.

Defaults are applied here. Nothing is judged here: model and tree hold what is right, and the same keys.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from mics_iac.core.manifest import Import, Moved, Place, SourceSpec, StateSettings
from mics_iac.core.model import DefaultsModel, ImportModel, ManifestModel, SourceModel
from mics_iac.core.yamltree import YamlList, YamlMap

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Assembled:
    """An import, and what its cross checks need beyond it."""

    value: Import
    any_type: bool
    """Document types that the tool does not know pass."""
    written: YamlMap

    def place_of(self, key: str) -> Place:
        """Where the key's value stands; the import itself where the key is not written."""
        return self.written.value_place(key) if key in self.written else self.value.place


def assembled_imports(model: ManifestModel, tree: YamlMap) -> Iterator[Assembled]:
    """Each import of each datamart."""
    datamarts = child(tree, "datamarts")
    for datamart, block in model.datamarts.items():
        written = child(datamarts, datamart)
        keys = child(written, "imports")
        id_place = written.value_place("id")
        for key, one in block.imports.items():
            body = child(keys, key)
            value = _import(
                one,
                body,
                defaults=model.defaults,
                address=(datamart, block.id, key),
                places=(keys.key_place(key), id_place),
            )
            yield Assembled(value, one.allow_unknown_document_type, body)


def assembled_datamarts(model: ManifestModel, tree: YamlMap) -> dict[str, tuple[str, Place]]:
    """The id of each datamart and its place, by key, in the order of the keys."""
    blocks = child(tree, "datamarts")
    return {key: (model.datamarts[key].id, child(blocks, key).value_place("id")) for key in sorted(model.datamarts)}


def assembled_moves(model: ManifestModel, tree: YamlMap) -> list[Moved]:
    """The moves, in the order of the file."""
    written = tree.get("moved")
    if not isinstance(written, YamlList):
        return []
    return [Moved(move.source, move.target, written.item_place(index)) for index, move in enumerate(model.moved)]


def assembled_state(model: ManifestModel, tree: YamlMap) -> StateSettings:
    """Where the state is to be kept."""
    place = tree.key_place("state") if "state" in tree else None
    return StateSettings("file", model.state.path, place)


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
