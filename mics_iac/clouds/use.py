"""What a store far away is asked for: the errors and the words of each of its users.

Pure. A bucket refuses a state and a data file in the same way, and what a user can do about it is not the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mics_iac.errors import SourceFailed, SourceRefused, StoreFailed, StoreRefused


@dataclass(frozen=True, slots=True)
class Use:
    """One use of stores."""

    failed: type[StoreFailed | SourceFailed]
    refused: type[StoreRefused | SourceRefused]
    """Where credentials are missing, or not enough."""
    what: str
    """What is there, as in "... in a bucket"."""
    where: str
    """What tells where it is, for one to correct."""
    endpoint: str
    """How the address of a store is told that is not the cloud's own."""
    region: str
    """How its region is told, with S3."""
    rights: str
    """What credentials must allow."""
    records: bool
    """What it does is the record of what was done: it goes on when the run is asked to end, and then waits no more."""


STATE: Final = Use(
    StoreFailed,
    StoreRefused,
    what="the state is",
    where="where the state is (the manifest's `state`, or --state)",
    endpoint="name it as the `endpoint` of the place",
    region="set its `region`",
    rights="read, write and delete",
    records=True,
)
FILES: Final = Use(
    SourceFailed,
    SourceRefused,
    what="data files are",
    where="the source's path",
    endpoint="name it in AWS_ENDPOINT_URL, GOOGLE_BASE_URL or AZURE_STORAGE_ENDPOINT",
    region="set AWS_REGION to its own",
    rights="list and read",
    records=False,
)
