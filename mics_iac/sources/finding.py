"""Which files of this machine a source of the manifest names, and what is wrong with it.

Links are followed to see where they lead. A path is resolved where a link may be in its way alone: once a folder, and
once a link.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import translate
from pathlib import Path

from mics_iac.core.manifest import SourceSpec
from mics_iac.errors import Problem
from mics_iac.sources.source import Found

_GLOB = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class _Match:
    """A path that the pattern names; `entry` where a folder was listed for it."""

    path: str
    entry: os.DirEntry[str] | None = None


def find_files(root: Path, spec: SourceSpec) -> tuple[list[Found], list[Problem]]:
    """See `Source.find`: a glob without a match, a link out of the folder and what is no file are problems."""
    return _Search(root, spec).run()


@dataclass(slots=True)
class _Search:
    root: Path
    spec: SourceSpec
    _inside: dict[str, bool] = field(default_factory=dict)  # by folder: whether it truly is below the root
    _real: str = ""

    def run(self) -> tuple[list[Found], list[Problem]]:
        spec = self.spec
        found: list[Found] = []
        problems: list[Problem] = []
        try:
            matches = sorted(self._expand(spec.path).values(), key=lambda match: os.fsencode(match.path))
        except OSError as error:
            return [], [self._problem("MICS204", f"{spec.path} cannot be looked up: {error.strerror}")]
        if not matches and not spec.allow_empty:
            what = "matches no file" if is_glob(spec.path) else "is not there"
            return [], [self._problem("MICS201", f"{spec.path} {what}: correct the path, or set `allow_empty: true`")]
        self._real = os.path.realpath(self.root)
        for match in matches:
            match self._check(match):
                case Found() as file:
                    found.append(file)
                case Problem() as problem:
                    problems.append(problem)
        return found, problems

    def _check(self, match: _Match) -> Found | Problem:
        path, entry = match.path, match.entry
        place = str(self.root / path) if entry is None else entry.path
        try:
            path.encode()
        except UnicodeEncodeError:
            shown = os.fsencode(path).decode("utf-8", "backslashreplace")
            return self._problem("MICS204", f"the name of {shown} is not UTF-8: rename the file")
        link = entry is None or entry.is_symlink()
        try:
            info = Path(place).stat() if entry is None else entry.stat()
        except OSError as error:
            return self._problem("MICS204", f"{path} cannot be read: {error.strerror}")
        if not self.spec.allow_outside and not self._is_inside(path, place, link=link):
            return self._problem(
                "MICS202", f"{path} leads out of the manifest's folder: set `allow_outside: true` on this source"
            )
        if not stat.S_ISREG(info.st_mode):
            return self._problem("MICS204", f"{path} is not a regular file")
        if not os.access(place, os.R_OK):
            return self._problem("MICS204", f"{path} cannot be read: Permission denied")
        if info.st_size == 0:
            return self._problem("MICS205", f"{path} is empty: remove the file, or write its records first")
        return Found(path, info.st_size)

    def _is_inside(self, path: str, place: str, *, link: bool) -> bool:
        if link:
            return self._holds(place)
        folder = path.rpartition("/")[0]
        inside = self._inside.get(folder)
        if inside is None:
            inside = self._inside[folder] = self._holds(str(self.root / folder))
        return inside

    def _holds(self, place: str) -> bool:
        return Path(os.path.realpath(place)).is_relative_to(self._real)

    def _expand(self, pattern: str) -> dict[str, _Match]:
        if not is_glob(pattern) or (self.root / pattern).is_file():
            return {pattern: _Match(pattern)} if os.path.lexists(self.root / pattern) else {}
        anchor = "/" if pattern.startswith("/") else ""
        matches = self._walk(anchor, [s for s in pattern.split("/") if s not in {"", "."}])
        return {match.path: match for match in matches}

    def _walk(self, folder: str, segments: list[str]) -> Iterator[_Match]:
        """Every path below `folder` that the segments match; `**` is any number of folders, none of them a link."""
        head, *rest = segments
        if head == "**":
            yield from self._walk(folder, rest or ["*"])
            for entry in self._entries(folder):
                if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
                    yield from self._walk(f"{folder}{entry.name}/", segments)
        elif not is_glob(head):
            if rest:
                yield from self._walk(f"{folder}{head}/", rest)
            elif self._is_there(folder + head):
                yield _Match(folder + head)
        else:
            fits = re.compile(translate(head)).match
            for entry in self._entries(folder):
                if fits(entry.name) and (head.startswith(".") or not entry.name.startswith(".")):
                    if not rest:
                        if not entry.is_dir():
                            yield _Match(folder + entry.name, entry)
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

    def _problem(self, code: str, message: str) -> Problem:
        place = self.spec.place
        return Problem(place.file, place.line, place.column, code, message)


def is_glob(path: str) -> bool:
    """Whether a path is a pattern."""
    return not _GLOB.isdisjoint(path)
