"""What a part of a source is called in messages, and in the command by which a person decides about it. Pure.

A path means all of a file. One part of a file in several is called by its number, and meant by its content.
"""

from __future__ import annotations

from shlex import quote
from typing import Final

DIGEST: Final = "sha256:"
"""Before the first digits of a content's digest, where it stands for a path."""

_DIGITS = 12


def called(source: str, part: int, *, several: bool) -> str:
    """The part in a message; `several`: it is not all of its file."""
    return f"{source} [part {part}]" if several else source


def digest_name(sha256: str) -> str:
    """A content by its digest."""
    return DIGEST + sha256[:_DIGITS]


def is_digest_of(path: str, sha256: str) -> bool:
    """Whether this names that content by the first digits of its digest."""
    return path.startswith(DIGEST) and len(path) > len(DIGEST) and sha256.startswith(path.removeprefix(DIGEST))


def resolve_command(address: str, source: str, sha256: str, *, several: bool) -> str:
    """The command that decides about a part, without what is decided."""
    return f"mics-iac state resolve {quote(f'{address}:{digest_name(sha256) if several else source}')}"
