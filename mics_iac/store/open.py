"""A place of a state -> what reads and writes it: the one place where the kinds are told apart.

Nothing here calls anybody: a backend that was opened has not looked whether its place is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from mics_iac.core.clock import Clock
from mics_iac.core.place import BucketPlace, FilePlace, HttpPlace, StatePlace, describe
from mics_iac.errors import StoreFailed
from mics_iac.store.backend import Backend
from mics_iac.store.file import FileBackend


def open_backend(
    place: StatePlace,
    *,
    root: Path,
    name: str,
    environ: Mapping[str, str],  # noqa: ARG001 (where the credentials of buckets and servers are)
    clock: Clock,
) -> Backend:
    """The backend of a place; StoreFailed where this installation cannot open one of its kind.

    `root` is the folder that the path of a file is relative to; `name` is what the state is called where the place does
    not say it, as in `imports.production.state.json`.
    """
    match place:
        case FilePlace(path):
            return FileBackend(root / (name if path is None else path), clock=clock)
        case BucketPlace():
            if find_spec("obstore") is None:
                raise StoreFailed(
                    f"the state is in {describe(place)}, and what reads buckets is not installed",
                    remedy="pip install 'mics-iac[objects]'",
                )
            raise _not_yet(place)
        case HttpPlace():
            raise _not_yet(place)


def _not_yet(place: StatePlace) -> StoreFailed:
    return StoreFailed(
        f"the state is at {describe(place)}, which this version cannot read",
        remedy="keep it in a file: `--state PATH`, or `state: {backend: file}` in the manifest",
    )
