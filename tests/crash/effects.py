"""Counts what a run does to the world outside it, and lets the n-th effect go wrong: by an error or by death.

An effect is a call of the disk or an exchange with the platform; both go over one count. Knows nothing of projects and
processes: what death is, it is told.
"""

from __future__ import annotations

import errno
import functools
import os
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter

from mics_iac.sandbox.adapter import SandboxAdapter
from mics_iac.sandbox.faults import Fault, FaultPlan, Kind
from mics_iac.sandbox.sandbox import Sandbox
from mics_iac.store.disk import Disk
from tests.store.stand import CALLS

Way = Literal["error", "outage", "death"]
When = Literal["before", "middle", "after"]

# A write takes half of its bytes, an exchange breaks off on the way there or back; other calls happen or do not.
_DIVISIBLE = {"write", "write_at"}
# What fails for want of room; other calls fail because the device does.
_WANTS_ROOM = {"write", "write_at", "open", "link", "rename", "make_folder", "truncate"}
# Seconds of the clock that an exchange takes: two looks at the platform are never due at the same moment.
_MOMENT = 0.01
# Small enough that half of a small file is a number of blocks.
_BLOCK = 64


def kind(name: str) -> str:
    """An effect without what it is about: the call of the disk, or the method and the end of the path."""
    call, _, what = name.partition(" ")
    if "/" not in what:
        return call
    end = what.rpartition("/")[2]
    return f"{call} {'import' if end.isdigit() else end}"


@dataclass(frozen=True, slots=True)
class Mishap:
    """The `nth` effect goes wrong; in an `outage` all later ones do too. `when`: how far the effect itself had come."""

    nth: int
    way: Way
    when: When


def leave(struck: str) -> NoReturn:
    """End the process at once."""
    os._exit(1)


class Effects:
    """The one count of a run's effects. Safe for threads.

    `die` ends the process; it is given the name of the effect at which it happened. `struck` is the name of the first
    effect that went wrong, None while none did; `on_strike` is called then. `names` are those of all that were counted.
    """

    def __init__(self, mishap: Mishap | None = None, *, die: Callable[[str], NoReturn] = leave) -> None:
        self.mishap = mishap
        self.struck: str | None = None
        self.on_strike: Callable[[], None] = lambda: None
        self.names: list[str] = []
        self._die = die
        self._counting = threading.Lock()

    def count(self, name: str, *, divisible: bool) -> Mishap | None:
        """One more effect; the mishap if it goes wrong. Where mishaps come in the middle, only what has one counts."""
        mishap = self.mishap
        if mishap is None or (mishap.when == "middle" and not divisible):
            return None
        with self._counting:
            self.names.append(name)
            count = len(self.names)
            if count < mishap.nth or (count > mishap.nth and mishap.way != "outage"):
                return None
            self.struck = self.struck or name
        self.on_strike()
        return mishap

    def end(self, mishap: Mishap, name: str) -> None:
        """The effect came as far as it was to come: a process that is to die dies now."""
        if mishap.way == "death":
            self._die(name)


class CountedDisk(Disk):
    """The real file system, its calls counted."""

    def __init__(self, effects: Effects) -> None:
        self._effects = effects
        self._names: dict[int, str] = {}

    def called(self, call: str, real: Callable[..., Any], *args: Any) -> Any:
        name = f"{call} {self._name(args[0])}"
        mishap = self._effects.count(name, divisible=call in _DIVISIBLE)
        if mishap is None:
            result = real(*args)
            if call == "open":
                self._names[result] = self._name(args[0])
            return result
        try:
            if mishap.when == "middle":
                real(args[0], args[1][: len(args[1]) // 2], *args[2:])
            elif mishap.when == "after" or call == "close":
                # A file is closed even where closing it fails.
                real(*args)
        except OSError:
            pass  # it did not act, and how it said so is not heard
        self._effects.end(mishap, name)
        code = errno.ENOSPC if call in _WANTS_ROOM else errno.EIO
        raise OSError(code, os.strerror(code))

    def _name(self, what: Path | int) -> str:
        """What a call is about, without the names that nobody else chooses."""
        if isinstance(what, int):
            return self._names.get(what, "?")
        return re.sub(r"[0-9a-f]{16}", "*", what.name)


def _counted(call: str) -> Callable[..., Any]:
    real: Callable[..., Any] = getattr(Disk, call)

    @functools.wraps(real)
    def counted(self: CountedDisk, *args: Any, **options: Any) -> Any:
        return self.called(call, functools.partial(real, self, **options), *args)

    return counted


for _call in CALLS:
    setattr(CountedDisk, _call, _counted(_call))


class CountedAdapter(BaseAdapter):
    """The way to a sandbox, its exchanges counted. What goes wrong on it is what the sandbox has faults for."""

    def __init__(self, sandbox: Sandbox, effects: Effects, *, wait: Callable[[float], None]) -> None:
        super().__init__()
        self._sandbox = sandbox
        self._effects = effects
        self._wait = wait

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        name = f"{request.method} {urlsplit(request.url or '').path}"
        mishap = self._effects.count(name, divisible=True)
        self._wait(_MOMENT)
        faults = [] if mishap is None else [Fault(_kind(mishap.when, request))]
        way = SandboxAdapter(self._sandbox, FaultPlan(faults), block_size=_BLOCK, wait=self._wait)
        try:
            return way.send(request, stream, timeout, verify, cert, proxies)
        finally:
            if mishap is not None:
                self._effects.end(mishap, name)

    def close(self) -> None:
        """Nothing to close."""


def _kind(when: When, request: requests.PreparedRequest) -> Kind:
    match when:
        case "before":
            return "refuse"
        case "middle":
            return "reset_midway" if request.body else "cut_answer"
        case "after":
            return "reset_after"
