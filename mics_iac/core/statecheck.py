"""What the keys of a manifest's `state` block mean together: which go with the backend, and which it needs.

Checked on all that is right by itself, whatever stands beside it. Nothing here knows YAML, or how a place is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, get_args

from mics_iac.core.manifest import Place
from mics_iac.core.place import CREDENTIALS, BackendName, locks_apart
from mics_iac.core.statemodel import STATE_KEYS
from mics_iac.core.wording import listed
from mics_iac.errors import Problem

_LOCKS: Final = ("lock_address", "unlock_address")
_TWINS: Final = {("bucket", "az"): "container", ("container", "s3"): "bucket", ("container", "gs"): "bucket"}
# Names that other tools have for credentials; `key` alone is Terraform's word for the name of the state's object.
_SECRET: Final = re.compile(
    r"pass(word|wd|phrase)?|pwd|secret|token|.[_-]?key(_id)?$|credential|user(name)?$|auth|sas|login|header|signature"
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StatedState:
    """The block so far as what is written of it is right."""

    backend: str | None
    """None: it is at fault."""
    chosen: bool
    """Whether the block names its backend."""
    keys: Mapping[str, Place]
    """Every key that stands there, with its place."""
    texts: Mapping[str, str]
    """The values that are right."""
    place: Place
    place_of: Callable[[str], Place]
    """Place of the value of a key."""


def state_faults(state: StatedState) -> Iterator[Problem]:
    """Keys of another backend, missing ones, and addresses that do not go together."""
    backend = next((one for one in get_args(BackendName) if one == state.backend), None)
    if backend is None:
        return
    yield from _misplaced(state, backend)
    for key in STATE_KEYS[backend].needed:
        if key not in state.keys and not any(_TWINS.get((twin, backend)) == key for twin in state.keys):
            message = f"the key `{key}` is missing in `state`: the backend {backend} needs it; add it"
            yield _at(state.place, "MICS102", message)
    if backend == "http":
        yield from _lock_faults(state)


def _misplaced(state: StatedState, backend: BackendName) -> Iterator[Problem]:
    for key, place in state.keys.items():
        owners = [one for one, keys in STATE_KEYS.items() if key in keys.names]
        if not owners or backend in owners:
            continue  # unknown keys are told elsewhere
        if not state.chosen:
            what = f"goes with the backend {listed(owners)}, and none is chosen; add `backend: {owners[0]}`"
        elif twin := _TWINS.get((key, backend)):
            what = f"does not go with the backend {backend}; write `{twin}`"
        else:
            what = f"goes with the backend {listed(owners)}, not with {backend}; remove it"
        yield _at(place, "MICS126", f"`{key}` {what}")


def _lock_faults(state: StatedState) -> Iterator[Problem]:
    if "unlock_address" in state.keys and "lock_address" not in state.keys:
        message = "the key `lock_address` is missing beside `unlock_address`; add it, or remove both"
        yield _at(state.keys["unlock_address"], "MICS102", message)
    address = state.texts.get("address")
    for key in _LOCKS:
        lock = state.texts.get(key)
        if address is not None and lock is not None and locks_apart(address, lock):
            message = f"only one of `address` and `{key}` ends with a slash; end both with one, or neither"
            yield _at(state.place_of(key), "MICS140", message)


def looks_secret(key: str) -> bool:
    """Whether a key is one that other tools take credentials under."""
    return _SECRET.search(key.lower()) is not None


def secret_message(backend: str | None) -> str:
    """What is said of such a key; its value is never repeated."""
    source = CREDENTIALS.get(backend or "")
    where = "each cloud's own usual places" if source is None else source
    return f"credentials never stand in a manifest; remove this key. They come from {where}"


def _at(place: Place, code: str, message: str) -> Problem:
    return Problem(place.file, place.line, place.column, code, message)
