"""The servers of objects, asked through the client that asks them in earnest: what conditional writes rest on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

import obstore
import pytest
from obstore.exceptions import AlreadyExistsError, PreconditionError
from obstore.store import AzureStore, GCSStore, S3Store

from tests.servers import azurite, gcs, s3
from tests.servers.gcs import gcs_server
from tests.servers.processes import Distant
from tests.servers.server import Wall

if TYPE_CHECKING:
    from obstore import UpdateVersion
    from obstore.store import ClientConfig, ObjectStore

PLAIN: ClientConfig = {"allow_http": True}


def s3_store(url: str, bucket: str) -> ObjectStore:
    return S3Store(
        bucket,
        endpoint=url,
        access_key_id="any",
        secret_access_key="any",
        region="eu-west-3",
        client_options=PLAIN,
    )


def az_store(url: str, container: str) -> ObjectStore:
    return AzureStore(
        container,
        account_name=azurite.ACCOUNT,
        account_key=azurite.KEY,
        endpoint=azurite.endpoint(url),
        client_options=PLAIN,
    )


def gs_store(url: str, bucket: str) -> ObjectStore:
    return GCSStore(bucket, service_account_key=gcs.service_account(url), client_options=PLAIN)


@dataclass(frozen=True)
class Kind:
    """How a bucket is made and taken away, and asked."""

    make: Callable[[str], str]
    remove: Callable[[str, str], None]
    store: Callable[[str, str], ObjectStore]


KINDS = {
    "s3": Kind(s3.make_bucket, s3.remove_bucket, s3_store),
    "az": Kind(azurite.make_container, azurite.remove_container, az_store),
    "gs": Kind(gcs.make_bucket, gcs.remove_bucket, gs_store),
}


@dataclass(frozen=True)
class Bucket:
    """A new bucket in a server that runs."""

    kind: Kind
    url: str
    name: str

    @property
    def store(self) -> ObjectStore:
        return self.kind.store(self.url, self.name)


@pytest.fixture(params=sorted(KINDS))
def bucket(request: pytest.FixtureRequest) -> Bucket:
    server: Distant = request.getfixturevalue(f"{request.param}_server")
    kind = KINDS[request.param]
    return Bucket(kind, server.url, kind.make(server.url))


@pytest.fixture
def store(bucket: Bucket) -> ObjectStore:
    return bucket.store


def version_of(store: ObjectStore, key: str) -> UpdateVersion:
    meta = obstore.head(store, key)
    given: UpdateVersion = {"e_tag": meta["e_tag"]}
    if meta["version"] is not None:
        given["version"] = meta["version"]
    return given


def race(store: ObjectStore, key: str, mode: UpdateVersion | None) -> int:
    """How many of some who write one object at once succeed."""
    ready = threading.Barrier(6)
    won: list[str] = []

    def write(name: str) -> None:
        ready.wait()
        try:
            obstore.put(store, key, name.encode(), mode="create" if mode is None else mode)
        except (AlreadyExistsError, PreconditionError):
            return
        won.append(name)

    threads = [threading.Thread(target=write, args=(uuid4().hex,)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [bytes(obstore.get(store, key).bytes()).decode()] == won
    return len(won)


def test_of_those_who_write_at_once_under_one_condition_one_succeeds(store: ObjectStore) -> None:
    for n in range(10):
        assert race(store, f"key {n}", None) == 1
        assert race(store, f"key {n}", version_of(store, f"key {n}")) == 1


def test_what_is_listed_is_what_is_there(store: ObjectStore) -> None:
    keys = ["a.json", "a.journal/1", "a.journal/2", "ü & <b>/c"]
    for key in keys:
        obstore.put(store, key, key.encode())
    assert sorted(meta["path"] for meta in obstore.list(store).collect()) == sorted(keys)
    assert [meta["path"] for meta in obstore.list(store, "a.journal").collect()] == ["a.journal/1", "a.journal/2"]
    found = obstore.list_with_delimiter(store)
    assert [meta["path"] for meta in found["objects"]] == ["a.json"]
    assert sorted(found["common_prefixes"]) == ["a.journal", "ü & <b>"]
    obstore.copy(store, "a.json", "b.json")
    obstore.delete(store, "a.json")
    assert bytes(obstore.get(store, "b.json").bytes()) == b"a.json"
    with pytest.raises(FileNotFoundError):
        obstore.get(store, "a.json")


def test_pages_of_a_list_are_turned_over() -> None:
    with gcs_server() as server:
        store = gs_store(server.url, gcs.make_bucket(server.url))
        keys = [f"{n:04}" for n in range(1001)]
        for key in keys:
            obstore.put(store, key, b"")
        server.log.clear()
        assert [meta["path"] for meta in obstore.list(store).collect()] == keys
        assert server.log.count("GET") == 2
        assert len(obstore.list(store, offset="0999").collect()) == 1


def test_generations_go_up_whatever_the_clock_does() -> None:
    clock = Wall(at=1_768_460_400.0)
    with gcs_server(now=clock) as server:
        store = gs_store(server.url, gcs.make_bucket(server.url))
        seen = []
        for moment in (1_768_460_400.0, 1_768_460_400.0, 1_600_000_000.0):
            clock.at = moment
            seen.append(int(obstore.put(store, "key", b"same")["version"] or 0))
            assert obstore.head(store, "key")["last_modified"].timestamp() == moment
        assert seen == sorted(set(seen))


def test_a_bucket_can_be_taken_away_with_all_that_is_in_it(bucket: Bucket, store: ObjectStore) -> None:
    obstore.put(store, "a/ü & <b>", b"")
    bucket.kind.remove(bucket.url, bucket.name)
    with pytest.raises(FileNotFoundError):
        obstore.head(store, "a/ü & <b>")
    with pytest.raises(FileNotFoundError):
        obstore.put(store, "a", b"")
