"""Reads back what an execution was given, to find out whether it is one of ours.

The danger: bytes that are not the input file at all (a page of a proxy, half of a file) would tell of an execution of
ours that it is somebody else's, and its content would be sent again. So "other bytes" is believed only of bytes that
can be that file, and that came twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass

import msgspec

from mics_iac.core.observed import RemoteExecution
from mics_iac.core.settings import Settings
from mics_iac.core.strangers import may_be
from mics_iac.engine.world import World
from mics_iac.errors import NotTheFile
from mics_iac.sources.counting import CsvCounter, LineCounter

# How often a file is read whose bytes tell nothing, and the seconds in between.
_READINGS = 4
_PAUSE = 1.0
# The most bytes of a last record that are looked at.
_LONGEST_RECORD = 1 << 20


def read_digest(
    execution: RemoteExecution, settings: Settings, *, expected: Collection[str], world: World
) -> str | None:
    """The sha256 of an execution's input file; None when the platform has it no more.

    One that is not `expected` tells that the execution is none of those, so it is believed only of bytes that the
    platform's own count of lines fits, and that came twice. Raises NotTheFile where there are none.
    """
    before: set[str] = set()
    for number in range(_READINGS):
        if number:
            world.clock.sleep(_PAUSE)
        found = _read(execution, world, csv=settings.mime_type == "TEXT_CSV")
        if found is None:
            return None
        if found.sha256 in expected or found.sha256 in before:
            return found.sha256
        if found.fits(execution):
            before.add(found.sha256)
    raise NotTheFile(
        f"what the platform gives as the input file of execution {execution.id} cannot be that file",
        remedy="look what stands between here and the platform (a proxy, a page that asks to log in), then run again",
    )


@dataclass(slots=True)
class _Reading:
    """What was read of a file so far: its digest, its lines and records, its last bytes."""

    csv: bool
    sha256: str = ""
    lines: int = 0
    records: int = 0
    _tail: bytes = b""

    def begin(self) -> Callable[[bytes], object]:
        """Begin with the first byte, anew at each attempt."""
        digest = hashlib.sha256()
        counter: LineCounter | CsvCounter = CsvCounter() if self.csv else LineCounter()
        self._tail = b""

        def take(block: bytes) -> None:
            digest.update(block)
            counter.feed(block)
            self._tail = (self._tail + block)[-_LONGEST_RECORD:]
            self.sha256, self.lines, self.records = digest.hexdigest(), counter.lines, counter.records

        return take

    def fits(self, execution: RemoteExecution) -> bool:
        """Whether it may be this execution's file: as many lines as the platform counted, and no record cut off."""
        return may_be(execution, lines=self.lines, records=self.records) and (self.csv or self._is_whole())

    def _is_whole(self) -> bool:
        last = self._tail.rstrip().rpartition(b"\n")[2]
        if len(last) >= _LONGEST_RECORD - 2:
            return True  # it cannot be told
        try:
            msgspec.json.decode(last)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False
        return True


def _read(execution: RemoteExecution, world: World, *, csv: bool) -> _Reading | None:
    reading = _Reading(csv)
    return reading if world.api.download(execution.input_uri or "", into=reading.begin) is not None else None
