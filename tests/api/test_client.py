"""What each call gives, over the sandbox: the real client, the imitated platform."""

from __future__ import annotations

import hashlib

import pytest

from mics_iac.core.observed import RemoteExecution
from mics_iac.errors import ApiError, ApiRefused
from mics_iac.sandbox.faults import Fault
from mics_iac.sandbox.profile import Profile
from tests.api.stand import DATAMART, MakeStand, Pieces, Stand, opens, profiles, settings


def test_a_created_import_is_what_was_asked_and_is_listed(stand: Stand) -> None:
    made = stand.api.create_import(settings("Nightly", priority="HIGH"))
    assert made.settings == settings("Nightly", priority="HIGH")
    listing = stand.api.list_imports(DATAMART)
    assert (listing.items, listing.steady) == ((made,), True)
    assert stand.api.read_import(DATAMART, made.id) == made


def test_a_name_travels_as_it_is(stand: Stand) -> None:
    name = 'Été "2026" / 100 % \\ ünïcode 日本 \u202e end'
    made = stand.api.create_import(settings(name))
    assert stand.sandbox.imports()[0].name == name
    assert stand.api.read_import(DATAMART, made.id) == made


def test_an_update_sends_the_whole_object_with_two_fields_changed(stand: Stand) -> None:
    made = stand.api.create_import(settings())
    changed = stand.api.update_import(made, name="Renamed", priority="LOW")
    assert changed.settings == settings("Renamed", priority="LOW")
    seen = stand.sandbox.imports()[0]
    assert (seen.name, seen.priority, seen.document_type) == ("Renamed", "LOW", "USER_PROFILE")
    assert changed.raw["datafarm_key"] == made.raw["datafarm_key"]


@pytest.mark.parametrize("empty", [True, False])
def test_a_deleted_import_is_gone_and_deleting_it_again_is_no_error(make: MakeStand, empty: bool) -> None:
    stand = make(profile=Profile(delete_empty=empty))
    made = stand.api.create_import(settings())
    stand.api.delete_import(DATAMART, made.id)
    assert stand.api.read_import(DATAMART, made.id) is None
    stand.api.delete_import(DATAMART, made.id)


def test_an_upload_arrives_byte_for_byte_and_comes_to_its_end(make: MakeStand) -> None:
    stand = make(profile=Profile(queue_ms=1000, run_ms=1000))
    made = stand.api.create_import(settings())
    data = profiles(2000)
    execution = stand.api.upload(
        DATAMART, made.id, mime_type="APPLICATION_X_NDJSON", body=opens(data), length=len(data)
    )
    assert (execution.status, execution.number_of_lines, execution.loaded) == ("PENDING", None, None)
    assert stand.sandbox.executions()[0].sha256 == hashlib.sha256(data).hexdigest()
    stand.clock.advance(5)
    ended = stand.api.read_execution(DATAMART, made.id, execution.id)
    assert ended is not None
    assert (ended.succeeded, ended.number_of_lines, ended.loaded, ended.rejected) == (True, 2000, 2000, 0)
    assert ended.input_uri is not None
    assert stand.api.list_executions(DATAMART, made.id).items == (ended,)


def test_the_body_is_read_in_blocks_and_its_reader_closed(stand: Stand) -> None:
    made = stand.api.create_import(settings())
    reader = Pieces([profiles(1), profiles(2), profiles(3)])
    length = len(profiles(1)) + len(profiles(2)) + len(profiles(3))
    stand.api.upload(DATAMART, made.id, mime_type="APPLICATION_X_NDJSON", body=lambda: reader, length=length)
    assert (reader.taken, reader.closed) == (length, True)


def test_a_csv_is_sent_as_csv(stand: Stand) -> None:
    segment = stand.sandbox.add_import(DATAMART, "seg", "USER_SEGMENT", mime_type="TEXT_CSV")
    data = b"operation,user_account_id,segment_id,expiration_duration\nUPDATE,u1,77,1440\n"
    stand.api.upload(DATAMART, segment, mime_type="TEXT_CSV", body=opens(data), length=len(data))
    assert stand.sandbox.content(stand.sandbox.executions()[0].id) == data


def test_a_mime_type_without_content_type_is_refused_before_anything_is_sent(stand: Stand) -> None:
    with pytest.raises(ApiError, match="TEXT_XML"):
        stand.api.upload(DATAMART, "1", mime_type="TEXT_XML", body=opens(b"x"), length=1)
    assert stand.sent == 0


@pytest.mark.parametrize("bad", ["", "1/2", "../../users", "1?x=1", "a b", "é", "1" * 200, "1\n"])
def test_an_id_that_could_lead_elsewhere_never_gets_into_a_path(stand: Stand, bad: str) -> None:
    with pytest.raises(ApiError, match="is not an id"):
        stand.api.read_import(DATAMART, bad)
    with pytest.raises(ApiError, match="is not an id"):
        stand.api.list_imports(bad)
    assert stand.sent == 0


def test_a_missing_execution_is_none(stand: Stand) -> None:
    made = stand.api.create_import(settings())
    assert stand.api.read_execution(DATAMART, made.id, "999") is None


def test_a_pending_execution_can_be_canceled_and_an_ended_one_cannot(make: MakeStand) -> None:
    stand = make(profile=Profile(queue_ms=60_000))
    made = stand.api.create_import(settings())
    first = stand.upload(made.id)
    assert stand.api.cancel_execution(DATAMART, made.id, first).status == "CANCELED"
    with pytest.raises(ApiRefused):
        stand.api.cancel_execution(DATAMART, made.id, first)


def _download(stand: Stand, uri: str) -> tuple[int | None, bytes]:
    kept = bytearray()

    def anew() -> bytearray:
        kept.clear()
        return kept

    return stand.api.download(uri, into=lambda: anew().extend), bytes(kept)


def test_an_input_file_comes_back_as_it_was_sent(stand: Stand) -> None:
    made = stand.api.create_import(settings())
    data = profiles(20_000)
    stand.upload(made.id, data)
    uri = _only(stand, made.id).input_uri
    assert uri is not None
    assert _download(stand, uri) == (len(data), data)


def test_an_input_file_that_is_gone_is_none(stand: Stand) -> None:
    made = stand.api.create_import(settings())
    execution = stand.upload(made.id)
    uri = _only(stand, made.id).input_uri
    stand.sandbox.remove_input_file(execution)
    assert _download(stand, uri or "") == (None, b"")


def test_a_download_that_broke_starts_anew(stand: Stand) -> None:
    made = stand.api.create_import(settings())
    data = profiles(20_000)
    stand.upload(made.id, data)
    uri = _only(stand, made.id).input_uri or ""
    stand.strike(Fault("cut_answer", path="*/data_file/data", times=2))
    assert _download(stand, uri) == (len(data), data)


def test_rejected_lines_are_counted_and_their_file_is_named(stand: Stand) -> None:
    made = stand.api.create_import(settings())
    stand.strike(Fault("rejects_lines", count=2))
    stand.upload(made.id, profiles(5))
    execution = _only(stand, made.id)
    assert (execution.loaded, execution.rejected) == (3, 2)
    assert execution.error_uri is not None
    count, lines = _download(stand, execution.error_uri)
    assert (count, lines.count(b"\n")) == (len(lines), 2)


@pytest.mark.parametrize(("kind", "status"), [("ends_failed", "FAILED"), ("ends_lost", "LOST")])
def test_how_an_execution_ended_is_told(stand: Stand, kind: str, status: str) -> None:
    made = stand.api.create_import(settings())
    stand.strike(Fault(kind, message="no quota left"))  # type: ignore[arg-type]  # one of the literals
    stand.upload(made.id)
    execution = _only(stand, made.id)
    assert (execution.status, execution.ended, execution.succeeded) == (status, True, False)
    if kind == "ends_failed":
        assert execution.message == "no quota left"


def test_a_status_nobody_knows_counts_as_active(make: MakeStand) -> None:
    stand = make(profile=Profile(queue_ms=60_000))
    made = stand.api.create_import(settings())
    stand.strike(Fault("odd_status", message="EXECUTOR_NOT_RESPONDING"))
    stand.upload(made.id)
    assert (_only(stand, made.id).status, _only(stand, made.id).ended) == ("EXECUTOR_NOT_RESPONDING", False)


def test_fields_that_nobody_has_heard_of_are_passed_over(stand: Stand) -> None:
    stand.strike(Fault("extra_fields", times=None))
    made = stand.api.create_import(settings())
    assert made.settings == settings()
    stand.upload(made.id)
    assert _only(stand, made.id).succeeded


def _only(stand: Stand, import_id: str) -> RemoteExecution:
    (execution,) = stand.api.list_executions(DATAMART, import_id).items
    return execution


def test_what_stood_still_after_it_was_allowed_to_leave_asks_again(stand: Stand) -> None:
    """A machine that was suspended between the question and the request: the answer was good for its time alone."""
    asked: list[float] = []

    def allow(seconds: float) -> None:
        asked.append(seconds)
        if len(asked) == 1:
            stand.clock.advance(seconds + 1)

    stand.api.create_import(settings(), before_send=allow)
    assert len(asked) == 2
    assert [r.status for r in stand.sandbox.requests(method="POST")] == [200]
