"""Files in a bucket or at a web server, from the command line: planned unread, loaded once, changed, refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Run, choice
from tests.servers.faults import Fault
from tests.servers.files import file_server
from tests.servers.processes import Distant
from tests.sources.far import CANARY, Far, bucket, environment, web

NIGHT = "\n".join(choice(number) for number in range(5)).encode() + b"\n"
NEXT = "\n".join(choice(number) for number in range(20, 23)).encode() + b"\n"


def declare(*sources: str) -> None:
    path = Path("imports.yaml")
    text = path.read_text().partition("        sources:")[0]
    path.write_text(text + "".join(["        sources:\n", *(f"          - {source}\n" for source in sources)]))


@pytest.fixture(params=["s3", "gs", "az", "https"])
def far(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, project: Path) -> Far:
    kind = request.param
    if kind == "https":
        made = web(*request.getfixturevalue("web_server"))
        declare(made.root + "1.ndjson", made.root + "2.ndjson")
        return made
    server: Distant = request.getfixturevalue(f"{kind}_server")
    for name, text in environment(kind, server).items():
        monkeypatch.setenv(name, text)
    made = bucket(kind, server)
    declare(made.root + "*.ndjson")
    return made


@pytest.fixture
def web_server() -> object:
    with file_server() as both:
        yield both


def test_what_is_far_away_is_loaded_once(far: Far, run: Run) -> None:
    far.put("1.ndjson", NIGHT)
    far.put("2.ndjson", NEXT)
    planned = run("plan", "--sandbox")
    assert planned.code == 0, planned.err
    assert f"{far.root}1.ndjson" in planned.out
    assert not [seen for seen in far.seen() if seen.method == "GET" and seen.path.endswith("/1.ndjson")]
    applied = run("apply", "-y", "--sandbox")
    assert applied.code == 0, applied.err + applied.out
    assert "Uploads complete! 2 loaded (8 records ok, 0 rejected), 0 skipped." in applied.out
    assert "No changes." in run("plan", "--sandbox").out
    far.put("2.ndjson", NEXT + choice(99).encode() + b"\n")
    refused = run("apply", "-y", "--sandbox")
    assert refused.code == 8, refused.err + refused.out
    far.put("2.ndjson", NEXT)
    assert run("apply", "-y", "--sandbox").code == 0
    assert "No changes." in run("plan", "--sandbox").out


@pytest.mark.parametrize("far", ["gs", "https"], indirect=True)
def test_the_server_fails_in_the_middle(far: Far, run: Run) -> None:
    far.put("1.ndjson", NIGHT)
    far.put("2.ndjson", NEXT)
    far.break_(Fault("torn", methods=("GET",), nth=2))
    far.break_(Fault("reset_before", methods=("GET",), nth=4))
    applied = run("apply", "-y", "--sandbox")
    assert applied.code == 0, applied.err + applied.out
    assert "No changes." in run("plan", "--sandbox").out


@pytest.mark.parametrize("far", ["s3", "https"], indirect=True)
def test_who_may_not_read_is_told_and_nothing_is_sent(far: Far, run: Run) -> None:
    far.put("1.ndjson", NIGHT)
    far.break_(Fault("status", methods=("GET", "HEAD"), status=403, times=None))
    for command in (["plan"], ["apply", "-y"], ["validate"]):
        told = run(*command, *([] if command == ["validate"] else ["--sandbox"]))
        assert told.code == 9, told.err
        assert "Traceback" not in told.err
        assert told.err.count("Error: ") == 1


@pytest.mark.parametrize(
    ("source", "code"),
    [
        (f"https://files.example.com/a?sig={CANARY}", "MICS211"),
        (f"s3://AKIA:{CANARY}@acme/a", "MICS211"),
        ("https://files.example.com/*.ndjson", "MICS210"),
    ],
)
def test_a_manifest_holds_no_secret(project: Path, run: Run, source: str, code: str) -> None:
    declare(f'"{source}"')
    told = run("validate")
    assert told.code == 4
    assert code in told.out + told.err
    assert CANARY not in told.out + told.err
