"""What the platform holds, compared with the files and with the state: every way in which they may differ, in words."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.bench.soak.project import DATAMARTS, Project

# (datamart id, name, document type): what tells imports apart.
_Title = tuple[str, str, str]


@dataclass(frozen=True)
class Verdict:
    """What the comparison found; `troubles` has everything that is wrong, the counted things too."""

    contents: int
    executions: int
    imports: int
    duplicates: int
    missing: int
    troubles: tuple[str, ...]


NOTHING_SEEN = Verdict(0, 0, 0, 0, 0, ())


def compare(project: Project, seen: Any, state: bytes | None) -> Verdict:
    """Judge what the control endpoint says of all imports and executions (`seen`), once all should be done.

    `state` is the state as it is kept, None where there is none.
    """
    addresses = _addresses(project)
    owners = _owners(addresses, seen)
    loaded = _loaded(owners, seen)
    return Verdict(
        contents=len(project.contents),
        executions=len(seen["executions"]),
        imports=len(seen["imports"]),
        duplicates=sum(count - 1 for count in loaded.values()),
        missing=len(project.contents - loaded.keys()),
        troubles=(
            *_of_contents(project, loaded, done=True),
            *_of_imports(project, seen["imports"], addresses),
            *_of_state(project, seen, owners, state),
        ),
    )


def glance(project: Project, seen: Any, *, done: bool) -> tuple[str, ...]:
    """What is wrong with the contents at any moment; `done`: a run said that it left nothing undone."""
    return tuple(_of_contents(project, _loaded(_owners(_addresses(project), seen), seen), done=done))


def _addresses(project: Project) -> dict[_Title, str]:
    return {_title_of(project, address): address for address in project.imports}


def _owners(addresses: dict[_Title, str], seen: Any) -> dict[str, str | None]:
    """The address of each import by its id, None for one that is nobody's."""
    return {one["id"]: addresses.get(_title(one)) for one in seen["imports"]}


def _loaded(owners: dict[str, str | None], seen: Any) -> Counter[tuple[str, str]]:
    return Counter((owners[one["import_id"]] or one["import_id"], one["sha256"]) for one in seen["executions"])


def _of_contents(project: Project, loaded: Counter[tuple[str, str]], *, done: bool) -> Iterator[str]:
    yield from (f"{address}: {sha256} was loaded {n} times" for (address, sha256), n in loaded.items() if n > 1)
    foreign = sorted(loaded.keys() - project.contents)
    yield from (f"{address}: {sha256} is no file's content" for address, sha256 in foreign)
    missing = sorted(project.contents - loaded.keys()) if done else ()
    yield from (f"{address}: {sha256} was never loaded" for address, sha256 in missing)


def _title_of(project: Project, address: str) -> _Title:
    one = project.imports[address]
    return (DATAMARTS[address.partition("/")[0]], one.name, one.document_type)


def _title(seen: Any) -> _Title:
    return (seen["datamart_id"], seen["name"], seen["document_type"])


def _of_imports(project: Project, imports: Any, addresses: dict[_Title, str]) -> Iterator[str]:
    count = Counter(_title(one) for one in imports)
    for title, address in addresses.items():
        if count[title] != 1:
            yield f"{address}: there are {count[title]} imports of its name and type"
    for one in imports:
        owner = addresses.get(_title(one))
        if owner is None:
            yield f"import {one['id']} ({one['name']}) is nobody's"
        elif one["deleted"]:
            yield f"{owner}: import {one['id']} was deleted"
        elif one["priority"] != project.imports[owner].priority:
            yield f"{owner}: its priority is {one['priority']}, not {project.imports[owner].priority}"


def _of_state(project: Project, seen: Any, owners: dict[str, str | None], kept: bytes | None) -> Iterator[str]:
    """How the state differs from the platform: ids, contents, and the counts of every execution."""
    if kept is None:
        yield "there is no state"
        return
    state = json.loads(kept)
    if state["creating"]:
        yield f"the state is still in doubt about creations: {sorted(state['creating'])}"
    held = {address: one["current"] for address, one in state["imports"].items()}
    for address, one in held.items():
        if owners.get(one["id"]) != address:
            yield f"{address}: the state names import {one['id']}, which is {owners.get(one['id'])}"
        if one["doubts"] or one["refusals"]:
            yield f"{address}: the state still has doubts or refusals"
    if held.keys() != project.imports.keys():
        yield f"the state holds {sorted(held)}, not {sorted(project.imports)}"
    ours = {(a, e["id"]): _settled(e["sha256"], e["records"], e) for a, one in held.items() for e in one["executions"]}
    theirs = {
        (owners[e["import_id"]], e["id"]): (e["sha256"], e["lines"], e["success"], e["failure"], "SUCCEEDED")
        for e in seen["executions"]
    }
    for key in sorted(ours.keys() | theirs.keys(), key=str):
        if ours.get(key) != theirs.get(key):
            yield f"execution {key[1]} of {key[0]} is {ours.get(key)} in the state, {theirs.get(key)} on the platform"


def _settled(sha256: str, records: int, execution: Any) -> tuple[str, int, int, int, str]:
    return (sha256, records, execution["total_success"], execution["total_failure"], execution["status"])
