"""A sink (`sink.py`) that runs while a block does, and what it took; files and a manifest to send to it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import IO

ROUTE = "/v1/datamarts/1/document_imports/2/executions"
MANIFEST = """
version: 1
api: {{url: "{url}"}}
datamarts:
  fr:
    id: "1"
    imports:
      visits: {{name: Visits, document_type: USER_ACTIVITY, sources: ["*.ndjson"]}}
"""
# Seconds after which a file counts as standing still, so that what was read of it is kept (`sources/cached`).
STILL = 3.0


@dataclass(frozen=True)
class Taken:
    """One upload: monotonic seconds of its first and last byte, and how many there were."""

    began: float
    ended: float
    bytes: int


@dataclass(frozen=True)
class Receiver:
    """Where the sink listens; `bundle` is the certificate to trust, empty without TLS."""

    url: str
    bundle: str
    _told: SimpleQueue[str]

    @property
    def environment(self) -> dict[str, str]:
        """What a client needs to be let in."""
        return {"MICS_API_TOKEN": "bench", **({"REQUESTS_CA_BUNDLE": self.bundle} if self.bundle else {})}

    def took(self, uploads: int) -> list[Taken]:
        """The next so many uploads."""
        return [Taken(**json.loads(self._told.get(timeout=60))) for _ in range(uploads)]


def rate_of(taken: list[Taken], *, since: float | None = None) -> float:
    """MB/s of these uploads, from the first byte of the first (or that moment) to the last byte of the last."""
    began = min(one.began for one in taken) if since is None else since
    return sum(one.bytes for one in taken) / (max(one.ended for one in taken) - began) / 1e6


@contextmanager
def receiving(folder: Path, *, tls: bool) -> Iterator[Receiver]:
    """A sink of its own process; its certificate is made in the folder."""
    certificate = _certificate(folder) if tls else None
    command = [sys.executable, "-m", "tests.bench.sink", *(str(path) for path in certificate or ())]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        port = int(process.stdout.readline())
        url = f"https://localhost:{port}" if tls else f"http://127.0.0.1:{port}"
        told: SimpleQueue[str] = SimpleQueue()
        # Whether anybody asks for it or not: the sink must never wait until there is room in the pipe.
        threading.Thread(target=_listen, args=(process.stdout, told), daemon=True).start()
        yield Receiver(url, str(certificate[0]) if certificate else "", told)
    finally:
        process.kill()
        process.wait()


def _listen(lines: IO[str], told: SimpleQueue[str]) -> None:
    with lines:
        for line in lines:
            told.put(line)


def _certificate(folder: Path) -> tuple[Path, Path]:
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-keyout", str(key), "-out", str(certificate), "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost"),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key


def forget(folder: Path, *, checked: bool = False) -> None:
    """Let nothing be loaded yet of a manifest in this folder; with `checked`, let nothing of its files be known."""
    for path in folder.glob("imports.state*"):
        path.unlink()
    if checked:
        (folder / ".mics-iac" / "checked.json").unlink(missing_ok=True)


def write_activities(path: Path, size: int, *, seed: int) -> None:
    """A file of valid USER_ACTIVITY lines of about 380 bytes, of at most `size`; another seed makes another file."""
    block, number = bytearray(), seed * 1_000_000
    while len(block) < min(size // 2, 1_000_000):
        block += _activity(number)
        number += 1
    first = _activity(number + seed)
    with path.open("wb") as out:
        out.write(first)
        for _ in range((size - len(first)) // len(block)):
            out.write(block)


def _activity(number: int) -> bytes:
    moment = 1_768_460_400_000 + number % 10_000_000
    line = {
        "$type": "TOUCH",
        "$session_status": "NO_SESSION",
        "$ts": moment,
        "$user_account_id": f"CUST-{number:012d}",
        "$compartment_id": "1001",
        "$events": [
            {
                "$event_name": "store_visit",
                "$ts": moment,
                "$properties": {
                    "store": {"id": f"S{number % 977:04d}", "city": "Lyon", "country": "FR"},
                    "basket": [{"sku": f"A{number % 8999:06d}", "quantity": 1 + number % 5, "price": 12.5}],
                    "channel": "store",
                    "loyalty": bool(number % 3),
                    "note": "between tills and shelves",
                },
            }
        ],
    }
    return json.dumps(line, separators=(",", ":")).encode() + b"\n"
