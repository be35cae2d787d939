"""No more calls at once than allowed, and fewer while the platform pushes back."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing

from hypothesis import given
from hypothesis import strategies as st

from mics_iac.api.client import MicsApi
from mics_iac.api.limits import Limits
from mics_iac.api.pace import Pace
from mics_iac.api.transport import Transport
from mics_iac.sandbox.faults import Fault
from tests.api.loopback import JSON_OK, Peer, serving
from tests.api.stand import TOKEN, MakeStand, SteppingClock, opens, profiles, settings
from tests.api.test_sockets import EXECUTION


def test_a_push_back_halves_and_its_echoes_do_not() -> None:
    pace = Pace(8)
    for together, left in ((8, 4), (4, 2), (2, 1), (1, 1)):
        with ExitStack() as stack:
            for _ in range(together):
                stack.enter_context(pace.slot())
            for _ in range(together):
                pace.pushed_back()
        assert pace.limit == left


def test_good_answers_bring_it_back_one_by_one_and_no_further() -> None:
    pace = Pace(4)
    pace.pushed_back()
    seen = [pace.limit]
    for _ in range(20):
        pace.went_well()
        seen.append(pace.limit)
    assert seen[:6] == [2, 2, 3, 3, 3, 4]
    assert seen[-1] == 4


@given(most=st.integers(-1, 20), news=st.lists(st.booleans(), max_size=200))
def test_the_limit_stays_between_one_and_what_was_allowed(most: int, news: list[bool]) -> None:
    pace = Pace(most)
    for good in news:
        pace.went_well() if good else pace.pushed_back()
        assert 1 <= pace.limit <= max(1, most)


def test_calls_and_uploads_have_their_own_limits_and_use_them_fully() -> None:
    """The server answers only once as many are under way together as the limits allow, and counts the most it saw."""
    lock = threading.Lock()
    busy = {"GET": 0, "POST": 0}
    most = {"GET": 0, "POST": 0}
    together = {"GET": threading.Barrier(3), "POST": threading.Barrier(2)}

    def script(peer: Peer) -> None:
        while peer.read_head():
            kind = peer.head.split(b" ")[0].decode()
            peer.read_body()
            with lock:
                busy[kind] += 1
                most[kind] = max(most[kind], busy[kind])
            together[kind].wait(20)
            with lock:
                busy[kind] -= 1
            peer.answer(EXECUTION if kind == "POST" else JSON_OK)

    with serving(script) as server, ThreadPoolExecutor(12) as pool:
        transport = Transport(server.url, token=TOKEN, clock=SteppingClock(), limits=Limits(calls=3, uploads=2))
        api = MicsApi(transport)
        with closing(transport):
            lists = [pool.submit(api.list_imports, "1") for _ in range(9)]
            uploads = [
                pool.submit(api.upload, "1", "2", mime_type="APPLICATION_X_NDJSON", body=opens(b"{}\n"), length=3)
                for _ in range(6)
            ]
            assert all(one.result().steady for one in lists)
            assert {one.result().id for one in uploads} == {"77"}
    assert most == {"GET": 3, "POST": 2}


def test_a_call_that_waits_to_try_again_keeps_its_turn(make: MakeStand) -> None:
    """A platform that asks for patience gets it: while one call waits, none that is ready comes in its place."""
    stand = make(uploads=1)
    import_id = stand.api.create_import(settings()).id
    stand.strike(Fault("throttle", method="POST", path="*/executions"))
    patient, others = stand.clock.sleep, list[Future[str]]()
    with ThreadPoolExecutor(1) as pool:

        def sleep(seconds: float) -> None:
            others.append(pool.submit(stand.upload, import_id, profiles(2)))
            # It must not end; were it let through, it would have long ended by then.
            wait(others, timeout=0.3)
            patient(seconds)

        stand.clock.sleep = sleep  # type: ignore[method-assign]  # what happens while one waits
        stand.upload(import_id, profiles(1))
        wait(others, timeout=30)
    uploads = [(one.attempt, one.status) for one in stand.seen if one.path.endswith("/executions")]
    assert uploads == [(1, 429), (2, 200), (1, 200)]
