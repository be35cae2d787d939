"""The model's errors -> problems at their places, and the tree without what they speak of.

Nothing of pydantic's own wording reaches the user. A value that is at fault is left out, alone where its key is
optional, with all that needs it where it is not; so the rest can be judged again, and further checks still run on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeAlias

from pydantic import ValidationError

from mics_iac.core.manifest import MANIFEST_VERSION, Place
from mics_iac.core.model import ManifestModel, keys_of, model_at
from mics_iac.core.wording import did_you_mean, listed, quoted
from mics_iac.core.yamltree import Faulty, Node, YamlList, YamlMap, kind_of
from mics_iac.errors import Problem

Loc: TypeAlias = tuple[int | str, ...]
Trie: TypeAlias = "dict[int | str, Trie | None]"  # None: left out, with all below it

# Without these the mapping around them means something else, or nothing.
_NEEDED: Final = frozenset(("id", "name", "document_type", "batch", "path", "from", "to"))
_KEEP: Final[Trie] = {}
_WANTED: Final = {"model_type": "a mapping", "dict_type": "a mapping", "list_type": "a list"}


def judged(root: YamlMap, *, file: str) -> tuple[ManifestModel, YamlMap, list[Problem]]:
    """The model of all that is right in the tree, that part of the tree, and a problem for each thing that is not."""
    problems: list[Problem] = []
    again = False
    while True:
        try:
            return ManifestModel.model_validate(root), root, problems
        except ValidationError as error:
            faults = error.errors(include_url=False, include_context=True)
        problems += [problem for fault in faults for problem in _problems(fault, root, file=file)]
        root, again = _without(root, faults, again=again), True


def wrong_kind(place: Place, *, key: str, wanted: str, found: str) -> Problem:
    """The problem of a value that is a mapping, a list or a single one where another kind is needed."""
    if found == "empty":
        return _at(place, "MICS104", f"`{key}` has no value; write {wanted}, or remove the key")
    return _at(place, "MICS103", f"`{key}` must be {wanted}, and this is {found}")


def _problems(fault: Any, root: YamlMap, *, file: str) -> Iterator[Problem]:
    loc: Loc = fault["loc"]
    kind: str = fault["type"]
    if isinstance(fault["input"], Faulty) or kind == "reported":
        return
    place = place_of(root, loc, file=file, key=kind in ("missing", "extra_forbidden") or loc[-1] == "[key]")
    context = fault.get("ctx", {})
    match kind:
        case "problem":
            yield _at(place, context["code"], context["message"])
        case "kind":
            yield wrong_kind(place, key=_label(loc), wanted=context["wanted"], found=context["found"])
        case "missing":
            yield _at(place, "MICS102", _missing(loc))
        case "extra_forbidden":
            yield from _unknown(loc, root, place)
        case _:
            wanted = _WANTED.get(kind, "another kind of value")
            yield wrong_kind(place, key=_label(loc), wanted=wanted, found=kind_of(fault["input"]))


def _missing(loc: Loc) -> str:
    if loc == ("version",):
        return f"the key `version` is missing; write `version: {MANIFEST_VERSION}`"
    return f"the key `{loc[-1]}` is missing in {_described(loc[:-1])}; add it"


def _unknown(loc: Loc, root: YamlMap, place: Place) -> Iterator[Problem]:
    if loc[0] == "state" and _backend(root) != "file":
        return  # the keys of a backend to come: that it is not there yet is told already
    model = model_at(loc[:-1])
    keys = keys_of(model) if model is not None else ()
    key = str(loc[-1])
    hint = did_you_mean(key, keys) or f" Known there: {listed(sorted(keys), last='and')}."
    yield _at(place, "MICS101", f"unknown key {quoted(key)} in {_described(loc[:-1])}.{hint}")


def _backend(root: YamlMap) -> Node:
    state = root.get("state")
    return state.get("backend", "file") if isinstance(state, YamlMap) else "file"


def _described(loc: Loc) -> str:
    match loc:
        case ():
            return "the manifest"
        case ("variables", name):
            return f"the variable {quoted(str(name))}"
        case ("environments", name):
            return f"the environment {quoted(str(name))}"
        case ("datamarts", name):
            return f"the datamart {quoted(str(name))}"
        case ("datamarts", datamart, "imports", name):
            return f"the import {quoted(f'{datamart}/{name}')}"
        case (*_, "sources", int()):
            return "the source"
        case ("moved", int()):
            return "the move"
        case _:
            return f"`{loc[-1]}`"


def _label(loc: Loc) -> str:
    """The key that a value belongs to, for an item that of its list."""
    names = [step for step in loc if isinstance(step, str) and step != "[key]"]
    return quoted(names[-1])[1:-1] if names else "the manifest"


def place_of(root: YamlMap, loc: Loc, *, file: str, key: bool = False) -> Place:
    """Where the value at that path stands (or its key); where the path ends early, the last thing that is there."""
    node: Node = root
    place = Place(file, 1, 1)
    for depth, step in enumerate(loc):
        last = depth == len(loc) - 1
        match node, step:
            case YamlMap(), str() if step in node:
                below = node[step]
                whole = isinstance(below, YamlMap | YamlList) and not last
                place = node.key_place(step) if key or whole else node.value_place(step)
                node = below
            case YamlList(), int() if step < len(node):
                place, node = node.item_place(step), node[step]
            case _:
                break
    return place


def _without(root: YamlMap, faults: Iterable[Any], *, again: bool) -> YamlMap:
    """The tree with all that is at fault left out; a version that is missing or wrong is taken for the right one.

    What is at fault after that had been done once (`again`) goes with its whole top-level block, so that this ends.
    """
    dropped: Trie = {}
    for fault in faults:
        loc = _droppable(fault["loc"], kind=fault["type"])
        if loc == ("version",):
            root = YamlMap({**root, "version": str(MANIFEST_VERSION)}.items(), spots=root.spots)
        else:
            _mark(dropped, loc[:1] if again else loc)
    return _pruned_map(root, dropped)


def _droppable(loc: Loc, *, kind: str) -> Loc:
    """What to leave out for a fault at that path."""
    if loc[-1] == "[key]":
        return loc[:-1]
    if len(loc) == 1 or kind == "extra_forbidden":
        return loc
    if kind == "missing" or (loc[-1] in _NEEDED and model_at(loc[:-1]) is not None):
        return loc[:-1]
    return loc


def _mark(trie: Trie, loc: Loc) -> None:
    *above, last = loc
    for step in above:
        below = trie.setdefault(step, {})
        if below is None:
            return  # something around it is left out already
        trie = below
    trie[last] = None


def _pruned_map(node: YamlMap, trie: Trie) -> YamlMap:
    kept = ((key, value) for key, value in node.items() if trie.get(key, _KEEP) is not None)
    return YamlMap(((key, _pruned(value, trie.get(key))) for key, value in kept), spots=node.spots)


def _pruned_list(node: YamlList, trie: Trie) -> YamlList:
    kept = [index for index in range(len(node)) if trie.get(index, _KEEP) is not None]
    return YamlList(
        (_pruned(node[index], trie.get(index)) for index in kept), spots=[node.spots[index] for index in kept]
    )


def _pruned(node: Node, trie: Trie | None) -> Node:
    """The node without what the trie marks; None is a branch in which nothing is marked."""
    match node:
        case YamlMap() if trie is not None:
            return _pruned_map(node, trie)
        case YamlList() if trie is not None:
            return _pruned_list(node, trie)
        case _:
            return node


def _at(place: Place, code: str, message: str) -> Problem:
    return Problem(place.file, place.line, place.column, code, message)
