"""What should be: the manifest's imports, with the files that were found for them.

Pure values. Made by `engine/gather`, which is where files are looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

from mics_iac.core.content import Content
from mics_iac.core.manifest import Import, Moved
from mics_iac.core.settings import Settings


@dataclass(frozen=True, slots=True)
class Grown:
    """The first `bytes` bytes of a source are content of this `sha256` that was loaded, or begun to be.

    `whole_records`: what follows begins with a record of its own; else the last record was changed, too.
    """

    sha256: str
    bytes: int
    whole_records: bool


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file found for an import.

    `path` is as the manifest's folder sees it, or a URL; `bytes` as it is stored, compressed or not. `seal` is what a
    store says of a remote object's content, None for a file here. `content` is None for what was not read. Records in
    the first `settled` bytes were not judged: they are loaded.
    """

    path: str
    bytes: int
    seal: str | None
    content: Content | None
    grown: Grown | None = None
    settled: int = 0


@dataclass(frozen=True, slots=True)
class DesiredImport:
    """One declared import, and the files that should be loaded through it, in the order of the manifest."""

    declared: Import
    sources: tuple[SourceFile, ...] = ()

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
