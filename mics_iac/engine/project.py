"""One manifest and the world around it, made from values: nothing here looks at the process's environment.

The only place that knows which file holds which state.
"""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mics_iac import __version__
from mics_iac.api.client import MicsApi
from mics_iac.api.limits import Limits as ApiLimits
from mics_iac.api.network import network_settings
from mics_iac.api.transport import Transport
from mics_iac.core.clock import Clock
from mics_iac.core.manifest import Manifest
from mics_iac.core.parse import parse_manifest
from mics_iac.core.place import FilePlace, StatePlace, parse_place
from mics_iac.core.plan import ManifestPin, Plan
from mics_iac.core.progress import Told
from mics_iac.core.variables import NO_VARIABLES, VariableSources
from mics_iac.engine.manifest_files import read_manifest_texts
from mics_iac.engine.world import Limits, Stop, SystemClock, World, nobody
from mics_iac.errors import NotAllowed, UsageError
from mics_iac.sources.places import open_sources
from mics_iac.store.backend import Backend
from mics_iac.store.context import RunContext
from mics_iac.store.open import open_backend
from mics_iac.store.shelter import Shelter

if TYPE_CHECKING:
    from mics_iac.api.transport import Adapter

# Where the sandbox answers: a name that no resolver knows (RFC 6761), so that nothing can leave by mistake.
SANDBOX_URL = "https://sandbox.invalid"
WORKSPACE = ".mics-iac"


def no_token() -> str:
    """The token where none was given: an error that says how to give one."""
    raise NotAllowed(
        "there is no token for the platform",
        remedy="set MICS_API_TOKEN, or use --token-file or --token-command; --sandbox needs none",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """All that a run takes from outside.

    `state` wins over what the manifest says; a path in it is relative to the manifest's folder (`named_place`).
    `token` is asked once, when the platform is first called. `environ` is looked at for proxies, certificates and the
    credentials of the state's place and of remote files alone. `sandbox` takes the platform's place, with a state of
    its own unless `state` names one: what the manifest says of the platform's state is not for the sandbox.
    """

    manifest_path: Path
    environment: str | None = None
    state: StatePlace | None = None
    variables: VariableSources = NO_VARIABLES
    token: Callable[[], str] = no_token
    environ: Mapping[str, str] = field(default_factory=dict)
    sandbox: Adapter | None = None
    limits: Limits = field(default_factory=Limits)
    tell: Callable[[Told], None] = nobody
    stop: Stop = field(default_factory=Stop)
    clock: Clock | None = None
    who: str = "unknown"
    run_url: str | None = None
    page_size: int = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A manifest, and the world that it is about.

    `manifest` is None where a saved plan takes its place; `state` is None for the sandbox's own state. `backend_at`
    opens another place for a state of the same name.
    """

    path: Path
    manifest: Manifest | None
    api_url: str
    environment: str | None
    state: StatePlace | None
    pins: tuple[ManifestPin, ...]
    world: World
    backend_at: Callable[[StatePlace], Backend]
    who: str
    run_url: str | None

    @property
    def declared(self) -> Manifest:
        """The manifest, where it was read."""
        if self.manifest is None:
            raise TypeError("a project opened for a saved plan has no manifest to read")
        return self.manifest

    def context(self, command: str) -> RunContext:
        """Who this run is, for lock and journal."""
        return RunContext(
            run=uuid.uuid4().hex,
            command=command,
            who=self.who,
            api_url=self.api_url,
            environment=self.environment,
            version=__version__,
            lineage=str(uuid.uuid4()),
            run_url=self.run_url,
            shelter=self.world.shelter,
        )


def open_project(inputs: Inputs) -> Project:
    """Read the manifest and connect it with its world; ManifestInvalid, UsageError. Calls nobody yet."""
    texts = read_manifest_texts(inputs.manifest_path)
    manifest = parse_manifest(texts, environment=inputs.environment, variables=inputs.variables)
    pins = tuple(ManifestPin(f.name, f.sha256) for f in manifest.files)
    declared = manifest.state.place if inputs.sandbox is None else None
    return _connect(
        inputs,
        manifest=manifest,
        api_url=manifest.api_url,
        environment=manifest.environment,
        state=inputs.state or declared,
        pins=pins,
    )


def open_saved(inputs: Inputs, plan: Plan) -> Project:
    """Connect a saved plan with its world, on the state that it was made on.

    Neither the manifest nor its variables are needed for that.
    """
    sandboxed = plan.api_url == SANDBOX_URL
    if sandboxed != (inputs.sandbox is not None):
        made, missing = ("with", "add") if sandboxed else ("without", "remove")
        raise UsageError(f"the plan was made {made} --sandbox: {missing} it here too, or plan again")
    return _connect(
        inputs,
        manifest=None,
        api_url=plan.api_url,
        environment=plan.environment,
        state=plan.state,
        pins=plan.manifest,
    )


def _connect(
    inputs: Inputs,
    *,
    manifest: Manifest | None,
    api_url: str,
    environment: str | None,
    state: StatePlace | None,
    pins: tuple[ManifestPin, ...],
) -> Project:
    root = folder_of(inputs.manifest_path)
    if inputs.sandbox is not None:
        api_url = SANDBOX_URL
    clock = inputs.clock or SystemClock(inputs.stop)
    transport = Transport(
        api_url,
        token=_once(inputs.token) if inputs.sandbox is None else "sandbox",
        clock=clock,
        network=network_settings(inputs.environ, api_url) if inputs.sandbox is None else None,
        adapter=inputs.sandbox,
        limits=ApiLimits(calls=inputs.limits.parallelism, uploads=inputs.limits.transfers),
    )
    backend_at = partial(_backend, inputs, environment=environment, clock=clock)
    backend = backend_at(state)
    world = World(
        api=MicsApi(transport, page_size=inputs.page_size),
        backend=backend,
        source=open_sources(root, inputs.environ, clock=clock, way=partial(_way, inputs.environ)),
        clock=clock,
        stop=inputs.stop,
        workspace=root / WORKSPACE,
        limits=inputs.limits,
        tell=inputs.tell,
        shelter=Shelter(root / WORKSPACE / "emergency"),
    )
    return Project(
        path=inputs.manifest_path,
        manifest=manifest,
        api_url=api_url,
        environment=environment,
        state=state,
        pins=pins,
        world=world,
        backend_at=backend_at,
        who=inputs.who,
        run_url=inputs.run_url,
    )


def _backend(inputs: Inputs, state: StatePlace | None, *, environment: str | None, clock: Clock) -> Backend:
    """What keeps the state there, or in the sandbox's own folder where no place is named."""
    root = folder_of(inputs.manifest_path)
    if state is None:
        root = root / WORKSPACE / "sandbox"
        root.mkdir(parents=True, exist_ok=True)
    return open_backend(
        state or FilePlace(),
        root=root,
        name=state_name(inputs.manifest_path, environment),
        environ=inputs.environ,
        clock=clock,
        way=partial(_way, inputs.environ),
    )


def _way(environ: Mapping[str, str], url: str) -> tuple[str | None, str | None]:
    network = network_settings(environ, url)
    return network.proxy, network.ca_bundle


def named_place(text: str, *, folder: Path, manifest_path: Path) -> StatePlace:
    """The place that somebody named who stands in `folder`; UsageError where it is none.

    A relative path comes back relative to the manifest's folder, so that a saved plan is right in another checkout.
    """
    place = parse_place(text)
    if not isinstance(place, FilePlace) or place.path is None or Path(place.path).is_absolute():
        return place
    named = folder / place.path
    # Links in the way are followed first: `..` behind one would else lead somewhere else.
    real = Path(os.path.realpath(named.parent)) / named.name
    return FilePlace(os.path.relpath(real, os.path.realpath(folder_of(manifest_path))))


def folder_of(manifest_path: Path) -> Path:
    """The folder that sources and state are relative to: the manifest's, or the manifest itself if it is one."""
    return manifest_path if _is_folder(manifest_path) else manifest_path.parent


def state_name(manifest_path: Path, environment: str | None) -> str:
    """`imports.yaml` -> `imports.state.json`, or `imports.production.state.json`; a folder gives its own name."""
    stem = manifest_path.resolve().name if _is_folder(manifest_path) else manifest_path.stem
    return f"{stem}.{environment}.state.json" if environment is not None else f"{stem}.state.json"


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # a name that no file can have: whoever opens it says so
        return False


def _once(ask: Callable[[], str]) -> Callable[[], str]:
    """The same, asked a single time whatever number of threads needs the answer at once."""
    lock = threading.Lock()
    answers: list[str] = []

    def answer() -> str:
        with lock:
            if not answers:
                answers.append(ask())
            return answers[0]

    return answer
