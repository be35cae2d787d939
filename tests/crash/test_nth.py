"""Whichever effect of an apply goes wrong, and however: the next one brings it to the same end, and nothing is twice.

SQLite's way: let the 1st effect go wrong, then the 2nd, the 3rd …, until a run comes to its end unharmed. An effect is
a call of the state's disk or an exchange with the platform.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from mics_iac.errors import StoreFailed
from tests.crash.effects import Way, When, kind
from tests.crash.place import Ran
from tests.crash.runner import Story
from tests.servers.processes import Distant
from tests.servers.s3 import make_bucket
from tests.servers.state_http import state_server

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow

# What every loop goes over. A write and an exchange have a middle, other calls have none.
WRITES = {"write", "write_at"}
CALLS = WRITES | {"open", "close", "sync", "sync_folder", "truncate", "lock", "rename", "unlink", "names"}
LISTS = {"GET document_imports", "GET executions"}

# What the loops of a scene go over besides: calls, and how often each request.
OWN_CALLS = {
    "fresh": {"make_folder", "link"},
    "parts": {"make_folder", "link"},
    "import in doubt": {"read", "link"},
    "upload in doubt": {"read", "link"},
    "grown": {"read", "set_mode"},
}
REQUESTS = {
    "fresh": {"POST document_imports": 2, "POST executions": 4},
    "parts": {"POST document_imports": 1, "POST executions": 3},
    "import in doubt": {"POST executions": 2},
    "upload in doubt": {},
    "grown": {"POST document_imports": 1, "POST executions": 2, "PUT import": 1},
}

# What a distant place is asked for.
ASKED = {
    "s3": {"Bucket.get", "Bucket.put", "Bucket.keys", "Bucket.remove"},
    "http": {"StateServer.get", "StateServer.post", "StateServer.lock", "StateServer.unlock"},
}

# A death after an effect is one before the next effect, so most scenes go without the latter.
LOOPS: list[tuple[str, Way, When]] = [
    ("fresh", "death", "before"),
    ("fresh", "death", "middle"),
    ("fresh", "death", "after"),
    ("parts", "death", "after"),
    ("fresh", "error", "before"),
    ("fresh", "error", "middle"),
    ("fresh", "error", "after"),
    # Disk and network do not come back in that run.
    ("fresh", "outage", "before"),
    ("import in doubt", "death", "after"),
    ("import in doubt", "error", "before"),
    ("upload in doubt", "death", "after"),
    ("upload in doubt", "error", "before"),
    ("grown", "death", "middle"),
    ("grown", "death", "after"),
    ("grown", "error", "before"),
]


@pytest.mark.parametrize(("scene", "way", "when"), LOOPS)
def test_every_effect_may_go_wrong(tmp_path: Path, scene: str, way: Way, when: When) -> None:
    stories = told("in-turn", scene, way, when, 1, tmp_path)
    *struck, unharmed = stories
    # None was passed over: what went wrong, one after the other, is what an unharmed run does.
    assert [story.runs[0].struck for story in struck] == unharmed.runs[0].names
    assert_whole(scene, when, unharmed.runs[0].names)
    assert_well(stories, way)


@pytest.fixture(params=sorted(ASKED))
def elsewhere(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where a state is kept that is on no disk of ours, as the runner takes it."""
    if request.param == "s3":
        server: Distant = request.getfixturevalue("s3_server")
        yield f"s3={server.url}/{make_bucket(server.url)}"
    else:
        with state_server() as server_of_states:
            yield f"http={server_of_states.server.url}"


@pytest.mark.parametrize(
    ("way", "when"), [("death", "after"), ("error", "before"), ("error", "after"), ("outage", "before")]
)
def test_every_request_to_a_distant_place_may_go_wrong(tmp_path: Path, elsewhere: str, way: Way, when: When) -> None:
    """Nothing outlives a process that dies but what is there; after an outage, what it kept on its own disk as well."""
    stories = told("in-turn", "small", way, when, 1, tmp_path, elsewhere)
    *struck, unharmed = stories
    assert [story.runs[0].struck for story in struck] == unharmed.runs[0].names
    assert set(map(kind, unharmed.runs[0].names)) >= ASKED[elsewhere.partition("=")[0]] | LISTS
    assert_well(stories, way)


@pytest.mark.parametrize("way", ["death", "error"])
def test_twice_in_a_row_with_all_threads_at_once(tmp_path: Path, way: Way) -> None:
    """The run that goes on is struck as well, at the same count; what its threads do comes in any order."""
    stories = told("at-once", "fresh", way, "after", 2, tmp_path)
    # How many effects there are depends on which records the threads bring together in one append.
    assert len(stories) > 80
    assert_well(stories, way)


def told(threads: str, scene: str, way: Way, when: When, times: int, folder: Path, *where: str) -> list[Story]:
    """A story for each point, the last of them of a run that came to its end unharmed."""
    command = [sys.executable, "-m", "tests.crash.runner", threads, scene, way, when, str(times), str(folder), *where]
    keys = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any"}
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **keys}, capture_output=True, text=True, timeout=600, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    read = [json.loads(line) for line in done.stdout.splitlines()]
    stories = [Story(story["nth"], [Ran(**ran) for ran in story["runs"]]) for story in read]
    assert [story.nth for story in stories] == list(range(1, len(stories) + 1))
    assert [story.nth for story in stories if story.runs[0].struck is None] == [len(stories)]
    return stories


def assert_well(stories: list[Story], way: Way) -> None:
    """Every run ended as it should, and all that should hold after it does."""
    complaints = [
        f"{story.nth}: {story.runs[0].struck}: run {number}: {complaint}"
        for story in stories
        for number, ran in enumerate(story.runs, start=1)
        for complaint in judged(ran, way, last=ran is story.runs[-1])
    ]
    assert not complaints, "\n".join(complaints)


def assert_whole(scene: str, when: When, names: list[str]) -> None:
    """The loop went over everything that it is made for."""
    kinds = Counter(map(kind, names))
    assert kinds.keys() >= (WRITES if when == "middle" else CALLS | OWN_CALLS[scene]) | LISTS
    assert {name: count for name, count in kinds.items() if name.startswith(("POST", "PUT"))} == REQUESTS[scene]


def judged(ran: Ran, way: Way, *, last: bool) -> Iterator[str]:
    """What is wrong with one run. Whether a 0 is true was looked at where it happened."""
    yield from ran.wrong
    expected = {0} if last else codes(ran.struck, way)
    if ran.code not in expected:
        yield f"exit code {ran.code}, not {expected}"


def codes(struck: str | None, way: Way) -> set[int | None]:
    """The exit codes that fit a run in which this went wrong."""
    if struck is None:
        return {0}
    if way == "death":
        return {None}
    if way == "error" and ("/" in struck or struck.startswith(("Bucket", "StateServer"))):
        # One exchange that breaks off is tried again, or its outcome is looked for: the run succeeds all the same.
        return {0}
    # Without its disk a run cannot go on, unless all is recorded and it only clears up.
    return {0, StoreFailed.exit_code}
