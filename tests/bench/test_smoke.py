"""The benches run: a figure that nobody can take any more is no figure. What they find is not judged here."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("bench", "options", "shown"),
    [
        ("many", ["--count", "5"], "second plan"),
        ("reading", ["--size-mb", "2", "--rounds", "1", "--counts", "5", "50"], "exponent"),
        ("records", ["--mb", "1", "--rounds", "1", "--most", "1000"], "of bare"),
        ("remote", ["--files", "10", "--rounds", "1"], "of the time with a file"),
        ("soak", ["--rounds", "1", "--processes", "2", "--seed", "1"], "missing: 0"),
        ("soak", ["--rounds", "1", "--processes", "2", "--seed", "1", "--state", "gitlab"], "missing: 0"),
        ("plan", ["--counts", "2", "--rounds", "1"], "2 warm"),
        ("memory", ["--size-gb", "0", "--files", "5"], "target: 150 MB"),
        ("whole", ["--files", "2", "--size-mb", "1", "--rounds", "1"], "MB/s (target"),
        ("startup", ["--rounds", "1"], "--version"),
        pytest.param(
            "upload",
            ["--files", "2", "--size-mb", "2", "--rounds", "1"],
            "of curl's rate",
            marks=pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed"),
        ),
    ],
)
def test_a_bench_runs(bench: str, options: list[str], shown: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"tests.bench.{bench}", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert shown in done.stdout, done.stderr
    assert "Traceback" not in done.stderr
