"""A call of the platform carried to its end: the token, the repeats, and what went wrong as an error of ours.

Knows no route and no JSON model; of the HTTP library it knows the name of an adapter alone, `exchange` makes each
single attempt. The token never gets into an error, a repr or a log.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias, TypeVar
from urllib.parse import urlsplit

from requests.adapters import BaseAdapter

from mics_iac.api.calls import Answer, Call, Cut, Exchange, TooBig, Unsent
from mics_iac.api.exchange import Line
from mics_iac.api.limits import Limits
from mics_iac.api.network import Network, checked_base
from mics_iac.api.pace import Pace
from mics_iac.api.refusal import refusal, says_absent
from mics_iac.api.retry import REPEATABLE, Budget, Verdict, asked_wait, pause, verdict
from mics_iac.api.token import checked_token, scrub
from mics_iac.api.wire import Unreadable
from mics_iac.core.clock import Clock
from mics_iac.errors import ApiError, ApiLost, ApiUnreachable, MicsError

Adapter: TypeAlias = BaseAdapter
"""What may take the network's place below the client: the sandbox, or a test."""

T = TypeVar("T")

_LOOK_AT_THE_WAY = "check the network, the proxy variables and api.url, then run again"
_LONGEST = 500


@dataclass(frozen=True, slots=True)
class _Trouble:
    """An attempt that gave no result: the error to end with, and whether another attempt may be made before."""

    error: MicsError
    again: bool
    cause: Exception | None = None
    asked: float | None = None


class Transport:
    """Carries calls to one address with one token; safe for many threads at once.

    `token` is sent as it is, and nowhere else; a callable is asked before each attempt. `network` is how to get there
    (`network_settings`), `adapter` takes the place of the network (sandbox, tests). `chance` gives random numbers in
    [0, 1) for the jitter of the waits. `observe` is told of each attempt that ended, from the thread that made it.
    Raises UsageError for an address that may not be called, NotAllowed for a token that cannot be sent.
    """

    def __init__(
        self,
        base_url: str,
        *,
        token: str | Callable[[], str],
        clock: Clock,
        network: Network | None = None,
        adapter: Adapter | None = None,
        limits: Limits | None = None,
        chance: Callable[[], float] = random.random,
        observe: Callable[[Exchange], None] | None = None,
    ) -> None:
        self._base = checked_base(base_url)
        self._host = urlsplit(self._base).netloc
        self._token = token if callable(token) else _always(checked_token(token))
        self._clock = clock
        limits = limits or Limits()
        self._timeouts = limits.timeouts
        self._patience = limits.patience
        self._budget = Budget(self._patience.budget)
        self._calls, self._uploads = Pace(limits.calls), Pace(limits.uploads)
        # A call keeps its turn from its first attempt to its last, the waits in between included: where the platform
        # asks for patience, no other call takes the place of one that waits.
        self._call_turns, self._upload_turns = (threading.Semaphore(p.limit) for p in (self._calls, self._uploads))
        self._chance = chance
        self._observe = observe
        self._line = Line(
            self._base,
            clock=clock,
            limits=limits,
            network=network or Network(),
            adapter=adapter,
        )

    def __repr__(self) -> str:
        return f"Transport({self._base!r})"

    def close(self) -> None:
        """Drop all idle connections."""
        self._line.close()

    def call(self, call: Call, read: Callable[[Answer], T]) -> T:
        """What `read` makes of the answer; repeated where that is safe, `read` included.

        `read` raises Unreadable for an answer that is not what it should be. Raises NotAllowed (401, 403), ApiRefused
        (another status that is not 2xx), ApiUnreachable (nothing left this machine), ApiLost (it may have acted),
        ApiError (a GET whose answer cannot be used), and what the reader of an upload's body, a sink, `before_send`
        or the clock raises.
        """
        with self._upload_turns if call.upload else self._call_turns:
            return self._carry(call, read)

    def _carry(self, call: Call, read: Callable[[Answer], T]) -> T:
        attempt = 1
        while True:
            with self._pace(call).slot():
                outcome = self._attempt(call, read, attempt=attempt)
            if not isinstance(outcome, _Trouble):
                return outcome
            if not outcome.again or attempt >= self._patience.attempts or not self._budget.take():
                raise outcome.error from outcome.cause
            self._clock.sleep(pause(attempt, patience=self._patience, chance=self._chance(), asked=outcome.asked))
            attempt += 1

    def _attempt(self, call: Call, read: Callable[[Answer], T], *, attempt: int) -> T | _Trouble:
        token = checked_token(self._token())
        # Counted from before the question whether it may leave: the answer is good for this long and no longer.
        started, whole = self._clock.monotonic(), self._timeouts.whole(call.moved)
        if call.before_send is not None:
            call.before_send(whole)
        status: int | None = None
        try:
            answer = self._line.exchange(call, token, until=started + whole)
            status = answer.status
            self._keep_pace(call, status)
            if verdict(status) is Verdict.DONE or (call.absent_ok and says_absent(answer)):
                return read(replace(answer, absent=status == 404))
            return self._refused(call, answer, token)
        except Unsent as error:
            message = f"{call.name}: {self._host} cannot be reached: {error.reason}"
            return _Trouble(ApiUnreachable(message, remedy=_LOOK_AT_THE_WAY), again=not error.final, cause=error)
        except Cut as error:
            message = f"{call.name}: no whole answer from {self._host}: {error.reason}"
            lost = ApiLost(message, body_left=error.body_left, remedy=_LOOK_AT_THE_WAY)
            return _Trouble(lost, again=call.method in REPEATABLE, cause=error)
        except (Unreadable, TooBig) as error:
            return self._unreadable(call, error, token)
        finally:
            if self._observe is not None:
                seconds = self._clock.monotonic() - started
                self._observe(Exchange(call.method, call.path, attempt=attempt, status=status, seconds=seconds))

    def _pace(self, call: Call) -> Pace:
        return self._uploads if call.upload else self._calls

    def _keep_pace(self, call: Call, status: int) -> None:
        pace = self._pace(call)
        if verdict(status) in {Verdict.AGAIN, Verdict.UNSURE}:
            pace.pushed_back()
        else:
            pace.went_well()

    def _refused(self, call: Call, answer: Answer, token: str) -> _Trouble:
        error = refusal(call, answer, address=self._base, clean=lambda text: scrub(text, token))
        kind = verdict(answer.status)
        if kind in {Verdict.UNSURE, Verdict.MOVED} and call.method not in REPEATABLE:
            # The body may hold the token's echo: only the cleaned error is kept as the cause.
            lost = ApiLost(error.message, body_left=answer.body_left, remedy=error.remedy)
            return _Trouble(lost, again=False, cause=error)
        asked = asked_wait(answer.headers.get("retry-after"), now=self._clock.now())
        return _Trouble(error, again=kind in {Verdict.AGAIN, Verdict.UNSURE}, asked=asked)

    def _unreadable(self, call: Call, error: Unreadable | TooBig, token: str) -> _Trouble:
        # Cleaned first and cut then, so that no half of a token stays at the cut.
        message = f"{call.name}: the answer of {self._host} cannot be used: {scrub(str(error), token)[:_LONGEST]}"
        remedy = f"check that api.url ({self._base}) is the platform's; if it is, run again later"
        worth_it = isinstance(error, Unreadable) and call.method in REPEATABLE
        # The error itself may quote the answer, and with it the token, so it is not kept as the cause.
        if call.method == "GET":
            return _Trouble(ApiError(message, remedy=remedy), again=worth_it)
        return _Trouble(ApiLost(message, body_left=True, remedy=remedy), again=worth_it)


def _always(token: str) -> Callable[[], str]:
    return lambda: token
