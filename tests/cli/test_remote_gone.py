"""The place of the state goes away in the middle of an apply: said, kept, and found again from here and from there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Literal
from uuid import uuid4

import msgspec
import pytest

from mics_iac.core.place import url_of
from mics_iac.embedded import open_sandbox, sandbox_folder
from mics_iac.store.bucket import open_bucket
from tests.cli.conftest import Result, write_data
from tests.servers.faults import Fault
from tests.servers.processes import Distant
from tests.servers.state_http import state_server
from tests.servers.state_rules import User
from tests.servers.stores import STORES, the_bucket

Spawn = Callable[..., subprocess.Popen[str]]
FILES = 6
CANARY = "hunter2-canary"


def done(process: subprocess.Popen[str]) -> Result:
    out, err = process.communicate(timeout=120)
    assert "Traceback" not in err
    return Result(process.returncode, out, err)


def sent(folder: Path) -> list[str]:
    """The contents that the platform got, by their digests."""
    with open_sandbox(sandbox_folder(folder / "imports.yaml")) as sandbox:
        return sorted(execution.sha256 for execution in sandbox.executions())


def left_in(folder: Path) -> bytes:
    """All that stands in a folder."""
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


@pytest.mark.slow
@pytest.mark.parametrize("then", ["here", "elsewhere"])
@pytest.mark.parametrize("kind", ["http", "s3"])
def test_the_store_goes_away_while_files_are_sent(
    kind: Literal["http", "s3"],
    then: str,
    project: Path,
    spawn: Spawn,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for number in range(3, FILES + 1):
        write_data(project / f"data/{number}.ndjson", 100 * number, 3)
    secrets = {
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": CANARY,
        "AWS_SESSION_TOKEN": CANARY,
        "TF_HTTP_USERNAME": "ci",
        "TF_HTTP_PASSWORD": CANARY,
        "MICS_API_TOKEN": CANARY,
    }
    for name, text in secrets.items():
        monkeypatch.setenv(name, text)
    told: list[Result] = []

    def run(*args: str) -> Result:
        told.append(done(spawn(*args, "--sandbox", "--state", url)))
        return told[-1]

    with state_server(users={"ci": User(CANARY)}) as states:
        if kind == "http":
            url, add, clear = states.address("imports"), states.faults.add, states.faults.clear
            # After the trial of its lock, the lease, the import's intent and outcome, and the first upload's intent.
            gone = Fault("reset_before", methods=("POST",), nth=6, times=None)

            def kept() -> bytes:
                return states.documents.body(states.path("imports")) or b""

        else:
            server: Distant = request.getfixturevalue("s3_server")
            place = STORES[kind].place(server.url, the_bucket(kind, server.url))
            prefix = uuid4().hex[:12]
            url = url_of(msgspec.structs.replace(place, prefix=prefix))
            add, clear = server.break_, server.clear

            def kept() -> bytes:
                bucket = open_bucket(place, os.environ)
                return b"".join(found.data for key in bucket.keys(prefix) if (found := bucket.get(key)) is not None)

            gone = Fault("reset_before", methods=("PUT",), path="*.journal/*", nth=4, times=None)
        add(gone)
        failed = run("apply", "-y", "--transfers", "1")
        assert failed.code == 1, failed.err
        assert "does not answer as it should: the connection broke off" in failed.err
        assert "what became of the last requests is kept in .mics-iac/emergency/" in failed.err
        assert "is taken in by the next run from this folder" in failed.err
        assert "Apply incomplete" in failed.out + failed.err
        before = sent(project)
        assert len(before) == 1  # nothing was begun after that
        clear()
        assert CANARY.encode() not in kept() + left_in(project)
        if then == "elsewhere":
            other = tmp_path_factory.mktemp("other") / "checkout"
            shutil.copytree(project, other)
            shutil.rmtree(other / ".mics-iac/emergency")
            monkeypatch.chdir(other)
        again = run("apply", "-y", "--settle-delay", "0s")
        assert again.code == 0, again.err
        assert ("the bytes are equal" in again.err) == (then == "elsewhere")
        assert not list(Path(".mics-iac").glob("emergency/*"))
        assert len(set(sent(Path()))) == len(sent(Path())) == FILES
        assert json.loads(run("state", "check", "--format", "json").out)["sound"]
        assert "No changes." in run("plan", "--out", "plan.json").out
        assert CANARY.encode() not in kept() + left_in(Path())
        assert CANARY not in "".join(result.out + result.err for result in told)
