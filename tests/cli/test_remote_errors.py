"""A state far away that cannot be used: said before anything is done, once, with a way out, and without a secret."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest

from mics_iac.core.place import BucketKind, url_of
from tests.cli.conftest import Result, Run
from tests.servers import azurite
from tests.servers.faults import Fault, expired, read_only
from tests.servers.processes import Distant
from tests.servers.relay import Upstream
from tests.servers.server import Server
from tests.servers.state_http import StateServer, state_server
from tests.servers.state_rules import User
from tests.servers.stores import STORES, the_bucket
from tests.servers.wire import Answer, Request

CANARY = "hunter2-canary"
CLOSED = "http://127.0.0.1:9"
"""Where nobody listens."""

EXPIRED = "<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>"
TERRAFORM = b'{"version":4,"terraform_version":"1.9.0","serial":3,"lineage":"a","outputs":{},"resources":[]}'


@dataclass(frozen=True)
class Far:
    """A bucket at a server, as `--state` names it."""

    server: Distant
    url: str


@pytest.fixture
def far(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[BucketKind], Far]:
    """The bucket of one kind, with what opens it in the environment."""

    def made(kind: BucketKind) -> Far:
        server: Distant = request.getfixturevalue(f"{kind}_server")
        for name, text in STORES[kind].environ(server.url).items():
            monkeypatch.setenv(name, text)
        place = STORES[kind].place(server.url, the_bucket(kind, server.url))
        return Far(server, url_of(msgspec.structs.replace(place, prefix=uuid4().hex[:12])))

    return made


@pytest.fixture
def strict() -> Iterator[StateServer]:
    with state_server() as server:
        yield server


def refused(run: Run, state: str, *, code: int, words: str) -> None:
    """Neither a plan nor an apply does anything; both say the same."""
    for command in (("plan",), ("apply", "-y")):
        clean(run(*command, "--sandbox", "--state", state), code=code, words=words)


def clean(told: Result, *, code: int, words: str) -> None:
    assert told.code == code, told.err
    assert told.err.count("Error: ") == 1
    message, remedy = told.err.partition("Error: ")[2].rstrip().rsplit("\n", 1)
    assert words in f"{message}\n{remedy}"
    assert remedy.startswith("  ")
    assert "Traceback" not in told.err
    assert CANARY not in told.out + told.err
    assert "complete!" not in told.out
    # Nothing was sent: the platform has no import yet.
    assert not Path(".mics-iac/emergency").exists()


def nothing_was_sent(run: Run) -> None:
    assert "Plan: 1 to add" in run("plan", "--sandbox").out


def test_no_such_bucket(project: Path, run: Run, far: Callable[[BucketKind], Far]) -> None:
    for kind in STORES:
        place = far(kind)
        missing = place.url.replace(the_bucket(kind, place.server.url), "nobody-made-this")
        refused(run, missing, code=1, words="there is no such bucket or container")
    nothing_was_sent(run)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "state"),
    [
        (("plan",), f"s3://acme/x?region=eu-west-3&endpoint={CLOSED}"),
        (("apply", "-y"), f"{CLOSED}/states/x"),
    ],
)
def test_nobody_there(
    project: Path, run: Run, command: tuple[str, ...], state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in STORES["s3"].environ(CLOSED).items():
        monkeypatch.setenv(name, text)
    begun = time.monotonic()
    told = run(*command, "--sandbox", "--state", state)
    clean(told, code=1, words="does not answer as it should: the connection was refused")
    assert time.monotonic() - begun < 20
    nothing_was_sent(run)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (expired(), "refuses these credentials"),
        (Fault("status", status=403, times=None), "they may not do this"),
        (Fault("status", status=400, times=None, body=EXPIRED), "ExpiredToken"),
    ],
)
@pytest.mark.parametrize("kind", ["s3", "gs"])
def test_credentials_that_are_refused(
    project: Path, run: Run, far: Callable[[BucketKind], Far], kind: BucketKind, fault: Fault, words: str
) -> None:
    place = far(kind)
    place.server.break_(fault)
    refused(run, place.url, code=9, words=words)
    assert "<" not in run("plan", "--sandbox", "--state", place.url).err
    nothing_was_sent(run)


def test_a_wrong_key_of_azure(
    project: Path, run: Run, far: Callable[[BucketKind], Far], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = far("az")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", azurite.KEY[:-8] + "AAAAAA==")
    refused(run, place.url, code=9, words="AuthorizationFailure")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", f"{CANARY}!")
    refused(run, place.url, code=9, words="the credentials for az://")
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_KEY")
    monkeypatch.setenv("AZURE_STORAGE_SAS_KEY", f"sv=2021-08-06&sig={CANARY}")
    refused(run, place.url, code=9, words="refuses these credentials")


@pytest.mark.parametrize("text", [CANARY, f'{{"private_key": "{CANARY}"}}'], ids=["text", "json"])
def test_a_key_of_google_that_is_none(
    project: Path, run: Run, far: Callable[[BucketKind], Far], monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    place = far("gs")
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT_KEY", text)
    refused(run, place.url, code=9, words="the credentials for gs://")
    monkeypatch.delenv("GOOGLE_SERVICE_ACCOUNT_KEY")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "no/such/file.json")
    refused(run, place.url, code=9, words="no/such/file.json")


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        ("s3", {"AWS_METADATA_ENDPOINT": CLOSED}),
        ("gs", {"GCE_METADATA_HOST": CLOSED[7:], "GCE_METADATA_IP": CLOSED[7:]}),
        ("az", {"AZURE_MSI_ENDPOINT": CLOSED}),
    ],
)
def test_no_credentials_at_all(
    project: Path,
    run: Run,
    far: Callable[[BucketKind], Far],
    kind: BucketKind,
    asked: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = far(kind)
    for name in STORES[kind].environ(CLOSED):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(project))
    for name, text in asked.items():
        monkeypatch.setenv(name, text)
    begun = time.monotonic()
    refused(run, place.url, code=9, words="there are no credentials for")
    assert time.monotonic() - begun < 6
    nothing_was_sent(run)


@pytest.mark.parametrize("kind", ["s3", "gs"])
def test_where_one_may_only_read_a_plan_is_shown_and_nothing_is_applied(
    project: Path, run: Run, far: Callable[[BucketKind], Far], kind: BucketKind
) -> None:
    place = far(kind)
    place.server.break_(read_only())
    assert "Plan: 1 to add" in run("plan", "--sandbox", "--state", place.url).out
    clean(run("apply", "-y", "--sandbox", "--state", place.url), code=9, words="may read, write and delete there")
    nothing_was_sent(run)


class Careless:
    """A store that looks at no condition."""

    def __init__(self, to: Upstream) -> None:
        self._to = to

    def __call__(self, request: Request) -> Answer:
        lines = request.head.split(b"\r\n")
        kept = [line for line in lines if not line.lower().startswith((b"if-", b"x-goog-if-"))]
        head = b"\r\n".join(kept)
        return self._to(Request(request.method, request.path, request.search, request.headers, request.body, head))


@pytest.mark.parametrize("kind", ["s3", "gs"])
def test_a_store_that_ignores_conditions_is_refused_at_the_first_lock(
    project: Path, run: Run, far: Callable[[BucketKind], Far], kind: BucketKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = far(kind)
    with closing(Upstream(place.server.url)) as upstream, Server(Careless(upstream)) as careless:
        for name, text in STORES[kind].environ(careless.url).items():
            monkeypatch.setenv(name, text)
        url = place.url.replace(place.server.url, careless.url)
        for _ in range(2):
            told = run("apply", "-y", "--sandbox", "--state", url)
            clean(told, code=1, words="puts an object whatever the condition, so that it cannot keep two")
    nothing_was_sent(run)


def test_a_server_that_takes_a_state_from_anybody_is_refused_at_the_first_lock(project: Path, run: Run) -> None:
    with state_server("trusting") as server:
        for _ in range(2):
            told = run("apply", "-y", "--sandbox", "--state", server.address("x"))
            clean(told, code=1, words="takes a state from one who does not hold its lock: it cannot keep two runs")
            assert server.documents.lock(server.path("x")) is None
    nothing_was_sent(run)


def test_a_server_of_states_without_a_lock(project: Path, run: Run, strict: StateServer) -> None:
    for status in (404, 405, 501):
        strict.faults.add(Fault("status", methods=("LOCK",), status=status, times=None))
        told = run("apply", "-y", "--sandbox", "--state", strict.address("x"))
        clean(told, code=1, words=f"does not know LOCK ({status}), so that it cannot keep two runs apart")
        strict.faults.clear()
    nothing_was_sent(run)


def test_redirects_are_not_followed(project: Path, run: Run, strict: StateServer) -> None:
    strict.faults.add(Fault("status", status=302, times=None))
    refused(run, strict.address("x"), code=1, words="redirects are not followed")
    assert strict.log.count("GET") == 2
    assert {seen.path for seen in strict.log.all()} == {strict.path("x")}


def test_who_is_no_user_and_who_may_only_read(project: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    users = {"ci": User("right"), "eve": User(CANARY, may_write=False)}
    with state_server(users=users) as server:
        refused(run, server.address("x"), code=9, words="does not take these credentials (401)")
        monkeypatch.setenv("TF_HTTP_USERNAME", "ci")
        monkeypatch.setenv("TF_HTTP_PASSWORD", CANARY)
        refused(run, server.address("x"), code=9, words="does not take these credentials (401)")
        monkeypatch.setenv("TF_HTTP_USERNAME", "eve")
        told = run("apply", "-y", "--sandbox", "--state", server.address("x"))
        clean(told, code=9, words="does not allow to take the lock (403)")
        assert "Plan: 1 to add" in run("plan", "--sandbox", "--state", server.address("x")).out
    nothing_was_sent(run)


@pytest.mark.parametrize("flavour", ["strict", "gitlab"])
def test_a_state_of_terraform_is_never_replaced(project: Path, run: Run, flavour: str) -> None:
    with state_server("gitlab" if flavour == "gitlab" else "strict") as server:
        server.documents.write(server.path("x"), TERRAFORM, serial=3)
        for command in (
            ("plan",),
            ("apply", "-y"),
            ("status",),
            ("state", "recover"),
            ("state", "check"),
            ("state", "list"),
            ("lock", "acquire", "--reason", "r"),
        ):
            told = run(*command, "--sandbox", "--state", server.address("x"))
            clean(told, code=10, words="is no state of mics-iac")
            assert server.documents.body(server.path("x")) == TERRAFORM
            assert server.documents.lock(server.path("x")) is None


def test_without_the_extra(project: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)  # as it is where nobody installed it
    refused(run, "s3://acme/x", code=1, words="pip install 'mics-iac[objects]'")
