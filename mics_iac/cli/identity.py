"""Who runs this and where it can be looked at, for locks and journals. The environment comes in as a value."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Mapping


def who(environ: Mapping[str, str]) -> str:
    """Who runs this, for locks and journals: user@host, where they are known."""
    try:
        user = environ.get("GITHUB_ACTOR") or environ.get("GITLAB_USER_LOGIN") or getpass.getuser()
    except (OSError, KeyError):  # a container's user need not have a name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def run_url(environ: Mapping[str, str]) -> str | None:
    """Where this CI job can be looked at: GitHub, GitLab, Jenkins."""
    if environ.get("GITHUB_RUN_ID"):
        base = f"{environ.get('GITHUB_SERVER_URL', 'https://github.com')}/{environ.get('GITHUB_REPOSITORY', '')}"
        return f"{base}/actions/runs/{environ['GITHUB_RUN_ID']}"
    return environ.get("CI_JOB_URL") or environ.get("BUILD_URL") or None
