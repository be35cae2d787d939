"""Where each content stands in the ledger, by its digest, and what last came from each path. Pure.

Only grows: a place that a move or a change of settings left behind stays in it, and whoever looks one up makes sure
that it still holds (`core/ledger`).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeAlias

from mics_iac.core.address import base_of
from mics_iac.core.slots import CutKey, HeldImport, cut_key
from mics_iac.core.state import Cut, Execution

ExecutionPlace: TypeAlias = tuple[str, str, str]
"""Address, import id, execution id."""
CutPlace: TypeAlias = tuple[str, str, CutKey]
"""Address, import id, and which cut of that import."""


class Index:
    """Executions by what was sent; cuts by the whole content, and by the path of the source."""

    def __init__(self) -> None:
        self._executions: dict[str, dict[ExecutionPlace, None]] = {}
        self._newest: dict[tuple[str, str], Execution] = {}
        self._cuts: dict[str, dict[CutPlace, None]] = {}

    def add(self, address: str, import_: HeldImport) -> None:
        """Take in all that an import holds."""
        for execution in import_.executions.values():
            self.add_execution(address, import_.id, execution)
        for cut in import_.cuts.values():
            self.add_cut(address, import_.id, cut)

    def add_execution(self, address: str, import_id: str, execution: Execution) -> None:
        """Take in one part that was accepted."""
        self._executions.setdefault(execution.sha256, {})[address, import_id, execution.id] = None
        self._newest[base_of(address), execution.source] = execution

    def add_cut(self, address: str, import_id: str, cut: Cut) -> None:
        """Take in how one source is cut."""
        place = (address, import_id, cut_key(cut))
        for key in (cut.sha256, cut.source):
            # Recorded anew, it is the newest.
            places = self._cuts.setdefault(key, {})
            places.pop(place, None)
            places[place] = None

    def executions(self, sha256: str) -> Collection[ExecutionPlace]:
        """Where these bytes were accepted, in the order in which they were."""
        return self._executions.get(sha256, {}).keys()

    def cuts(self, key: str) -> Collection[CutPlace]:
        """Where a content with this sha256, or a source of this path, is cut; the newest last."""
        return self._cuts.get(key, {}).keys()

    def newest(self, address: str, source: str) -> Execution | None:
        """The part that was accepted last from this path under any batch of this address."""
        return self._newest.get((base_of(address), source))
