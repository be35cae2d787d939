"""Real files for the tests of sources: written, compressed, read and taken out again part by part."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import zstandard

from mics_iac.core.content import Content, Part, Slice
from mics_iac.sources.source import Found, Reader, Reading

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "": lambda data: data,
    ".gz": lambda data: gzip.compress(data, 1),
    ".bz2": lambda data: bz2.compress(data, 1),
    ".xz": lambda data: lzma.compress(data, preset=0),
    ".zst": lambda data: zstandard.ZstdCompressor(level=1, write_checksum=True).compress(data),
}


def nobody(_: int) -> None:
    """Watch nothing."""


def put(root: Path, name: str, data: bytes) -> Found:
    """Write a file's content, compressed as its name says."""
    suffix = next((s for s in COMPRESS if s and name.endswith(s)), "")
    stored = COMPRESS[suffix](data)
    (root / name).write_bytes(stored)
    return Found(name, len(stored))


def slice_of(found: Found, how: Reading, content: Content, part: Part) -> Slice:
    """What is asked for to send a part."""
    whole = part.start == 0 and part.end == content.bytes
    kind = how.document_type if how.drop else None
    return Slice(
        found.path, found.seal, part.start, part.end, part.sha256, part.bytes, how.csv, kind, how.drop, whole=whole
    )


class Opens(Protocol):
    """What parts are taken from."""

    def open(self, part: Slice) -> Reader: ...


def take(source: Opens, part: Slice, *, size: int = 1000) -> bytes:
    """The bytes that would be sent."""
    reader = source.open(part)
    blocks = []
    try:
        while block := reader.read(size):
            blocks.append(block)
    finally:
        reader.close()
    return b"".join(blocks)
