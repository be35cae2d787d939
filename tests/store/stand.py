"""What the tests of the store share: a clock that is set, run contexts, entries, and a disk that fails when told."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mics_iac.core.journal import Entry, ImportCreated, UploadAccepted, UploadBegun
from mics_iac.core.settings import Settings
from mics_iac.store.backend import LockInfo
from mics_iac.store.context import RunContext
from mics_iac.store.disk import Disk
from mics_iac.store.process import this_process

API = "https://api.example.test"
SETTINGS = Settings("1502", "Store visits", "USER_ACTIVITY", "APPLICATION_X_NDJSON", "utf-8", "MEDIUM")
ADDRESS = "fr/store-visits"


class SetClock:
    """A clock that moves when it is set, and when somebody sleeps; `slept` holds each sleep.

    It starts years ago, so that a file which does not carry its time yet (TimedDisk) looks new, not old.
    """

    def __init__(self, at: float = 1_600_000_000.0) -> None:
        self.wall = at
        self.ticks = 1_000.0
        self.slept: list[float] = []
        self.on_sleep: Callable[[], None] = lambda: None

    def now(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.ticks

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)
        self.on_sleep()

    def advance(self, seconds: float) -> None:
        self.wall += seconds
        self.ticks += seconds


def context(run: str = "run-1", *, environment: str | None = None, api_url: str = API) -> RunContext:
    return RunContext(
        run=run,
        command="apply",
        who="ana@build-7",
        api_url=api_url,
        environment=environment,
        version="0.1.0",
        lineage=f"lineage-of-{run}",
        run_url="https://ci.example.test/jobs/42",
    )


def claim(lock_id: str = "run-1", who: str = "ana@build-7") -> LockInfo:
    return LockInfo(
        id=lock_id, who=who, operation="apply", process=this_process(), run_url="https://ci.example.test/42"
    )


def created(address: str = ADDRESS, import_id: str = "558") -> ImportCreated:
    return ImportCreated(address, import_id, SETTINGS)


def upload(number: int, address: str = ADDRESS, import_id: str = "558") -> tuple[UploadBegun, UploadAccepted]:
    """Intent and outcome of one upload; its content is its number's."""
    attempt, digest = f"attempt-{number}", f"{number:064x}"
    begun = UploadBegun(address, import_id, attempt, f"data/{number}.ndjson", 1, digest, 1000, 10, 10)
    return begun, UploadAccepted(address, attempt, f"{900_000 + number}", "PENDING", 1_800_000_000_000)


def executions(entries: list[Entry]) -> list[str]:
    return [entry.id for entry in entries if isinstance(entry, UploadAccepted)]


class TimedDisk(Disk):
    """A disk whose files carry the time of a SetClock, as they carry the machine's time in the real world."""

    def __init__(self, clock: SetClock) -> None:
        self._clock = clock

    def open(self, path: Path, flags: int, mode: int = 0o644) -> int:
        fd = super().open(path, flags, mode)
        if flags & os.O_CREAT:
            os.utime(fd, (self._clock.now(), self._clock.now()))
        return fd

    def write_at(self, fd: int, data: bytes, offset: int) -> int:
        taken = super().write_at(fd, data, offset)
        os.utime(fd, (self._clock.now(), self._clock.now()))
        return taken


class Died(BaseException):
    """The process of a FaultyDisk is no more: nothing of it runs any further."""


_CANNOT_FAIL = {"real_path", "token", "give_way"}
CALLS = [name for name in vars(Disk) if not name.startswith("_") and name not in _CANNOT_FAIL]


class FaultyDisk(Disk):
    """A disk whose n-th call fails: with an error that the caller may handle, or by the death of its process.

    `code` is the error number, None for death: then every later call dies too, and `bury` closes what the kernel would
    close. A write that fails has taken half of its bytes before. `calls` counts; `at` 0 never fails.
    """

    def __init__(self, *, at: int = 0, code: int | None = None) -> None:
        self.calls = 0
        self.failed: str | None = None
        self._at = at
        self._code = code
        self._fds: set[int] = set()
        self._counting = threading.Lock()

    def fail(self, nth: int, code: int | None) -> None:
        """Let the n-th call from now on fail."""
        self.calls, self.failed, self._at, self._code = 0, None, nth, code

    def bury(self) -> None:
        for fd in self._fds:
            os.close(fd)
        self._fds.clear()

    def called(self, name: str, real: Callable[..., Any], *args: Any) -> Any:
        with self._counting:
            self.calls += 1
            now = self.calls == self._at
        if self.failed is not None and self._code is None:
            raise Died
        if now:
            self.failed = name
            if name == "write":
                real(args[0], args[1][: len(args[1]) // 2])
            if name == "close" and self._code is not None:
                # The kernel closes the file all the same.
                self._fds.discard(args[0])
                real(*args)
            if self._code is None:
                raise Died
            raise OSError(self._code, os.strerror(self._code))
        result = real(*args)
        if name == "open":
            self._fds.add(result)
        if name == "close":
            self._fds.discard(args[0])
        return result


def _counted(name: str) -> Callable[..., Any]:
    real: Callable[..., Any] = getattr(Disk, name)

    @functools.wraps(real)
    def call(self: FaultyDisk, *args: Any, **options: Any) -> Any:
        return self.called(name, functools.partial(real, self, **options), *args)

    return call


for _name in CALLS:
    setattr(FaultyDisk, _name, _counted(_name))
