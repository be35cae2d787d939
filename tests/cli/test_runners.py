"""Eight runners of a CI at once: each with a disk of its own and the same files, one state elsewhere."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.cli.conftest import MANIFEST, write_data
from tests.servers.processes import Distant, running
from tests.servers.s3 import make_bucket

Spawn = Callable[..., subprocess.Popen[str]]
PATIENCE = 60.0  # seconds after which a test gives up; none waits that long when all is well
RUNNERS = 8
FILES = 6


@dataclass(frozen=True)
class Elsewhere:
    """A place of a state: what a command line says to find it, and what opens it."""

    url: str
    environ: Mapping[str, str] = field(default_factory=dict)


@pytest.fixture(scope="session")
def state_process() -> Iterator[Distant]:
    with running("state_http") as server:
        yield server


@pytest.fixture(params=["s3", "http"])
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path) -> Elsewhere:
    if request.param == "http":
        server = request.getfixturevalue("state_process")
        return Elsewhere(f"{server.url}/{tmp_path.name}/")
    server = request.getfixturevalue("s3_server")
    url = f"s3://{make_bucket(server.url)}/ci?region=us-east-1&endpoint={quote(server.url, safe='')}"
    return Elsewhere(url, {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any"})


@pytest.mark.slow
def test_eight_runners_at_once_load_each_content_once(project: Path, spawn: Spawn, elsewhere: Elsewhere) -> None:
    served = spawn("sandbox", "serve", "--port", "0", "--queue-ms", "0", "--run-ms", "0")
    assert served.stdout is not None
    platform = served.stdout.readline().removeprefix("listening on ").strip()
    (project / "imports.yaml").write_text(f"{MANIFEST}api: {{url: {platform}}}\n", encoding="utf-8")
    for number in range(3, FILES + 1):
        write_data(project / f"data/{number}.ndjson", 100 * number, 3)

    def on_runner(number: int, *words: str) -> subprocess.Popen[str]:
        folder = project / f"runner-{number}"
        shutil.copytree(project, folder, ignore=shutil.ignore_patterns("runner-*", ".mics-iac"))
        environ = {"MICS_API_TOKEN": "any", "MICS_IAC_STATE": elsewhere.url, **elsewhere.environ}
        return spawn(*words, "-C", str(folder), **environ)

    apply = ("apply", "--auto-approve", "--lock-timeout", "50s")
    running_ = [on_runner(number, *apply) for number in range(RUNNERS)]
    ended = [(*process.communicate(timeout=PATIENCE), process.returncode) for process in running_]
    assert [code for _, _, code in ended] == [0] * RUNNERS, "\n".join(err for _, err, _ in ended)
    assert sum(int(m[1]) for out, _, _ in ended if (m := re.search(r"(\d+) loaded \(", out))) == FILES

    looks = (("plan", "--detailed-exitcode"), ("state", "pull"), ("state", "check"))
    lookers = [on_runner(RUNNERS + number, *words) for number, words in enumerate(looks)]
    seen = [(*process.communicate(timeout=PATIENCE), process.returncode) for process in lookers]
    (planned, _, _), (pulled, _, _), (checked, _, _) = seen
    assert [code for _, _, code in seen] == [0, 0, 0], seen
    assert "No changes." in planned
    assert "Sound: " in checked, checked
    held = json.loads(pulled)["imports"]["fr/visits"]["current"]["executions"]
    with urllib.request.urlopen(f"{platform}/_sandbox/state") as answer:
        there = json.load(answer)
    assert len(there["imports"]) == 1
    assert sorted(one["sha256"] for one in there["executions"]) == sorted(one["sha256"] for one in held)
    assert len({one["sha256"] for one in held}) == len(held) == FILES
