"""What `validate` finds out: the manifest, its files, and (unless left out) their records. No network, no state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mics_iac.core.manifest import Manifest
from mics_iac.core.plan import Checked
from mics_iac.core.records import judged
from mics_iac.engine.files import find_files, read_desired
from mics_iac.engine.project import Project
from mics_iac.sources.source import Found


@dataclass(frozen=True, slots=True)
class Valid:
    """What a manifest declares: how many imports, files, bytes and records, and what was found in the records.

    `unread` counts the files that were not read: remote objects, or all; `bytes` are as they are stored.
    """

    datamarts: int
    imports: int
    files: int
    bytes: int
    records: int
    unread: int
    checked: tuple[Checked, ...]

    @property
    def refused(self) -> tuple[Checked, ...]:
        """The files whose records would keep them from being loaded."""
        return tuple(one for one in self.checked if one.refused)


def check(project: Project, *, records: bool = True, fetch: bool = False) -> Valid:
    """Find the manifest's files and, but without `records`, read them; ManifestInvalid, SourceFailed.

    Remote objects are read with `fetch` alone. The platform and the state are not asked.
    """
    manifest, world = project.declared, project.world
    files = find_files(manifest, world)
    if not records:
        return _unread(manifest, files)
    desired = read_desired(manifest, world, files=files, fetch=fetch)
    sources = [(w.declared, s) for w in desired.imports for s in w.sources]
    contents = [s.content for _, s in sources if s.content is not None]
    found = [
        judged(d, s, s.content.report) for d, s in sources if s.content is not None and s.content.report is not None
    ]
    return Valid(
        datamarts=_datamarts(manifest),
        imports=len(manifest.imports),
        files=len(sources),
        bytes=sum(s.bytes for _, s in sources),
        records=sum(part.records for content in contents for part in content.parts),
        unread=len(sources) - len(contents),
        checked=tuple(one for one in found if one is not None),
    )


def _unread(manifest: Manifest, files: Mapping[str, tuple[Found, ...]]) -> Valid:
    found = [one for some in files.values() for one in some]
    return Valid(
        datamarts=_datamarts(manifest),
        imports=len(manifest.imports),
        files=len(found),
        bytes=sum(one.bytes for one in found),
        records=0,
        unread=len(found),
        checked=(),
    )


def _datamarts(manifest: Manifest) -> int:
    return len({declared.datamart for declared in manifest.imports})
