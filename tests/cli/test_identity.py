"""Who runs this, and where it can be looked at."""

from __future__ import annotations

import pytest

from mics_iac.cli.build import in_ci
from mics_iac.cli.identity import run_url, who


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({}, None),
        (
            {"GITHUB_RUN_ID": "77", "GITHUB_REPOSITORY": "acme/crm", "GITHUB_SERVER_URL": "https://git.example"},
            "https://git.example/acme/crm/actions/runs/77",
        ),
        ({"CI_JOB_URL": "https://gitlab.example/jobs/5"}, "https://gitlab.example/jobs/5"),
        ({"BUILD_URL": "https://jenkins.example/5/"}, "https://jenkins.example/5/"),
    ],
)
def test_where_a_ci_job_can_be_looked_at(environ: dict[str, str], url: str | None) -> None:
    assert run_url(environ) == url


def test_who_runs_it() -> None:
    assert who({"GITHUB_ACTOR": "alice"}).startswith("alice@")
    assert who({"GITLAB_USER_LOGIN": "bob"}).startswith("bob@")
    user, at, host = who({}).partition("@")
    assert user
    assert at
    assert host


@pytest.mark.parametrize(("value", "is_ci"), [("true", True), ("1", True), ("", False), ("false", False), ("0", False)])
def test_what_counts_as_ci(value: str, *, is_ci: bool) -> None:
    assert in_ci({"CI": value}) is is_ci
    assert not in_ci({})
