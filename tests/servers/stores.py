"""The three kinds of buckets as a user names them: how one is made, what the environment must hold, where it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from mics_iac.core.place import BucketKind, BucketPlace
from tests.servers import azurite, gcs, s3


@dataclass(frozen=True)
class Store:
    """One kind; each function takes the URL of its server."""

    make: Callable[[str], str]
    environ: Callable[[str], dict[str, str]]
    place: Callable[[str, str], BucketPlace]


STORES: dict[BucketKind, Store] = {
    "az": Store(
        azurite.make_container,
        lambda _: {"AZURE_STORAGE_ACCOUNT_KEY": azurite.KEY},
        lambda url, name: BucketPlace("az", name, account=azurite.ACCOUNT, endpoint=azurite.endpoint(url)),
    ),
    "gs": Store(
        gcs.make_bucket,
        lambda url: {"GOOGLE_SERVICE_ACCOUNT_KEY": gcs.service_account(url)},
        lambda url, name: BucketPlace("gs", name, endpoint=url),
    ),
    "s3": Store(
        s3.make_bucket,
        lambda _: {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any"},
        lambda url, name: BucketPlace("s3", name, region="eu-west-3", endpoint=url),
    ),
}


@cache
def the_bucket(kind: BucketKind, url: str) -> str:
    """The one bucket that tests share which keep apart what they put there, in the server at this URL."""
    return STORES[kind].make(url)
