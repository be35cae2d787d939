"""An error of the file system, said so that its reader knows what to do."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from mics_iac.errors import StoreFailed

_WAYS_OUT = {
    errno.ENOSPC: "the disk is full: free some space and run again",
    errno.EDQUOT: "the disk quota is used up: free some space and run again",
    errno.EFBIG: "a limit on the size of files was reached: raise it (ulimit -f) and run again",
    errno.EROFS: "the file system is read-only: keep the state (state.path) on one that can be written",
    errno.EACCES: "give this user the right to read and write there, or run as the one who has it",
    errno.EPERM: "give this user the right to read and write there, or run as the one who has it",
    errno.ENOTDIR: "a part of that path is a file and no folder: correct the path of the state",
    errno.EISDIR: "a folder stands there: move it away, or correct the path of the state",
    errno.ELOOP: "that is a link, or links that lead in a circle: remove it, or name the file itself",
    errno.ENAMETOOLONG: "choose a shorter name for the manifest or the path of the state",
    errno.ENOENT: "a folder of that path is not there: make it, or correct the path of the state",
    errno.EIO: "the disk or the network folder failed: see that it works, then run again",
    errno.ESTALE: "the network folder was lost: see that it is mounted, then run again",
}


@contextlib.contextmanager
def told(doing: str, path: Path) -> Iterator[None]:
    """Raise StoreFailed from an OSError: what could not be done (`doing`: "read the state"), where, and a way out."""
    try:
        yield
    except OSError as error:
        code = error.errno or 0
        raise StoreFailed(
            f"cannot {doing}: {path}: {os.strerror(code) if code else error}",
            remedy=_WAYS_OUT.get(code, "see that the disk or folder works, then run again"),
        ) from error
