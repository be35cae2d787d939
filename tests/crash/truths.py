"""What must hold after a run, told as sentences about what does not. Looks at the platform's own records and the files.

Knows nothing of what went wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mics_iac.core.outcome import Outcome
from mics_iac.core.plan import Plan
from mics_iac.core.state import State
from mics_iac.sandbox.sandbox import Sandbox
from tests.crash.scenes import Version


def done(wanted: Version, outcome: Outcome, sandbox: Sandbox, state: State) -> Iterator[str]:
    """What a run that ends with 0 has claimed: all is loaded once, is recorded, and was counted."""
    if outcome.failures or outcome.shortfalls or outcome.unfinished or outcome.declined:
        yield f"0, and yet: {outcome.failures} {outcome.shortfalls} {outcome.unfinished}"
    counted = outcome.tally.loaded + outcome.skipped
    if counted != len(wanted.contents):
        yield f"{len(wanted.contents)} uploads, but {outcome.tally.loaded} loaded and {outcome.skipped} skipped"
    yield from loaded_once(wanted, sandbox)
    yield from recorded(state, sandbox)
    guards = {address: one.protect for address, one in state.imports.items()}
    if guards != {address: body.get("protect", False) for address, body in wanted.imports.items()}:
        yield f"the guards of the imports are {guards}"


def loaded_once(wanted: Version, sandbox: Sandbox) -> Iterator[str]:
    """Each content is one execution and each import one import, whatever was deleted since."""
    imports = sandbox.imports(deleted=True)
    if sorted(i.name for i in imports) != wanted.names:
        yield f"imports {[(i.id, i.name, i.deleted) for i in imports]}, not {wanted.names}"
    executions = sandbox.executions(deleted=True)
    if sorted(e.sha256 for e in executions) != wanted.digests:
        yield f"executions {[(e.id, e.import_id, e.lines, e.sha256[:8]) for e in executions]}, not {wanted.digests}"


def recorded(state: State, sandbox: Sandbox) -> Iterator[str]:
    """The state holds what the platform holds, as it holds it, and nothing that is open."""
    held = [one.current for one in state.imports.values()]
    ids = sorted((i.id, e.id, e.sha256, e.status) for i in held for e in i.executions)
    if ids != (there := sorted((e.import_id, e.id, e.sha256, e.status) for e in sandbox.executions())):
        yield f"executions {ids} in the state, {there} on the platform"
    titles = sorted((i.id, i.settings.name, i.settings.priority) for i in held)
    if titles != (seen := sorted((i.id, i.name, i.priority) for i in sandbox.imports())):
        yield f"imports {titles} in the state, {seen} on the platform"
    if state.creating or any(i.doubts or i.refusals or i.strangers for i in held):
        yield f"open in the state: {state.creating} {[(i.doubts, i.refusals, i.strangers) for i in held]}"
    if any(i.adopted or i.gone for i in held) or any(one.former for one in state.imports.values()):
        yield f"imports of our own are not known as such: {[(i.id, i.adopted, i.gone) for i in held]}"


def cleared_up(strays: Iterable[str], after: Plan) -> Iterator[str]:
    """Nothing lies beside the state but former states, and there is nothing to do."""
    if left := sorted(strays):
        yield f"left beside the state: {left}"
    if not after.empty:
        yield f"a plan made afterwards is not empty: {after.effects}"
