"""What should be: the manifest's imports, with the files that were found for them.

Pure values. Made by `engine/gather`, which is where files are looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

from mics_iac.core.manifest import Import, Moved
from mics_iac.core.settings import Settings


@dataclass(frozen=True, slots=True)
class Part:
    """The bytes of one upload: where they are, and what they are.

    `source` is the path as the manifest's folder sees it, `number` counts from 1 within it. `lines` counts line ends
    (and a last line without one), `records` what is neither blank nor a CSV header: the platform's own count may be
    either, or one away from it (mediarithmics-api.md 3.1, the counting rule is not documented).
    """

    source: str
    number: int
    sha256: str
    bytes: int
    lines: int
    records: int


@dataclass(frozen=True, slots=True)
class DesiredImport:
    """One declared import, and the parts that should be loaded through it, in the order of the manifest."""

    declared: Import
    parts: tuple[Part, ...] = ()

    @property
    def address(self) -> str:
        """The identity of the import."""
        return self.declared.address

    @property
    def settings(self) -> Settings:
        """What the platform should hold for it."""
        return settings_of(self.declared)


def settings_of(declared: Import) -> Settings:
    """What the platform should hold for a declared import."""
    d = declared
    return Settings(d.datamart_id, d.name, d.document_type, d.mime_type, d.encoding, d.priority)


@dataclass(frozen=True, slots=True)
class Desired:
    """Everything that should be, sorted by address."""

    imports: tuple[DesiredImport, ...]
    moved: tuple[Moved, ...] = ()
