"""The project of the model: what a person has written and which files lie there, as plain values to edit.

Knows nothing of the state or of the platform. Every edit leaves a manifest that is valid.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from tests.rig import Rig, digest, manifest, visits

T = TypeVar("T")

DATAMARTS = {"fr": "1502", "de": "1503"}
KEYS = ["fr/a", "fr/b", "fr/c", "de/a"]
LABELS = ["Visits", "Stores", "Night"]
FOLDERS = ["one", "two", "three", "four"]
NAMES = ["x", "y", "z w", "é"]
BATCHES = [None, "b1", "b2"]
PRIORITIES = ["LOW", "MEDIUM", "HIGH"]

NDJSON, CSV = "APPLICATION_X_NDJSON", "TEXT_CSV"
FORMS = [
    ("USER_ACTIVITY", NDJSON),
    ("USER_SEGMENT", CSV),
    ("USER_SEGMENT", NDJSON),
    # The same lines under a type that rejects them: every record is counted all the same.
    ("USER_PROFILE", NDJSON),
]


def _rows(first: int, count: int) -> str:
    rows = "".join(f"CUST-{n},UPDATE,12,100\n" for n in range(first, first + count))
    return "user_account_id,operation,segment_id,expiration_duration\n" + rows


def _segments(first: int, count: int) -> str:
    row = {"operation": "UPDATE", "segment_id": "12", "expiration_duration": 100}
    return "".join(json.dumps({"user_account_id": f"CUST-{n}", **row}) + "\n" for n in range(first, first + count))


# Few, so that they collide: equal counts with other bytes, counts one apart, no line end at the end, blank lines, and
# one that begins with another.
_VISITS = [
    visits(0, 2),
    visits(10, 2),
    visits(20, 3),
    visits(30, 2).rstrip("\n"),
    visits(40, 1) + "\n\n" + visits(41, 1) + "\n\n\n",
    visits(0, 3),
]
CONTENTS = {
    ("USER_ACTIVITY", NDJSON): _VISITS,
    ("USER_PROFILE", NDJSON): _VISITS,
    ("USER_SEGMENT", CSV): [_rows(0, 2), _rows(10, 2), _rows(20, 3).rstrip("\n"), _rows(30, 1) + "\n\n"],
    ("USER_SEGMENT", NDJSON): [_segments(0, 2), _segments(10, 2), _segments(20, 1)],
}


@dataclass
class Wish:
    """One declared import."""

    key: str
    label: str
    form: tuple[str, str]
    folder: str
    batch: str | None = None
    priority: str = "MEDIUM"
    ordered: bool = False
    adopt: str | None = None

    @property
    def address(self) -> str:
        return self.key if self.batch is None else f"{self.key}@{self.batch}"

    @property
    def name(self) -> str:
        return self.label if self.batch is None else f"{self.label} {self.batch}"

    @property
    def datamart_id(self) -> str:
        return DATAMARTS[self.key.partition("/")[0]]

    @property
    def kind(self) -> tuple[str, str]:
        """Where a content may be only once: datamart id and document type."""
        return (self.datamart_id, self.form[0])

    @property
    def title(self) -> tuple[str, str, str]:
        """What an import is found by when its id is not known."""
        return (self.datamart_id, self.name, self.form[0])

    def body(self) -> dict[str, object]:
        given = {
            "name": self.name,
            "document_type": self.form[0],
            "mime_type": self.form[1],
            "priority": self.priority,
            "ordered": self.ordered,
            "max_failures": "100%",
            # What lines are rejected, and what begins with what, is not what the model is about.
            "on_invalid": "send",
            "on_growth": "whole",
            "sources": [{"path": f"{self.folder}/*", "allow_empty": True}],
        }
        return given | {k: v for k, v in (("batch", self.batch), ("adopt", self.adopt)) if v is not None}


@dataclass
class Project:
    """Manifest and files. `moved` goes from the former key to today's."""

    wishes: dict[str, Wish] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    fresh_labels: int = 0

    def lay_out(self, rig: Rig) -> None:
        """Write manifest and files; what is not of them goes."""
        for path in rig.folder.glob("*/*"):
            if path.parent.name in FOLDERS and str(path.relative_to(rig.folder)) not in self.files:
                path.unlink()
        for name, content in self.files.items():
            rig.write(name, content)
        moves = [{"from": source, "to": target} for source, target in self.moved.items()]
        rig.declare(manifest({w.key: w.body() for w in self.wishes.values()}, DATAMARTS, moved=moves))

    # Looks.

    def of(self, wish: Wish) -> dict[str, str]:
        """Content by path of the files that an import declares."""
        return {path: text for path, text in self.files.items() if path.startswith(f"{wish.folder}/")}

    def digests(self, wish: Wish) -> set[str]:
        return {digest(text) for text in self.of(wish).values()}

    def wish_of(self, address: str) -> Wish | None:
        return next((w for w in self.wishes.values() if w.address == address), None)

    def _title_is_free(self, wish: Wish) -> bool:
        return all(w is wish or w.title != wish.title for w in self.wishes.values())

    # Edits of the manifest. Each does nothing where it would make the manifest invalid.

    def declare(self, key: str, label: str, form: tuple[str, str], folder: str, batch: str | None) -> None:
        wish = Wish(key, label, form, folder, batch)
        # A key that something is being moved away from cannot be declared anew in the same breath.
        if key in self.wishes or key in self.moved or folder in {w.folder for w in self.wishes.values()}:
            return
        if self._title_is_free(wish):
            self.wishes[key] = wish
            self._keep_fitting(wish)

    def remove(self, wish: Wish) -> None:
        del self.wishes[wish.key]
        self.moved = {source: target for source, target in self.moved.items() if target != wish.key}

    def relabel(self, wish: Wish, label: str | None = None) -> None:
        """Give it that name, or (None) one that nobody has or had."""
        if label is None:
            self.fresh_labels += 1
            label = f"Fresh {self.fresh_labels}"
        before, wish.label = wish.label, label
        if not self._title_is_free(wish):
            wish.label = before

    def rebatch(self, wish: Wish, batch: str | None) -> None:
        before, wish.batch = wish.batch, batch
        if not self._title_is_free(wish):
            wish.batch = before
        else:
            wish.adopt = None

    def rename_key(self, wish: Wish, key: str) -> bool:
        """Rename a key with a `moved` block; not one that is moved already, and not to another datamart."""
        busy = {*self.wishes, *self.moved, *self.moved.values()}
        if key in busy or wish.key in self.moved.values() or key.partition("/")[0] != wish.key.partition("/")[0]:
            return False
        del self.wishes[wish.key]
        self.moved[wish.key] = key
        wish.key = key
        self.wishes[key] = wish
        return True

    def move_from(self, wish: Wish, source: str) -> bool:
        """Add the `moved` block that a refused plan prints."""
        if source in {*self.wishes, *self.moved, *self.moved.values()} or wish.key in self.moved.values():
            return False
        if "@" in source or wish.batch is not None:
            return False
        self.moved[source] = wish.key
        return True

    def reform(self, wish: Wish, form: tuple[str, str]) -> None:
        """Another document type or mime type; files of another format go."""
        before, wish.form = wish.form, form
        if not self._title_is_free(wish):
            wish.form = before
        self._keep_fitting(wish)

    def _keep_fitting(self, wish: Wish) -> None:
        fitting = CONTENTS[wish.form]
        self.files = {p: t for p, t in self.files.items() if p not in self.of(wish) or t in fitting}

    # Edits of the files.

    def write(self, wish: Wish, name: str, number: int) -> None:
        fitting = CONTENTS[wish.form]
        self.files[f"{wish.folder}/{name}"] = fitting[number % len(fitting)]

    def delete(self, path: str) -> None:
        del self.files[path]

    def rename(self, path: str, name: str) -> None:
        self.files[f"{path.partition('/')[0]}/{name}"] = self.files.pop(path)

    def copy(self, path: str, wish: Wish) -> None:
        """Put the same content into another import, if it takes it."""
        if self.files[path] in CONTENTS[wish.form]:
            self.files[f"{wish.folder}/{path.partition('/')[2]}"] = self.files[path]

    def take_out(self, wish: Wish, sha256: str) -> None:
        """Take every file of this content out of an import."""
        self.files = {p: t for p, t in self.files.items() if p not in self.of(wish) or digest(t) != sha256}


def pick(some: Sequence[T], number: int) -> T | None:
    """One of them, None if there are none."""
    return some[number % len(some)] if some else None
