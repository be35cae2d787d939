"""Addresses: `datamart/import`, or `datamart/import@batch`. Pure text, no values of other rooms."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Final

ADDRESS: Final = r"(?!\.{1,2}/)[A-Za-z0-9._-]+/(?!\.{1,2}(@|$))[A-Za-z0-9._-]+(@(?!\.{1,2}$)[A-Za-z0-9._-]+)?"
"""What an address looks like: keys and batch of letters, digits and `._-`, none of them `.` or `..`."""


def base_of(address: str) -> str:
    """The address without its batch: `fr/crm@2026-01-15` is a batch of `fr/crm`."""
    return address.partition("@")[0]


def matches(address: str, patterns: Iterable[str]) -> bool:
    """Whether one of these addresses or globs names it; one without a batch names all batches."""
    return any(fnmatchcase(address, p) or fnmatchcase(base_of(address), p) for p in patterns)
