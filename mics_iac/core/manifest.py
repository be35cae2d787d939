"""The manifest as values: what the user wrote, with variables and defaults applied, and where each thing stands.

Nothing here knows YAML, files or the platform. Every value is frozen. Equality is about meaning: places and the names
of files are left out of it, so that two manifests that say the same are equal in whatever order and layout they say it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Final, Literal, TypeAlias

from mics_iac.core.place import StatePlace

MANIFEST_VERSION: Final = 1
DEFAULT_API_URL: Final = "https://api.mediarithmics.com"  # mediarithmics-api.md 1.1, documented

# mediarithmics-api.md 4: seven documented on pages of their own, one seen in client code (DISSOCIATION); the last one
# is a second spelling found in the documentation of device point deletions and is passed through as it is written.
DOCUMENT_TYPES: Final = (
    "USER_ACTIVITY",
    "USER_PROFILE",
    "USER_CHOICE",
    "USER_SEGMENT",
    "USER_IDENTIFIERS_ASSOCIATION_DECLARATIONS",
    "USER_IDENTIFIERS_DISSOCIATION_DECLARATIONS",
    "USER_IDENTIFIERS_DELETION",
    "USER_DEVICE_POINTS_DELETION",
    "USER_POINTS_DELETION",
    "USER_DEVICE_POINT_DELETION",
)

Priority: TypeAlias = Literal["LOW", "MEDIUM", "HIGH"]  # mediarithmics-api.md 2.1, seen in client code
MimeType: TypeAlias = Literal["APPLICATION_X_NDJSON", "TEXT_CSV"]  # mediarithmics-api.md 2.1, documented

OnInvalid: TypeAlias = Literal["refuse", "skip", "send"]
OnGrowth: TypeAlias = Literal["refuse", "tail", "whole"]

# Most bytes of one upload: the vendor's advice (mediarithmics-api.md 3.7, documented); its UI refuses from 100 MiB
# (seen in client code).
LARGEST_PART: Final = 100_000_000

_COUNT = re.compile(r"(?:0|[1-9][0-9]{0,14})")
_PERCENT = re.compile(r"((?:0|[1-9][0-9]{0,2})(?:\.[0-9]{1,9})?)%")


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where something stands in a file the user wrote; `line` and `column` count from 1, 0 means the whole file."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class ManifestText:
    """One file of a manifest, or a file of variables: its name as the user would type it, and its bytes."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Budget:
    """How many records of one execution may be rejected: a number of records, or a share of those sent in percent.

    Arithmetic is exact. `str` gives the spelling of the manifest, and `Budget.parse(str(b)) == b`.
    """

    limit: Decimal
    percent: bool

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Read `12` or `0.1%`; ValueError for anything else, or for more than 100 %."""
        if _COUNT.fullmatch(text):
            return cls(Decimal(text), percent=False)
        share = _PERCENT.fullmatch(text)
        if share is None or Decimal(share[1]) > 100:
            raise ValueError(f"not a budget: {text!r}")
        return cls(Decimal(share[1]).normalize(), percent=True)

    def allows(self, *, rejected: int, sent: int) -> bool:
        """Say whether that many rejected records among those sent stay within the budget."""
        if self.percent:
            return rejected * 100 <= Fraction(self.limit) * sent
        return rejected <= self.limit

    def __str__(self) -> str:
        return f"{self.limit:f}%" if self.percent else f"{self.limit:f}"


NO_FAILURES: Final = Budget(Decimal(0), percent=False)


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """Where data files of an import are: a path or glob, `/` between its parts, as written."""

    path: str
    """Relative to the manifest's folder, unless absolute (then `allow_outside` is true), or an address (`remote`)."""
    allow_empty: bool
    """A glob that matches nothing is no error."""
    allow_outside: bool
    """Files outside the manifest's folder may be read."""
    place: Place = field(compare=False)
    """Place of the path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """One document import that should exist, and what should be loaded through it."""

    datamart: str
    """Key of the datamart in the manifest."""
    datamart_id: str
    """Its id on the platform: digits."""
    key: str
    batch: str | None
    name: str
    document_type: str
    """One of DOCUMENT_TYPES, unless `allow_unknown_document_type` was set on the import."""
    mime_type: MimeType
    encoding: str
    """Always `utf-8`, the only one seen on the platform (mediarithmics-api.md 2.1, documented)."""
    priority: Priority
    sources: tuple[SourceSpec, ...]
    """In the order of the manifest; may be empty: an import that is kept, and nothing loaded through it."""
    adopt: str | None
    """Id of an import on the platform that is to be taken over: digits."""
    protect: bool
    """Never deleted by this tool while true."""
    max_failures: Budget
    ordered: bool
    """Parts are loaded one after the other."""
    split: int
    """Most bytes of one part, a repeated CSV header included."""
    on_invalid: OnInvalid
    """What becomes of a file with records that are not valid."""
    on_growth: OnGrowth
    """What becomes of a file whose first bytes are content already loaded."""
    ignore: frozenset[str]
    """Codes of record rules that are not held against a file."""
    strict: bool
    """Warnings about records count as errors."""
    allow_shared_content: bool
    """Content already loaded by another import of the datamart with the same document type may be loaded again."""
    place: Place = field(compare=False)
    """Place of the import's key."""
    name_place: Place = field(compare=False)
    adopt_place: Place | None = field(compare=False)
    datamart_place: Place = field(compare=False)
    """Place of the datamart's id."""

    @property
    def base(self) -> str:
        """`datamart/import`: what all batches of this import have in common."""
        return f"{self.datamart}/{self.key}"

    @property
    def address(self) -> str:
        """The import's identity: `datamart/import`, or `datamart/import@batch` where a batch is set."""
        return self.base if self.batch is None else f"{self.base}@{self.batch}"


@dataclass(frozen=True, slots=True)
class Moved:
    """An address that was renamed.

    With no batch on either side it speaks of the import with all its batches; else of exactly these two addresses.
    """

    source: str
    """The former address; not declared any more."""
    target: str
    """The present address."""
    place: Place = field(compare=False)


@dataclass(frozen=True, slots=True)
class StateSettings:
    """Where the state is kept, and where the manifest says so."""

    place: StatePlace
    at: Place | None = field(default=None, compare=False)
    """Place of the key `state`; None where the manifest leaves it to the default."""


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """One file of the manifest, as it was read."""

    name: str
    sha256: str
    """Of its bytes, in hexadecimal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """All that the user declared, for one environment.

    Equal manifests declare the same, whatever the order of their keys, their comments and their split into files.
    """

    files: tuple[ManifestFile, ...] = field(compare=False)
    environment: str | None
    """The one chosen; None where the manifest declares none."""
    api_url: str
    """With no slash at its end."""
    state: StateSettings
    datamarts: Mapping[str, str]
    """Id of each datamart by its key, those without an import too."""
    imports: tuple[Import, ...]
    """Sorted by address."""
    moved: tuple[Moved, ...]
    """Sorted by source."""
    variables: tuple[str, ...]
    """Names of the variables that the manifest uses, sorted; never their values."""
