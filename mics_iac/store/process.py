"""Which process this is, and whether the one that a lock names is gone for certain.

Linux tells all of it in `/proc`; where it is not told, nobody is ever known to be gone, and a lock's lease decides.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

from mics_iac.store.backend import Process

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_PID_NAMESPACE = Path("/proc/self/ns/pid")


def this_process() -> Process:
    """This very process, as a lock's record names it."""
    pid = os.getpid()
    return Process(
        host=socket.gethostname(),
        pid=pid,
        boot_id=_boot_id(),
        pid_namespace=_pid_namespace(),
        started=_started(pid),
    )


def nobody(host: str) -> Process:
    """No process at all: what a lock that was taken by hand on this host names, so that only its lease ends it."""
    return Process(host=host, pid=0)


def same_machine(one: Process, other: Process) -> bool:
    """Whether both are known to share one start of one kernel, and one numbering of processes.

    Clones of one memory snapshot share both, and are told apart by their names.
    """
    known = one.boot_id is not None and one.pid_namespace is not None
    ours, theirs = ((p.host, p.boot_id, p.pid_namespace) for p in (one, other))
    return known and ours == theirs


def is_gone(process: Process, *, ours: Process) -> bool:
    """Whether that process is known to have ended. False if it runs, and if that cannot be told from here."""
    if not same_machine(process, ours) or not 0 < process.pid < 2**31:
        return False
    try:
        os.kill(process.pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        # It is there, and not ours to signal.
        pass
    started = _started(process.pid)
    # A number that was given to another process since then: the one that is meant is gone.
    return process.started is not None and started is not None and started != process.started


def _boot_id() -> str | None:
    try:
        return _BOOT_ID.read_text().strip() or None
    except OSError:
        return None


def _pid_namespace() -> str | None:
    try:
        return str(_PID_NAMESPACE.readlink())
    except OSError:
        return None


def _started(pid: int) -> int | None:
    """When a process began, in ticks since the kernel did; None if that cannot be read."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
        # The second field is the program's name in parentheses, which may hold anything; the start is the 22nd.
        return int(text.rpartition(b")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None
