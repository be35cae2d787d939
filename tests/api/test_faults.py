"""The fault matrix: what each call ends with when something goes wrong, and how many requests went out.

The rule under test is design.md section 5: a POST is repeated only when it surely did not act, everything else freely.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from mics_iac.api.limits import Patience, Timeouts
from mics_iac.errors import (
    ApiError,
    ApiLost,
    ApiRefused,
    ApiUnreachable,
    Interrupted,
    MicsError,
    NotAllowed,
    SourceFailed,
)
from mics_iac.sandbox.faults import Fault
from tests.api.stand import DATAMART, MakeStand, Pieces, Stand, opens, profiles, settings

ATTEMPTS = Patience().attempts


@dataclass(frozen=True)
class Act:
    """One call of the client: its method, the path a fault is put on, and how to make it on a prepared import."""

    method: str
    path: str
    make: Callable[[Stand, str], object]


def _update(stand: Stand, import_id: str) -> object:
    remote = next(one for one in stand.api.list_imports(DATAMART).items if one.id == import_id)
    return stand.api.update_import(remote, name="Other", priority="HIGH")


ACTS = {
    "list_imports": Act("GET", "*/document_imports", lambda stand, _: stand.api.list_imports(DATAMART)),
    "read_import": Act("GET", "*/document_imports/*", lambda stand, one: stand.api.read_import(DATAMART, one)),
    "list_executions": Act("GET", "*/executions", lambda stand, one: stand.api.list_executions(DATAMART, one)),
    "update_import": Act("PUT", "*/document_imports/*", _update),
    "delete_import": Act("DELETE", "*/document_imports/*", lambda stand, one: stand.api.delete_import(DATAMART, one)),
    "create_import": Act("POST", "*/document_imports", lambda stand, _: stand.api.create_import(settings("New"))),
    "upload": Act("POST", "*/executions", lambda stand, one: stand.upload(one)),
}
REPEATABLE = [name for name, act in ACTS.items() if act.method != "POST"]
POSTS = [name for name, act in ACTS.items() if act.method == "POST"]

# How it is told that nothing happened, or that nobody knows; the kinds are the sandbox's.
UNSENT = ["refuse", "connect_timeout", "tls"]
SEVERED = ["reset_before", "reset_midway", "reset_after", "hang", "cut_answer"]
UNREADABLE = ["truncated_json", "garbage"]


@dataclass
class Ended:
    error: MicsError | None
    requests: int
    stand: Stand


def run(stand: Stand, name: str, fault: Fault) -> Ended:
    """Make the call with the fault on its own requests alone, and count those."""
    act = ACTS[name]
    import_id = stand.sandbox.add_import(DATAMART, "There already")
    stand.strike(fault)
    stand.sandbox.forget_requests()
    error: MicsError | None = None
    try:
        act.make(stand, import_id)
    except MicsError as raised:
        error = raised
    return Ended(error, len(stand.sandbox.requests(method=act.method)), stand)


def on(name: str, kind: str, **options: object) -> Fault:
    return Fault(kind, method=ACTS[name].method, path=ACTS[name].path, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ACTS)
@pytest.mark.parametrize("kind", [*UNSENT, "throttle"])
def test_what_surely_did_not_act_is_repeated_whatever_the_method(stand: Stand, name: str, kind: str) -> None:
    ended = run(stand, name, on(name, kind, times=2))
    assert ended.error is None
    assert ended.requests == 3


@pytest.mark.parametrize("name", ACTS)
@pytest.mark.parametrize("kind", UNSENT)
def test_what_never_connects_ends_as_unreachable_and_has_done_nothing(stand: Stand, name: str, kind: str) -> None:
    ended = run(stand, name, on(name, kind, times=None))
    assert type(ended.error) is ApiUnreachable
    assert ended.requests == ATTEMPTS
    assert len(stand.sandbox.imports()) == 1
    assert not stand.sandbox.executions()


@pytest.mark.parametrize(
    ("name", "kind"),
    [(name, kind) for name in REPEATABLE for kind in [*SEVERED, "error"]]
    # The body of a deletion's answer is not read, so it cannot be unreadable.
    + [(name, kind) for name in REPEATABLE if name != "delete_import" for kind in UNREADABLE],
)
def test_get_put_delete_are_repeated_until_they_succeed(stand: Stand, name: str, kind: str) -> None:
    ended = run(stand, name, on(name, kind, times=ATTEMPTS - 1))
    assert ended.error is None
    assert ended.requests == ATTEMPTS


@pytest.mark.parametrize("name", REPEATABLE)
@pytest.mark.parametrize("kind", [*SEVERED, "error"])
def test_get_put_delete_give_up_after_their_attempts(stand: Stand, name: str, kind: str) -> None:
    ended = run(stand, name, on(name, kind, times=None))
    assert isinstance(ended.error, ApiRefused if kind == "error" else ApiLost)
    assert ended.requests == ATTEMPTS


@pytest.mark.parametrize("kind", UNREADABLE)
def test_a_get_that_stays_unreadable_is_an_error_and_no_doubt(stand: Stand, kind: str) -> None:
    ended = run(stand, "list_imports", on("list_imports", kind, times=None))
    assert type(ended.error) is ApiError
    assert ended.requests == ATTEMPTS


@pytest.mark.parametrize("name", POSTS)
@pytest.mark.parametrize("kind", [*SEVERED, *UNREADABLE])
def test_a_post_whose_answer_is_lost_is_a_doubt_and_is_never_repeated(stand: Stand, name: str, kind: str) -> None:
    ended = run(stand, name, on(name, kind, times=None))
    assert type(ended.error) is ApiLost
    assert ended.requests == 1


@pytest.mark.parametrize("name", POSTS)
@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
@pytest.mark.parametrize("acts", [True, False])
def test_a_post_answered_with_a_server_error_is_a_doubt(stand: Stand, name: str, status: int, acts: bool) -> None:
    ended = run(stand, name, on(name, "error", status=status, acts=acts, times=None))
    assert type(ended.error) is ApiLost
    assert ended.error.body_left
    assert ended.requests == 1


@pytest.mark.parametrize("name", ACTS)
@pytest.mark.parametrize("status", [400, 404, 405, 409, 413, 415, 422])
def test_another_4xx_is_a_refusal_at_once(stand: Stand, name: str, status: int) -> None:
    ended = run(stand, name, on(name, "error", status=status, html=True, message="no", times=None))
    assert type(ended.error) is ApiRefused
    assert ended.error.status == status
    assert ended.requests == 1


@pytest.mark.parametrize("name", ACTS)
@pytest.mark.parametrize("kind", ["expired_token", "forbidden"])
def test_a_token_that_is_not_taken_ends_it_at_once_and_says_what_to_do(stand: Stand, name: str, kind: str) -> None:
    ended = run(stand, name, on(name, kind, times=None))
    assert type(ended.error) is NotAllowed
    assert ended.error.exit_code == 9
    assert ended.error.remedy
    assert ended.requests == 1


@pytest.mark.parametrize(
    ("kind", "options", "left"),
    [
        ("reset_before", {}, False),
        ("reset_midway", {"after_bytes": 300_000}, False),
        ("reset_after", {}, True),
        ("hang", {}, True),
        ("cut_answer", {}, True),
    ],
)
def test_a_doubt_says_whether_the_whole_file_may_have_left(
    stand: Stand, kind: str, options: dict[str, int], left: bool
) -> None:
    import_id = stand.sandbox.add_import(DATAMART, "There")
    stand.strike(on("upload", kind, **options))
    with pytest.raises(ApiLost) as caught:
        stand.upload(import_id, profiles(20_000))
    assert caught.value.body_left is left


def test_a_reset_after_it_acted_leaves_one_execution_and_one_doubt(stand: Stand) -> None:
    ended = run(stand, "upload", on("upload", "reset_after", times=None))
    assert isinstance(ended.error, ApiLost)
    assert len(stand.sandbox.executions()) == 1


def test_a_repeated_upload_sends_the_file_from_its_first_byte(stand: Stand) -> None:
    import_id = stand.sandbox.add_import(DATAMART, "There")
    stand.strike(on("upload", "throttle", times=2))
    data = profiles(20_000)
    stand.upload(import_id, data)
    (execution,) = stand.sandbox.executions()
    assert stand.sandbox.content(execution.id) == data


def test_a_wait_that_was_asked_for_is_kept_and_a_greedy_one_is_capped(make: MakeStand) -> None:
    stand = make(chance=lambda: 0.0)
    stand.strike(on("list_imports", "throttle", retry_after="7"))
    stand.strike(on("list_imports", "throttle", retry_after="86400"))
    stand.api.list_imports(DATAMART)
    assert stand.clock.slept == [7.0, Patience().longest_asked]


def test_the_repeats_of_a_run_are_counted_over_all_calls(make: MakeStand) -> None:
    stand = make(patience=Patience(budget=3))
    stand.strike(Fault("error", method="GET", times=None))
    for _ in range(4):
        with pytest.raises(ApiRefused):
            stand.api.list_imports(DATAMART)
    assert stand.sent == 4 + 3


def test_an_interrupt_during_a_wait_comes_through_at_once(make: MakeStand, monkeypatch: pytest.MonkeyPatch) -> None:
    stand = make()

    def woken(_seconds: float) -> None:
        raise Interrupted(signal=2)

    monkeypatch.setattr(stand.clock, "sleep", woken)
    stand.strike(Fault("error", method="GET", times=None))
    with pytest.raises(Interrupted):
        stand.api.list_imports(DATAMART)
    assert stand.sent == 1


@pytest.mark.parametrize(
    "fails", [SourceFailed("its bytes are not the ones that were planned"), Interrupted(signal=15)]
)
def test_a_reader_that_says_no_at_its_very_end_keeps_the_file_from_arriving(stand: Stand, fails: MicsError) -> None:
    import_id = stand.sandbox.add_import(DATAMART, "There")
    data = profiles(20_000)
    with pytest.raises(type(fails)) as caught:
        stand.api.upload(
            DATAMART, import_id, mime_type="APPLICATION_X_NDJSON", body=opens(data, fails=fails), length=len(data)
        )
    assert caught.value is fails
    assert not stand.sandbox.executions()


@pytest.mark.parametrize(("more", "how"), [(b"", "shorter"), (b"{}\n{}\n", "longer")])
def test_a_file_of_another_length_than_planned_never_arrives(stand: Stand, more: bytes, how: str) -> None:
    import_id = stand.sandbox.add_import(DATAMART, "There")
    data = profiles(10)
    with pytest.raises(SourceFailed, match=how):
        stand.api.upload(
            DATAMART, import_id, mime_type="APPLICATION_X_NDJSON", body=opens(data + more), length=len(data) + 3
        )
    assert not stand.sandbox.executions()


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), BrokenPipeError(32, "Broken pipe")])
def test_a_disk_that_fails_while_a_file_is_sent_is_not_taken_for_the_network(stand: Stand, error: OSError) -> None:
    import_id = stand.sandbox.add_import(DATAMART, "There")
    reader = Pieces([profiles(3)], fails=error)
    with pytest.raises(SourceFailed, match="cannot be read"):
        stand.api.upload(
            DATAMART, import_id, mime_type="APPLICATION_X_NDJSON", body=lambda: reader, length=len(profiles(6))
        )
    assert reader.closed
    assert not stand.sandbox.executions()


def test_the_last_look_before_a_post_sees_each_attempt_and_may_stop_it(stand: Stand) -> None:
    limits: list[float] = []

    def look(seconds: float) -> None:
        limits.append(seconds)
        if len(limits) == 2:
            raise SourceFailed("the lease does not last that long")

    stand.strike(on("create_import", "throttle", times=None))
    with pytest.raises(SourceFailed):
        stand.api.create_import(settings(), before_send=look)
    assert limits == [Timeouts().whole()] * 2
    assert stand.sent == 1


def test_a_404_that_is_not_the_platforms_own_is_never_taken_for_gone(stand: Stand) -> None:
    import_id = stand.sandbox.add_import(DATAMART, "There")
    stand.strike(Fault("error", status=404, html=True, times=None))
    for call in (
        lambda: stand.api.read_import(DATAMART, import_id),
        lambda: stand.api.delete_import(DATAMART, import_id),
        lambda: stand.api.download("mics://x", into=lambda: bytearray().extend),
    ):
        with pytest.raises(ApiRefused) as caught:
            call()
        assert "api.url" in (caught.value.remedy or "")


def test_each_attempt_is_told_to_the_observer(stand: Stand) -> None:
    stand.strike(on("list_imports", "refuse"))
    stand.strike(on("list_imports", "error", status=502))
    stand.api.list_imports(DATAMART)
    assert [(one.method, one.attempt, one.status) for one in stand.seen] == [
        ("GET", 1, None),
        ("GET", 2, 502),
        ("GET", 3, 200),
    ]
