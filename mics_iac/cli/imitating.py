"""What `sandbox serve` and `sandbox reset` do."""

from __future__ import annotations

import json
from pathlib import Path

from mics_iac.cli.screen import Screen
from mics_iac.cli.session import require_manifest
from mics_iac.core.wording import nearest, visible
from mics_iac.embedded import PLATFORM_FILE, open_sandbox, sandbox_folder
from mics_iac.errors import MicsError, StoreFailed, UsageError
from mics_iac.sandbox.faults import KINDS, Fault, FaultPlan, InvalidFault
from mics_iac.sandbox.profile import Profile


def serve_sandbox(
    screen: Screen, *, file: str, chdir: str, host: str, port: int, queue_ms: int, run_ms: int, faults: tuple[str, ...]
) -> int:
    """Serve the imitated platform of a manifest until SIGINT or SIGTERM."""
    from mics_iac.sandbox.server import CannotServe, serve  # noqa: PLC0415 (starlette and uvicorn are an extra)

    def ready(listening: int) -> None:
        shown = f"[{host}]" if ":" in host else host
        screen.out(f"listening on http://{shown}:{listening}\n")
        screen.note("any token is accepted; press Ctrl-C to stop")

    plan = FaultPlan(_faults(faults))
    manifest_path = Path(chdir) / file
    require_manifest(manifest_path)
    with open_sandbox(sandbox_folder(manifest_path), Profile(queue_ms=queue_ms, run_ms=run_ms)) as sandbox:
        try:
            serve(sandbox, host=host, port=port, faults=plan, ready=ready)
        except CannotServe as error:
            raise MicsError(f"cannot serve the sandbox: {error}") from error
    return 0


def _faults(texts: tuple[str, ...]) -> list[Fault]:
    """The faults that were asked for; UsageError with everything that is wrong with them."""
    faults, wrong = [], []
    for text in texts:
        try:
            faults.append(Fault.from_json(json.loads(text) if text.lstrip().startswith("{") else {"kind": text}))
        except json.JSONDecodeError as error:
            wrong.append(f"--fault {visible(text)}: not JSON: {error}")
        except InvalidFault as error:
            near = nearest(text, tuple(sorted(KINDS)))
            wrong.append(f"{visible(str(error))}" + (f" Did you mean {near}?" if near else ""))
    if wrong:
        raise UsageError("\n".join(wrong), remedy="see docs/sandbox.md for the kinds of faults")
    return faults


def reset_sandbox(screen: Screen, *, file: str, chdir: str) -> int:
    """Delete what the sandbox of a manifest made: its platform, its states, journals and locks, and nothing else."""
    manifest_path = Path(chdir) / file
    try:
        folder = sandbox_folder(manifest_path)
        found = sorted(path for path in folder.iterdir() if _ours(path)) if folder.is_dir() else []
        for path in found:
            path.unlink()
    except OSError as error:
        why = error.strerror or "the file system refused"
        raise StoreFailed(
            f"cannot empty the sandbox of {visible(str(manifest_path))}: {why}",
            remedy="stop what uses it, then try again",
        ) from error
    screen.out(f"{'emptied' if found else 'nothing to empty in'} {visible(str(folder))}\n")
    return 0


def _ours(path: Path) -> bool:
    return path.is_file() and (path.name.startswith(PLATFORM_FILE) or ".state." in path.name)
