"""Where the token comes from: a variable, a file, or a command that prints it. Never from the manifest.

The token is fetched when the network is first needed, and is never shown: not in an error, not in a log. So nothing
that a token command prints is shown either, on stdout or stderr.
"""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from mics_iac.core.wording import visible
from mics_iac.errors import NotAllowed

VARIABLE = "MICS_API_TOKEN"
COMMAND_TIMEOUT = 60.0  # seconds: a password manager may ask a person to unlock it
_LARGEST = 64 * 1024  # bytes; what is longer is some other file
_HOW = f"set {VARIABLE}, or use --token-file FILE or --token-command COMMAND"


def token_source(
    environ: Mapping[str, str],
    *,
    file: Path | None,
    command: str | None,
    folder: Path,
    timeout: float = COMMAND_TIMEOUT,
) -> Callable[[], str]:
    """How to get the token: what the command line names, else the variable.

    The function raises NotAllowed when there is none, with what to do. `folder` is where the command runs.
    """

    def fetch() -> str:
        if command is not None:
            return _from_command(command, folder=folder, environ=environ, timeout=timeout)
        if file is not None:
            return _from_file(file)
        token = environ.get(VARIABLE, "").strip()
        if not token:
            raise NotAllowed("there is no token for the platform", remedy=_HOW)
        return token

    return fetch


def _from_file(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            data = stream.read(_LARGEST + 1)
    except OSError as error:
        why = error.strerror or "unreadable"
        raise NotAllowed(f"cannot read the token from {visible(str(path))}: {why}", remedy=_HOW) from error
    return _only_line(data, where=f"the token file {visible(str(path))}")


def _from_command(command: str, *, folder: Path, environ: Mapping[str, str], timeout: float) -> str:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise NotAllowed(f"--token-command cannot be read: {error}", remedy="check its quotes") from error
    if not words:
        raise NotAllowed("--token-command is empty", remedy=_HOW)
    name = visible(words[0])
    try:
        done = subprocess.run(  # noqa: S603 (the user's own command, with no shell in between)
            words,
            cwd=folder,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        # Not chained: what the command had printed by then may be the token.
        late = error.timeout
        raise NotAllowed(f"the token command {name} did not end within {late:g} s", remedy=_TRY) from None
    except OSError as error:
        why = error.strerror or "it cannot be started"
        raise NotAllowed(f"the token command {name} failed: {why}", remedy=_TRY) from error
    if done.returncode != 0:
        # What it said is not shown: a shell that traces its commands says the token on stderr.
        raise NotAllowed(f"the token command {name} ended with exit code {done.returncode}", remedy=_TRY)
    return _only_line(done.stdout, where=f"the output of the token command {name}")


_TRY = "run it in a terminal to see what it says; it runs without a shell: use sh -c '...' for pipes and variables"


def _only_line(data: bytes, *, where: str) -> str:
    """The one line that the token is; its content appears in no error."""
    text = data.decode("latin-1").strip()
    if not text:
        raise NotAllowed(f"{where} is empty", remedy=_HOW)
    if len(data) > _LARGEST or "\n" in text or "\r" in text:
        raise NotAllowed(f"{where} has more than one line: it must hold the token and nothing else", remedy=_HOW)
    return text
