"""What `validate` finds out: the manifest, its files, and (unless left out) their records. No network, no state."""

from __future__ import annotations

from dataclasses import dataclass

from mics_iac.core.plan import Checked
from mics_iac.core.records import judged
from mics_iac.engine.files import find_files, read_desired
from mics_iac.engine.project import Project


@dataclass(frozen=True, slots=True)
class Valid:
    """What a manifest declares: how many imports, files, bytes and records, and what was found in the records.

    `unread` counts remote objects, of which nothing is known here but their size; `bytes` are as they are stored.
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
    """Read the manifest's files; ManifestInvalid, SourceFailed. The platform and the state are not asked."""
    manifest, world = project.declared, project.world
    files = find_files(manifest, world)
    desired = read_desired(manifest, world, files=files, check=records, fetch=fetch)
    sources = [(w.declared, s) for w in desired.imports for s in w.sources]
    contents = [s.content for _, s in sources if s.content is not None]
    found = [
        judged(d, s, s.content.report) for d, s in sources if s.content is not None and s.content.report is not None
    ]
    return Valid(
        datamarts=len({w.declared.datamart for w in desired.imports}),
        imports=len(desired.imports),
        files=len(sources),
        bytes=sum(s.bytes for _, s in sources),
        records=sum(part.records for content in contents for part in content.parts),
        unread=len(sources) - len(contents),
        checked=tuple(one for one in found if one is not None),
    )
