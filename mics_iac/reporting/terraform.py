"""A plan in the shape of Terraform's `show -json`, so that policies and tools written for that work unchanged.

Pure. One entry of `resource_changes` is one import (`document_import`) or one part of a file (`execution`); what does
not change stands in it as `["no-op"]`. There is no clock in it and all is sorted: same plan, same bytes. A saved plan
is another thing: `core/plan.encode_plan`.

An import that replaces another one is a plain `["create"]`: the former one is kept, nothing is deleted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import msgspec

from mics_iac import __version__
from mics_iac.core.plan import Fetch, Plan, Skip, Stuck, Upload
from mics_iac.core.settings import Settings
from mics_iac.reporting.blocks import Block, blocks
from mics_iac.reporting.files import Loading
from mics_iac.reporting.findings import checked_json

Json: TypeAlias = Mapping[str, object]

FORMAT_VERSION = "1.0"


def plan_json(plan: Plan) -> Json:
    """The document.

    `complete` is False where the plan was narrowed, or leaves out what failed before; `errored` where something stands
    in its way; `applyable` where it does something and nothing stands in its way.
    """
    stuck = any(isinstance(a, Stuck) for a in plan.actions)
    barred = bool(plan.refusals or plan.invalid)
    narrowed = bool(plan.options.target or plan.options.exclude)
    return {
        "format_version": FORMAT_VERSION,
        "mics_iac_version": __version__,
        "complete": not (stuck or narrowed or barred),
        "errored": barred,
        "applyable": bool(plan.effects) and not barred,
        "api_url": plan.api_url,
        "environment": plan.environment,
        "refreshed": plan.refreshed,
        "resource_changes": [change for block in blocks(plan.actions) for change in _changes(block)],
        "leftovers": [msgspec.to_builtins(leftover) for leftover in plan.leftovers],
        "earlier_batches": dict(sorted(plan.earlier.items())),
        "records": [checked_json(one) for one in plan.checked],
        "warnings": list(plan.warnings),
        "refusals": [msgspec.to_builtins(refused) for refused in plan.refusals],
        "base": msgspec.to_builtins(plan.base),
        "inputs": {"manifest": [msgspec.to_builtins(pin) for pin in plan.manifest], "options": _options(plan)},
        "digest": plan.digest,
    }


def _options(plan: Plan) -> Json:
    chosen: dict[str, object] = msgspec.to_builtins(plan.options)
    return {name: value for name, value in chosen.items() if value}


def _changes(block: Block) -> list[Json]:
    split = {a.source for a in block.loadings if _number(a) > 1}
    parts = sorted(block.loadings, key=lambda a: (a.source, _number(a)))
    return [_import_change(block), *(_execution_change(part, split=part.source in split) for part in parts)]


def _number(part: Loading) -> int:
    return 1 if isinstance(part, Fetch) else part.part


def _import_change(block: Block) -> Json:
    before, after = _sides(block)
    change: dict[str, object] = {
        "actions": _actions(before, after),
        "before": before,
        "after": after,
        "after_unknown": {"id": True} if block.create is not None else {},
    }
    if block.adopt is not None:
        change["importing"] = {"id": block.adopt.id}
    found: dict[str, object] = {
        "address": block.address,
        "mode": "managed",
        "type": "document_import",
        "name": block.address.partition("/")[2],
        "change": change,
    }
    if block.move is not None:
        found["previous_address"] = block.move.source
    if block.create is not None:
        found["reason"] = block.create.reason
        if block.create.replaces is not None:
            found["action_reason"] = "replace_because_cannot_update"
            found["replaces"] = block.create.replaces
    elif block.adopt is not None:
        found["reason"] = block.adopt.reason
    return found


def _sides(block: Block) -> tuple[Json | None, Json | None]:
    """What the import is and what it will be; both None where only files of it are known of.

    `protect` stands there where the plan knows it: for an import that is made, adopted or guarded anew.
    """
    if block.create is not None:
        return None, {**_settings(block.create.after, None), "protect": block.create.protect}
    if block.there is None:
        return None, None
    id_, held = block.there
    before = _settings(held, id_)
    after = _settings(block.change.after, id_) if block.change is not None else before
    if block.guard is not None:
        return {**before, "protect": not block.guard.protect}, {**after, "protect": block.guard.protect}
    return before, after


def _settings(settings: Settings, id_: str | None) -> dict[str, object]:
    shown: dict[str, object] = msgspec.to_builtins(settings)
    return shown if id_ is None else {"id": id_, **shown}


def _actions(before: Json | None, after: Json | None) -> list[str]:
    if before == after:
        return ["no-op"]
    return ["create"] if before is None else ["update"]


def _execution_change(part: Loading, *, split: bool) -> Json:
    what, unknown = _subject(part)
    loads = isinstance(part, Upload | Fetch)
    found: dict[str, object] = {
        "address": f"{part.address}:{part.source}" + (f"[{_number(part)}]" if split else ""),
        "mode": "managed",
        "type": "execution",
        "name": part.source,
        "change": {
            "actions": ["create"] if loads else ["no-op"],
            "before": what if isinstance(part, Skip) else None,
            "after": None if isinstance(part, Stuck) else what,
            "after_unknown": {"id": True, **unknown} if loads else {},
        },
        "reason": part.reason,
    }
    if split:
        found["index"] = _number(part)
    if isinstance(part, Upload) and part.again:
        found["action_reason"] = "replace_by_request"
    if isinstance(part, Stuck):
        found["action_reason"] = "failed_before"
        found["failed"] = what
    return found


def _subject(part: Loading) -> tuple[dict[str, object], dict[str, object]]:
    """What a part is, and what of it is not known yet; of a remote object that was not read `bytes` are as stored."""
    if isinstance(part, Fetch):
        unread: dict[str, object] = {"part": True, "sha256": True, "records": True}
        return {"source": part.source, "bytes": part.bytes, "seal": part.seal}, unread
    what: dict[str, object] = {"source": part.source, "part": part.part, "sha256": part.sha256}
    what |= {"bytes": part.bytes, "records": part.records}
    if isinstance(part, Upload) and part.range is not None:
        what["range"] = list(part.range)
    return what, {}
