"""What the tests of the client share: a clock that moves by itself, a file body, and the real client over a sandbox."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from mics_iac.api.body import OpenBody
from mics_iac.api.calls import Exchange
from mics_iac.api.client import MicsApi
from mics_iac.api.limits import Limits, Patience
from mics_iac.api.transport import Transport
from mics_iac.core.settings import Settings
from mics_iac.errors import MicsError
from mics_iac.sandbox.adapter import SandboxAdapter
from mics_iac.sandbox.faults import Fault, FaultPlan
from mics_iac.sandbox.profile import Profile
from mics_iac.sandbox.sandbox import Sandbox

TOKEN = "canary-7Qx/9+z=secret"
DATAMART = "1502"
PROFILE_LINE = b'{"operation": "UPSERT", "user_account_id": "u%d", "user_profile": {"city": "Lyon"}}\n'


class SteppingClock:
    """Time passes only while somebody sleeps; `slept` tells how long each sleep was."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self._lock = threading.Lock()
        self._seconds = 1_768_000_000.0

    def now(self) -> float:
        return self._seconds

    def monotonic(self) -> float:
        return self._seconds - 1_700_000_000.0

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.slept.append(seconds)
            self._seconds += seconds

    def advance(self, seconds: float) -> None:
        self._seconds += seconds


class Pieces:
    """A body's reader over given blocks; `fails` is raised instead of the end. Counts what was read and closed."""

    def __init__(self, blocks: Iterable[bytes], *, fails: Exception | None = None) -> None:
        self._blocks = list(blocks)
        self._fails = fails
        self.taken = 0
        self.closed = False

    def read(self, size: int, /) -> bytes:
        if not self._blocks:
            if self._fails is not None:
                raise self._fails
            return b""
        block = self._blocks.pop(0)
        if len(block) > size:
            self._blocks.insert(0, block[size:])
            block = block[:size]
        self.taken += len(block)
        return block

    def close(self) -> None:
        self.closed = True


def opens(data: bytes, *, fails: MicsError | OSError | None = None) -> OpenBody:
    return lambda: Pieces([data], fails=fails)


def settings(name: str = "CRM profiles", *, priority: str = "MEDIUM") -> Settings:
    return Settings(
        datamart_id=DATAMART,
        name=name,
        document_type="USER_PROFILE",
        mime_type="APPLICATION_X_NDJSON",
        encoding="utf-8",
        priority=priority,
    )


def profiles(count: int = 3) -> bytes:
    return b"".join(PROFILE_LINE % number for number in range(count))


@dataclass
class Stand:
    """One sandbox, its faults, and the real client on top; `seen` holds each attempt that ended."""

    sandbox: Sandbox
    faults: FaultPlan
    clock: SteppingClock
    api: MicsApi
    seen: list[Exchange] = field(default_factory=list)

    def strike(self, fault: Fault) -> None:
        self.faults.add(fault)

    def upload(self, import_id: str, data: bytes | None = None) -> str:
        body = profiles() if data is None else data
        execution = self.api.upload(
            DATAMART, import_id, mime_type="APPLICATION_X_NDJSON", body=opens(body), length=len(body)
        )
        return execution.id

    @property
    def sent(self) -> int:
        """Requests that the sandbox saw, those that never reached its rules included."""
        return len(self.sandbox.requests())


MakeStand = Callable[..., Stand]


def make_stand(
    folder: Path,
    *,
    profile: Profile | None = None,
    token: str | Callable[[], str] = TOKEN,
    patience: Patience | None = None,
    page_size: int = 500,
    chance: Callable[[], float] = lambda: 0.5,
    uploads: int = 4,
) -> Stand:
    clock = SteppingClock()
    sandbox = Sandbox(
        folder / "platform.sqlite",
        now=lambda: int(clock.now() * 1000),
        profile=profile or Profile(queue_ms=0, run_ms=0),
    )
    faults = FaultPlan()
    seen: list[Exchange] = []
    transport = Transport(
        "https://api.example.test",
        token=token,
        clock=clock,
        adapter=SandboxAdapter(sandbox, faults, wait=clock.sleep),
        limits=Limits(patience=patience or Patience(), uploads=uploads),
        chance=chance,
        observe=seen.append,
    )
    return Stand(sandbox, faults, clock, MicsApi(transport, page_size=page_size), seen)
