"""The project that is soaked: its manifest and files as they grow, and its state as it gets lost and put back.

Knows what must be on the platform in the end, because it wrote the files; asks nobody.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from mics_iac.core.journal import RunBegun, decode_journal
from tests.rig import digest, manifest, visits

DATAMARTS = {"fr": "1502", "de": "1600"}
MOST_IMPORTS = 12
# Lines of a file. Most files have as many as some other, so that only their bytes tell them apart; the largest are
# some hundred kB, which leave in several blocks and so have a middle.
LINES = (3, 3, 3, 40, 1500)
MOST_COPIES = 12
STATE = "imports.state.json"


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
    _copies: list[bytes] = field(default_factory=list)
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
        (self.folder / "imports.yaml").write_text(manifest(blocks, DATAMARTS, api={"url": self.url}))

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

    # The state, as it befalls it between two runs.

    @property
    def state(self) -> Path:
        """Where the state is."""
        return self.folder / STATE

    def journals(self) -> list[Path]:
        """The journals beside it, in the order of their names."""
        return sorted(self.folder.glob(f"{STATE.removesuffix('.json')}.journal.*"))

    def leftovers(self) -> list[str]:
        """The names of what no run may leave behind that came to its end: lock, journals, what was put aside.

        Backups of the state stay, and journals that were damaged (docs/state.md).
        """
        kept = re.compile(
            r"imports\.yaml|data|\.mics-iac|imports\.state\.(json|backup\.[0-9]{8,}|journal\.[0-9-]+\.[0-9a-f]+\.damaged)"
        )
        return sorted(path.name for path in self.folder.iterdir() if not kept.fullmatch(path.name))

    def keep_copy(self) -> None:
        """Remember the state as it is now, as a backup would."""
        if self.state.exists():
            self._copies = [*self._copies[-MOST_COPIES + 1 :], self.state.read_bytes()]

    def lose_state(self, chance: Random) -> None:
        """The state is gone; its journals may be there still, or are gone with it."""
        self.state.unlink(missing_ok=True)
        if chance.random() < 0.5:
            self._drop_journals()

    def restore_state(self, chance: Random) -> bool:
        """An older copy of the state is put back, if there is one; the journals stay, or go with the newer state.

        A journal of another history must go: beside the copy it would rightly be refused (docs/state.md).
        """
        if not self._copies:
            return False
        copy = chance.choice(self._copies)
        lineages = {first.lineage for path in self.journals() if (first := first_entry(path)) is not None}
        if lineages - {json.loads(copy)["lineage"]} or chance.random() < 0.5:
            self._drop_journals()
        self.state.write_bytes(copy)
        return True

    def damage_state(self, chance: Random) -> bool:
        """One byte of the state, or of a journal, is changed, if there is one."""
        there = [path for path in (self.state, *self.journals()) if path.exists() and path.stat().st_size]
        if not there:
            return False
        path = chance.choice(there)
        data = bytearray(path.read_bytes())
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
        return True

    def _drop_journals(self) -> None:
        for path in self.journals():
            path.unlink()


def first_entry(path: Path) -> RunBegun | None:
    """Which run a journal is of; None if it died before it had said so."""
    entries = decode_journal(path.read_bytes(), name=path.name).entries
    return entries[0] if entries and isinstance(entries[0], RunBegun) else None


def profiles(first: int, count: int) -> str:
    """Good lines of a USER_PROFILE file, numbered."""
    lines = (
        {"operation": "UPSERT", "user_account_id": f"CUST-{n:08d}", "user_profile": {"city": "Lyon", "visits": n}}
        for n in range(first, first + count)
    )
    return "".join(json.dumps(line) + "\n" for line in lines)
