"""mediarithmics document imports as code.

What a script needs is here: `open_project`, `check`, `plan`, `apply`, `status` and `read_state`, the values that they
take and return, and the errors that they raise. `mics_iac.scripting` describes them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mics_iac.core.outcome import Outcome
    from mics_iac.core.plan import Options, Plan, decode_plan, encode_plan
    from mics_iac.core.state import State
    from mics_iac.core.status import Status
    from mics_iac.engine.project import Project
    from mics_iac.engine.world import Limits
    from mics_iac.errors import GuardRefused, ManifestInvalid, MicsError, PlanStale, Problem, RecordsInvalid
    from mics_iac.scripting import apply, check, open_project, plan, read_state, status

__version__ = "0.1.0"

# Loaded when they are asked for: the command line's start must not pay for them.
_HOMES = {
    "mics_iac.scripting": ("apply", "check", "open_project", "plan", "read_state", "status"),
    "mics_iac.core.outcome": ("Outcome",),
    "mics_iac.core.plan": ("Options", "Plan", "decode_plan", "encode_plan"),
    "mics_iac.core.state": ("State",),
    "mics_iac.core.status": ("Status",),
    "mics_iac.engine.project": ("Project",),
    "mics_iac.engine.world": ("Limits",),
    "mics_iac.errors": ("GuardRefused", "ManifestInvalid", "MicsError", "PlanStale", "Problem", "RecordsInvalid"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "GuardRefused",
    "Limits",
    "ManifestInvalid",
    "MicsError",
    "Options",
    "Outcome",
    "Plan",
    "PlanStale",
    "Problem",
    "Project",
    "RecordsInvalid",
    "State",
    "Status",
    "__version__",
    "apply",
    "check",
    "decode_plan",
    "encode_plan",
    "open_project",
    "plan",
    "read_state",
    "status",
]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'mics_iac' has no attribute {name!r}")
    return getattr(import_module(home), name)
