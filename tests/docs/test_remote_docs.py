"""docs/remote.md: its blocks are manifests, its addresses places, and a bucket holds what it lists."""

from __future__ import annotations

import os
import re
from pathlib import Path

import msgspec
import pytest
import yaml

from mics_iac.core.manifest import ManifestText
from mics_iac.core.parse import parse_manifest
from mics_iac.core.place import BACKENDS, HttpPlace, StatePlace, document_of, parse_place
from mics_iac.store.backend import Busy, LockInfo
from mics_iac.store.bucket import open_bucket
from mics_iac.store.objects import ObjectBackend
from tests.clocks import SteppingClock
from tests.rig import ONE_IMPORT
from tests.servers.processes import Distant
from tests.servers.stores import STORES
from tests.store.stand import claim

PAGE = (Path(__file__).parents[2] / "docs" / "remote.md").read_text(encoding="utf-8")
BLOCKS: dict[str, str] = dict(re.findall(r"^```yaml (\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
STATES = {mark: text for mark, text in BLOCKS.items() if text.startswith("state:")}


def place_of(block: str) -> StatePlace:
    place = parse_manifest([ManifestText("imports.yaml", (ONE_IMPORT + block).encode())]).state.place
    assert place is not None
    return place


@pytest.mark.parametrize("name", STATES)
def test_each_block_is_a_place_in_a_manifest(name: str) -> None:
    assert yaml.safe_load(STATES[name])["state"]["backend"] == name
    place_of(STATES[name])


def test_every_backend_is_there() -> None:
    assert STATES.keys() | {"file"} == set(BACKENDS)
    for backend in BACKENDS:
        assert re.search(rf"^\| `{backend}` \|", PAGE, re.MULTILINE)


def test_what_state_says_is_what_the_blocks_say() -> None:
    urls = [url for url in re.findall(r"--(?:state|to) ([a-z0-9]+://[^`\s]+)", PAGE) if "…" not in url]
    assert len(urls) >= 4
    places = [place_of(text) for text in STATES.values()]
    for url in urls:
        place = parse_place(url)
        assert any(place == one or place == msgspec.structs.replace(one, **dropped(one)) for one in places), url


def dropped(place: StatePlace) -> dict[str, None]:
    """A region may come from the environment."""
    return {} if isinstance(place, HttpPlace) else {"region": None}


def test_the_job_of_gitlab_names_a_state_whose_lock_is_known() -> None:
    job = yaml.safe_load(BLOCKS["gitlab"])["plan"]
    given = {"$CI_API_V4_URL": "https://gitlab.example.com/api/v4", "$CI_PROJECT_ID": "42"}
    url = job["variables"]["MICS_IAC_STATE"]
    for name, text in given.items():
        url = url.replace(name, text)
    place = parse_place(url)
    assert isinstance(place, HttpPlace)
    assert place == place_of(STATES["http"])
    known = document_of(place, "imports.production.state.json")
    assert known.address.endswith("/terraform/state/imports.production")
    assert (known.lock_address, known.lock_method, known.unlock_method) == (f"{known.address}/lock", "POST", "DELETE")


def test_what_lies_in_a_bucket(s3_server: Distant, monkeypatch: pytest.MonkeyPatch) -> None:
    store = STORES["s3"]
    for name, text in store.environ(s3_server.url).items():
        monkeypatch.setenv(name, text)
    bucket = open_bucket(store.place(s3_server.url, store.make(s3_server.url)), os.environ)
    name = "imports.production.state.json"
    backend, other = (ObjectBackend(bucket, folder="imports", name=name, clock=SteppingClock()) for _ in range(2))
    assert isinstance(backend.lock(claim("a"), lease=600), LockInfo)
    assert isinstance(other.lock(claim("b"), lease=600), Busy)
    version = backend.write(b"one", expected=None)
    backend.write(b"two", expected=version)
    backend.append("00000007-0001", b"x\n")
    backend.append("00000007-0002", b"y\n")
    backend.set_aside("00000007-0002")
    backend.unlock("a")
    listed = re.findall(r"^(imports/\S+) {2,}", PAGE, re.MULTILINE)
    assert {like(key) for key in bucket.keys("imports")} == {like(key) for key in listed}


def like(key: str) -> str:
    """A key with its numbers, and with the id of one that was set aside, all alike."""
    return re.sub(r"\d+", "0", re.sub(r"(\.damaged/\S+?)\.[^.]+$", r"\1.id", key))
