"""Servers as processes of their own: that they end with the tests, do what they are told, and keep what they should."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from tests.servers import azurite, s3
from tests.servers.faults import Fault, Seen
from tests.servers.processes import Distant, running

ROOT = Path(__file__).parents[2]

# Starts a server, says where, and waits to be killed.
STARTER = """
import sys
from tests.servers.processes import running
with running(sys.argv[1]) as server:
    print(server.url, flush=True)
    sys.stdin.read()
"""


def ask(method: str, url: str, body: bytes | None = None) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.request(method, url, data=body, headers={"Authorization": s3.ANYBODY}, timeout=10)


def is_gone(url: str) -> bool:
    try:
        ask("GET", url)
    except requests.ConnectionError as refused:
        return "refused" in str(refused)
    return False


def test_a_server_ends_with_a_test_process_that_is_killed() -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, "state_http"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert starter.stdout is not None
    url = starter.stdout.readline().decode().strip()
    assert not is_gone(url)
    starter.send_signal(signal.SIGKILL)
    starter.communicate()
    deadline = time.monotonic() + 10
    while not is_gone(url) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert is_gone(url)


def test_a_server_does_what_its_control_calls_say() -> None:
    with running("state_http") as server:
        url = f"{server.url}/states/imports"
        assert ask("POST", url, b"{}").status_code == 200
        server.break_(Fault("status", status=403, times=None), Fault("reset_before"))
        assert ask("GET", url).status_code == 403
        assert [struck for _, struck in server.struck()] == [1, 0]
        server.set_clock(at=1_768_460_400.0, ahead=60)
        assert ask("GET", url).headers["date"] == "Thu, 15 Jan 2026 07:01:00 GMT"
        server.delay(0.05)
        began = time.monotonic()
        ask("GET", url)
        assert time.monotonic() - began >= 0.05
        assert server.seen()[0] == Seen("POST", "/states/imports")
        assert (server.count("GET"), server.count()) == (3, 4)
        server.mend()
        assert ask("GET", url).content == b"{}"
        assert server.count() == 1
        server.rest(0.2)
        deadline = time.monotonic() + 10
        while not is_gone(url) and time.monotonic() < deadline:
            time.sleep(0.005)
        while is_gone(url) and time.monotonic() < deadline:
            time.sleep(0.005)
        assert ask("GET", url).content == b"{}"


def test_a_document_outlives_the_kill_of_its_server(tmp_path: Path) -> None:
    data = ("--data", str(tmp_path / "states.sqlite"))
    with running("state_http", *data) as server:
        ask("POST", f"{server.url}/states/imports", b"kept")
        port = server.url.rpartition(":")[2]
        server.kill()
    with running("state_http", "--port", port, *data) as server:
        assert server.url.endswith(port)
        assert ask("GET", f"{server.url}/states/imports").content == b"kept"


def test_objects_of_s3_are_dated_by_its_clock_and_gone_with_their_bucket(s3_server: Distant) -> None:
    name = s3.make_bucket(s3_server.url)
    s3_server.set_clock(at=1_768_460_400.0)
    url = f"{s3_server.url}/{name}/a%2Fb%20c"
    with requests.Session() as session:
        session.trust_env = False
        headers = {"Authorization": s3.ANYBODY, "Content-Type": "application/octet-stream", "If-None-Match": "*"}
        assert [session.put(url, b"x", headers=headers, timeout=10).status_code for _ in range(2)] == [200, 412]
    found = ask("GET", url)
    assert (found.content, found.headers["last-modified"]) == (b"x", "Thu, 15 Jan 2026 07:00:00 GMT")
    s3.remove_bucket(s3_server.url, name)
    assert "NoSuchBucket" in ask("GET", url).text


def test_blobs_of_azure_are_dated_by_its_clock_and_gone_with_their_container(az_server: Distant) -> None:
    name = azurite.make_container(az_server.url)
    az_server.set_clock(at=1_768_460_400.0)
    made = azurite.ask("PUT", az_server.url, name, tolerant=True)
    assert (made.status_code, made.headers["date"]) == (409, "Thu, 15 Jan 2026 07:00:00 GMT")
    assert azurite.ask("GET", az_server.url, name).headers["last-modified"] != made.headers["date"]
    later = azurite.make_container(az_server.url)
    assert azurite.ask("GET", az_server.url, later).headers["last-modified"] == "Thu, 15 Jan 2026 07:00:00 GMT"
    azurite.remove_container(az_server.url, name)
    assert azurite.ask("GET", az_server.url, name, tolerant=True).status_code == 404


def test_azurite_is_found_where_the_environment_says(tmp_path: Path) -> None:
    assert azurite.find_azurite({azurite.VARIABLE: str(tmp_path / "none")}) is None
    command = tmp_path / "azurite-blob"
    command.write_text("#!/bin/sh\n")
    command.chmod(0o700)
    assert azurite.find_azurite({azurite.VARIABLE: str(command)}) == str(command)


def test_a_server_that_cannot_start_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="does not serve"), running("state_http", "--data", os.devnull + "/x"):
        pass
