"""The place of a state as the manifest says it: the block `state:`, to be pasted. Pure."""

from __future__ import annotations

import re
from typing import Final

from mics_iac.core.place import METHODS, BucketPlace, FilePlace, HttpPlace, StatePlace

# What YAML reads as this very text, whoever reads it; anything else is quoted.
_PLAIN: Final = re.compile(r"[A-Za-z]([A-Za-z0-9_./:@+=-]*[A-Za-z0-9_/])?")
_WORDS: Final = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})


def state_keys(place: StatePlace) -> dict[str, str]:
    """The keys below `state:` and their values, without those that are what they would be anyway; `${` is escaped."""
    return {key: value.replace("${", "$${") for key, value in _said(place).items() if value is not None}


def _said(place: StatePlace) -> dict[str, str | None]:
    match place:
        case FilePlace(path):
            return {"backend": "file", "path": path}
        case BucketPlace(backend=backend):
            return {
                "backend": backend,
                "account": place.account,
                "container" if backend == "az" else "bucket": place.bucket,
                "prefix": place.prefix or None,
                "region": place.region,
                "endpoint": place.endpoint,
            }
        case HttpPlace():
            methods = {key: getattr(place, key) for key in METHODS}
            return {
                "backend": "http",
                "address": place.address,
                "lock_address": place.lock_address,
                "unlock_address": place.unlock_address,
                **{key: method for key, method in methods.items() if method != METHODS[key]},
            }


def state_block(place: StatePlace) -> str:
    """The lines of YAML, each ended."""
    return "state:\n" + "".join(f"  {key}: {_scalar(value)}\n" for key, value in state_keys(place).items())


def _scalar(text: str) -> str:
    """The text as a YAML scalar."""
    plain = _PLAIN.fullmatch(text) is not None and text.lower() not in _WORDS
    return text if plain else '"' + "".join(map(_character, text)) + '"'


def _character(one: str) -> str:
    if one in '"\\':
        return f"\\{one}"
    if one.isprintable():
        return one
    return f"\\u{ord(one):04x}" if ord(one) < 0x10000 else f"\\U{ord(one):08x}"
