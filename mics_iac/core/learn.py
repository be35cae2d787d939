"""What a look at the platform teaches the state, as entries. Pure; only apply records them."""

from __future__ import annotations

from collections.abc import Iterator

from mics_iac.core.journal import ExecutionSettled, ImportChanged, ImportGone
from mics_iac.core.ledger import Ledger
from mics_iac.core.loaded import Loaded
from mics_iac.core.observed import ENDED, Observed, RemoteExecution
from mics_iac.core.state import Execution


def learn_imports(ledger: Ledger, observed: Observed) -> Iterator[ImportGone | ImportChanged]:
    """Imports that were deleted or changed by other hands since the state last saw them."""
    for address in ledger.addresses():
        for former in ledger.former(address):
            if former.id not in observed.imports.get(former.settings.datamart_id, {former.id: None}):
                yield ImportGone(address, former.id)
        import_id, settings = ledger.import_id(address), ledger.settings(address)
        if import_id is None or settings is None or settings.datamart_id not in observed.imports:
            continue
        remote = observed.imports[settings.datamart_id].get(import_id)
        if remote is None:
            yield ImportGone(address, import_id)
        elif remote.settings != settings:
            yield ImportChanged(address, remote.settings)


def learn_executions(ledger: Ledger, observed: Observed) -> Iterator[tuple[Loaded, ExecutionSettled]]:
    """Executions of ours that are not what the state last saw: most have ended, one that had may run again."""
    ours = ledger.executions_of(observed.executions.keys())
    for import_id, remotes in observed.executions.items():
        for remote in remotes:
            loaded = ours.get((import_id, remote.id))
            if loaded is not None and _moved(loaded.execution, remote):
                yield loaded, settled(loaded.address, remote)


def _moved(known: Execution, remote: RemoteExecution) -> bool:
    if remote.status != known.status:
        return remote.complete or (known.status in ENDED and not remote.ended)
    return remote.complete and known.total_success is None and remote.loaded is not None


def settled(address: str, remote: RemoteExecution) -> ExecutionSettled:
    """The entry for what an execution has come to."""
    return ExecutionSettled(address, remote.id, remote.status, remote.loaded, remote.rejected, remote.message)
