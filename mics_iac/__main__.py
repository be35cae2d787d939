"""`python -m mics_iac` is `mics-iac`."""

from __future__ import annotations

from mics_iac.cli.main import run

if __name__ == "__main__":
    run()
