"""Files in buckets: what a pattern finds, in how many requests; keys that are odd; who is asked, and with what."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import obstore
import pytest
import requests

from mics_iac.core.manifest import SourceSpec
from mics_iac.core.place import BucketKind
from mics_iac.errors import SourceFailed, SourceRefused
from mics_iac.sources.remote import RemoteSource
from mics_iac.store.bucket import open_bucket
from tests.clocks import SteppingClock
from tests.servers.faults import Fault
from tests.servers.processes import Distant
from tests.servers.s3 import ANYBODY
from tests.servers.stores import STORES, the_bucket
from tests.servers.test_objects import KINDS
from tests.sources.far import CANARY, PLACE, Far, nothing_in_the_way


def put_many(far: Far, server_url: str, keys: list[str]) -> None:
    """Put small objects, many at once."""
    bucket, _, folder = far.root.partition("://")[2].partition("/")
    store: Any = KINDS[far.kind].store(server_url, bucket)

    async def put() -> None:
        await asyncio.gather(*(obstore.put_async(store, folder + key, b"x") for key in keys))

    asyncio.run(put())


def lists(far: Far) -> list[dict[str, list[str]]]:
    """The queries of the requests that listed."""
    queries = [parse_qs(seen.query) for seen in far.seen() if seen.method == "GET"]
    return [query for query in queries if {"list-type", "comp"} & query.keys()]


def test_what_patterns_find(stored: Far) -> None:
    keys = ["a.csv", "b.csv", "n.ndjson", "sub/c.csv", "sub/deep/d.csv", ".hidden.csv", "sub/.h/e.csv", "x[1].csv", "z"]
    for key in keys:
        stored.put(key, key.encode())
    for pattern, names in {
        "*.csv": ["a.csv", "b.csv", "x[1].csv"],
        "**": ["a.csv", "b.csv", "n.ndjson", "sub/c.csv", "sub/deep/d.csv", "x[1].csv", "z"],
        "**/*.csv": ["a.csv", "b.csv", "sub/c.csv", "sub/deep/d.csv", "x[1].csv"],
        "*/*.csv": ["sub/c.csv"],
        "s*/**/*.csv": ["sub/c.csv", "sub/deep/d.csv"],
        "[ab].csv": ["a.csv", "b.csv"],
        "?.ndjson": ["n.ndjson"],
        ".h*": [".hidden.csv"],
        "x[1].csv": ["x[1].csv"],  # a name that is there wins over what it means as a pattern
        "sub/.h/*": ["sub/.h/e.csv"],
        "a*": ["a.csv"],
    }.items():
        assert stored.names(pattern) == names, pattern
    ((told),) = stored.told("*.json")
    assert told.startswith(f"MICS201 {stored.root}*.json matches no object")
    assert stored.find("*.json", allow_empty=True) == ([], [])


@pytest.mark.parametrize(
    "name", ["q?x=1.csv", "a b#c.csv", "100%25.csv", "[1]*.csv", "é\u0301.csv", "a+b&c=d~.csv", "…"]
)
def test_a_key_may_hold_any_letter(stored: Far, name: str) -> None:
    stored.put(f"odd/{name}", name.encode())
    stored.put("odd/[1].csv", b"x")
    found, problems = stored.find("odd/*")
    assert not problems
    assert stored.root + f"odd/{name}" in [one.path for one in found]
    for one in found:
        if one.path.endswith(f"odd/{name}"):
            assert stored.read(one) == name.encode()


def test_a_file_is_the_same_by_its_name_and_by_a_pattern(stored: Far) -> None:
    stored.put("a.csv", b"abc")
    assert stored.find("a.csv") == stored.find("*.csv") == stored.find("**/a*")


def test_files_come_in_the_order_of_their_bytes(stored: Far) -> None:
    names = ["B", "a", "é", "\uffee", "\U0001f600", "a b", "a-", "a/b", "a0"]
    for name in names:
        stored.put(f"{name}.csv", b"x")
    assert stored.names("**") == sorted((f"{name}.csv" for name in names), key=str.encode)


def test_all_that_is_wrong_is_told_and_all_that_is_right_is_found(stored: Far) -> None:
    stored.put("a", b"")
    stored.put("b", b"x")
    stored.put("c", b"")
    found, problems = stored.find("*")
    assert [one.path for one in found] == [stored.root + "b"]
    assert [problem.code for problem in problems] == ["MICS205", "MICS205"]


def test_thousands_of_objects_are_listed_in_pages(gs: Far, gs_server: Any) -> None:
    keys = [f"{'ab'[number % 2]}/{number:05}" for number in range(2100)]
    put_many(gs, gs_server.url, keys)
    gs_server.forget()
    assert len(gs.names("?/*")) == 2100
    assert len(lists(gs)) == 3
    # A list that breaks off goes on where it was.
    for nth in (2, 3, 5):
        gs.break_(Fault("torn", methods=("GET",), nth=nth))
    gs_server.forget()
    assert len(gs.names("**")) == 2100
    assert len(lists(gs)) == 6


def test_no_more_is_listed_than_the_pattern_begins_with(gs: Far, gs_server: Any) -> None:
    days = [f"2026-01-{day:02}/{number:03}" for day in range(1, 15) for number in range(150)]
    put_many(gs, gs_server.url, days)
    gs_server.forget()
    assert len(gs.names("2026-01-03/*")) == 150
    assert len(gs.names("2026-01-0[34]/00?")) == 20
    assert len(gs.names("2026-01-13*/**")) == 150
    assert len(lists(gs)) <= 5


def test_what_lies_deeper_is_not_listed_where_it_is_not_asked_for(stored: Far) -> None:
    stored.put("a", b"x")
    for number in range(5):
        stored.put(f"sub/{number}", b"x")
    assert stored.names("*") == ["a"]
    assert all("delimiter" in query for query in lists(stored))


def test_a_folder_that_a_tool_made_is_no_file(s3: Far, s3_server: Any) -> None:
    bucket, _, folder = s3.root.partition("://")[2].partition("/")
    for key in ("data/", "data/sub/", "data/a", "data/sub/b"):
        sent = requests.put(
            f"{s3_server.url}/{bucket}/{folder}{key}",
            data=b"" if key.endswith("/") else b"x",
            headers={"Authorization": ANYBODY},
            timeout=30,
        )
        sent.raise_for_status()
    assert s3.names("data/*") == ["data/a"]
    assert s3.names("**") == ["data/a", "data/sub/b"]
    assert s3.names("d*/**") == ["data/a", "data/sub/b"]


def test_a_key_that_cannot_be_read_is_told_of(s3: Far, s3_server: Any) -> None:
    bucket, _, folder = s3.root.partition("://")[2].partition("/")
    url = f"{s3_server.url}/{bucket}/{folder}data//a"
    requests.put(url, data=b"x", headers={"Authorization": ANYBODY}, timeout=30).raise_for_status()
    s3.put("more/a", b"x")
    for pattern in ("data/**", "**"):
        ((told),) = s3.told(pattern)
        assert told.startswith(f"MICS204 {s3.root}{pattern} cannot be looked up")
        assert "data//a" in told
    assert s3.names("more/*") == ["more/a"]


@pytest.mark.parametrize("stored", ["s3", "az"], indirect=True)
def test_an_object_that_is_encoded_and_does_not_say_so(stored: Far, request: pytest.FixtureRequest) -> None:
    server = request.getfixturevalue(f"{stored.kind}_server")
    name, _, folder = stored.root.partition("://")[2].removeprefix("devstoreaccount1/").partition("/")
    store: Any = KINDS[stored.kind].store(server.url, name)
    for key in ("a.ndjson", "a.ndjson.gz"):
        obstore.put(store, folder + key, b"\x1f\x8b...", attributes={"Content-Encoding": "gzip"})
    assert stored.read(stored.found("a.ndjson.gz")) == b"\x1f\x8b..."
    with pytest.raises(SourceFailed, match="Content-Encoding") as failed:
        stored.read(stored.found("a.ndjson"))
    assert "ends with .gz" in str(failed.value.remedy)


def test_no_such_bucket(stored: Far) -> None:
    root = stored.root.rstrip("/").rpartition("/")[0].rpartition("/")[0] + "/nobody-made-this/"
    for path in ("a", "*", "a*", "**"):
        with pytest.raises(SourceFailed, match="there is no such bucket or container") as failed:
            stored.source.find(SourceSpec(root + path, True, False, PLACE))
        assert "the source's path" in str(failed.value.remedy)


def test_who_may_not_list_is_told_so(stored: Far) -> None:
    stored.put("a", b"x")
    for pattern in ("*", "a*"):
        stored.break_(Fault("status", methods=("GET",), status=403, times=1))
        with pytest.raises(SourceRefused, match="refuses these credentials") as refused:
            stored.find(pattern)
        assert "may list and read there" in str(refused.value.remedy)


def test_a_bucket_of_another_region_is_told(s3: Far) -> None:
    s3.put("a", b"x")
    for status, body in ((301, "<Error><Code>PermanentRedirect</Code></Error>"), (400, WRONG_REGION)):
        s3.break_(Fault("status", status=status, body=body))
        with pytest.raises(SourceFailed, match="is in another region") as failed:
            s3.find("*")
        assert failed.value.remedy == "set AWS_REGION to its own"


def test_a_list_that_nobody_answers_ends(stored: Far) -> None:
    stored.put("a", b"x")
    stored.break_(Fault("reset_before", methods=("GET",), times=None))
    for pattern in ("*", "a*"):
        with pytest.raises(SourceFailed, match="does not answer as it should"):
            stored.find(pattern)
    assert [times for _, times in stored.struck()] == [12]


CLOSED = "http://127.0.0.1:9"
WRONG_REGION = "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>"


def test_nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": CANARY, "AWS_ENDPOINT_URL": CLOSED}.items():
        monkeypatch.setenv(name, text)
    clock = SteppingClock()
    source = RemoteSource(os.environ, clock=clock, way=nothing_in_the_way)
    for path in ("s3://acme/a", "s3://acme/*"):
        with pytest.raises(SourceFailed, match=r"s3://acme at http://127\.0\.0\.1:9 does not answer") as failed:
            source.find(SourceSpec(path, False, False, PLACE))
        assert "connection was refused" in failed.value.message
        assert CANARY not in failed.value.message


@pytest.mark.parametrize(
    "endpoint", ["http://minio.example.com", f"https://u:{CANARY}@h", f"https://h?sig={CANARY}", "x"]
)
def test_an_endpoint_that_cannot_be(endpoint: str) -> None:
    environ = {"AWS_ENDPOINT_URL_S3": endpoint, "AWS_ENDPOINT_URL": CLOSED}
    source = RemoteSource(environ, clock=SteppingClock(), way=nothing_in_the_way)
    with pytest.raises(SourceFailed, match="AWS_ENDPOINT_URL_S3 cannot be used") as failed:
        source.find(SourceSpec("s3://acme/a", False, False, PLACE))
    assert CANARY not in failed.value.message


def test_no_credentials_at_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", CLOSED)
    monkeypatch.setenv("HOME", str(tmp_path))
    source = RemoteSource(os.environ, clock=SteppingClock(), way=nothing_in_the_way)
    with pytest.raises(SourceRefused, match="there are no credentials for s3://acme") as refused:
        source.find(SourceSpec("s3://acme/a", False, False, PLACE))
    assert refused.value.exit_code == 9
    assert "AWS_ACCESS_KEY_ID" in str(refused.value.remedy)


@pytest.mark.parametrize("key", [CANARY, f'{{"private_key": "{CANARY}"}}'])
def test_a_key_that_is_none(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT_KEY", key)
    source = RemoteSource(os.environ, clock=SteppingClock(), way=nothing_in_the_way)
    with pytest.raises(SourceRefused, match="the credentials for gs://acme cannot be used") as refused:
        source.find(SourceSpec("gs://acme/a", False, False, PLACE))
    assert CANARY not in f"{refused.value.message}{refused.value.remedy}"


def test_what_reads_buckets_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    source = RemoteSource({}, clock=SteppingClock(), way=nothing_in_the_way)
    for ask in (
        lambda: source.find(SourceSpec("s3://acme/*", False, False, PLACE)),
        lambda: source.open_raw("gs://acme/a", seal=None).read(1),
    ):
        with pytest.raises(SourceFailed, match="data files are in a bucket") as failed:
            ask()
        assert "pip install 'mics-iac[objects]'" in str(failed.value.remedy)


@pytest.mark.parametrize(
    ("kind", "name"), [("s3", "AWS_ENDPOINT_URL_S3"), ("s3", "AWS_ENDPOINT_URL"), ("gs", "GOOGLE_BASE_URL")]
)
def test_a_state_and_files_may_be_at_different_stores(
    kind: BucketKind, name: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    server: Distant = request.getfixturevalue(f"{kind}_server")
    for variable, text in {**STORES[kind].environ(server.url), name: CLOSED}.items():
        monkeypatch.setenv(variable, text)
    bucket = open_bucket(STORES[kind].place(server.url, the_bucket(kind, server.url)), os.environ)
    bucket.put("beside", b"x")
    assert bucket.get("beside") is not None


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="no way here to ask for the peak of memory")
def test_memory_stays_the_same_whatever_the_size(gs: Far) -> None:
    def peak(size: int) -> int:
        gs.put("big", bytes(size))
        found = gs.found("big")
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        before = resident("VmRSS")
        raw = gs.source.open_raw(found.path, seal=found.seal)
        assert sum(len(block) for block in iter(lambda: raw.read(1 << 18), b"")) == size
        raw.close()
        return resident("VmHWM") - before

    peak(1 << 20)
    assert peak(48 << 20) < 24 << 20


def resident(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))
