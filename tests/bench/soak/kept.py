"""Where the state of a soak is kept, and what befalls it there between two runs: it is lost, put back, damaged.

Whoever looks here looks at the place itself, not through `mics-iac`; what goes wrong on the way to the place does not
strike him.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Protocol

from mics_iac.core.journal import RunBegun, decode_journal

STATE = "imports.state.json"
MOST_COPIES = 12


class Kept(Protocol):
    """One place of one state."""

    @property
    def words(self) -> Sequence[str]:
        """What a command line says to find it."""
        ...

    @property
    def environ(self) -> Mapping[str, str]:
        """What the environment of a process says to be let in."""
        ...

    @property
    def distant(self) -> bool:
        """Whether it lies elsewhere: then each process has a folder of its own, which ends with it."""
        ...

    @property
    def tells_holders(self) -> bool:
        """Whether it tells of every lock who has it, so that a dead process is in nobody's way (docs/remote.md)."""
        ...

    def free(self) -> bool:
        """Take away a lock of which it is not told who has it, as a person would once all ended; whether it was so."""
        ...

    def state(self) -> bytes | None:
        """The state, None where there is none."""
        ...

    def put_state(self, data: bytes | None) -> None:
        """Put a state in the place of whichever is there; None: remove it."""
        ...

    def journals(self) -> list[bytes]:
        """The journals beside it, in the order of their names."""
        ...

    def drop_journals(self) -> None:
        """Remove them."""
        ...

    def pieces(self) -> dict[str, bytes]:
        """What may be damaged, by name: the state, and the journals or the parts in which they are kept."""
        ...

    def put_piece(self, name: str, data: bytes) -> None:
        """Put other bytes in the place of a piece."""
        ...

    def leftovers(self) -> list[str]:
        """The names of what no run may leave behind that came to its end: lock, journals, what was put aside.

        Backups of the state stay, and journals that were damaged (docs/state.md).
        """
        ...

    def break_(self, chance: Random) -> None:
        """Let things go wrong on the way there, as drawn."""
        ...

    def mend(self) -> Counter[str]:
        """Nothing goes wrong any more; how often what did struck, by name."""
        ...

    def complaint(self) -> str | None:
        """What is wrong with the place itself, if anything is: then nothing that was found counts."""
        ...


class InFolder:
    """A file beside the manifest, in the folder in which all processes run."""

    words: Sequence[str] = ()
    environ: Mapping[str, str] = {}
    distant = False
    tells_holders = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / STATE

    def free(self) -> bool:
        """See Kept."""
        return False

    def state(self) -> bytes | None:
        """See Kept."""
        return self._path.read_bytes() if self._path.exists() else None

    def put_state(self, data: bytes | None) -> None:
        """See Kept."""
        if data is None:
            self._path.unlink(missing_ok=True)
        else:
            self._path.write_bytes(data)

    def journals(self) -> list[bytes]:
        """See Kept. One may be removed while we look: the next run has folded it then."""
        return [data for path in self._journals() if (data := _read(path)) is not None]

    def drop_journals(self) -> None:
        """See Kept."""
        for path in self._journals():
            path.unlink()

    def pieces(self) -> dict[str, bytes]:
        """See Kept."""
        return {path.name: path.read_bytes() for path in (self._path, *self._journals()) if path.exists()}

    def put_piece(self, name: str, data: bytes) -> None:
        """See Kept."""
        (self._folder / name).write_bytes(data)

    def leftovers(self) -> list[str]:
        """See Kept."""
        kept = re.compile(
            r"imports\.yaml|data|\.mics-iac|imports\.state\.(json|backup\.[0-9]{8,}|journal\.[0-9-]+\.[0-9a-f]+\.damaged)"
        )
        return sorted(path.name for path in self._folder.iterdir() if not kept.fullmatch(path.name))

    def break_(self, chance: Random) -> None:
        """See Kept. There is no way to a folder."""

    def mend(self) -> Counter[str]:
        """See Kept."""
        return Counter()

    def complaint(self) -> str | None:
        """See Kept."""
        return None

    def _journals(self) -> list[Path]:
        return sorted(self._folder.glob(f"{STATE.removesuffix('.json')}.journal.*"))


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


@dataclass
class Fate:
    """What befalls the state between two runs. Every change of it is drawn from the `chance` that comes with it."""

    kept: Kept
    _copies: list[bytes] = field(default_factory=list)

    def keep_copy(self) -> None:
        """Remember the state as it is now, as a backup would."""
        data = self.kept.state()
        if data is not None:
            self._copies = [*self._copies[-MOST_COPIES + 1 :], data]

    def lose(self, chance: Random) -> None:
        """The state is gone; its journals may be there still, or are gone with it."""
        self.kept.put_state(None)
        if chance.random() < 0.5:
            self.kept.drop_journals()

    def restore(self, chance: Random) -> bool:
        """An older copy of the state is put back, if there is one; the journals stay, or go with the newer state.

        A journal of another history must go: beside the copy it would rightly be refused (docs/state.md).
        """
        if not self._copies:
            return False
        copy = chance.choice(self._copies)
        lineages = {first.lineage for data in self.kept.journals() if (first := first_entry(data)) is not None}
        if lineages - {json.loads(copy)["lineage"]} or chance.random() < 0.5:
            self.kept.drop_journals()
        self.kept.put_state(copy)
        return True

    def damage(self, chance: Random) -> bool:
        """One byte of the state, or of a journal, is changed, if there is one."""
        pieces = {name: bytearray(data) for name, data in self.kept.pieces().items() if data}
        if not pieces:
            return False
        name = chance.choice(sorted(pieces))
        data = pieces[name]
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        self.kept.put_piece(name, bytes(data))
        return True


def first_entry(data: bytes) -> RunBegun | None:
    """Which run a journal is of; None if it died before it had said so."""
    entries = decode_journal(data, name="a journal").entries
    return entries[0] if entries and isinstance(entries[0], RunBegun) else None
