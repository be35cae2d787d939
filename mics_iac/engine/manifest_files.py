"""Where the manifest's files are read: the one effect of reading a manifest.

It must not look into them; what the bytes mean is `core/parse`'s.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from mics_iac.core.manifest import ManifestText
from mics_iac.core.wording import visible
from mics_iac.core.yamltree import MAX_BYTES, too_large
from mics_iac.errors import ManifestInvalid, Problem, UsageError

_REMEDY: Final = "give the manifest with -f, or write a first one with `mics-iac init`"


def read_manifest_texts(path: Path) -> list[ManifestText]:
    """Read the manifest that `-f` names: a file, or all `*.yaml` directly in a folder, in the order of their bytes.

    Names are the paths as given, so that problems name files as the user would type them. UsageError where there is
    nothing to read, ManifestInvalid where a file is over the size limit.
    """
    try:
        if not path.is_dir():
            return [_read(path)]
        files = sorted((entry for entry in path.iterdir() if _belongs(entry)), key=os.fsencode)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    if not files:
        raise UsageError(f"there is no *.yaml file in the folder {_shown(path)}", remedy=_REMEDY)
    return [_read(file) for file in files]


def read_var_file_text(path: Path) -> ManifestText:
    """Read a file of variables, for `parse_var_file`; the same errors."""
    return _read(path, remedy="correct the path given with --var-file")


def _belongs(entry: Path) -> bool:
    return entry.name.endswith(".yaml") and not entry.name.startswith(".") and not entry.is_dir()


def _read(path: Path, *, remedy: str = _REMEDY) -> ManifestText:
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            # A pipe or a device would be waited for, perhaps for ever.
            raise UsageError(f"{_shown(path)} is no regular file", remedy=remedy)
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1) if found.st_size <= MAX_BYTES else b""
    except FileNotFoundError as error:
        raise UsageError(f"there is no file {_shown(path)}", remedy=remedy) from error
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    size = max(found.st_size, len(data))
    if size > MAX_BYTES:
        raise ManifestInvalid([Problem(_shown(path), 0, 0, "MICS017", too_large(size))])
    return ManifestText(_shown(path), data)


def _unreadable(path: Path, error: OSError | ValueError) -> UsageError:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return UsageError(f"cannot read {_shown(path)}: {reason}", remedy="check the path and its permissions")


def _shown(path: Path) -> str:
    return visible(str(path))
