"""The lock of a state server: taking it, seeing who has it, and ending it when its lease is over.

The protocol knows no lease and no question who has it: one finds out by asking for it. Servers tell the holder's id,
not all of them more; what else is known of him the document tells (`store/document`). Knows nothing of the rest of it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import msgspec

from mics_iac import __version__
from mics_iac.clouds.attempts import Attempts, Unsure
from mics_iac.core.clock import Clock
from mics_iac.errors import Locked, StoreFailed
from mics_iac.store.backend import (
    LEASE,
    Busy,
    DamagedLock,
    Holder,
    LockInfo,
    Process,
    damaged_id,
    describe_holder,
    is_past,
    milliseconds,
    visible,
)
from mics_iac.store.document import Keeping
from mics_iac.store.process import is_gone, this_process
from mics_iac.store.stateserver import TAKEN, Answered, NotHeld, StateServer

GLANCE = "mics-iac-glance-"
"""How the ids of locks begin that are taken for a moment: to look, or for one change."""

# How often one asks again where somebody has it for a moment, and the pauses between (seconds).
_GLANCES = 40
_PAUSE = 0.1
_PASSES = 20
# Seconds for which the local clocks are believed to go as the server's does.
_STALE = 60.0
# Seconds that a lock lasts which was taken for a moment by one who died in it.
_GLANCE_LEASE = 60.0


class _Info(msgspec.Struct, frozen=True):
    """A lock's JSON as the protocol has it; servers give it back, whole or in part."""

    ID: str
    Operation: str = ""
    Info: str = ""
    Who: str = ""
    Version: str = ""
    Created: str = ""
    Path: str = ""


class _Note(msgspec.Struct, frozen=True, omit_defaults=True):
    """What `Info` of our locks says, as JSON: it tells of a holder who has not come to write into the document yet.

    `of` is the lock's id: GitLab gives whoever asks his own `Info` back, beside the id of the holder.
    """

    of: str
    reason: str | None = None
    process: Process = Process("", 0)


class ServerLock:
    """One client's view of the server's lock. Raises StoreFailed."""

    def __init__(self, server: StateServer, *, attempts: Attempts, clock: Clock, token: Callable[[], str]) -> None:
        self._server = server
        self._attempts = attempts
        self._clock = clock
        self._token = token
        # The server's time as last told, and the local moment at which it was, on both clocks.
        self._told: tuple[float, float, float] | None = None
        # What the document said of the holder from whom the lock was taken last, because his lease was over.
        self.ended: Keeping | None = None
        # When a lock of which nothing is known was first met, by its id (monotonic).
        self._met: dict[str, float] = {}
        # What the server says of locks that cannot be read, by the id that they get here.
        self._raw: dict[str, bytes] = {}

    def saw(self, answer: Answered) -> Answered:
        """Take in the server's time from an answer."""
        if answer.at is not None:
            self._told = (answer.at, self._clock.now(), self._clock.monotonic())
        return answer

    def now(self) -> float:
        """The server's time (epoch seconds): what it last told and what has passed since, or asked for if that is long.

        By whichever clock saw more of it: one stands still while the machine is suspended, the other may be set back.
        """
        if self._told is None or self._elapsed(self._told) > _STALE:
            self.saw(self._attempts.until_answered(self._server.get))
        if self._told is None:
            raise StoreFailed(
                f"{self._server.where} tells no time (its answers have no Date), so that no lock could ever end",
                remedy="choose a server, or a proxy before it, that sends the Date header",
            )
        return self._told[0] + self._elapsed(self._told)

    def _elapsed(self, told: tuple[float, float, float]) -> float:
        return max(self._clock.now() - told[1], self._clock.monotonic() - told[2])

    def take(self, claim: LockInfo, keeping: Callable[[], Keeping | None]) -> Busy | None:
        """Take the lock if nobody has it, or if it may be taken over; `keeping` reads who holds it by the document."""
        self.ended = None
        for _ in range(_PASSES):
            asked = self._asked(claim)
            if asked is None:
                return None
            kept = keeping()
            holder = self._known(asked, kept)
            if holder is None:
                continue  # he let it go at that moment
            dead = isinstance(holder, LockInfo) and is_gone(holder.process, ours=claim.process)
            if not (dead or is_past(holder, now=self.now())):
                return Busy(holder)
            self.ended = kept if not dead else None
            self.take_away(holder)
        return Busy(None)

    def prove(self, held: LockInfo) -> None:
        """Refuse a server that gives its lock to two, or that does not say who has it; `held` is ours now."""
        info = self._glance_info()
        answer = self._answer(self._claimed(info), info.id)
        if answer is None:
            self.release(info.id)
            raise StoreFailed(
                f"{self._server.where} gives its lock to two at once, so that it cannot keep two runs apart",
                remedy="correct lock_address, lock_method and unlock_method, or choose another server",
            )
        if _id_of(answer.data) != held.id:
            raise StoreFailed(
                f"{self._server.where} does not say who holds its lock (in the answer {answer.status}), so that nobody "
                "could ever end the one of a dead run",
                remedy="choose a server that answers with the holder's JSON, as the protocol has it (GitLab does)",
            )

    def holder(self, keeping: Keeping | None) -> Holder | None:
        """Who has it: asked for by taking it for a moment."""
        glance = self._glance_info()
        asked = self._asked(glance)
        if asked is not None:
            return self._known(asked, keeping)
        self.release(glance.id)
        return None

    def release(self, lock_id: str) -> None:
        """Let it go, if it is the one of this id."""
        with contextlib.suppress(NotHeld):
            self._unlock(_encoded(_Info(ID=lock_id)))

    def take_away(self, holder: Holder) -> bool:
        """Take it from whoever has it; False if he had not."""
        try:
            # What cannot be read has no id to name: then its own bytes are shown to the server.
            raw = self._raw.get(holder.id)
            self._unlock(_encoded(_Info(ID=holder.id)) if raw is None else raw)
        except NotHeld:
            return False
        return True

    @contextlib.contextmanager
    def glance(self) -> Iterator[LockInfo]:
        """Hold it for a moment. Raises Locked where somebody holds it for longer."""
        info = self._glance_info()
        asked = self._asked(info)
        if asked is not None:
            holder = self._known(asked, None)
            raise Locked(
                f"the state is locked: {self._server.where}\n{describe_holder(holder)}",
                remedy="wait for that run, or see `mics-iac lock status`",
            )
        try:
            yield info
        finally:
            self.release(info.id)

    def _asked(self, claim: LockInfo) -> Answered | None:
        """None if the server gave us its lock, else its answer; who has it for a moment only is waited for."""
        info = self._claimed(claim)
        answer = self._answer(info, claim.id)
        for _ in range(_GLANCES):
            if answer is None or not _id_of(answer.data).startswith(GLANCE):
                break
            self._clock.sleep(_PAUSE)
            answer = self._answer(info, claim.id)
        return answer

    def _claimed(self, claim: LockInfo) -> bytes:
        created = datetime.fromtimestamp(self.now(), UTC).isoformat()
        note = msgspec.json.encode(_Note(claim.id, claim.reason, claim.process)).decode()
        return _encoded(_Info(claim.id, claim.operation, note, claim.who, __version__, created, self._server.where))

    def _answer(self, info: bytes, lock_id: str) -> Answered | None:
        lost = False
        for last in self._attempts:
            try:
                answer = self.saw(self._server.lock(info))
            except Unsure as error:
                lost = True
                if last:
                    raise self._attempts.silent(error) from error
            else:
                ours = answer.status not in TAKEN or (lost and _id_of(answer.data) == lock_id)
                return None if ours else answer
        raise AssertionError  # the last attempt returns or raises

    def _unlock(self, info: bytes) -> None:
        lost = False
        for last in self._attempts:
            try:
                self.saw(self._server.unlock(info))
            except Unsure as error:
                lost = True
                if last:
                    raise self._attempts.silent(error) from error
            except NotHeld:
                if not lost:
                    raise
                return
            else:
                return

    def _known(self, answer: Answered, keeping: Keeping | None) -> Holder | None:
        """What is known of the holder: by the document where it is the same lock, else by what the server says.

        None if the server says that nobody has it any more.
        """
        said = _said(answer.data)
        if said is None and _names_nobody(answer.data):
            return None
        if keeping is not None and (said is None or keeping.lock.id == said.ID):
            return keeping.info
        if said is None:
            lock_id = damaged_id(answer.data)
            self._raw[lock_id] = answer.data
            text = visible(answer.data.decode(errors="replace"))
            return DamagedLock(lock_id, text, milliseconds(self._since(lock_id, None) + LEASE))
        since = self._since(said.ID, said.Created)
        note = _note_of(said)
        return LockInfo(
            id=said.ID,
            who=said.Who,
            operation=said.Operation,
            process=note.process,
            reason=note.reason,
            created=milliseconds(since),
            expires=milliseconds(since + (_GLANCE_LEASE if said.ID.startswith(GLANCE) else LEASE)),
        )

    def _since(self, lock_id: str, created: str | None) -> float:
        """Since when a lock is held of which the document tells nothing: as the server says, or as it was first met."""
        now, moment = self.now(), self._clock.monotonic()
        with contextlib.suppress(ValueError, OverflowError):
            told = datetime.fromisoformat(created or "")
            if told.tzinfo is not None and told.timestamp() <= now:
                return told.timestamp()
        return now - (moment - self._met.setdefault(lock_id, moment))

    def _glance_info(self) -> LockInfo:
        return LockInfo(id=GLANCE + self._token(), who="", operation="glance", process=this_process())


def _encoded(info: _Info) -> bytes:
    return msgspec.json.encode(info)


def _said(data: bytes) -> _Info | None:
    with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return msgspec.json.decode(data, type=_Info)
    return None


def _note_of(said: _Info) -> _Note:
    try:
        note = msgspec.json.decode(said.Info, type=_Note)
    except (msgspec.MsgspecError, RecursionError):
        return _Note(said.ID, said.Info or None)
    return note if note.of == said.ID else _Note(said.ID)


def _names_nobody(data: bytes) -> bool:
    """Whether a holder's JSON has null for his id: he let it go while the server looked who he is."""
    with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        found = msgspec.json.decode(data)
        return isinstance(found, dict) and "ID" in found and found["ID"] is None
    return False


def _id_of(data: bytes) -> str:
    said = _said(data)
    return said.ID if said is not None else ""
