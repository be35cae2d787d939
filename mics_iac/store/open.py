"""A place of a state -> what reads and writes it: the one place where the kinds are told apart.

Nothing here calls anybody: a backend that was opened has not looked whether its place is there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from mics_iac.core.clock import Clock
from mics_iac.core.place import BucketPlace, FilePlace, HttpPlace, StatePlace, document_of
from mics_iac.errors import UsageError
from mics_iac.store.backend import Backend
from mics_iac.store.file import FileBackend

if TYPE_CHECKING:
    from mics_iac.store.stateserver import Access

HEADER = "MICS_STATE_HEADER"

Way: TypeAlias = Callable[[str], tuple[str | None, str | None]]
"""The proxy (a URL, which may hold a password) and the file of certificates for an address."""


def open_backend(
    place: StatePlace,
    *,
    root: Path,
    name: str,
    environ: Mapping[str, str],
    clock: Clock,
    way: Way,
) -> Backend:
    """The backend of a place; StoreFailed where this installation cannot open one of its kind.

    `root` is the folder that the path of a file is relative to; `name` is what the state is called where the place does
    not say it, as in `imports.production.state.json`. `way` is how a server of states is reached, by its address. The
    credentials of buckets and servers are in `environ`.
    """
    match place:
        case FilePlace(path):
            return FileBackend(root / (name if path is None else path), clock=clock)
        case BucketPlace():
            # Each kind brings a library of its own: only the one that is wanted is loaded.
            from mics_iac.store.bucket import open_bucket  # noqa: PLC0415
            from mics_iac.store.objects import ObjectBackend  # noqa: PLC0415

            return ObjectBackend(open_bucket(place, environ), folder=place.prefix, name=name, clock=clock)
        case HttpPlace():
            from mics_iac.store.http import HttpBackend  # noqa: PLC0415
            from mics_iac.store.stateserver import StateServer  # noqa: PLC0415

            document = document_of(place, name)
            return HttpBackend(StateServer(document, _access(environ, *way(document.address))), clock=clock)


def _access(environ: Mapping[str, str], proxy: str | None, ca_bundle: str | None) -> Access:
    """What opens the door of a server of states: what Terraform's variables say, or one header."""
    from mics_iac.store.stateserver import Access  # noqa: PLC0415

    header = environ.get(HEADER, "").strip()
    name, colon, value = header.partition(":")
    if header and not (colon and re.fullmatch(r"[A-Za-z0-9-]+", name) and re.fullmatch(r"[ -~]+", value)):
        raise UsageError(
            f"{HEADER} is no header", remedy=f"set {HEADER} to something like 'PRIVATE-TOKEN: …', or unset it"
        )
    return Access(
        username=environ.get("TF_HTTP_USERNAME"),
        password=environ.get("TF_HTTP_PASSWORD"),
        headers={name: value.strip()} if header else {},
        proxy=proxy,
        ca_bundle=ca_bundle,
    )
