"""A whole project on a sandbox, in one value: the real engine and the real client over the imitated platform."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from mics_iac.core.outcome import Outcome
from mics_iac.core.plan import Options, Plan, decode_plan, encode_plan
from mics_iac.core.progress import Told
from mics_iac.core.state import State, decode_state
from mics_iac.core.status import Status
from mics_iac.core.variables import VariableSources
from mics_iac.engine import workflow
from mics_iac.engine.project import Inputs, Project, open_project, open_saved
from mics_iac.engine.world import Limits, Stop
from mics_iac.sandbox.adapter import SandboxAdapter
from mics_iac.sandbox.faults import Fault, FaultPlan
from mics_iac.sandbox.profile import Profile
from mics_iac.sandbox.sandbox import Sandbox
from mics_iac.store.backend import Backend
from tests.clocks import SteppingClock

ONE_IMPORT = """
version: 1
datamarts:
  fr:
    id: "1502"
    imports:
      visits:
        name: Visits
        document_type: USER_ACTIVITY
        sources: [data/*.ndjson]
"""


def manifest(
    imports: Mapping[str, Mapping[str, object]], datamarts: Mapping[str, str] | None = None, /, **top: object
) -> str:
    """A manifest with these imports by address; name and document type have defaults."""
    blocks: dict[str, dict[str, object]] = {}
    for key, number in (datamarts or {"fr": "1502"}).items():
        own = {address.partition("/")[2]: body for address, body in imports.items() if address.startswith(f"{key}/")}
        filled = {name: {"name": name.capitalize(), "document_type": "USER_ACTIVITY", **b} for name, b in own.items()}
        blocks[key] = {"id": number, "imports": filled}
    return json.dumps({"version": 1, **top, "datamarts": blocks})


def visit(number: int) -> str:
    """One good line of a USER_ACTIVITY file."""
    return json.dumps(
        {
            "$type": "TOUCH",
            "$session_status": "NO_SESSION",
            "$ts": 1_768_460_400_000 + number,
            "$user_account_id": f"CUST-{number:06d}",
            "$compartment_id": "1001",
            "$events": [{"$event_name": "store_visit", "$ts": 1_768_460_400_000 + number, "$properties": {}}],
        },
        separators=(",", ":"),
    )


def visits(first: int, count: int) -> str:
    """Good lines, numbered."""
    return "".join(visit(n) + "\n" for n in range(first, first + count))


class Rig:
    """A folder with a manifest, a sandbox beside it, and the engine between them."""

    def __init__(self, folder: Path, *, profile: Profile | None = None) -> None:
        self.folder = folder
        self.clock = SteppingClock()
        self.sandbox = Sandbox(
            folder.parent / f"{folder.name}.platform.sqlite",
            now=lambda: int(self.clock.now() * 1000),
            profile=profile or Profile(queue_ms=1000, run_ms=1000),
        )
        self.faults = FaultPlan()
        self.told: list[Told] = []
        self.on_tell: Callable[[Told], None] = lambda _: None
        self.on_wait: Callable[[], None] = lambda: None
        self.stop = Stop()
        self.limits = Limits()
        self.environment: str | None = None
        self.variables: dict[str, str] = {}
        self.environ: dict[str, str] = {}
        self.page_size = 500
        self.backend: Callable[[], Backend] | None = None
        """Another place for the state, made anew for each run."""

    def _tell(self, told: Told) -> None:
        self.told.append(told)
        self.on_tell(told)

    def _wait(self, seconds: float) -> None:
        """A delay of the platform: a test may look at the world while a request is on its way."""
        self.clock.sleep(seconds)
        self.on_wait()

    @property
    def manifest(self) -> Path:
        return self.folder / "imports.yaml"

    @property
    def state_path(self) -> Path:
        return self.folder / ".mics-iac" / "sandbox" / "imports.state.json"

    def write(self, name: str, text: str | bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def declare(self, text: str) -> None:
        self.write("imports.yaml", text)

    def inputs(self) -> Inputs:
        return Inputs(
            manifest_path=self.manifest,
            environment=self.environment,
            variables=VariableSources(flags=self.variables),
            environ=self.environ,
            sandbox=SandboxAdapter(self.sandbox, self.faults, wait=self._wait),
            limits=self.limits,
            tell=self._tell,
            stop=self.stop,
            clock=self.clock,
            who="tester@host",
            page_size=self.page_size,
        )

    def open(self) -> Project:
        return self._with_backend(open_project(self.inputs()))

    def _with_backend(self, project: Project) -> Project:
        if self.backend is None:
            return project
        return replace(project, world=replace(project.world, backend=self.backend()))

    def plan(self, *, refresh: bool = True, fetch: bool = False, **options: object) -> Plan:
        return workflow.plan(self.open(), _options(options), refresh=refresh, fetch=fetch)

    def apply(
        self,
        *,
        approve: Callable[[Plan], bool] = lambda _: True,
        expect_digest: str | None = None,
        refresh: bool = True,
        **options: object,
    ) -> Outcome:
        return workflow.apply(
            self.open(), _options(options), approve=approve, expect_digest=expect_digest, refresh=refresh
        )

    def apply_saved(self, saved: Plan) -> Outcome:
        again = decode_plan(encode_plan(saved), name="plan.json")
        project = self._with_backend(open_saved(self.inputs(), again))
        return workflow.apply_saved(project, again, approve=lambda _: True)

    def status(self, *, refresh: bool = True) -> Status:
        return workflow.status(self.open(), refresh=refresh)

    def state(self) -> State:
        return decode_state(self.state_path.read_bytes(), name="state")

    def fault(self, *faults: Fault) -> None:
        for fault in faults:
            self.faults.add(fault)

    def limit(self, **limits: object) -> None:
        self.limits = replace(self.limits, **limits)  # type: ignore[arg-type]  # a test names real fields

    def journals(self) -> bytes:
        """What the journals hold at this moment."""
        return b"".join(p.read_bytes() for p in sorted(self.state_path.parent.glob("*.journal.*")))

    def calls(self, method: str | None = None, end: str = "") -> list[str]:
        """The requests that the platform saw, as `METHOD path?query`; `end` is the end of the path."""
        seen = self.sandbox.requests(method=method)
        return [f"{r.method} {r.path}?{r.query}" for r in seen if r.path.endswith(end)]

    def loaded(self) -> list[str]:
        """The sha256 of every execution's content on the platform, sorted: what was loaded, as often as it was."""
        return sorted(e.sha256 for e in self.sandbox.executions())


def digest(text: str | bytes) -> str:
    """The sha256 of a file of this content."""
    return hashlib.sha256(text if isinstance(text, bytes) else text.encode()).hexdigest()


def _options(given: dict[str, object]) -> Options:
    return Options(**given)  # type: ignore[arg-type]  # a test names real fields
