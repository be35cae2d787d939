"""The state far away, as a user types it: the same answers from every folder, each environment with its own."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from mics_iac.core.place import BucketKind, url_of
from tests.cli.conftest import MANIFEST, Run, write_data
from tests.servers import azurite
from tests.servers.processes import Distant
from tests.servers.state_http import state_server
from tests.servers.state_rules import User
from tests.servers.stores import STORES, the_bucket

CANARY = "hunter2-canary"
KINDS = ("az", "gitlab", "gs", "http", "s3")

ENVIRONMENTS = """\
environments:
  staging: {variables: {datamart: "1500"}}
  production: {variables: {datamart: "1502"}}
"""
DECLARED = {
    "az": "state: {backend: az, account: ACCOUNT, container: BUCKET, prefix: PREFIX, endpoint: ENDPOINT}\n",
    "gs": "state: {backend: gs, bucket: BUCKET, prefix: PREFIX, endpoint: ENDPOINT}\n",
    "s3": "state: {backend: s3, bucket: BUCKET, prefix: PREFIX, region: eu-west-3, endpoint: ENDPOINT}\n",
    "http": "state: {backend: http, address: ENDPOINT}\n",
    "gitlab": "state: {backend: http, address: ENDPOINT}\n",
}


@contextmanager
def state_at(request: pytest.FixtureRequest, kind: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """What `--state` says for a place of this kind, a prefix, with what opens it in the environment."""
    if kind in {"http", "gitlab"}:
        users = {"ci": User(CANARY)}
        monkeypatch.setenv("TF_HTTP_USERNAME", "ci")
        monkeypatch.setenv("TF_HTTP_PASSWORD", CANARY)
        with state_server("gitlab" if kind == "gitlab" else "strict", users=users) as states:
            yield states.address("")
        return
    server_of: Callable[[str], Distant] = request.getfixturevalue
    store, server = STORES[_bucket_kind(kind)], server_of(f"{kind}_server")
    for name, text in store.environ(server.url).items():
        monkeypatch.setenv(name, text)
    place = store.place(server.url, the_bucket(_bucket_kind(kind), server.url))
    yield url_of(msgspec.structs.replace(place, prefix=f"t-{re.sub('[^a-z0-9]', '-', request.node.name)}"))


def _bucket_kind(kind: str) -> BucketKind:
    [found] = [one for one in STORES if one == kind]
    return found


@pytest.fixture(params=KINDS)
def state(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with state_at(request, request.param, monkeypatch) as url:
        yield url


def elsewhere(project: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Go to another machine's checkout: the same manifest and files, none of what was left beside them."""
    folder.mkdir()
    shutil.copy(project / "imports.yaml", folder)
    shutil.copytree(project / "data", folder / "data")
    # The platform is the same: the sandbox is a file here.
    shutil.copytree(project / ".mics-iac/sandbox", folder / ".mics-iac/sandbox")
    monkeypatch.chdir(folder)


def test_what_one_folder_applied_every_other_knows(
    project: Path, run: Run, state: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = ("--sandbox", "--state", state)
    assert run("plan", *at, "--out", "plan.json").code == 0
    applied = run("apply", "--sandbox", "plan.json")
    assert applied.code == 0, applied.err
    assert "2 loaded (7 records ok" in applied.out
    elsewhere(project, tmp_path_factory.mktemp("other") / "b", monkeypatch)
    assert "No changes." in run("plan", *at).out
    assert run("plan", *at, "--detailed-exitcode").code == 0
    assert "fr/visits" in run("state", "list", *at).out
    assert "data/1.ndjson" in run("state", "show", "fr/visits", *at).out
    assert json.loads(run("state", "check", "--format", "json", *at).out)["sound"]
    assert "fr/visits" in run("status", *at).out
    assert run("lock", "status", *at).code == 0
    stale = run("apply", "--sandbox", str(project / "plan.json"))
    assert stale.code == 5
    write_data(Path("data/3.ndjson"), 100, 2)
    assert "1 loaded (2 records ok" in run("apply", *at, "-y").out
    assert not Path(".mics-iac/sandbox/imports.state.json").exists()
    assert not list(Path().glob("*.state.*"))


def test_a_lock_taken_here_is_met_there(project: Path, run: Run, state: str) -> None:
    at = ("--sandbox", "--state", state)
    assert run("lock", "acquire", "--reason", "moving datamarts", "--ttl", "30m", *at).code == 0
    met = run("apply", "-y", *at)
    assert met.code == 6
    assert "moving datamarts" in met.err
    # Who only looks takes no lock.
    assert "Plan: 1 to add" in run("plan", *at).out
    told = json.loads(run("lock", "status", "--format", "json", *at).out)
    assert run("force-unlock", "someone-else", "--force", *at).code == 6
    assert run("force-unlock", told["holder"]["id"], "--force", *at).code == 0
    assert run("apply", "-y", *at).code == 0
    assert CANARY not in met.out + met.err + json.dumps(told)


def test_each_environment_has_its_own_state_under_one_prefix(project: Path, run: Run, state: str) -> None:
    (project / "imports.yaml").write_text(MANIFEST.replace('"1502"', "${datamart}") + ENVIRONMENTS)
    for name in ("staging", "production"):
        at = ("--sandbox", "--env", name, "--state", state)
        assert "Plan: 1 to add" in run("plan", *at).out
        applied = run("apply", "-y", *at)
        assert "2 loaded" in applied.out, applied.err
        assert "No changes." in run("plan", *at).out


@pytest.mark.parametrize("kind", KINDS)
def test_the_manifest_names_it_and_a_variable_does_too(
    kind: str, project: Path, run: Run, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    with state_at(request, kind, monkeypatch) as url:
        base, _, query = url.partition("?")
        parts = base.split("/")
        words = {"ENDPOINT": url, "BUCKET": parts[-2], "PREFIX": parts[-1], "ACCOUNT": azurite.ACCOUNT}
        for pair in filter(None, query.split("&")):
            name, _, text = pair.partition("=")
            words[name.upper()] = text
        block = re.sub("[A-Z]{6,}", lambda found: words[found[0]], DECLARED[kind])
        assert run("lock", "acquire", "--reason", "here", "--sandbox", "--state", url).code == 0
        # Without the sandbox, which has a state of its own; the lock tells that it is the same place.
        (project / "imports.yaml").write_text(MANIFEST + block)
        assert "here" in run("lock", "status").out
        (project / "imports.yaml").write_text(MANIFEST)
        assert "here" not in run("lock", "status").out
        monkeypatch.setenv("MICS_IAC_STATE", url)
        assert "here" in run("lock", "status").out


def test_a_header_opens_a_server_too(project: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with state_server(users={"ci": User("secret")}) as server:
        at = ("--sandbox", "--state", server.address("imports"))
        monkeypatch.setenv("MICS_STATE_HEADER", "Authorization: Basic Y2k6c2VjcmV0")
        assert run("apply", "-y", *at).code == 0
        monkeypatch.setenv("MICS_STATE_HEADER", CANARY)
        told = run("plan", *at)
        assert told.code == 64
        assert "MICS_STATE_HEADER is no header" in told.err
        assert CANARY not in told.err


@pytest.mark.parametrize("kind", ["http", "s3"])
def test_a_plan_asks_little(
    kind: str, project: Path, run: Run, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "http":
        with state_server() as server:
            at = ("--sandbox", "--state", server.address("imports"))
            for _ in range(2):
                server.log.clear()
                assert run("plan", *at).code == 0
                assert server.log.count() <= 3
                assert run("apply", "-y", *at).code == 0
        return
    with state_at(request, kind, monkeypatch) as url:
        store: Distant = request.getfixturevalue("s3_server")
        for _ in range(2):
            store.forget()
            assert run("plan", "--sandbox", "--state", url).code == 0
            assert store.count() <= 3
            assert run("apply", "-y", "--sandbox", "--state", url).code == 0
