"""What the `state` commands do."""

from __future__ import annotations

from collections.abc import Mapping

from mics_iac.cli.options import Common
from mics_iac.cli.session import session
from mics_iac.core.address import matches
from mics_iac.core.state import ImportState
from mics_iac.engine import addresses, workflow
from mics_iac.engine.resolution import resolve
from mics_iac.engine.world import Limits
from mics_iac.errors import StateDamaged
from mics_iac.reporting.decision import decision_json, decision_lines
from mics_iac.reporting.health import health_json, health_lines
from mics_iac.reporting.lines import Span, line
from mics_iac.reporting.outcome import trouble_lines
from mics_iac.reporting.recovery import recovery_json, recovery_lines
from mics_iac.reporting.state import HEAD, address_json, address_lines, list_json, list_lines, moved_lines


def list_addresses(given: Common, patterns: tuple[str, ...]) -> int:
    """The addresses that the patterns name, or all of them."""
    imports = _imports(given)
    for pattern in patterns:
        if not any(matches(address, (pattern,)) for address in imports):
            raise addresses.not_held(pattern, list(imports))
    chosen = {a: i for a, i in imports.items() if not patterns or matches(a, patterns)}
    if given.screen.json:
        given.screen.document(list_json(chosen))
    else:
        given.screen.show(list_lines(chosen))
    return 0


def _imports(given: Common) -> Mapping[str, ImportState]:
    with session(given, Limits()) as run:
        state = workflow.read_state(run.project)
    given.screen.warn(moved_lines(state))
    return state.imports


def show_address(given: Common, address: str) -> int:
    """Everything about one address."""
    imports = _imports(given)
    if address not in imports:
        raise addresses.not_held(address, list(imports))
    if given.screen.json:
        given.screen.document({**HEAD, **address_json(address, imports[address])})
    else:
        given.screen.show(address_lines(address, imports[address]))
    return 0


def check_state(given: Common) -> int:
    """Say what is there and what is wrong with it; exit 10 for damage."""
    with session(given, Limits()) as run:
        found = workflow.check_state(run.project)
    if given.screen.json:
        given.screen.document(health_json(found))
    else:
        given.screen.show(health_lines(found))
    return StateDamaged.exit_code if found.faults else 0


def recover_state(
    given: Common, *, parallelism: int, lock_timeout: float, wait_timeout: float, settle_delay: float
) -> int:
    """Mend and find again, and tell what was found."""
    limits = Limits(
        parallelism=parallelism,
        lock_timeout=lock_timeout,
        wait=False,
        wait_timeout=wait_timeout,
        settle_delay=settle_delay,
    )
    with session(given, limits) as run:
        found = workflow.recover(run.project)
    given.screen.warn(trouble_lines(found.outcome))
    if given.screen.json:
        given.screen.document(recovery_json(found))
    else:
        given.screen.show(recovery_lines(found))
    return found.outcome.exit_code


def resolve_doubt(given: Common, subject: str, *, execution: str | None, parallelism: int, lock_timeout: float) -> int:
    """Record what a person decided about `ADDRESS` or `ADDRESS:PATH`."""
    address, _, path = subject.partition(":")
    with session(given, Limits(parallelism=parallelism, lock_timeout=lock_timeout)) as run:
        decision = resolve(run.project, address, path=path or None, execution=execution)
    if given.screen.json:
        given.screen.document(decision_json(decision))
    else:
        given.screen.show(decision_lines(decision))
    return 0


def forget_address(given: Common, address: str, *, lock_timeout: float) -> int:
    """Take an address out of the state."""
    with session(given, Limits(lock_timeout=lock_timeout)) as run:
        held = addresses.forget(run.project, address)
    if given.screen.json:
        given.screen.document({**HEAD, "forgotten": address_json(address, held)})
        return 0
    text = f"forgotten; the platform keeps import {held.current.id} and what was loaded through it"
    given.screen.show([line(Span(address, "bold", solid=True), f": {text}", hang=2)])
    return 0


def rename_address(given: Common, source: str, target: str, *, lock_timeout: float) -> int:
    """Rename an address, with its batches."""
    with session(given, Limits(lock_timeout=lock_timeout)) as run:
        pairs = addresses.rename(run.project, source, target)
    if given.screen.json:
        given.screen.document({**HEAD, "renamed": [{"from": old, "to": new} for old, new in pairs]})
    else:
        given.screen.show(line(Span(old, solid=True), " -> ", Span(new, "bold", solid=True)) for old, new in pairs)
    return 0
