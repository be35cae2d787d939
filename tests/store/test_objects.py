"""The backend over a bucket, where it has ways of its own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mics_iac.core.place import BucketPlace
from mics_iac.store.buckets import open_bucket
from mics_iac.store.objects import ObjectBackend
from tests.servers.processes import Distant
from tests.servers.s3 import make_bucket
from tests.store.stand import SetClock

ENVIRON = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any"}


@pytest.fixture
def client(s3_server: Distant, monkeypatch: pytest.MonkeyPatch) -> Callable[[], ObjectBackend]:
    """Makes clients of one state in a bucket of its own."""
    for name, text in ENVIRON.items():
        monkeypatch.setenv(name, text)
    place = BucketPlace("s3", make_bucket(s3_server.url), region="us-east-1", endpoint=s3_server.url)
    clock = SetClock()
    return lambda: ObjectBackend(open_bucket(place, ENVIRON), folder="", name="imports.state.json", clock=clock)


def test_the_name_of_a_journal_that_was_set_aside_may_be_used_again(client: Callable[[], ObjectBackend]) -> None:
    former = client()
    former.append("00000001-0001", b"damaged\n")
    former.append("00000001-0001", b"more of it\n")
    mending = client()
    assert "damaged" in mending.set_aside("00000001-0001")
    mending.append("00000001-0001", b"one\n")
    mending.append("00000001-0001", b"two\n")
    assert [(blob.name, blob.data) for blob in client().journals()] == [("00000001-0001", b"one\ntwo\n")]
