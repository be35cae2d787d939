"""Azure's blobs, as Azurite imitates them, behind a `Server` of ours: a process of its own, which runs Azurite.

    python -m tests.servers.azurite --port 0

says `listening on URL` and serves until SIGTERM. Azurite is an npm package (`npm install azurite`): it is found by the
environment variable MICS_IAC_AZURITE (its `azurite-blob`), in `node_modules/.bin` of the checkout, or on PATH. It keeps
all in memory, has the account `ACCOUNT` with its well-known `KEY`, and checks signatures. Its clock is our server's.
"""

from __future__ import annotations

import hmac
import os
import re
import shutil
import subprocess
import tempfile
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from email.utils import formatdate
from functools import partial
from pathlib import Path
from uuid import uuid4

import msgspec
import requests

from tests.servers.entry import options, serve
from tests.servers.relay import Upstream
from tests.servers.server import Server, Wall

VARIABLE = "MICS_IAC_AZURITE"
MISSING = f"Azurite is not installed: npm install azurite, or name its azurite-blob in {VARIABLE}"
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The key that every Azurite has by its documentation: no secret."""

_API = "2021-08-06"
_ROOT = Path(__file__).parents[2]
# Seconds that it gets to start: it takes one on an idle machine.
_PATIENCE = 60.0


def find_azurite(environ: Mapping[str, str]) -> str | None:
    """The command that runs Azurite's blob service, None where it is not installed."""
    named = environ.get(VARIABLE)
    if named:
        return shutil.which(named)
    return shutil.which("azurite-blob", path=_ROOT / "node_modules" / ".bin") or shutil.which("azurite-blob")


def make_container(url: str) -> str:
    """Make a container of a new name, which is returned, in the server at this URL."""
    name = f"container-{uuid4().hex[:12]}"
    ask("PUT", url, name)
    return name


def remove_container(url: str, name: str) -> None:
    """Remove a container with all that is in it."""
    ask("DELETE", url, name)


def endpoint(url: str) -> str:
    """What a client is told as the endpoint of the account, in the server at this URL."""
    return f"{url}/{ACCOUNT}"


def ask(method: str, url: str, container: str, *, tolerant: bool = False) -> requests.Response:
    """One call on a container, signed as Azure's documentation of Shared Key says; unless `tolerant`, errors raise."""
    own = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": _API}
    lines = "".join(f"{name}:{text}\n" for name, text in own.items())
    # Eleven headers that we do not send stand between the method and ours, each an empty line.
    signed = method + "\n" * 12 + f"{lines}/{ACCOUNT}/{ACCOUNT}/{container}\nrestype:container"
    digest = b64encode(hmac.digest(b64decode(KEY), signed.encode(), "sha256")).decode()
    headers = {**own, "Authorization": f"SharedKey {ACCOUNT}:{digest}", "Content-Length": "0"}
    with requests.Session() as session:
        session.trust_env = False
        answer = session.request(
            method, f"{endpoint(url)}/{container}", params={"restype": "container"}, headers=headers, timeout=30
        )
    if not tolerant:
        answer.raise_for_status()
    return answer


@contextmanager
def _azurite(command: str, folder: Path) -> Iterator[str]:
    """Run Azurite in this folder, which has its clock; its URL. It ends with the block, or with this process."""
    said = folder / "said.txt"
    argv = [command, "--skipApiVersionCheck", "--inMemoryPersistence", "--silent", "--disableTelemetry"]
    preload = Path(__file__).with_suffix(".js")
    own = {"CLOCK_FILE": str(folder / "clock.json"), "NODE_OPTIONS": f'--require="{preload}"'}
    with said.open("w") as out:
        process = subprocess.Popen(
            [*argv, "--blobHost", "127.0.0.1", "--blobPort", "0"],
            cwd=folder,
            env={**os.environ, **own},
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        yield _address(process, said)
    finally:
        process.kill()
        process.communicate()


def _address(process: subprocess.Popen[bytes], said: Path) -> str:
    deadline = time.monotonic() + _PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        if found := re.search(r"successfully listens on (http://\S+)", said.read_text()):
            return found[1]
        time.sleep(0.02)  # it says when it is there, in a file that nobody tells us of
    raise RuntimeError(f"Azurite does not serve:\n{said.read_text()}")


def _tell_clock(folder: Path, wall: Wall) -> None:
    new = folder / "clock.new"
    new.write_bytes(msgspec.json.encode(wall))
    new.replace(folder / "clock.json")


def main() -> None:
    """Serve as a process of its own."""
    given = options("azurite").parse_args()
    command = find_azurite(os.environ)
    if command is None:
        raise SystemExit(MISSING)
    with tempfile.TemporaryDirectory(prefix="azurite-") as made:
        folder = Path(made)
        _tell_clock(folder, Wall())
        with _azurite(command, folder) as url, closing(Upstream(url, dated=False)) as upstream:
            tell = partial(_tell_clock, folder)
            serve(Server(upstream, port=given.port, halve=upstream.halve, told_clock=tell), given)


if __name__ == "__main__":
    main()
