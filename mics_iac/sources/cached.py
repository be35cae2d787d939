"""A source that remembers what it read: what is unchanged is neither read nor checked again.

A local file is unchanged when its length, its times, its inode and its device are; an object, when its store says so.
The danger is a file that changes twice within one tick of its clock, once before it was read and once after: nothing
could be seen of that. So what is kept are files alone that stood still for a while before they were read.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

import msgspec

from mics_iac.core.clock import Clock
from mics_iac.core.content import Content, Slice
from mics_iac.core.manifest import DOCUMENT_TYPES, SourceSpec
from mics_iac.errors import Problem, SourceFailed
from mics_iac.sources.kept import ROOM, Kept, keep, load, save
from mics_iac.sources.source import Found, Prefix, Reader, Reading, Sifted, Source, Watch

# Seconds that a file must have stood still: the coarsest clock of a file system has ticks of two.
_STILL: Final = 2.5
# Seconds after which is written down what was read in a long run, in case it is interrupted.
_SAVED: Final = 10.0


class CachedSource:
    """A wrapper of the same port. Paths are relative to `root`; what is remembered is in `file`, of `room` bytes."""

    def __init__(self, inner: Source, *, root: Path, file: Path, clock: Clock, room: int = ROOM) -> None:
        self._inner = inner
        self._root = root
        self._file = file
        self._clock = clock
        self._room = room
        self._lock = threading.Lock()
        self._entries: dict[str, Kept] | None = None
        self._by_length: dict[tuple[str, int], list[Kept]] | None = None  # as they were when first asked for
        self._used: dict[str, None] = {}  # keys, in the order of their use
        self._dirty = False
        self._saved = clock.monotonic()

    def read(self, found: Found, how: Reading, *, watch: Watch) -> Content:
        """See `Source.read`; a file that is known is not read."""
        key = _key(how, how.document_type, found)
        began = self._clock.now()
        stamp, changed = self._stamp(found)
        known = self._recall(key)
        if known is None and how.document_type is None:
            # Who only wants to know what a file is need not read it again because it was checked, too.
            checked = (self._recall(_key(how, document_type, found)) for document_type in DOCUMENT_TYPES)
            known = next((one for one in checked if one is not None), None)
        if known is not None and known.stamp == stamp:
            watch(found.bytes)
            return known.content
        content = self._again(known, found, how, watch) or self._inner.read(found, how, watch=watch)
        if stamp and changed < began - _STILL and stamp == self._stamp(found)[0]:
            self._remember(keep(key, stamp, found.bytes, content))
        return content

    def _again(self, known: Kept | None, found: Found, how: Reading, watch: Watch) -> Content | None:
        """What is known of the same bytes, if times alone are others, or the name: to hash costs less than to check."""
        if found.seal is not None or how.document_type is None:
            return None
        alike = self._alike(_key(how, how.document_type, found), found.bytes) if known is None else [known]
        alike = [one for one in alike if one.stored == found.bytes]
        if not alike:
            return None
        alone = Reading(None, csv=False, limit=max(alike[0].bytes, 1))
        sha256 = self._inner.read(found, alone, watch=lambda _: watch(0)).sha256
        same = next((one for one in alike if one.sha256 == sha256), None)
        if same is None:
            return None
        watch(found.bytes)
        return same.content

    def _alike(self, key: str, stored: int) -> list[Kept]:
        """What is known of other files of that length, read in the same way."""
        with self._lock:
            if self._by_length is None:
                self._by_length = {}
                for entry in (self._entries or {}).values():
                    self._by_length.setdefault((_way(entry.key), entry.stored), []).append(entry)
            return list(self._by_length.get((_way(key), stored), ()))

    def _stamp(self, found: Found) -> tuple[str, float]:
        """What can be seen of a file without reading it, and when it changed last; "" where nothing can."""
        if found.seal is not None:
            return f"seal {found.seal}", 0.0
        try:
            info = os.stat(f"{self._root}/{found.path}" if found.path[:1] != "/" else found.path)  # noqa: PTH116 - faster
        except OSError:
            return "", 0.0
        seen = (info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino, info.st_dev)
        return " ".join(map(str, seen)), max(info.st_mtime, info.st_ctime)

    def _recall(self, key: str) -> Kept | None:
        with self._lock:
            if (known := self._loaded().get(key)) is not None:
                self._used[key] = None
            return known

    def _loaded(self) -> dict[str, Kept]:
        """The entries, by their keys; under the lock alone."""
        if self._entries is None:
            self._entries = {entry.key: entry for entry in load(self._file)}
        return self._entries

    def _remember(self, entry: Kept | None) -> None:
        if entry is None:
            return
        with self._lock:
            assert self._entries is not None
            self._entries[entry.key] = entry
            self._used[entry.key] = None
            self._dirty = True
            if self._clock.monotonic() > self._saved + _SAVED:
                self._save(self._entries)

    def _save(self, entries: dict[str, Kept]) -> None:
        first = [entry for key, entry in entries.items() if key not in self._used]
        save(self._file, [*first, *(entries[key] for key in self._used)], room=self._room)
        self._dirty = False
        self._saved = self._clock.monotonic()

    def close(self) -> None:
        """See `Source.close`; writes down what was read."""
        with self._lock:
            if self._dirty and self._entries is not None:
                self._save(self._entries)
        self._inner.close()

    def find(self, spec: SourceSpec) -> tuple[list[Found], list[Problem]]:
        """See `Source.find`."""
        return self._inner.find(spec)

    def prefixes(self, found: Found, lengths: Sequence[int], *, csv: bool, watch: Watch) -> dict[int, Prefix]:
        """See `Source.prefixes`."""
        return self._inner.prefixes(found, lengths, csv=csv, watch=watch)

    def open(self, part: Slice) -> Reader:
        """See `Source.open`; what is known of a file that turns out to be another one is forgotten."""
        try:
            return _Doubting(self._inner.open(part), part.path, self._forget)
        except SourceFailed:
            self._forget(part.path)
            raise

    def _forget(self, path: str) -> None:
        with self._lock:
            entries = self._loaded()
            for key in [key for key in entries if key.endswith(f" {path}")]:
                del entries[key]
                self._used.pop(key, None)
                self._dirty = True

    def sift(self, found: Found, how: Reading, into: Callable[[bytes], object]) -> Sifted:
        """See `Source.sift`."""
        return self._inner.sift(found, how, into)


def _key(how: Reading, document_type: str | None, found: Found) -> str:
    return f"{_how(how)} {document_type or '-'} {found.path}"


def _way(key: str) -> str:
    """The part of a key that tells how a file was read."""
    return " ".join(key.split(" ", 2)[:2])


class _Doubting:
    """A reader that tells when the bytes are not the ones that were known."""

    def __init__(self, reader: Reader, path: str, forget: Callable[[str], None]) -> None:
        self._reader = reader
        self._path = path
        self._forget = forget

    def read(self, size: int, /) -> bytes:
        """See `Reader.read`."""
        try:
            return self._reader.read(size)
        except SourceFailed:
            self._forget(self._path)
            raise

    def close(self) -> None:
        """See `Reader.close`."""
        self._reader.close()


@lru_cache(maxsize=256)
def _how(how: Reading) -> str:
    """All that decides what a reading comes to, but the type of the records, shortly."""
    told = (how.csv, how.limit, sorted(how.drop), how.ranges, how.settled)
    return hashlib.sha256(msgspec.json.encode(told)).hexdigest()[:24]
