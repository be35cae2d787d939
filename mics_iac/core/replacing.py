"""What is lost where one state takes another's place. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from mics_iac.core.state import Incarnation, State
from mics_iac.core.wording import listed


def losses(there: State, then: State) -> Iterator[str]:
    """What `then` does not know although `there` does, as sentences, where it is more than a newer state may forget.

    That is more than half of the addresses or of the contents that were loaded, and every request whose outcome is not
    known: nobody would look for it any more, and what it did could be done a second time.
    """
    gone, all_ = sorted(there.imports.keys() - then.imports.keys()), len(there.imports)
    if len(gone) * 2 > all_:
        yield f"it does not know {len(gone)} of the {all_} addresses that are there: {listed(gone, last='and')}"
    known, loaded = _contents(there), _contents(then)
    if len(known - loaded) * 2 > len(known):
        yield f"it does not know {len(known - loaded)} of the {len(known)} contents that were loaded"
    still = {doubt.attempt for _, import_ in _imports(then) for doubt in import_.doubts}
    yield from (
        f"it does not know that {address}:{doubt.source} is in doubt"
        for address, import_ in _imports(there)
        for doubt in import_.doubts
        if doubt.attempt not in still and doubt.sha256 not in loaded
    )
    yield from (
        f"it does not know that an import of {address} may have been created"
        for address in there.creating
        if address not in then.creating and address not in then.imports
    )


def _imports(state: State) -> Iterator[tuple[str, Incarnation]]:
    for address, value in state.imports.items():
        yield from ((address, import_) for import_ in (value.current, *value.former))
    for address, held in state.forgotten.items():
        yield from ((address, import_) for import_ in held)


def _contents(state: State) -> set[str]:
    return {execution.sha256 for _, import_ in _imports(state) for execution in import_.executions}
