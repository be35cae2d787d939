"""The commands that carry a state about, on buckets and state servers: from a file to each and back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.cli.conftest import Run, write_data
from tests.servers import s3
from tests.servers.processes import Distant
from tests.servers.state_http import state_server


@pytest.fixture
def places(s3_server: Distant, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A file, a bucket, and state servers of two kinds."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with state_server("strict") as strict, state_server("gitlab") as gitlab:
        yield [
            "states/first.json",
            f"s3://{s3.make_bucket(s3_server.url)}/mics?region=us-east-1&endpoint={s3_server.url}",
            strict.address("imports"),
            gitlab.address(""),
            "states/last.json",
        ]


@pytest.mark.slow
def test_from_each_to_the_next_and_back(project: Path, run: Run, places: list[str]) -> None:
    assert run("apply", "--sandbox", "--state", places[0], "-y").code == 0
    for number, (here, there) in enumerate([*pairwise(places), (places[-1], places[-2])]):
        moved = run("state", "migrate", "--sandbox", "--state", here, "--to", there, "--format", "json")
        assert moved.code == 0, moved.err
        again = run("state", "migrate", "--sandbox", "--state", here, "--to", there)
        assert again.out.startswith("nothing to do"), again.err
        refused = run("plan", "--sandbox", "--state", here)
        assert refused.code == 10
        assert f"the state is at {json.loads(moved.out)['to']} and not at " in refused.err
        assert "No changes." in run("plan", "--sandbox", "--state", there).out
        write_data(project / f"data/more-{number}.ndjson", 100 + 10 * number, 2)
        applied = run("apply", "--sandbox", "--state", there, "-y")
        assert "1 loaded" in applied.out, applied.err
        checked = json.loads(run("state", "check", "--sandbox", "--state", there, "--format", "json").out)
        assert checked["sound"]
        assert len(checked["backups"]) == min(5, 2 + 2 * number)
    # What stands elsewhere are older memories of the same state: it may come back to where it was first.
    back = run("state", "migrate", "--sandbox", "--state", places[-2], "--to", places[0])
    assert back.code == 0, back.err
    assert "No changes." in run("plan", "--sandbox", "--state", places[0]).out
    assert run("plan", "--sandbox", "--state", places[-2]).code == 10


def test_pulled_pushed_and_held_by_hand(project: Path, run: Run, places: list[str]) -> None:
    assert run("apply", "--sandbox", "--state", places[0], "-y").code == 0
    for place in places[1:]:
        where = ("--sandbox", "--state", place)
        assert run("state", "push", places[0], *where).out.startswith("pushed: serial 1")
        assert run("state", "push", places[0], *where).out.startswith("nothing to do")
        assert run("state", "pull", *where).out == (project / places[0]).read_text()
        held = run("lock", "acquire", "--reason", "repairing, ask ana", "--ttl", "5m", *where)
        assert held.code == 0, held.err
        assert "(taken by hand)" in held.out
        met = run("apply", *where, "-y")
        assert met.code == 6
        assert "repairing, ask ana" in met.err
        assert "(taken by hand)" in met.err
        [lock_id] = re.findall(r"  id: +(\S+)", met.err)
        assert run("force-unlock", lock_id, "--force", *where).code == 0
        assert "No changes." in run("apply", *where, "-y").out
