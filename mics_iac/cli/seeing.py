"""Where a file is, seen from where whoever reads the output stands: the current folder, or the repository."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from mics_iac.cli.options import Common
from mics_iac.engine.project import folder_of


def from_here(given: Common, source: str) -> str:
    """A data file, whose path the manifest's folder sees, from the current folder; an address is one everywhere."""
    return source if "://" in source else str(folder_of(given.at(given.file)) / source)


def from_repository(environ: Mapping[str, str], path: str) -> str:
    """A path of the current folder from the root of the repository that GitHub checked out; as it is outside of one."""
    root = environ.get("GITHUB_WORKSPACE")
    if not root:
        return path
    inside = os.path.relpath(path, root)
    return path if Path(inside).parts[:1] == (os.pardir,) else inside
