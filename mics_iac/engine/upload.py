"""Sends one part: intent, stream, outcome. And keeps the rejected lines of one that was loaded.

Runs in worker threads, one call at a time each; decides nothing about what is sent.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mics_iac.core import journal
from mics_iac.core.clock import Clock
from mics_iac.core.content import Slice
from mics_iac.core.observed import RemoteExecution
from mics_iac.core.progress import Sending, Told
from mics_iac.core.settings import Settings
from mics_iac.engine.gate import FATAL, Gate
from mics_iac.engine.imports import NOT_ACTED
from mics_iac.engine.world import World
from mics_iac.errors import ApiLost, ApiRefused, Interrupted, MicsError, SourceFailed
from mics_iac.sources.source import Reader
from mics_iac.store.held import Held
from mics_iac.store.lease import Clearance

# A refusal with one of these says nothing of the part: it is tried again by the next run without being asked.
_PASSING = frozenset({401, 403, 404, 408, 425, 429})


@dataclass(frozen=True, slots=True)
class Load:
    """A part, how it is read, and the import that it goes into."""

    address: str
    source: str
    part: int
    sha256: str
    bytes: int
    lines: int
    records: int
    import_id: str
    settings: Settings
    slice: Slice


@dataclass(frozen=True, slots=True)
class Accepted:
    """The platform made this execution of the part."""

    execution: RemoteExecution


@dataclass(frozen=True, slots=True)
class Doubted:
    """The answer was lost; the whole body may have left, or surely did not."""

    error: MicsError
    body_left: bool


@dataclass(frozen=True, slots=True)
class NotLoaded:
    """The part surely was not loaded."""

    error: MicsError


@dataclass(frozen=True, slots=True)
class Late:
    """It was not sent: its turn came so late that the look at its import, which allowed it, does not hold any more."""


class _TooLate(Exception):
    """Raised right before a request would leave for the first time."""


def send(
    load: Load,
    *,
    attempt: str,
    strangers: tuple[str, ...],
    closed: Sequence[journal.UploadAbandoned],
    until: float,
    world: World,
    held: Held,
    gate: Gate,
) -> Accepted | Doubted | NotLoaded | Late:
    """Send a part once. The intent is durable before the request leaves; what is not known afterwards is a doubt.

    `closed` are the ends of earlier attempts, recorded with the intent. Its turn must come no later than `until`
    (monotonic seconds).
    """
    held.record(
        *closed,
        journal.UploadBegun(
            load.address,
            load.import_id,
            attempt,
            load.source,
            load.part,
            load.sha256,
            load.bytes,
            load.records,
            load.lines,
            strangers,
        ),
    )
    clearance = held.clearance()
    try:
        gate.check()
        clearance.ask_ahead()
        execution = world.api.upload(
            load.settings.datamart_id,
            load.import_id,
            mime_type=load.settings.mime_type,
            body=lambda: _Watched(
                world.source.open(load.slice),
                load,
                tell=world.tell,
                clearance=clearance,
            ),
            length=load.bytes,
            before_send=_in_time(gate.then(clearance), until=until, clock=world.clock),
        )
    except _TooLate:
        held.record(journal.UploadAbandoned(load.address, attempt, ""))
        return Late()
    except FATAL as error:
        gate.saw(error)
        raise
    except (*NOT_ACTED, SourceFailed) as error:
        gate.saw(error)
        held.record(_closed(load.address, attempt, error))
        return NotLoaded(error)
    except MicsError as error:
        body_left = error.body_left if isinstance(error, ApiLost) else True
        held.record(journal.UploadDoubted(load.address, attempt, body_left, error.message))
        return Doubted(error, body_left)
    with held.reading() as ledger:
        known = execution.id in ledger.known_executions(load.address, load.import_id)
    if known:
        # An answer that names an execution of other content tells nothing of this part.
        lost = ApiLost(f"the platform answered with execution {execution.id}, which holds another part", body_left=True)
        held.record(journal.UploadDoubted(load.address, attempt, lost.body_left, lost.message))
        return Doubted(lost, lost.body_left)
    held.record(journal.UploadAccepted(load.address, attempt, execution.id, execution.status, execution.creation_date))
    return Accepted(execution)


def _closed(address: str, attempt: str, error: MicsError) -> journal.UploadRefused | journal.UploadAbandoned:
    if isinstance(error, ApiRefused) and 400 <= error.status < 500 and error.status not in _PASSING:
        return journal.UploadRefused(address, attempt, error.status, error.message, error.error_id)
    if isinstance(error, Interrupted):
        return journal.UploadAbandoned(address, attempt, "")
    return journal.UploadAbandoned(address, attempt, error.message)


def _in_time(allows: Callable[[float], None], *, until: float, clock: Clock) -> Callable[[float], None]:
    """The same, but too late for a first attempt after that moment; one that is repeated has its own patience."""
    tried = False

    def ask(seconds: float) -> None:
        nonlocal tried
        if not tried and clock.monotonic() > until:
            raise _TooLate
        tried = True
        allows(seconds)

    return ask


class _Watched:
    """A reader that tells how far it came, and that ends only while the lock is held.

    The body's last block leaves after the reader's end (`api/body`): a run that was frozen, or whose lock was broken by
    hand while it was sending, never completes what it sends.
    """

    def __init__(self, reader: Reader, load: Load, *, tell: Callable[[Told], None], clearance: Clearance) -> None:
        self._reader = reader
        self._load = load
        self._tell = tell
        self._clearance = clearance
        self._sent = 0

    def read(self, size: int, /) -> bytes:
        block = self._reader.read(size)
        self._sent += len(block)
        # Told before the lock is asked for: who shows it may stand still, and nothing may come after the last look.
        self._tell(Sending(self._load.address, self._load.source, self._load.part, self._sent, self._load.bytes))
        if not block:
            self._clearance(0)
        return block

    def close(self) -> None:
        self._reader.close()


def keep_error_file(uri: str, *, address: str, execution_id: str, world: World) -> str | None:
    """Save the rejected lines of an execution in the workspace and return where; None when the platform has none.

    Readable by this user alone, never over an existing file. The file holds records: it is never shown.
    """
    folder = world.workspace / "errors"
    name = re.sub(r"[^A-Za-z0-9._@-]", "_", address)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path, file = _new_file(folder, f"{name}.{execution_id}")
    except OSError as error:
        raise SourceFailed(f"the rejected lines cannot be saved in {folder}: {error.strerror}") from error
    size = None
    try:
        with file:
            size = world.api.download(uri, into=lambda: _restart(file))
    except OSError as error:
        size = None
        raise SourceFailed(f"the rejected lines cannot be saved in {folder}: {error.strerror}") from error
    finally:
        if size is None:
            path.unlink(missing_ok=True)
    return None if size is None else str(path)


def _new_file(folder: Path, name: str) -> tuple[Path, BinaryIO]:
    for number in range(1000):
        path = folder / (f"{name}.txt" if number == 0 else f"{name}.{number}.txt")
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            continue
        return path, os.fdopen(descriptor, "wb")
    raise FileExistsError(17, "too many files of that name", str(folder / name))


def _restart(file: BinaryIO) -> Callable[[bytes], object]:
    file.seek(0)
    file.truncate()
    return file.write
