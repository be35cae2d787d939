"""The environment of the process, read in this one place.

What comes of it is passed on as values; nothing else in the package looks at `os.environ`, apart from click, which
reads the `MICS_IAC_…` variable of each option.
"""

from __future__ import annotations

import os
from collections.abc import Mapping


def read_environ() -> Mapping[str, str]:
    """The environment as it is now, as a copy."""
    return dict(os.environ)


def in_ci(environ: Mapping[str, str]) -> bool:
    """Whether this is a CI job: `CI` is set to something that does not mean no (GitHub, GitLab and others set it)."""
    return environ.get("CI", "").lower() not in ("", "0", "false", "no")
