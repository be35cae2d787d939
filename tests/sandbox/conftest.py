"""A sandbox whose clock stands still until it is ticked, and a session that talks to it in process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from mics_iac.sandbox.adapter import SandboxAdapter
from mics_iac.sandbox.faults import FaultPlan
from mics_iac.sandbox.sandbox import Sandbox


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    with Sandbox(tmp_path / "sandbox.db", now=lambda: 1_768_460_400_000) as platform:
        yield platform


@pytest.fixture
def faults() -> FaultPlan:
    return FaultPlan()


@pytest.fixture
def session(sandbox: Sandbox, faults: FaultPlan) -> Iterator[requests.Session]:
    with requests.Session() as made:
        made.trust_env = False
        made.headers["Authorization"] = "a-token"
        made.mount("https://", SandboxAdapter(sandbox, faults))
        yield made
