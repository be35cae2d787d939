"""The bytes of a manifest -> a `Manifest`, or every mistake in it at once.

    read_tree (each file)  ->  merged  ->  resolve (variables)  ->  judged (model)  ->  cross-checked  ->  assembled

It must not read files, the process environment or the clock; what it needs of them comes in as values.
"""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Final

from mics_iac.core.assemble import (
    assembled_imports,
    assembled_moves,
    assembled_state,
    stated_datamarts,
    stated_imports,
    stated_moves,
    stated_state,
)
from mics_iac.core.crosscheck import import_clashes, import_faults, move_faults
from mics_iac.core.explain import Trie, judged
from mics_iac.core.manifest import Manifest, ManifestFile, ManifestText
from mics_iac.core.merge import merged
from mics_iac.core.scalars import newer_version
from mics_iac.core.statecheck import state_faults
from mics_iac.core.variables import NO_VARIABLES, VariableSources, resolve
from mics_iac.core.wording import Hints
from mics_iac.core.yamltree import YamlMap, read_tree
from mics_iac.errors import ManifestInvalid, Problem

# What a file that could not be read may well have held: to report its absence would be a false alarm.
_NEEDS_EVERY_FILE: Final = frozenset(("MICS102", "MICS121", "MICS131", "MICS132", "MICS135", "MICS136", "MICS137"))


def parse_manifest(
    texts: Sequence[ManifestText], *, environment: str | None = None, variables: VariableSources = NO_VARIABLES
) -> Manifest:
    """Read the files of one manifest, as they stand in one folder.

    `environment` is the one chosen with `--env`. Raises ManifestInvalid with all problems, and nothing else whatever
    the bytes are.
    """
    with _collector_paused():
        readings = [read_tree(text) for text in texts]
        roots = [reading.root for reading in readings if reading.root is not None]
        problems = [problem for reading in readings for problem in reading.problems]
        problems += [problem for root in roots for problem in _newer(root)]
        if not roots or any(problem.code == "MICS105" for problem in problems):
            raise ManifestInvalid(problems or [Problem("", 0, 0, "MICS006", "there is no manifest to read")])
        file = next(text.name for text, reading in zip(texts, readings, strict=True) if reading.root is not None)
        manifest, found = _read(roots, file=file, environment=environment, variables=variables)
        if len(roots) < len(texts):
            found = [problem for problem in found if problem.code not in _NEEDS_EVERY_FILE]
        if manifest is None or problems or found:
            raise ManifestInvalid([*problems, *found])
        return replace(manifest, files=tuple(_file(text) for text in texts))


@contextmanager
def _collector_paused() -> Iterator[None]:
    """No garbage collection meanwhile: it would walk the growing tree again and again, at several times its cost."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _newer(root: YamlMap) -> Iterator[Problem]:
    """A format that is still to come: nothing more is said of it, since nothing more is known."""
    message = newer_version(root.get("version"))
    if message is not None:
        place = root.value_place("version")
        yield Problem(place.file, place.line, place.column, "MICS105", message)


def _file(text: ManifestText) -> ManifestFile:
    return ManifestFile(text.name, hashlib.sha256(text.data).hexdigest())


def _read(
    roots: Sequence[YamlMap], *, file: str, environment: str | None, variables: VariableSources
) -> tuple[Manifest | None, list[Problem]]:
    """The manifest, and all that is wrong with it; None where that kept it from being read."""
    hints = Hints()
    tree, problems = merged(roots)
    resolved = resolve(tree, environment=environment, sources=variables, hints=hints)
    model, at_fault, faults = judged(resolved.root, file=file, hints=hints)
    problems = [*problems, *resolved.problems, *faults, *_cross_checked(resolved.root, at_fault, hints)]
    if model is None:
        return None, problems
    manifest = Manifest(
        files=(),
        environment=environment,
        api_url=model.api.url,
        state=assembled_state(model, resolved.root),
        datamarts=MappingProxyType({key: model.datamarts[key].id for key in sorted(model.datamarts)}),
        imports=tuple(sorted(assembled_imports(model, resolved.root), key=lambda one: one.address)),
        moved=tuple(sorted(assembled_moves(model, resolved.root), key=lambda move: move.source)),
        variables=tuple(sorted(resolved.used)),
    )
    return manifest, problems


def _cross_checked(tree: YamlMap, at_fault: Trie, hints: Hints) -> Iterator[Problem]:
    """What is wrong between values that are right by themselves, whatever stands beside them."""
    imports = list(stated_imports(tree, at_fault))
    for one in imports:
        yield from import_faults(one, hints=hints)
    yield from import_clashes(imports, datamarts=stated_datamarts(tree, at_fault))
    state = stated_state(tree, at_fault)
    if state is not None:
        yield from state_faults(state)
    moves = stated_moves(tree, at_fault)
    yield from move_faults(moves, imports=imports, undecided=partial(_undecided, tree), hints=hints)


def _undecided(tree: YamlMap, base: str) -> bool:
    """Tell of an address without batch that no import has whether it may stand in a block that is of a wrong kind."""
    datamart, _, _ = base.partition("/")
    datamarts = tree.get("datamarts")
    if not isinstance(datamarts, YamlMap):
        return datamarts is not None
    block = datamarts.get(datamart)
    if not isinstance(block, YamlMap):
        return datamart in datamarts
    imports = block.get("imports")
    return imports is not None and not isinstance(imports, YamlMap)
