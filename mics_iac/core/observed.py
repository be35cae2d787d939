"""What the platform answered, as plain values.

Pure. Made by `api/wire` from the platform's JSON; knows nothing of HTTP or of our own state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from mics_iac.core.settings import Settings

SUCCEEDED = frozenset({"SUCCEEDED", "SUCCESS"})
FAILED = frozenset({"FAILED", "CANCELED", "LOST"})
# Any status that is not named here, known or not, counts as still active (mediarithmics-api.md 3.3, inferred).
ENDED = SUCCEEDED | FAILED
RUNNING = "RUNNING"


@dataclass(frozen=True, slots=True)
class RemoteImport:
    """One document import as the platform holds it.

    `raw` is the whole object as it came: `PUT` sends the whole object back (mediarithmics-api.md 2.4, seen).
    """

    id: str
    settings: Settings
    raw: dict[str, object] = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class RemoteExecution:
    """One execution as the platform holds it. mediarithmics-api.md 3.1, documented.

    Dates are epoch milliseconds. `number_of_lines` and the URIs are None until the platform says them; `rejected` and
    `loaded` are None until the execution has a result.
    """

    id: str
    status: str
    creation_date: int | None = None
    number_of_lines: int | None = None
    input_uri: str | None = None
    error_uri: str | None = None
    loaded: int | None = None
    rejected: int | None = None
    identifiers_suspect: bool = False
    message: str | None = None

    @property
    def ended(self) -> bool:
        """Whether the platform is done with it."""
        return self.status in ENDED

    @property
    def succeeded(self) -> bool:
        """Whether it ended well, rejected records or not."""
        return self.status in SUCCEEDED

    @property
    def complete(self) -> bool:
        """Whether it ended and all is told of it: counts may come a little later than the status they belong to."""
        return self.ended and not (self.succeeded and self.loaded is None)


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """A paged list, read to its end and without its duplicates.

    `steady` is False when pages shifted under the reader (a total that moved, an item seen twice) or something in them
    cannot be read, so that an item may have been missed; a caller who would act on an absence lists again.
    """

    items: tuple[T, ...]
    steady: bool


@dataclass(frozen=True, slots=True)
class Observed:
    """What the platform was asked for, and no more.

    `imports`: by datamart id, then by import id; a datamart that was not asked is absent. `executions`: by import id,
    a whole and steady list each. All was asked for between the moments `at` and `until` (monotonic seconds).
    """

    imports: Mapping[str, Mapping[str, RemoteImport]] = field(default_factory=dict)
    executions: Mapping[str, tuple[RemoteExecution, ...]] = field(default_factory=dict)
    at: float = 0.0
    until: float = 0.0
    _by_title: dict[tuple[str, str, str], list[RemoteImport]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        index: dict[tuple[str, str, str], list[RemoteImport]] = {}
        for imports in self.imports.values():
            for found in imports.values():
                index.setdefault(found.settings.title, []).append(found)
        object.__setattr__(self, "_by_title", index)

    def titled(self, title: tuple[str, str, str]) -> list[RemoteImport]:
        """The imports of exactly this (datamart id, name, document type), by id."""
        return sorted(self._by_title.get(title, ()), key=lambda i: (len(i.id), i.id))
