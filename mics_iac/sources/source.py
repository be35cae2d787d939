"""The port to where data files are: what a place must offer so that its files can be planned and loaded.

Knows nothing of the platform, the state or the plan.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from mics_iac.core.manifest import SourceSpec
from mics_iac.errors import Problem


@dataclass(frozen=True, slots=True)
class Found:
    """One data file: its path as the manifest's folder sees it, and its size in bytes."""

    path: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a file holds. `lines` counts line ends, `records` what is neither blank nor a CSV header."""

    sha256: str
    bytes: int
    lines: int
    records: int


class Reader(Protocol):
    """A file's bytes, once through; `read` raises SourceFailed when they are not the planned ones."""

    def read(self, size: int, /) -> bytes:
        """Up to so many of the next bytes, `b""` at the end."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


class Source(Protocol):
    """A place that holds data files. Every method may be called from several threads at once."""

    def find(self, spec: SourceSpec) -> tuple[list[Found], list[Problem]]:
        """The files of one source of the manifest, in the order of their paths' bytes, and what is wrong with it."""
        ...

    def fingerprint(self, found: Found, *, csv: bool, watch: Callable[[int], None]) -> Fingerprint:
        """Read a file once; `watch` is told how many more bytes were read. SourceFailed when it fails or changes."""
        ...

    def open(self, path: str, *, sha256: str, bytes: int) -> Reader:  # noqa: A002 (the unit is the name)
        """Begin to read a file that must hold exactly these bytes. SourceFailed when it cannot, or surely does not."""
        ...
