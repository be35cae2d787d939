"""Data files on this machine, below the manifest's folder.

Files are hostile: a path may be a link out of the folder, a pipe that never ends, or change while it is read. Every
file is opened once, checked on its descriptor, and read from there.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Self

from mics_iac.core.manifest import SourceSpec
from mics_iac.errors import Problem, SourceFailed
from mics_iac.sources.counting import CsvCounter, LineCounter
from mics_iac.sources.hashing import Digest
from mics_iac.sources.source import Fingerprint, Found

BLOCK = 256 * 1024
# The vendor's advice is 100 MB a file (mediarithmics-api.md 3.7, documented); its UI refuses from 100 MiB (seen).
LARGEST = 100_000_000
# Up to this many bytes a thread for the hash costs more than it brings.
_SMALL = 1_000_000
_GLOB = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class LocalSource:
    """Files below `root`, the manifest's folder, or outside it where the source says so."""

    root: Path

    def find(self, spec: SourceSpec) -> tuple[list[Found], list[Problem]]:
        """See `Source.find`: a glob without a match, a link out of the folder and what is no file are problems."""
        found: list[Found] = []
        problems: list[Problem] = []
        try:
            paths = sorted(self._expand(spec.path), key=os.fsencode)
        except OSError as error:
            return [], [_problem(spec, "MICS204", f"{spec.path} cannot be looked up: {error.strerror}")]
        if not paths and not spec.allow_empty:
            what = "matches no file" if _is_glob(spec.path) else "is not there"
            return [], [_problem(spec, "MICS201", f"{spec.path} {what}: correct the path, or set `allow_empty: true`")]
        for path in paths:
            match self._check(path, spec):
                case Found() as file:
                    found.append(file)
                case Problem() as problem:
                    problems.append(problem)
        return found, problems

    def _check(self, path: str, spec: SourceSpec) -> Found | Problem:
        place = self.root / path
        try:
            path.encode()
        except UnicodeEncodeError:
            shown = os.fsencode(path).decode("utf-8", "backslashreplace")
            return _problem(spec, "MICS204", f"the name of {shown} is not UTF-8: rename the file")
        try:
            info = place.stat()
        except OSError as error:
            return _problem(spec, "MICS204", f"{path} cannot be read: {error.strerror}")
        if not spec.allow_outside and not place.resolve().is_relative_to(self.root.resolve()):
            return _problem(
                spec, "MICS202", f"{path} leads out of the manifest's folder: set `allow_outside: true` on this source"
            )
        if not stat.S_ISREG(info.st_mode):
            return _problem(spec, "MICS204", f"{path} is not a regular file")
        if not os.access(place, os.R_OK):
            return _problem(spec, "MICS204", f"{path} cannot be read: Permission denied")
        if info.st_size == 0:
            return _problem(spec, "MICS205", f"{path} is empty: remove the file, or write its records first")
        if info.st_size > LARGEST:
            return _problem(
                spec,
                "MICS206",
                f"{path} holds {info.st_size:,} bytes, more than the {LARGEST:,} that one upload may have: "
                "cut it into smaller files at line ends",
            )
        return Found(path, info.st_size)

    def _expand(self, pattern: str) -> list[str]:
        if not _is_glob(pattern) or (self.root / pattern).is_file():
            return [pattern] if os.path.lexists(self.root / pattern) else []
        anchor = "/" if pattern.startswith("/") else ""
        return list(dict.fromkeys(self._walk(anchor, [s for s in pattern.split("/") if s not in {"", "."}])))

    def _walk(self, folder: str, segments: list[str]) -> Iterator[str]:
        """Every path below `folder` that the segments match; `**` is any number of folders, none of them a link."""
        head, *rest = segments
        if head == "**":
            yield from self._walk(folder, rest or ["*"])
            for entry in self._entries(folder):
                if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
                    yield from self._walk(f"{folder}{entry.name}/", segments)
        elif not _is_glob(head):
            if rest:
                yield from self._walk(f"{folder}{head}/", rest)
            elif self._is_there(folder + head):
                yield folder + head
        else:
            for entry in self._entries(folder):
                if fnmatchcase(entry.name, head) and (head.startswith(".") or not entry.name.startswith(".")):
                    if not rest:
                        if not entry.is_dir():
                            yield folder + entry.name
                    elif entry.is_dir():
                        yield from self._walk(f"{folder}{entry.name}/", rest)

    def _is_there(self, path: str) -> bool:
        """Whether something has this path; OSError where that cannot be told: nothing is passed over in silence."""
        try:
            os.lstat(self.root / path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def _entries(self, folder: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(self.root / folder) as entries:
                return list(entries)
        except (FileNotFoundError, NotADirectoryError):
            return []

    def fingerprint(self, found: Found, *, csv: bool, watch: Callable[[int], None]) -> Fingerprint:
        """See `Source.fingerprint`."""
        digest = hashlib.sha256()
        counter: LineCounter | CsvCounter = CsvCounter() if csv else LineCounter()
        with _open(self.root / found.path, found.path) as file:
            before = os.fstat(file.fileno())
            size = 0
            while block := _read(file, BLOCK, found.path):
                digest.update(block)
                counter.feed(block)
                size += len(block)
                watch(len(block))
            after = os.fstat(file.fileno())
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or size != after.st_size:
            raise SourceFailed(
                f"{found.path} changed while it was read", remedy="let it be written to its end, then run again"
            )
        return Fingerprint(digest.hexdigest(), size, counter.lines, counter.records)

    def open(self, path: str, *, sha256: str, bytes: int) -> PlannedFile:  # noqa: A002 (the unit is the name)
        """See `Source.open`."""
        file = _open(self.root / path, path)
        size = os.fstat(file.fileno()).st_size
        if size != bytes:
            file.close()
            raise changed(path, f"it holds {size:,} bytes instead of {bytes:,}")
        return PlannedFile(file, path, sha256=sha256, size=bytes)


class PlannedFile:
    """A file whose bytes are hashed on their way out; the last, empty read tells whether they were the planned ones."""

    def __init__(self, file: _File, path: str, *, sha256: str, size: int) -> None:
        self._file = file
        self._path = path
        self._expected = sha256
        self._digest = Digest() if size > _SMALL else hashlib.sha256()

    def read(self, size: int, /) -> bytes:
        """Up to so many of the next bytes; SourceFailed at the end when they differ from the plan."""
        block = _read(self._file, size, self._path)
        self._digest.update(block)
        if not block and self._digest.hexdigest() != self._expected:
            raise changed(self._path, "its bytes are others")
        return block

    def close(self) -> None:
        """Close the file."""
        if isinstance(self._digest, Digest):
            self._digest.close()
        self._file.close()


def changed(path: str, how: str) -> SourceFailed:
    """The error for a file that is not the one that was planned."""
    return SourceFailed(f"{path} is not the file that was planned: {how}", remedy="plan again")


class _File:
    """A descriptor that is surely a regular file's, read without a buffer of its own."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def fileno(self) -> int:
        return self._descriptor

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _open(place: Path, path: str) -> _File:
    try:
        # Without O_NONBLOCK the opening of a pipe that took the file's place would wait for ever.
        descriptor = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise SourceFailed(f"{path} cannot be opened: {error.strerror}", remedy="plan again") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise changed(path, "it is not a regular file any more")
    return _File(descriptor)


def _read(file: _File, size: int, path: str) -> bytes:
    try:
        return os.read(file.fileno(), size)
    except OSError as error:
        raise SourceFailed(f"{path} cannot be read: {error.strerror}") from error


def _is_glob(path: str) -> bool:
    return not _GLOB.isdisjoint(path)


def _problem(spec: SourceSpec, code: str, message: str) -> Problem:
    return Problem(spec.place.file, spec.place.line, spec.place.column, code, message)
