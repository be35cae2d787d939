"""The sandbox that stands in for the platform of one manifest, kept beside the state that belongs to it.

Where the two worlds meet: the sandbox itself knows nothing of manifests, and the engine nothing of the sandbox.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mics_iac.core.wording import visible
from mics_iac.engine.project import WORKSPACE, folder_of
from mics_iac.errors import StoreFailed

if TYPE_CHECKING:  # most runs have no use for it
    from mics_iac.sandbox.profile import Profile
    from mics_iac.sandbox.sandbox import Sandbox

PLATFORM_FILE = "platform.sqlite"


def sandbox_folder(manifest_path: Path) -> Path:
    """Where the imitated platform of a manifest is kept."""
    return folder_of(manifest_path) / WORKSPACE / "sandbox"


def open_sandbox(folder: Path, profile: Profile | None = None) -> Sandbox:
    """The imitated platform in this folder, which is made if need be; StoreFailed where it cannot be."""
    from mics_iac.sandbox.sandbox import Sandbox  # noqa: PLC0415 (most runs have no use for it)
    from mics_iac.sandbox.store import Unusable  # noqa: PLC0415

    try:
        folder.mkdir(parents=True, exist_ok=True)
        return Sandbox(folder / PLATFORM_FILE, profile=profile)
    except Unusable as error:
        raise StoreFailed(
            f"the sandbox cannot be used: {error}", remedy="free some space, or `mics-iac sandbox reset`"
        ) from error
    except OSError as error:
        why = error.strerror or "the file system refused"
        raise StoreFailed(
            f"cannot keep the sandbox in {visible(str(folder))}: {why}", remedy="check the folder's permissions"
        ) from error
