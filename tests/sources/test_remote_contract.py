"""What holds of remote files wherever they are: found and known again, read to the byte, through broken connections."""

from __future__ import annotations

import random

import pytest

from mics_iac.errors import SourceFailed, SourceRefused
from mics_iac.sources.seal import Seal
from tests.servers.faults import Fault
from tests.sources.far import Far, drained

LONG = random.Random(7).randbytes(3 << 20)


def test_a_file_is_found_with_its_size_and_its_seal(far: Far) -> None:
    far.put("visits é 1.ndjson" if far.kind != "https" else "visits.ndjson", b"abc")
    found = far.found("visits é 1.ndjson" if far.kind != "https" else "visits.ndjson")
    assert found.bytes == 3
    assert found.seal is not None
    assert Seal.read(found.seal).size == 3
    assert far.read(found) == b"abc"


def test_nothing_is_read_to_find_it(far: Far) -> None:
    far.put("a", LONG)
    far.found("a")
    assert {seen.method for seen in far.seen() if seen.path.endswith("/a")} <= {"HEAD", "PUT"}


def test_what_is_not_there(far: Far) -> None:
    ((told),) = far.told("a.ndjson")
    assert told.startswith(f"MICS201 {far.root}a.ndjson is not there")
    assert far.find("a.ndjson", allow_empty=True) == ([], [])


def test_an_empty_file(far: Far) -> None:
    far.put("a", b"")
    ((told),) = far.told("a")
    assert told.startswith(f"MICS205 {far.root}a is empty")


@pytest.mark.parametrize("size", [1, 999, 1 << 20, 5 << 20])
def test_bytes_come_whole_in_blocks_of_any_size(far: Far, size: int) -> None:
    data = LONG if size > 1 else LONG[:2000]
    far.put("a", data)
    assert far.read(far.found("a"), size=size) == data


@pytest.mark.parametrize(
    ("start", "end"), [(0, 5), (10, 20), (10, None), (0, 3000), (2999, 3000), (3000, None), (3000, 3000), (2990, 9999)]
)
def test_a_range_of_bytes(far: Far, start: int, end: int | None) -> None:
    far.put("a", LONG[:3000])
    found = far.found("a")
    assert far.read(found, start=start, end=end) == LONG[:3000][start:end]
    if start < 3000:
        assert drained(far.source.open_raw(found.path, seal=None, start=start, end=end)) == LONG[:3000][start:end]


@pytest.mark.parametrize("now", [b"abd", b"abcd", b"", b"x" * 4000])
def test_another_content_is_not_read_for_the_planned_one(far: Far, now: bytes) -> None:
    far.put("a", b"abc")
    found = far.found("a")
    far.put("a", now)
    for start in (0, 1):
        with pytest.raises(SourceFailed, match="a is not the object that was planned") as failed:
            far.read(found, start=start)
        assert failed.value.remedy == "plan again"
    assert drained(far.source.open_raw(found.path, seal=None)) == now


def test_what_is_gone_when_it_is_read(far: Far) -> None:
    far.put("a", b"abc")
    found = far.found("a")
    far.remove("a")
    with pytest.raises(SourceFailed, match="a is not there any more"):
        far.read(found)


def test_a_seal_that_is_none(far: Far) -> None:
    far.put("a", b"abc")
    with pytest.raises(SourceFailed, match="cannot be understood"):
        drained(far.source.open_raw(far.root + "a", seal="no seal"))


@pytest.mark.parametrize("kind", ["torn", "reset_before", "torn_head", "status"])
@pytest.mark.parametrize("sealed", [True, False])
def test_reading_goes_on_where_it_broke_off(far: Far, kind: str, sealed: bool) -> None:
    far.put("a", LONG)
    found = far.found("a")
    seal = found.seal if sealed else None
    for nth in (1, 2, 3):
        far.break_(Fault(kind, methods=("GET",), nth=nth))  # type: ignore[arg-type]
    assert drained(far.source.open_raw(found.path, seal=seal)) == LONG
    assert [times for _, times in far.struck()] == [1, 1, 1]
    assert far.clock.slept


def test_a_connection_that_breaks_off_always_ends_as_an_error(far: Far) -> None:
    far.put("a", LONG[:5000])
    found = far.found("a")
    far.break_(Fault("reset_before", methods=("GET",), times=None))
    with pytest.raises(SourceFailed, match="does not answer as it should") as failed:
        far.read(found)
    assert failed.value.exit_code == 1
    assert 3 <= sum(times for _, times in far.struck()) <= 10


def test_what_changes_in_the_middle_is_not_put_together(far: Far) -> None:
    far.put("a", LONG)
    for seal in (far.found("a").seal, None):
        far.put("a", LONG)
        far.break_(Fault("torn", methods=("GET",)))
        raw = far.source.open_raw(far.root + "a", seal=seal if far.kind != "az" else far.found("a").seal)
        assert raw.read(1000) == LONG[:1000]
        far.put("a", LONG[::-1])
        with pytest.raises(SourceFailed, match="is not the object that was planned"):
            drained(raw)


@pytest.mark.parametrize("status", [401, 403])
def test_who_may_not_is_told_so(far: Far, status: int) -> None:
    far.put("a", b"abc")
    found = far.found("a")
    far.break_(Fault("status", methods=("GET", "HEAD"), status=status, times=None))
    for ask in (lambda: far.found("a"), lambda: far.read(found)):
        with pytest.raises(SourceRefused) as refused:
            ask()
        assert refused.value.exit_code == 9
        assert refused.value.remedy
        assert far.root.rstrip("/").rpartition("/")[0] in refused.value.message


def test_a_server_that_is_away_for_a_moment(far: Far) -> None:
    far.put("a", b"abc")
    far.break_(Fault("status", methods=("GET", "HEAD"), status=503, times=2))
    assert far.read(far.found("a")) == b"abc"


def test_a_plan_that_names_no_file(far: Far) -> None:
    for path in ("s3://", "s3://acme", "az://acme/x", "gs://a/b", "https://u:p@h/a", "ftp://h/a", ""):
        with pytest.raises(SourceFailed, match="at an address that no file can have"):
            far.source.open_raw(path, seal=None)


def test_closing_twice_and_reading_none(far: Far) -> None:
    far.put("a", LONG)
    raw = far.source.open_raw(far.root + "a", seal=None)
    raw.close()
    raw = far.source.open_raw(far.root + "a", seal=None)
    assert raw.read(10) == LONG[:10]
    raw.close()
    raw.close()
