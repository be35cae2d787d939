"""Files at web servers, which tell little and sometimes lie: known again or read anew, never put together from two."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from mics_iac.core.manifest import SourceSpec
from mics_iac.errors import SourceFailed, SourceRefused
from mics_iac.sources.remote import RemoteSource
from mics_iac.sources.source import Found
from tests.api.loopback import Peer, make_certificate, serving
from tests.clocks import SteppingClock
from tests.servers.faults import Fault
from tests.servers.files import Files, Tells
from tests.servers.server import Server
from tests.servers.wire import Answer, Request
from tests.sources.far import CANARY, PLACE, Far, drained, nothing_in_the_way, web

LONG = random.Random(3).randbytes(2 << 20)
Both = tuple[Server, Files]


def stored(both: Both, name: str = "a.ndjson", data: bytes = LONG) -> Far:
    far = web(*both)
    far.put(name, data)
    return far


def test_a_file_is_known_again_by_what_the_server_tells(web_server: Both) -> None:
    far = stored(web_server, data=b"abc")
    seals: dict[str, str | None] = {}
    for tells in get_args(Tells):
        web_server[1].tells = tells
        found = far.found("a.ndjson")
        assert found.bytes == 3
        assert far.read(found) == b"abc"
        seals[tells] = found.seal
    assert seals["etag"]
    assert str(seals["weak"]).startswith("size=3 etag=W/")
    assert str(seals["date"]).startswith("size=3 modified=Thu, 15 Jan 2026")
    # Nothing tells its content apart: whoever wants to know it must read it.
    assert seals["nothing"] is None


@pytest.mark.parametrize("tells", ["etag", "weak", "date"])
@pytest.mark.parametrize("conditions", [True, False])
@pytest.mark.parametrize("ranges", [True, False])
def test_reading_goes_on_whatever_the_server_can(
    web_server: Both, tells: Tells, conditions: bool, ranges: bool
) -> None:
    far = stored(web_server)
    files = web_server[1]
    files.tells, files.conditions, files.ranges = tells, conditions, ranges
    found = far.found("a.ndjson")
    far.break_(Fault("torn", methods=("GET",)))
    assert far.read(found) == LONG
    assert far.read(found, start=1_500_000, end=1_500_010) == LONG[1_500_000:1_500_010]
    far.break_(Fault("torn", methods=("GET",)))
    raw = far.source.open_raw(found.path, seal=found.seal)
    begun = raw.read(10)
    far.put("a.ndjson", LONG[::-1])
    with pytest.raises(SourceFailed, match="is not the object that was planned"):
        begun += drained(raw)
    assert begun == LONG[:10]


def test_where_nothing_is_told_a_broken_connection_ends_it(web_server: Both) -> None:
    far = stored(web_server)
    web_server[1].tells = "nothing"
    found = far.found("a.ndjson")
    far.break_(Fault("torn", methods=("GET",)))
    with pytest.raises(SourceFailed, match="known again") as failed:
        far.read(found)
    assert "ETag" in str(failed.value.remedy)
    assert far.read(found) == LONG


@pytest.mark.parametrize("head", [403, 405, 501])
def test_a_server_that_takes_no_head(web_server: Both, head: int) -> None:
    far = stored(web_server)
    web_server[1].head = head
    found = far.found("a.ndjson")
    assert found.bytes == len(LONG)
    assert far.read(found) == LONG


def test_a_length_that_is_not_told(web_server: Both) -> None:
    far = stored(web_server)
    web_server[1].chunked = True
    found = far.found("a.ndjson")
    assert found.bytes == 0
    assert str(found.seal).startswith("size=? etag=")
    assert far.read(found) == LONG
    assert far.read(found, start=5, end=10) == LONG[5:10]
    web_server[1].ranges = False
    assert far.read(found, start=5, end=10) == LONG[5:10]
    far.break_(Fault("torn", methods=("GET",)))
    assert far.read(found) == LONG
    web_server[1].chunked, web_server[1].nameless = False, True
    with pytest.raises(SourceFailed, match="does not say how long it is"):
        far.read(found)


def test_more_bytes_than_were_planned(web_server: Both) -> None:
    far = stored(web_server, data=b"abc")
    web_server[1].conditions = False
    found = Found(far.root + "a.ndjson", 2, "size=2 etag=" + str(far.found("a.ndjson").seal).rpartition("=")[2])
    for chunked in (False, True):
        web_server[1].chunked = chunked
        with pytest.raises(SourceFailed, match="is not the object that was planned: it holds"):
            far.read(found)


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("/files/b.ndjson", "/files/b.ndjson if that is the file"),
        ("https://cdn.example.com/a", "write https://cdn.example.com/a"),
        (f"https://cdn.example.com/a?sig={CANARY}", "may stand in no manifest"),
        (f"https://u:{CANARY}@cdn.example.com/a", "may stand in no manifest"),
        ("http://[::", "where to is no address"),
        ("", "does not say where to"),
    ],
)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_told_and_not_followed(web_server: Both, status: int, location: str, words: str) -> None:
    far = stored(web_server)
    far.put("b.ndjson", b"other")
    found = far.found("a.ndjson")
    web_server[1].instead = Answer(status, headers={"Location": location} if location else {})
    ((told),) = far.told("a.ndjson")
    assert told.startswith(f"MICS212 {far.root}a.ndjson answers with a redirect, which is not followed")
    with pytest.raises(SourceFailed, match="redirect") as failed:
        far.read(found)
    for text in (told, failed.value.message):
        assert words in text
        assert CANARY not in text
    assert all(seen.path.endswith("/a.ndjson") for seen in far.seen())


def test_a_web_page_is_no_data_file(web_server: Both) -> None:
    far = stored(web_server)
    found = far.found("a.ndjson")
    web_server[1].instead = Answer(200, b"<html>log in</html>", {"Content-Type": "text/html; charset=utf-8"})
    ((told),) = far.told("a.ndjson")
    assert told.startswith(f"MICS204 {far.root}a.ndjson answers with a web page")
    with pytest.raises(SourceFailed, match="web page"):
        far.read(found)


@pytest.mark.parametrize(("name", "fits"), [("a.ndjson", False), ("a.ndjson.gz", True), ("a.ndjson.zst", False)])
def test_bytes_are_taken_as_they_are_stored(web_server: Both, name: str, fits: bool) -> None:
    far = stored(web_server, name, b"\x1f\x8bxyz")
    web_server[1].more = {"Content-Encoding": "gzip"}
    if fits:
        assert far.read(far.found(name)) == b"\x1f\x8bxyz"
        return
    ((told),) = far.told(name)
    assert told.startswith(f"MICS204 {far.root}{name} comes in an encoding")
    with pytest.raises(SourceFailed, match="Content-Encoding"):
        drained(far.source.open_raw(far.root + name, seal=None))


def test_nothing_but_the_bytes_themselves_is_asked_for() -> None:
    heads: list[Request] = []

    def answer(request: Request) -> Answer:
        heads.append(request)
        return Answer(200, b"abc", {"ETag": '"1"'})

    with Server(answer) as server:
        source = RemoteSource({}, clock=SteppingClock(), way=nothing_in_the_way)
        (found,), _ = source.find(SourceSpec(f"{server.url}/a%20b", False, False, PLACE))
        assert drained(source.open_raw(found.path, seal=found.seal)) == b"abc"
    assert {head.headers["accept-encoding"] for head in heads} == {"identity"}
    assert {head.path for head in heads} == {"/a b"}
    assert not any("authorization" in head.headers or "cookie" in head.headers for head in heads)


LIES: dict[str, Callable[[Request], Answer]] = {
    "another part": lambda _: Answer(206, b"bc", {"Content-Range": "bytes 7-8/9", "ETag": '"1"'}),
    "a part of nothing": lambda _: Answer(206, b"abc", {"ETag": '"1"'}),
    "a part that is none": lambda _: Answer(206, b"abc", {"Content-Range": "bytes 5-3/9", "ETag": '"1"'}),
    "a part of another length": lambda _: Answer(206, b"abc", {"Content-Range": "bytes 0-7/9", "ETag": '"1"'}),
    "several parts": lambda _: Answer(206, b"abc", {"Content-Type": "multipart/byteranges; boundary=x"}),
    "no file": lambda _: Answer(204),
    "another size": lambda _: Answer(200, b"abcdefgh", {"ETag": '"1"'}),
    "another file": lambda _: Answer(200, b"abcdefghi", {"ETag": '"2"'}),
    "teapot": lambda _: Answer(418, b"abcdefghi"),
    "out of range": lambda _: Answer(416),
    "never ready": lambda _: Answer(503, b"abcdefghi"),
    "too often": lambda _: Answer(429, b"", {"Retry-After": "99999999999"}),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_server_that_lies_gives_no_bytes(lie: str) -> None:
    def answer(request: Request) -> Answer:
        return LIES[lie](request) if request.method == "GET" else Answer(200, b"abcdefghi", {"ETag": '"1"'})

    with Server(answer) as server:
        source = RemoteSource({}, clock=SteppingClock(), way=nothing_in_the_way)
        (found,), _ = source.find(SourceSpec(f"{server.url}/a", False, False, PLACE))
        assert (found.bytes, found.seal) == (9, 'size=9 etag="1"')
        for start in (0, 1):
            raw = source.open_raw(found.path, seal=found.seal, start=start)
            with pytest.raises(SourceFailed):
                raw.read(100)
            raw.close()


def test_who_asks_is_told_from_netrc_alone(web_server: Both, tmp_path: Path) -> None:
    server, files = web_server
    files.user = "Basic YW5uOnM6ZSBjcmV0"
    files.put("/files/a", b"abc")
    home = tmp_path / ".netrc"
    home.write_text('machine 127.0.0.1 login ann password "s:e cret"\n')
    home.chmod(0o600)
    far = web(server, files, {"HOME": str(tmp_path)})
    assert far.read(far.found("a")) == b"abc"
    other = tmp_path / "other"
    other.write_text(f"machine example.com login x password {CANARY}\ndefault login y password {CANARY}\n")
    for environ in ({"HOME": "/nonexistent"}, {"HOME": str(tmp_path), "NETRC": str(other)}):
        with pytest.raises(SourceRefused, match=r"wants to know who asks \(401\)") as refused:
            web(server, files, environ).found("a")
        assert ".netrc" in str(refused.value.remedy)
    for text in (f"machine 127.0.0.1 {CANARY}\n", f"machine 127.0.0.1 login a password é{CANARY}\udcff"):
        other.write_bytes(text.encode("utf-8", "surrogateescape"))
        with pytest.raises(SourceRefused) as refused:
            web(server, files, {"NETRC": str(other)}).found("a")
        assert CANARY not in refused.value.message
    with pytest.raises(SourceRefused, match="cannot be read"):
        web(server, files, {"NETRC": str(tmp_path / "gone")}).found("a")


def test_nobody_there() -> None:
    source = RemoteSource({}, clock=SteppingClock(), way=nothing_in_the_way)
    with pytest.raises(SourceFailed, match="does not answer as it should: the connection was refused"):
        source.find(SourceSpec("http://127.0.0.1:9/a", False, False, PLACE))


def test_a_proxy_is_asked_as_the_way_says(web_server: Both) -> None:
    server, files = web_server
    files.put("/files/a", b"abc")
    asked: list[str] = []

    def way(url: str) -> tuple[str | None, str | None]:
        asked.append(url)
        return f"http://user:{CANARY}@127.0.0.1:9", None

    source = RemoteSource({}, clock=SteppingClock(), way=way)
    with pytest.raises(SourceFailed, match="does not answer") as failed:
        source.find(SourceSpec(f"{server.url}/files/a", False, False, PLACE))
    assert CANARY not in failed.value.message
    assert asked[0] == f"{server.url}/files/a"


def test_certificates_of_ones_own_network(tmp_path: Path) -> None:
    context, bundle = make_certificate(tmp_path)

    def script(peer: Peer) -> None:
        if peer.read_head():
            peer.answer(b"abc", headers=('ETag: "1"', "Connection: close"))

    with serving(script, tls=context) as server:
        url = f"{server.secure_url}/a"
        trusting = RemoteSource({}, clock=SteppingClock(), way=lambda _: (None, str(bundle)))
        assert drained(trusting.open_raw(url, seal='size=3 etag="1"')) == b"abc"
        with pytest.raises(SourceFailed, match="TLS certificate is not trusted"):
            drained(RemoteSource({}, clock=SteppingClock(), way=nothing_in_the_way).open_raw(url, seal=None))


def test_a_server_that_closes_again_and_again_is_read_to_the_end() -> None:

    def script(peer: Peer) -> None:
        while peer.read_head():
            first = int((peer.header("range") or "bytes=0-")[6:-1])
            peer.sock.sendall(b'HTTP/1.1 206 Partial Content\r\nETag: "1"\r\n')
            peer.sock.sendall(
                b"Content-Range: bytes %d-99999/100000\r\nContent-Length: %d\r\n\r\n" % (first, 100000 - first)
            )
            for at in range(first, min(first + 40000, 100000), 10000):
                peer.sock.sendall(bytes([at // 10000]) * 10000)
            if first + 40000 < 100000:
                return

    with serving(script) as server:
        source = RemoteSource({}, clock=SteppingClock(), way=nothing_in_the_way)
        data = drained(source.open_raw(f"{server.url}/a", seal='size=100000 etag="1"'))
        assert data == b"".join(bytes([number]) * 10000 for number in range(10))
        assert server.connections == 3
