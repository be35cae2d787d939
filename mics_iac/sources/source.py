"""The port to where data files are: what a place must offer so that its files can be planned and loaded.

Knows nothing of the platform, the state or the plan.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from mics_iac.core.content import Content, Slice
from mics_iac.core.manifest import SourceSpec
from mics_iac.errors import Problem

Watch: TypeAlias = Callable[[int], None]
"""Told how many more stored bytes were read."""


@dataclass(frozen=True, slots=True)
class Found:
    """One data file: its path as the manifest's folder sees it, or its URL, and its size in bytes as it is stored.

    `seal` is what a store says of the content (a version, an etag, a date with a size): as long as it is the same, so
    are the bytes. None for a local file.
    """

    path: str
    bytes: int
    seal: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """How a file is to be read. `limit` is the most bytes of one part, a repeated CSV header included."""

    document_type: str | None
    """None: its records are not checked."""
    csv: bool
    limit: int
    drop: frozenset[str] = frozenset()
    """Records with a finding of these codes are left out of the parts."""
    ranges: tuple[tuple[int, int], ...] = ()
    """A cut that is given: these ranges of the content first, each exactly one part; the rest is cut by `limit`."""
    settled: int = 0
    """Records in the first so many bytes are neither checked nor left out: a number of whole `ranges`."""


@dataclass(frozen=True, slots=True)
class Prefix:
    """The first bytes of a file's content: their sha256, and whether a record ends with them."""

    sha256: str
    whole: bool


@dataclass(frozen=True, slots=True)
class Sifted:
    """How many records were left out of a file, and the sha256 of its whole content as it was then."""

    dropped: int
    sha256: str


class Reader(Protocol):
    """The bytes of one upload, once through; `read` raises SourceFailed when they are not the planned ones."""

    def read(self, size: int, /) -> bytes:
        """Up to so many of the next bytes, `b""` at the end."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


class Source(Protocol):
    """A place that holds data files. Every method may be called from several threads at once.

    "Content" is what a file holds when it is decompressed, as its name says (`.gz`, `.zst`, `.bz2`, `.xz`).
    """

    def find(self, spec: SourceSpec) -> tuple[list[Found], list[Problem]]:
        """The files of one source of the manifest, in the order of their paths' bytes, and what is wrong with it."""
        ...

    def read(self, found: Found, how: Reading, *, watch: Watch) -> Content:
        """Read a file once through: decompress, hash, check, cut. SourceFailed when it fails, or changes meanwhile."""
        ...

    def prefixes(self, found: Found, lengths: Sequence[int], *, csv: bool, watch: Watch) -> dict[int, Prefix]:
        """The first so many bytes of a file's content, by their number; a length that the content has not is left out.

        With `csv`, a quoted field may hold newlines, which end no record.
        """
        ...

    def open(self, part: Slice) -> Reader:
        """Begin to read a part that must hold exactly the planned bytes. SourceFailed when it surely does not."""
        ...

    def sift(self, found: Found, how: Reading, into: Callable[[bytes], object]) -> Sifted:
        """Give every record that `how` leaves out to `into`, as it stands in the file."""
        ...

    def close(self) -> None:
        """Let go of temporary files and processes; may be called again, and the source used after it."""
        ...
