"""The projects on which a run goes wrong: what lies there before, and what must be there in the end.

Knows nothing of what goes wrong, nor when.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.rig import digest, manifest, visits

Files = Mapping[str, str]
Imports = Mapping[str, Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class Version:
    """A project at one moment: its imports by address, and its files with their contents."""

    imports: Imports
    files: Files

    @property
    def names(self) -> list[str]:
        """The names of its imports, sorted."""
        return sorted(str(body["name"]) for body in self.imports.values())

    @property
    def contents(self) -> list[tuple[str, str]]:
        """What is to be uploaded, with the file that it is of: all of it, or a part of one."""
        return [(name, part) for name, text in self.files.items() for part in self._parts(name, text)]

    @property
    def digests(self) -> list[str]:
        """The sha256 of what is to be uploaded, sorted."""
        return sorted(digest(content) for _, content in self.contents)

    def _parts(self, name: str, text: str) -> list[str]:
        split = any("split" in body and name.startswith(a.partition("/")[2] + "/") for a, body in self.imports.items())
        if not split:
            return [text]
        parts = [""]
        for line in text.splitlines(keepends=True):
            if len(parts[-1]) + len(line) > 1000:
                parts.append("")
            parts[-1] += line
        return parts

    def lay_out(self, folder: Path) -> None:
        """Write the manifest and the files."""
        for name, text in {"imports.yaml": manifest(self.imports), **self.files}.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


@dataclass(frozen=True, slots=True)
class Scene:
    """What was applied before, if anything, and the version whose apply goes wrong.

    `died_after`: a first apply of that version was killed when this many requests of this kind had acted, before the
    last one was answered; what goes wrong is the apply that goes on from there.
    """

    wanted: Version
    before: Version | None = None
    died_after: tuple[int, str] | None = None

    @property
    def new_files(self) -> dict[str, int]:
        """How many uploads each import needs that were not made before."""
        known = self.before.contents if self.before is not None else []
        new = [name for name, content in self.wanted.contents if (name, content) not in known]
        return {a: sum(n.startswith(a.partition("/")[2] + "/") for n in new) for a in self.wanted.imports}


_A: Mapping[str, object] = {"name": "Visits", "priority": "LOW", "sources": ["a/*.ndjson"], "protect": True}
_B: Mapping[str, object] = {"name": "Web", "sources": ["b/*.ndjson"]}
_TWO: Files = {"a/1.ndjson": visits(0, 3), "b/1.ndjson": visits(20, 4)}

# Two files of one import have the same number of lines, so that their bytes alone tell which one an execution holds.
_TWO_NEW = Version({"fr/a": _A, "fr/b": _B}, {**_TWO, "a/2.ndjson": visits(10, 3), "b/2.ndjson": visits(30, 4)})

SCENES: Mapping[str, Scene] = {
    # As little as has all of it: an import and two files are new.
    "small": Scene(Version({"fr/a": _A}, {"a/1.ndjson": visits(0, 3), "a/2.ndjson": visits(10, 3)})),
    # A file goes out in three parts.
    "parts": Scene(Version({"fr/a": {**_A, "split": "1kB"}}, {"a/1.ndjson": visits(0, 11)})),
    # Nothing is there: two imports and four files are new.
    "fresh": Scene(_TWO_NEW),
    # The first run died: whether it made its second import is not known.
    "import in doubt": Scene(_TWO_NEW, died_after=(2, "POST document_imports")),
    # The first run died: whether it loaded its last file is not known.
    "upload in doubt": Scene(_TWO_NEW, died_after=(4, "POST executions")),
    # A state is there: an import is changed in place, another one is new, and each has a new file.
    "grown": Scene(
        Version(
            {"fr/a": {**_A, "name": "Store visits", "priority": "HIGH"}, "fr/b": _B},
            {**_TWO, "a/2.ndjson": visits(10, 3)},
        ),
        before=Version({"fr/a": _A}, {"a/1.ndjson": visits(0, 3)}),
    ),
}
