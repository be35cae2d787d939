"""A process of its own that takes the lock of a state, for the tests that need real processes.

python -m tests.store.holder hold STATE         takes it, says "held", and lives until it is killed
python -m tests.store.holder count STATE FILE   takes it as often as it takes to add 5 to the number in FILE
"""

from __future__ import annotations

import sys
import time
import uuid
from pathlib import Path

from mics_iac.store.backend import LockInfo
from mics_iac.store.file import FileBackend
from mics_iac.store.lease import take
from tests.store.stand import claim


class RealClock:
    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)  # the real clock of a real process: it is started to be killed


def hold(state: Path) -> None:
    taken = FileBackend(state, clock=RealClock()).lock(claim("holder"), lease=600)
    print("held" if isinstance(taken, LockInfo) else f"busy: {taken}", flush=True)
    sys.stdin.read()


def count(state: Path, number: Path) -> None:
    backend = FileBackend(state, clock=RealClock())
    for _ in range(5):
        lease = take(backend, claim(uuid.uuid4().hex), clock=RealClock(), lease=600, timeout=60)
        with lease:
            # Two at once would read the same number, or find the file of the other one.
            before = int(number.read_text())
            with number.with_suffix(".busy").open("x"):
                pass
            number.write_text(str(before + 1))
            number.with_suffix(".busy").unlink()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["hold", state]:
            hold(Path(state))
        case ["count", state, number]:
            count(Path(state), Path(number))
        case _:
            sys.exit(__doc__)
