"""How fast an upload is, against curl: `python -m tests.bench.upload [--size-mb 100] [--rounds 5] [--tls]`.

A whole `mics-iac apply` and `curl -T` send the same file to the same sink (`sink.py`), one after the other, several
rounds. The rate is that of the request alone, timed by the sink from its first byte to its last; processor time and
peak memory are those of the whole process (hashing, journal and state included). Ends with 1 when the target is
missed: 0.8 of curl's median rate, 100 MB.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import IO

LEAST_RATIO = 0.8
MOST_MEMORY = 100_000_000
ROUTE = "/v1/datamarts/1/document_imports/2/executions"


@dataclass(frozen=True)
class Sample:
    rate: float
    """MB/s of the request."""
    cpu: float
    """Seconds of the whole process."""
    memory: int
    """Bytes at the peak."""


MANIFEST = """
version: 1
api: {{url: "{url}"}}
datamarts:
  fr:
    id: "1"
    imports:
      profiles: {{name: Profiles, document_type: USER_PROFILE, sources: [profiles.ndjson]}}
"""


def _commands(url: str, file: Path, bundle: str) -> dict[str, list[str]]:
    curl = ["curl", "-sS", "-o", os.devnull, "-X", "POST", "-T", str(file), "-H", "Authorization: bench"]
    curl += ["-H", "Content-Type: application/x-ndjson", *(["--cacert", bundle] if bundle else []), url + ROUTE]
    return {
        "curl": curl,
        "mics-iac": [
            *(sys.executable, "-m", "mics_iac", "apply", "--auto-approve", "--no-wait", "-q"),
            *("-f", str(file.with_name("imports.yaml"))),
        ],
    }


def _run(command: list[str], sink: IO[str], *, bundle: str, state: Path) -> Sample:
    state.unlink(missing_ok=True)
    environment = {**os.environ, "MICS_API_TOKEN": "bench", **({"REQUESTS_CA_BUNDLE": bundle} if bundle else {})}
    child = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{command[0]} ended with {child.returncode}")
    told = json.loads(sink.readline())
    unit = 1 if sys.platform == "darwin" else 1024
    return Sample(told["bytes"] / told["seconds"] / 1e6, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit)


@contextmanager
def _sink(certificate: tuple[Path, Path] | None) -> Iterator[tuple[int, IO[str]]]:
    command = [sys.executable, "-m", "tests.bench.sink", *(str(path) for path in certificate or ())]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline()), process.stdout
    finally:
        process.kill()
        process.wait()


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


def _write(file: Path, megabytes: int) -> None:
    line = b'{"operation":"UPSERT","user_account_id":"u1","user_profile":{"city":"Lyon"}}\n'
    block = line * (1_000_000 // len(line))
    with file.open("wb") as out:
        for _ in range(megabytes * 1_000_000 // len(block)):
            out.write(block)


def _measure(*, megabytes: int, rounds: int, tls: bool) -> dict[str, list[Sample]]:
    samples: dict[str, list[Sample]] = {}
    with TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "profiles.ndjson"
        _write(file, megabytes)
        certificate = _certificate(folder) if tls else None
        with _sink(certificate) as (port, told):
            url = f"https://localhost:{port}" if tls else f"http://127.0.0.1:{port}"
            (folder / "imports.yaml").write_text(MANIFEST.format(url=url))
            bundle = str(certificate[0]) if certificate else ""
            for _ in range(rounds):
                for client, command in _commands(url, file, bundle).items():
                    sample = _run(command, told, bundle=bundle, state=folder / "imports.state.json")
                    samples.setdefault(client, []).append(sample)
    return samples


def _report(samples: dict[str, list[Sample]]) -> bool:
    for client, taken in samples.items():
        rates = [one.rate for one in taken]
        print(
            f"{client:>8}: {median(rates):7.0f} MB/s (from {min(rates):.0f} to {max(rates):.0f}), "
            f"{median(one.cpu for one in taken):.2f} s CPU with start-up, "
            f"{max(one.memory for one in taken) / 1e6:.0f} MB at the peak"
        )
    ratio = median(one.rate for one in samples["mics-iac"]) / median(one.rate for one in samples["curl"])
    memory = max(one.memory for one in samples["mics-iac"])
    print(f"   ratio: {ratio:.2f} of curl's rate (target {LEAST_RATIO}), memory target {MOST_MEMORY / 1e6:.0f} MB")
    return ratio >= LEAST_RATIO and memory < MOST_MEMORY


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description="upload rate of the client against curl")
    parser.add_argument("--size-mb", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tls", action="store_true")
    options = parser.parse_args()
    samples = _measure(megabytes=options.size_mb, rounds=options.rounds, tls=options.tls)
    raise SystemExit(0 if _report(samples) else 1)


if __name__ == "__main__":
    main()
