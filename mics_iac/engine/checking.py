"""What `validate` finds out: the manifest, its files, and (unless left out) their records. No network, no state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mics_iac.core.manifest import Import, Manifest
from mics_iac.core.plan import Checked
from mics_iac.core.records import judged
from mics_iac.documents.report import Finding
from mics_iac.engine.files import find_files, read_desired
from mics_iac.engine.project import Project
from mics_iac.errors import Problem
from mics_iac.sources.source import Found


@dataclass(frozen=True, slots=True)
class Valid:
    """What a manifest declares: how many imports, files, bytes and records, and what was found in the records.

    `unread` counts the files that were not read: remote objects, or all; `bytes` are as they are stored. Among the
    `checked` are the files that are not what they must be to be read; `problems` are those of files that are empty or
    no files, at the place of the manifest that names them.
    """

    datamarts: int
    imports: int
    files: int
    bytes: int
    records: int
    unread: int
    checked: tuple[Checked, ...]
    problems: tuple[Problem, ...] = ()

    @property
    def valid(self) -> bool:
        """Whether all of it would be loaded."""
        return not (self.refused or self.problems)

    @property
    def refused(self) -> tuple[Checked, ...]:
        """The files that would not be loaded."""
        return tuple(one for one in self.checked if one.refused)


def check(project: Project, *, records: bool = True, fetch: bool = False) -> Valid:
    """Find the manifest's files and, but without `records`, read them; ManifestInvalid, SourceFailed.

    What is wrong with single files is in what is returned, and the others are checked all the same. Remote objects are
    read with `fetch` alone. The platform and the state are not asked.
    """
    manifest, world = project.declared, project.world
    problems: list[Problem] = []
    files = find_files(manifest, world, wrong=problems)
    if not records:
        return _unread(manifest, files, problems)
    wrong: list[Problem] = []
    desired = read_desired(manifest, world, files=files, fetch=fetch, unfit=wrong)
    unfit = {problem.file: problem for problem in wrong}
    sources = [(w.declared, s) for w in desired.imports for s in w.sources]
    contents = [s.content for _, s in sources if s.content is not None]
    found = [
        judged(d, s, s.content.report) for d, s in sources if s.content is not None and s.content.report is not None
    ]
    found += [_unfit(d, unfit[s.path]) for d, s in sources if s.content is None and s.path in unfit]
    return Valid(
        datamarts=_datamarts(manifest),
        imports=len(manifest.imports),
        files=len(sources),
        bytes=sum(s.bytes for _, s in sources),
        records=sum(part.records for content in contents for part in content.parts),
        unread=sum(s.content is None and s.path not in unfit for _, s in sources),
        checked=tuple(one for one in found if one is not None),
        problems=tuple(sorted(set(problems))),
    )


def _unfit(declared: Import, problem: Problem) -> Checked:
    """A file that cannot be read, as one with that single finding."""
    finding = Finding(0, 0, problem.code, "", problem.message)
    return Checked(
        declared.address, problem.file, errors={problem.code: 1}, warnings={}, findings=(finding,), refused=True
    )


def _unread(manifest: Manifest, files: Mapping[str, tuple[Found, ...]], problems: Sequence[Problem]) -> Valid:
    found = [one for some in files.values() for one in some]
    return Valid(
        datamarts=_datamarts(manifest),
        imports=len(manifest.imports),
        files=len(found),
        bytes=sum(one.bytes for one in found),
        records=0,
        unread=len(found),
        checked=(),
        problems=tuple(sorted(set(problems))),
    )


def _datamarts(manifest: Manifest) -> int:
    return len({declared.datamart for declared in manifest.imports})
