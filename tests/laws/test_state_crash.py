"""Killed between any two steps, a run loses nothing that it was told is durable, and the next run finds all of it."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

import pytest

from mics_iac.core.journal import Entry
from mics_iac.core.ledger import Ledger
from mics_iac.core.state import State, decode_state, encode_state
from mics_iac.errors import StoreFailed
from mics_iac.store.backend import MARGIN, RING
from mics_iac.store.file import FileBackend
from mics_iac.store.held import hold
from mics_iac.store.history import peek
from tests.store.stand import API, Died, FaultyDisk, SetClock, context, created, upload

FIRST: list[tuple[Entry, ...]] = [(created("fr/a"),), upload(1, "fr/a")]
SECOND: list[tuple[Entry, ...]] = [(created("fr/b", "2"),), (upload(2, "fr/a")[0],), (upload(2, "fr/a")[1],)]


def run(state: Path, clock: SetClock, disk: FaultyDisk, groups: list[tuple[Entry, ...]], name: str) -> int:
    """One run over a disk; how many groups it was told are durable."""
    durable = 0
    with (
        contextlib.suppress(Died, StoreFailed),
        hold(FileBackend(state, clock=clock, disk=disk), clock=clock, context=context(name)) as held,
    ):
        for group in groups:
            held.record(*group)
            durable += 1
    disk.bury()
    return durable


def folds(groups: list[tuple[Entry, ...]], *, at_least: int) -> list[bytes]:
    """The states that may be found when so many groups are durable: of the one in flight, any part may be there too."""
    ledger = Ledger(State(lineage="", api_url=API))
    for group in groups[:at_least]:
        ledger.extend(group)
    may_be = [content(ledger.state())]
    for entry in [entry for group in groups[at_least : at_least + 1] for entry in group]:
        ledger.add(entry)
        may_be.append(content(ledger.state()))
    return may_be


def content(state: State) -> bytes:
    return encode_state(State(lineage="", api_url=API, imports=state.imports, creating=state.creating))


def found(state: Path, clock: SetClock) -> bytes:
    return content(peek(FileBackend(state, clock=clock), api_url=API, environment=None).state())


def standing(folder: Path) -> list[str]:
    """What is left in a folder beside the backups, each of which is a whole state."""
    backups = [path for path in folder.iterdir() if ".backup." in path.name]
    assert len(backups) <= RING
    for path in backups:
        decode_state(path.read_bytes(), name=path.name)
    return sorted(path.name for path in folder.iterdir() if path not in backups)


@pytest.mark.parametrize("code", [None, errno.EIO, errno.ENOSPC], ids=["killed", "EIO", "ENOSPC"])
def test_killed_or_failing_at_any_step_of_any_run_nothing_is_lost(tmp_path: Path, code: int | None) -> None:
    clock = SetClock()
    for call in range(1, 500):
        state = tmp_path / str(call) / "imports.state.json"
        assert run(state, clock, FaultyDisk(), FIRST, "run-1") == len(FIRST)
        disk = FaultyDisk(at=call, code=code)
        durable = run(state, clock, disk, SECOND, "run-2")
        expected = folds(FIRST + SECOND, at_least=len(FIRST) + durable)
        assert found(state, clock) in expected, f"call {call}: {disk.failed}"
        _age(state.with_name("imports.state.lock"), clock)
        before = found(state, clock)
        run(state, clock, FaultyDisk(), [], "run-3")
        assert found(state, clock) == before, f"call {call}: {disk.failed}"
        assert standing(state.parent) == ["imports.state.json"], f"call {call}: {disk.failed}"
        if disk.failed is None:
            assert durable == len(SECOND)
            return
    pytest.fail("it never came to its end")


def _age(lock: Path, clock: SetClock) -> None:
    """Time passes until an empty lock, whose maker died before he filled it, is no more."""
    if lock.exists():
        if lock.stat().st_size == 0:
            os.utime(lock, (clock.now(), clock.now()))
            clock.advance(MARGIN + 1)
        else:
            clock.advance(600 + MARGIN + 1)


def test_killed_again_and_again_nothing_is_lost(tmp_path: Path) -> None:
    """Every run is killed one step later than the one before it, and has to clear up after all of those."""
    clock = SetClock()
    state = tmp_path / "imports.state.json"
    done = 0
    for call in range(1, 120):
        todo: list[tuple[Entry, ...]] = [(created(f"fr/{number:04d}", f"{number}"),) for number in (done, done + 1)]
        disk = FaultyDisk(at=call)
        durable = run(state, clock, disk, todo, f"run-{call}")
        addresses = peek(FileBackend(state, clock=clock), api_url=API, environment=None).addresses()
        assert len(addresses) - done in (durable, durable + 1), f"call {call}: {disk.failed}"
        assert addresses == [f"fr/{number:04d}" for number in range(len(addresses))], f"call {call}: {disk.failed}"
        done = len(addresses)
        _age(tmp_path / "imports.state.lock", clock)
    assert done > 0
    run(state, clock, FaultyDisk(), [], "last")
    assert standing(tmp_path) == ["imports.state.json"]
