"""The file in which is kept what was read of other files: one JSON text with its checksum, written aside and renamed.

It only saves work. Damaged, newer, of other rules, or not to be written: it is as if it were not there.
"""

from __future__ import annotations

import gc
import hashlib
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from mics_iac.core.content import Content, Part
from mics_iac.documents.report import Report
from mics_iac.documents.rules import VERSION

# Of this file and of how files are cut.
_FORMAT: Final = 1
# The most bytes that are written, and that are looked at.
ROOM: Final = 64 * 1024 * 1024
# A file of more parts is not kept.
_PARTS: Final = 10_000


class KeptPart(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """See `core/content.Part`."""

    number: int
    start: int
    end: int
    sha256: str
    bytes: int
    lines: int
    records: int


class Kept(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What a file was found to hold.

    `key` names the file and how it was read, `stamp` what could be seen of it without reading it, and `stored` its
    bytes as they are stored.
    """

    key: str
    stamp: str
    stored: int
    sha256: str
    bytes: int
    parts: tuple[KeptPart, ...]
    report: Report | None
    dropped: int

    @property
    def content(self) -> Content:
        """What was found."""
        parts = tuple(Part(p.number, p.start, p.end, p.sha256, p.bytes, p.lines, p.records) for p in self.parts)
        return Content(self.sha256, self.bytes, parts, self.report, self.dropped)


def keep(key: str, stamp: str, stored: int, found: Content) -> Kept | None:
    """An entry of this content; None where it is too large."""
    if len(found.parts) > _PARTS:
        return None
    parts = tuple(KeptPart(p.number, p.start, p.end, p.sha256, p.bytes, p.lines, p.records) for p in found.parts)
    return Kept(key, stamp, stored, found.sha256, found.bytes, parts, found.report, found.dropped)


class _Head(msgspec.Struct, frozen=True):
    format: int
    rules: int
    sha256: str


def load(path: Path) -> list[Kept]:
    """The entries of a file, the least recently used one first; none where they cannot be had."""
    collecting = gc.isenabled()
    gc.disable()  # it would walk tens of thousands of new values again and again, none of which it can let go of
    try:
        if path.stat().st_size > ROOM:
            return []
        head, _, body = path.read_bytes().partition(b"\n")
        if msgspec.json.decode(head, type=_Head) != _head(body):
            return []
        return msgspec.json.decode(body, type=list[Kept])
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return []
    finally:
        if collecting:
            gc.enable()


def save(path: Path, entries: Iterable[Kept], *, room: int = ROOM) -> None:
    """Replace the file, by the last of the entries as far as there is room for them."""
    chosen: list[bytes] = []
    room -= 1024
    for entry in reversed(list(entries)):
        text = msgspec.json.encode(entry)
        room -= len(text) + 2
        if room < 0:
            break
        chosen.append(text)
    body = b"[" + b",\n".join(reversed(chosen)) + b"]\n"
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    with suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        aside.unlink(missing_ok=True)
        # One that comes to be there meanwhile is somebody else's, and may be open to others.
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.encode(_head(body)) + b"\n" + body)
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)


def _head(body: bytes) -> _Head:
    return _Head(_FORMAT, VERSION, hashlib.sha256(body).hexdigest())
