"""The model's errors -> problems at their places, and a note of the values they speak of.

Nothing of pydantic's own wording reaches the user. Each value that is at fault is noted by itself, whatever stands
beside it: what is right can then be checked further, so that no mistake hides another.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final, TypeAlias

from pydantic import BaseModel, ValidationError

from mics_iac.core.manifest import MANIFEST_VERSION, Place
from mics_iac.core.model import ManifestModel, keys_of, model_at
from mics_iac.core.scalars import Meant
from mics_iac.core.statecheck import looks_secret, secret_message
from mics_iac.core.wording import Hints, listed, quoted
from mics_iac.core.yamltree import Faulty, Node, YamlList, YamlMap, kind_of
from mics_iac.errors import Problem

Loc: TypeAlias = tuple[int | str, ...]
Trie: TypeAlias = "dict[int | str, Trie | None]"  # values at fault by their path; None: this one, with all below it

_WANTED: Final = {"model_type": "a mapping", "dict_type": "a mapping", "list_type": "a list"}


def judged(root: YamlMap, *, file: str, hints: Hints) -> tuple[ManifestModel | None, Trie, list[Problem]]:
    """The model, None where anything is at fault; what is at fault; and a problem for each thing that is.

    What was reported already (`Faulty`) is at fault too, and has no problem here.
    """
    try:
        return ManifestModel.model_validate(root), {}, []
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=True)
    trie: Trie = {}
    problems: list[Problem] = []
    for fault in faults:
        problems += _problems(fault, root, file=file, hints=hints)
        if fault["type"] not in ("missing", "extra_forbidden") and fault["loc"][-1] != "[key]":
            _mark(trie, fault["loc"])
    return None, trie, problems


def wrong_kind(place: Place, *, key: str, wanted: str, found: str) -> Problem:
    """The problem of a value that is a mapping, a list or a single one where another kind is needed."""
    if found == "empty":
        return _at(place, "MICS104", f"`{key}` has no value; write {wanted}, or remove the key")
    return _at(place, "MICS103", f"`{key}` must be {wanted}, and this is {found}")


def _problems(fault: Any, root: YamlMap, *, file: str, hints: Hints) -> Iterator[Problem]:
    loc: Loc = fault["loc"]
    kind: str = fault["type"]
    if isinstance(fault["input"], Faulty) or kind == "reported":
        return
    place = place_of(root, loc, file=file, key=kind in ("missing", "extra_forbidden") or loc[-1] == "[key]")
    context = fault.get("ctx", {})
    match kind:
        case "problem":
            yield _at(place, context["code"], context["message"] + _meant(context["meant"], hints))
        case "kind":
            yield wrong_kind(place, key=_label(loc), wanted=context["wanted"], found=context["found"])
        case "missing":
            yield _at(place, "MICS102", _missing(loc))
        case "extra_forbidden":
            yield from _unknown(loc, root, place, hints=hints)
        case _:
            wanted = _WANTED.get(kind, "another kind of value")
            yield wrong_kind(place, key=_label(loc), wanted=wanted, found=kind_of(fault["input"]))


def _missing(loc: Loc) -> str:
    if loc == ("version",):
        return f"the key `version` is missing; write `version: {MANIFEST_VERSION}`"
    return f"the key `{loc[-1]}` is missing in {_described(loc[:-1])}; add it"


def _meant(meant: Meant | None, hints: Hints) -> str:
    return "" if meant is None else hints.did_you_mean(meant.word, meant.choices) or meant.otherwise


def _unknown(loc: Loc, root: YamlMap, place: Place, *, hints: Hints) -> Iterator[Problem]:
    model = model_at(loc[:-1])
    key = str(loc[-1])
    if loc[0] == "state" and looks_secret(key):
        yield _at(place, "MICS128", f"{quoted(key)}: {secret_message(_backend(root))}")
        return
    hint = "" if model is None else hints.did_you_mean(key, keys_of(model)) or _known(model)
    yield _at(place, "MICS101", f"unknown key {quoted(key)} in {_described(loc[:-1])}.{hint}")


@lru_cache
def _known(model: type[BaseModel]) -> str:
    return f" Known there: {listed(sorted(keys_of(model)), last='and')}."


def _backend(root: YamlMap) -> str | None:
    state = root.get("state")
    backend = state.get("backend") if isinstance(state, YamlMap) else None
    return backend if isinstance(backend, str) else None


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


def _mark(trie: Trie, loc: Loc) -> None:
    *above, last = loc
    for step in above:
        below = trie.setdefault(step, {})
        if below is None:
            return  # something around it is at fault already
        trie = below
    trie[last] = None


def _at(place: Place, code: str, message: str) -> Problem:
    return Problem(place.file, place.line, place.column, code, message)
