"""The plan: what will be done, as plain JSON that can be saved, compared, signed and shown.

Pure values. An Action names things by their address in the manifest; remote ids that do not exist yet are looked up
in the ledger when the action runs. A plan holds no secret and no record data. How it comes about is `core/planner`'s.
"""

from __future__ import annotations

import hashlib

import msgspec

from mics_iac.core.place import StatePlace
from mics_iac.core.settings import Settings
from mics_iac.core.state import NOTHING, Cut
from mics_iac.documents.report import Finding
from mics_iac.errors import MicsError

FORMAT = 1


class _Action(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True, tag_field="action"):
    address: str


class Create(_Action, frozen=True, tag="create"):
    """`+`: an import that is not there. `replaces` is the id of the one that stood at this address before."""

    after: Settings
    protect: bool
    reason: str
    replaces: str | None = None


class Adopt(_Action, frozen=True, tag="adopt"):
    """`<=`: an import that is there, as `before`, becomes the one of this address.

    `ours`: it is the outcome of a creation of our own whose answer was lost.
    """

    id: str
    before: Settings
    protect: bool
    reason: str
    ours: bool = False


class Change(_Action, frozen=True, tag="change"):
    """`~`: an import gets other settings in place."""

    id: str
    before: Settings
    after: Settings


class Guard(_Action, frozen=True, tag="guard"):
    """`~`: the deletion guard of an import changes; it is kept in the state alone."""

    protect: bool


class Move(_Action, frozen=True, tag="move"):
    """An import's key was renamed, from `source` to the action's address."""

    source: str


class Keep(_Action, frozen=True, tag="keep"):
    """An import that is as it should be."""

    id: str
    settings: Settings


class Upload(_Action, frozen=True, tag="upload"):
    """`^`: a part to load. `again`: it is loaded already, and `--reload` asks for it once more.

    `doubted`: the answer to an upload of the same content into another import was lost; that is settled first. `range`
    is where the part is in the whole content of its source, None for all of it. `seal` is what the store said of a
    remote object when it was read.
    """

    source: str
    part: int
    sha256: str
    bytes: int
    lines: int
    records: int
    reason: str
    again: bool = False
    doubted: bool = False
    range: tuple[int, int] | None = None
    seal: str | None = None


class Fetch(_Action, frozen=True, tag="fetch"):
    """`^`: a remote object that was not read yet: apply reads it, and loads of it what is not loaded.

    `bytes` as it is stored, `seal` as its store tells its content apart from any other.
    """

    source: str
    bytes: int
    seal: str | None
    reason: str


class Skip(_Action, frozen=True, tag="skip"):
    """`=`: a part whose content is loaded."""

    source: str
    part: int
    sha256: str
    bytes: int
    records: int
    reason: str


class Stuck(_Action, frozen=True, tag="stuck"):
    """`!`: a part that failed before, and that only `--retry-failed` sends again.

    `unseen`: what became of it nobody can find out; a person must decide.
    """

    source: str
    part: int
    sha256: str
    bytes: int
    records: int
    reason: str
    unseen: bool = False


Action = Create | Adopt | Change | Guard | Move | Keep | Upload | Fetch | Skip | Stuck
Effect = Create | Adopt | Change | Guard | Move | Upload | Fetch


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What narrows or widens a plan. Addresses may be globs; `reload` takes `ADDRESS` or `ADDRESS:PATH`."""

    target: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    reload: tuple[str, ...] = ()
    ignore_history: tuple[str, ...] = ()
    retry_failed: bool = False


class Unread(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What decides on the parts of an object that was not read yet; see `core/manifest.Import`."""

    split: int
    on_growth: str
    on_invalid: str
    ignore: tuple[str, ...]
    strict: bool
    allow_shared_content: bool


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the parts of an import are loaded: one after the other or not, and how many records may be rejected.

    `drop` are the codes of record rules; a record that breaks one of them is left out of what is sent. `unread` is None
    where the parts are known.
    """

    max_failures: str
    ordered: bool
    drop: tuple[str, ...] = ()
    unread: Unread | None = None


class Checked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the check of a file's records found, of one that is to be loaded. Holds places and rules, never values.

    `errors` and `warnings` are how many findings there are by code; `findings` are the first of each code in full.
    `refused`: the errors keep the file from being loaded. `dropped` records are left out, and kept in the file
    `rejects` below the manifest's folder.
    """

    address: str
    source: str
    errors: dict[str, int]
    warnings: dict[str, int]
    findings: tuple[Finding, ...]
    refused: bool = False
    dropped: int = 0
    rejects: str | None = None


class SourceCut(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a source is loaded that does not go out as it lies there, in one piece: recorded before its first part is.

    Nothing is left out of its first `settled` bytes, which were loaded before.
    """

    address: str
    cut: Cut
    settled: int = 0


class Leftover(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An import that the state holds and the manifest does not declare any more, or that was replaced.

    `replaced`: the address is declared, and another import stands there now.
    """

    address: str
    id: str
    settings: Settings
    protect: bool
    replaced: bool


class Refused(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something that a guard does not let happen; the plan cannot be applied until it is resolved."""

    address: str
    message: str


class ManifestPin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of the manifest, by its bytes."""

    name: str
    sha256: str


class Base(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The state that the plan goes on from; `content` is a fingerprint of all that it held."""

    lineage: str | None
    serial: int
    content: str


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What will be done, and all that must still hold when it is.

    `datamarts` are the ids by key; `state` is where the state is kept; None is the sandbox's own. `pins` are
    fingerprints of the imports that the actions name, and of those with the title of one that will be created.
    `earlier` counts the former batches that are kept, by base address. `cuts` say how sources are loaded that go out in
    pieces, `checked` what was found in the records of those to load. `warnings` and the reasons of actions are for
    people: they do not count into the digest. `checksum` is over all of it, and stands in a saved plan alone.
    """

    mics_iac_version: str
    api_url: str
    environment: str | None
    manifest_path: str
    manifest: tuple[ManifestPin, ...]
    datamarts: dict[str, str]
    state: StatePlace | None
    base: Base
    options: Options
    policies: dict[str, Policy]
    actions: tuple[Action, ...]
    leftovers: tuple[Leftover, ...] = ()
    earlier: dict[str, int] = {}
    pins: dict[str, str] = {}
    warnings: tuple[str, ...] = ()
    refusals: tuple[Refused, ...] = ()
    cuts: tuple[SourceCut, ...] = ()
    checked: tuple[Checked, ...] = ()
    refreshed: bool = True
    format: int = FORMAT
    digest: str = ""
    checksum: str = ""

    @property
    def effects(self) -> tuple[Effect, ...]:
        """The actions that do something, in order."""
        return tuple(a for a in self.actions if not isinstance(a, Keep | Skip | Stuck))

    @property
    def uploads(self) -> tuple[Upload, ...]:
        """The parts to load, in order."""
        return tuple(a for a in self.actions if isinstance(a, Upload))

    @property
    def fetches(self) -> tuple[Fetch, ...]:
        """The remote objects that must be read before it is known what is to be loaded of them."""
        return tuple(a for a in self.actions if isinstance(a, Fetch))

    @property
    def invalid(self) -> tuple[Checked, ...]:
        """The files whose records keep them from being loaded."""
        return tuple(c for c in self.checked if c.refused)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.effects


class Counts(msgspec.Struct, frozen=True):
    """The figures of the summary lines: imports by what happens to them, and parts by what happens to those."""

    adopt: int
    add: int
    change: int
    destroy: int
    load: int
    load_bytes: int
    load_records: int
    loaded: int
    stuck: int
    fetch: int = 0
    fetch_bytes: int = 0


def count(plan: Plan) -> Counts:
    """Count what a plan will do; an import that is renamed or re-guarded and changed counts once."""
    loads = plan.uploads
    changed = {a.address for a in plan.actions if isinstance(a, Change | Guard | Move)}
    new = {a.address for a in plan.actions if isinstance(a, Create | Adopt)}
    return Counts(
        adopt=sum(isinstance(a, Adopt) for a in plan.actions),
        add=sum(isinstance(a, Create) for a in plan.actions),
        change=len(changed - (new - {a.address for a in plan.actions if isinstance(a, Change)})),
        destroy=0,
        load=len(loads),
        load_bytes=sum(a.bytes for a in loads),
        load_records=sum(a.records for a in loads),
        loaded=sum(isinstance(a, Skip) and a.sha256 != NOTHING for a in plan.actions),
        stuck=sum(isinstance(a, Stuck) for a in plan.actions),
        fetch=len(plan.fetches),
        fetch_bytes=sum(a.bytes for a in plan.fetches),
    )


# How an action is told, and what it waits for: neither is a part of what will be done.
_WORDING = ("reason", "doubted")
# The bytes of a part say what it is; what the store said of them once is no part of that.
_SEAL = "seal"


def digest_of(plan: Plan) -> str:
    """The digest of what will be done: equal for equal changes, whenever and wherever they were planned.

    Over the platform's address, the environment, the datamarts, the actions that do something (settings before and
    after, ids to adopt or replace, sha256 of each part), how parts are loaded, for objects that were not read what
    decides on their parts, and the options that widen or narrow the plan; not over clocks, serials, wordings, or ids
    yet to come.
    """
    datamarts = {a.address.partition("/")[0] for a in plan.effects}
    actions = [_subject(a) for a in plan.effects]
    subject = {
        "api_url": plan.api_url,
        "environment": plan.environment,
        "datamarts": {key: plan.datamarts.get(key) for key in datamarts},
        "actions": actions,
        "policies": {a.address: _terms(plan.policies.get(a.address)) for a in (*plan.uploads, *plan.fetches)},
        "options": msgspec.to_builtins(plan.options),
    }
    return "sha256:" + hashlib.sha256(msgspec.json.encode(subject, order="sorted")).hexdigest()


def _subject(action: Effect) -> dict[str, object]:
    left_out = (*_WORDING, _SEAL) if isinstance(action, Upload) else _WORDING
    return {k: v for k, v in msgspec.to_builtins(action).items() if k not in left_out}


def _terms(policy: Policy | None) -> dict[str, object] | None:
    """How parts are loaded, without what is said of unread objects where there are none."""
    if policy is None:
        return None
    return {k: v for k, v in msgspec.to_builtins(policy).items() if k != "unread" or v is not None}


def encode_plan(plan: Plan) -> bytes:
    """The bytes of a saved plan: deterministic, indented, keys in the order of the format, with its checksum."""
    sealed = msgspec.structs.replace(plan, checksum=_checksum(plan))
    return msgspec.json.format(msgspec.json.encode(sealed, order="deterministic"), indent=1) + b"\n"


def _checksum(plan: Plan) -> str:
    blank = msgspec.structs.replace(plan, checksum="")
    return "sha256:" + hashlib.sha256(msgspec.json.encode(blank, order="deterministic")).hexdigest()


def decode_plan(data: bytes, *, name: str) -> Plan:
    """Read a saved plan; `name` is how errors call it. MicsError when it is not one, or was changed by hand."""
    try:
        plan = msgspec.json.decode(data, type=Plan)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MicsError(f"{name} is not a saved plan of this version of mics-iac: {error}", remedy=_AGAIN) from error
    if plan.format != FORMAT:
        raise MicsError(f"{name} is a plan of format {plan.format}, not {FORMAT}", remedy=_AGAIN)
    if plan.checksum != _checksum(plan) or plan.digest != digest_of(plan):
        raise MicsError(f"{name} was changed after it was saved: its checksum does not fit", remedy=_AGAIN)
    return msgspec.structs.replace(plan, checksum="")


_AGAIN = "plan again with --out"


def fingerprint(value: object) -> str:
    """A short, stable name for a value that must not move between plan and apply."""
    return hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()[:16]
