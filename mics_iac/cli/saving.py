"""A plan or a state saved to a file that the user names: never over anything else, never half, for its owner alone."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from mics_iac.core.wording import visible
from mics_iac.errors import StoreFailed


def checked_target(path: Path, *, kind: str, may_replace: Callable[[Path], bool]) -> Path:
    """The path to save a `kind` to; StoreFailed where nothing can be saved there.

    `may_replace` says of a plain file that stands there whether it is one of that kind: else it may be somebody's data.
    """
    shown = visible(str(path))
    try:
        if path.is_dir():
            raise StoreFailed(f"cannot save the {kind}: {shown} is a folder", remedy="name a file with --out")
        if os.path.lexists(path) and (path.is_symlink() or not path.is_file() or not may_replace(path)):
            raise StoreFailed(
                f"cannot save the {kind}: {shown} is there already and is no saved {kind}",
                remedy="name another file with --out",
            )
        if not path.parent.is_dir():
            folder = visible(str(path.parent))
            raise StoreFailed(f"cannot save the {kind}: there is no folder {folder}", remedy="make it, or name another")
    except OSError as error:
        raise _failed(path, kind, error) from error
    return path


def save(data: bytes, path: Path, *, kind: str) -> None:
    """Write the bytes aside and rename them, so that nobody reads half of it; readable by its owner alone."""
    aside: str | None = None
    try:
        # mkstemp makes it 0600: names of files and imports are nobody else's business.
        descriptor, aside = tempfile.mkstemp(prefix=f".mics-iac-{kind}.", dir=path.parent)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        Path(aside).replace(path)
    except OSError as error:
        if aside is not None:
            with suppress(OSError):
                Path(aside).unlink()
        raise _failed(path, kind, error) from error


def _failed(path: Path, kind: str, error: OSError) -> StoreFailed:
    why = error.strerror or "the file system refused"
    return StoreFailed(f"cannot save the {kind} to {visible(str(path))}: {why}", remedy="name another file")
