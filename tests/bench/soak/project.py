"""The project that is soaked: its manifest and files as they grow.

Knows what must be on the platform in the end, because it wrote the files; asks nobody.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from tests.rig import digest, manifest, visits

DATAMARTS = {"fr": "1502", "de": "1600"}
MOST_IMPORTS = 12
# Lines of a file. Most files have as many as some other, so that only their bytes tell them apart; the largest are
# some hundred kB, which leave in several blocks and so have a middle.
LINES = (3, 3, 3, 40, 1500)
MANIFEST = "imports.yaml"


@dataclass(frozen=True)
class Declared:
    """One import of the manifest."""

    name: str
    document_type: str
    priority: str = "MEDIUM"
    ordered: bool = False


@dataclass
class Project:
    """A folder with a manifest that names `url`. Every change of it is drawn from the `chance` that comes with it."""

    folder: Path
    url: str
    imports: dict[str, Declared] = field(default_factory=dict)
    contents: set[tuple[str, str]] = field(default_factory=set)
    """What must be loaded in the end, each once: an address, and the sha256 of a file in its folder."""
    _files: list[tuple[str, Path]] = field(default_factory=list)
    _numbers: int = 0

    def begin(self, chance: Random) -> None:
        """Three imports in two datamarts; in one of them order matters."""
        self.imports = {
            "fr/visits": Declared("Visits", "USER_ACTIVITY"),
            "fr/profiles": Declared("Profiles", "USER_PROFILE", ordered=True),
            "de/visits": Declared("Visits", "USER_ACTIVITY"),
        }
        for address in self.imports:
            self._add(address, chance)
        self.declare()

    def declare(self) -> None:
        """Write the manifest."""
        blocks: dict[str, dict[str, object]] = {
            address: {
                "name": one.name,
                "document_type": one.document_type,
                "priority": one.priority,
                "ordered": one.ordered,
                "sources": [f"data/{address}/*.ndjson"],
            }
            for address, one in self.imports.items()
        }
        (self.folder / MANIFEST).write_text(manifest(blocks, DATAMARTS, api={"url": self.url}))

    def grow(self, chance: Random) -> None:
        """New files, and now and then a new import, another priority, another name of a file, a copy of one."""
        if chance.random() < 0.3 and len(self.imports) < MOST_IMPORTS:
            self._add_import(chance)
        if chance.random() < 0.2:
            address = chance.choice(sorted(self.imports))
            self.imports[address] = replace(self.imports[address], priority=chance.choice(("LOW", "MEDIUM", "HIGH")))
        for _ in range(chance.randint(2, 8)):
            self._add(chance.choice(sorted(self.imports)), chance)
        if chance.random() < 0.3:
            number = chance.randrange(len(self._files))
            address, path = self._files[number]
            self._files[number] = (address, path.rename(self._free(address)))
        if chance.random() < 0.3:
            address, path = chance.choice(self._files)
            self._write(address, path.read_bytes())
        self.declare()

    def _add_import(self, chance: Random) -> None:
        address = f"{chance.choice(sorted(DATAMARTS))}/i{len(self.imports)}"
        kind = chance.choice(("USER_ACTIVITY", "USER_PROFILE"))
        self.imports[address] = Declared(f"Import {address}", kind, ordered=chance.random() < 0.2)
        self._add(address, chance)

    def _add(self, address: str, chance: Random) -> None:
        """A new file; now and then the same one in the other datamart too, where it is to be loaded as well."""
        count = chance.choice(LINES)
        kind = self.imports[address].document_type
        text = visits(self._numbers, count) if kind == "USER_ACTIVITY" else profiles(self._numbers, count)
        self._numbers += count
        self._write(address, text.encode())
        if address.endswith("/visits") and chance.random() < 0.2:
            self._write("de/visits" if address == "fr/visits" else "fr/visits", text.encode())

    def _write(self, address: str, data: bytes) -> None:
        path = self._free(address)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        self._files.append((address, path))
        self.contents.add((address, digest(data)))

    def _free(self, address: str) -> Path:
        self._numbers += 1
        return self.folder / "data" / address / f"{self._numbers:08d}.ndjson"

    def check_out(self, folder: Path) -> None:
        """Lay manifest and files into another folder, as a CI runner gets them: all that it has."""
        folder.mkdir()
        shutil.copy2(self.folder / MANIFEST, folder)
        # No file is ever written to again, so the disk need not hold them twice.
        shutil.copytree(self.folder / "data", folder / "data", copy_function=os.link)


def profiles(first: int, count: int) -> str:
    """Good lines of a USER_PROFILE file, numbered."""
    lines = (
        {"operation": "UPSERT", "user_account_id": f"CUST-{n:08d}", "user_profile": {"city": "Lyon", "visits": n}}
        for n in range(first, first + count)
    )
    return "".join(json.dumps(line) + "\n" for line in lines)
