from __future__ import annotations

import os
import subprocess
import sys

import msgspec
import pytest

from mics_iac.store.process import is_gone, same_machine, this_process

OURS = this_process()


def test_this_process_is_named_the_same_each_time_and_runs() -> None:
    assert this_process() == OURS
    assert OURS.pid == os.getpid()
    assert not is_gone(OURS, ours=OURS)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells")
def test_linux_tells_all_of_it() -> None:
    assert None not in msgspec.structs.astuple(OURS)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells")
def test_a_process_with_a_strange_name_is_told_apart() -> None:
    code = "open('/proc/self/comm', 'w').write('a) R 1 (b'); import sys; print('on', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"on\n"
            named = msgspec.structs.replace(OURS, pid=process.pid)
            assert is_gone(msgspec.structs.replace(named, started=1), ours=OURS)
        finally:
            process.kill()


def test_a_process_that_ended_is_gone() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    assert is_gone(msgspec.structs.replace(OURS, pid=process.pid), ours=OURS) == (OURS.boot_id is not None)


@pytest.mark.parametrize(
    ("field", "value"), [("boot_id", "x"), ("boot_id", None), ("pid_namespace", "x"), ("host", "clone-of-it")]
)
def test_of_another_machine_nothing_is_known(field: str, value: str | None) -> None:
    theirs = msgspec.structs.replace(OURS, **{field: value}, pid=2**22 + 1)
    assert not same_machine(theirs, OURS)
    assert not is_gone(theirs, ours=OURS)


def test_two_that_do_not_know_where_they_are_are_not_the_same_machine() -> None:
    blind = msgspec.structs.replace(OURS, boot_id=None, pid_namespace=None)
    assert not same_machine(blind, blind)
