"""State, journals and lock behind one address of a state server: the backend `http`.

All of it is one document (`store/document`). Whoever has the server's lock owns the document: he knows what stands in
it and replaces it whole. The protocol's lock lasts for ever and tells little of its holder, so the document says how
long the lease is; the server's clock (the `Date` of its answers) tells when it is over, and who finds it over takes the
server's lock away by its id. Every POST names the lock under which it is made, so that one who lost it is refused.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from secrets import token_hex

import msgspec

from mics_iac.clouds.attempts import Attempts, Unsure
from mics_iac.core.clock import Clock
from mics_iac.errors import Locked, StateConflict, StoreFailed
from mics_iac.store.backend import (
    Blob,
    Busy,
    Holder,
    LockInfo,
    Snapshot,
    is_past,
    lost,
    milliseconds,
    other_id,
    version_of,
)
from mics_iac.store.document import (
    Document,
    Keeping,
    bytes_of,
    damaged_document,
    decode_document,
    encode_document,
    pushed,
    text_of,
    unpacked,
)
from mics_iac.store.httplock import GLANCE, ServerLock
from mics_iac.store.stateserver import NotHeld, StateServer

# How the revision begins of a document that only was to show whether the server takes it.
_TRIAL = "trial-"
# Milliseconds that a lease may have begun in the past: the server's time is in seconds, and a request takes some.
_SLACK = 10_000
_TRIES = 3


@dataclass(slots=True)
class _Mine:
    """The lock that this client holds, and the document as it put it last."""

    info: LockInfo
    document: Document


class HttpBackend:
    """The state at a state server. Safe for threads."""

    distant = True

    def __init__(self, server: StateServer, *, clock: Clock, token: Callable[[], str] = lambda: token_hex(8)) -> None:
        self._server = server
        self._token = token
        self._attempts = Attempts(where=server.where, clock=clock)
        self._lock = ServerLock(server, attempts=self._attempts, clock=clock, token=token)
        self._guard = threading.RLock()
        self._mine: _Mine | None = None
        # How long each journal of this client's own is; None: it dropped it.
        self._lengths: dict[str, int | None] = {}

    def describe(self) -> str:
        """See Backend."""
        return self._server.where

    def describe_lock(self) -> str:
        """See Backend."""
        return f"the lock of {self._server.where}"

    def read(self) -> Snapshot | None:
        """See Backend. A document whose bytes are damaged is shown as a damaged state."""
        return _snapshot(self._read())

    def write(self, data: bytes, *, expected: str | None) -> str:
        """See Backend."""
        with self._changing() as change:
            found = _snapshot(change.document)
            if (found.version if found is not None else None) != expected:
                raise StateConflict(
                    f"{self.describe()} was changed by somebody else while this run held it",
                    remedy="see who did (another run, a version that was put back); what this run did is in its "
                    "journal: run again",
                )
            document = change.document
            ring = document.ring if found is None else pushed(document.ring, found.data)
            change.put(msgspec.structs.replace(document, state=text_of(data), ring=ring))
        return version_of(data)

    def backups(self) -> list[Blob]:
        """See Backend."""
        states = enumerate(unpacked(self._read().ring), start=1)
        return [Blob(str(n), f"{self._server.where} (backup {n})", data) for n, data in states]

    def journals(self) -> list[Blob]:
        """See Backend."""
        found = sorted(self._read().journals.items())
        return [Blob(name, self._where(name), bytes_of(text)) for name, text in found]

    def append(self, name: str, data: bytes) -> None:
        """See Backend."""
        with self._changing() as change:
            text = change.document.journals.get(name)
            present = bytes_of(text) if text is not None else b""
            if (len(present) if text is not None else None) != self._lengths.get(name) or (
                text is None and name in self._lengths
            ):
                raise StateConflict(
                    f"{self._where(name)} is not as this run left it: another run had the state meanwhile",
                    remedy="see that no other run is going on, then run again: nothing is sent twice",
                )
            journals = {**change.document.journals, name: text_of(present + data)}
            change.put(msgspec.structs.replace(change.document, journals=journals))
            self._lengths[name] = len(present) + len(data)

    def drop(self, names: list[str]) -> None:
        """See Backend."""
        if not names:
            return
        with self._changing() as change:
            kept = {name: text for name, text in change.document.journals.items() if name not in names}
            if len(kept) != len(change.document.journals):
                change.put(msgspec.structs.replace(change.document, journals=kept))
            self._lengths |= {name: None for name in names if name in self._lengths}

    def set_aside(self, name: str) -> str:
        """See Backend."""
        aside = f"{name}.{self._token()}"
        with self._changing() as change:
            journals = dict(change.document.journals)
            text = journals.pop(name, None)
            whole = {**change.document.aside, **({aside: text} if text is not None else {})}
            change.put(msgspec.structs.replace(change.document, journals=journals, aside=whole))
        return f"{self._server.where} (aside: {aside})"

    def lock(self, claim: LockInfo, *, lease: float) -> LockInfo | Busy:
        """See Backend."""
        with self._guard:
            taken = self._lock.take(claim, lambda: self._read().lock)
            if isinstance(taken, Busy):
                return taken
            created = msgspec.structs.replace(claim, created=milliseconds(self._lock.now()))
            try:
                mine = _Mine(created, self._read())
                if (awake := self._woken(mine.document)) is not None:
                    self._lock.release(claim.id)
                    return Busy(awake)
                if not mine.document.revision or mine.document.revision.startswith(_TRIAL):
                    self._prove(created)
                self._keep(mine, lease)
            except Locked:
                # Some servers let anybody take a lock away: another one found the former holder dead, too.
                return Busy(self.holder())
            except BaseException:
                self._lock.release(claim.id)
                raise
            self._mine = mine
            return self._shown(mine)

    def renew(self, info: LockInfo, *, lease: float) -> LockInfo:
        """See Backend."""
        with self._guard:
            mine = self._mine
            if mine is None or mine.info.id != info.id:
                raise lost(info, self.holder())
            self._keep(mine, lease)
            return self._shown(mine)

    def check(self, info: LockInfo) -> None:
        """See Backend. Whoever took the server's lock since has read the document as we put it last, or later."""
        # Without the guard: a record that is on its way meanwhile does not matter.
        mine = self._mine
        put = mine.document if mine is not None and mine.info.id == info.id else None
        document = self._read() if put is not None else None
        if put is None or document is None or document.lock is None or document.lock.lock.id != info.id:
            raise lost(info, self.holder())
        if document.serial < put.serial:
            # An earlier one of ours, whose answer was lost, has arrived after a later one.
            with self._guard:
                if mine is not None:
                    self._put(mine, mine.document)

    def unlock(self, lock_id: str) -> None:
        """See Backend."""
        with self._guard:
            mine = self._mine
            if mine is None or mine.info.id != lock_id:
                return
            self._mine = None
            try:
                # First the document, in which a lease is over from now on: whoever ends between the two is still known
                # there, and in the way of nobody for longer than the margin. Where it is taken the lock is ours, too.
                self._put(mine, self._kept(mine, 0))
            except Locked:
                return  # it is somebody else's, and some servers let anybody take it away
            self._lock.release(lock_id)

    def holder(self) -> Holder | None:
        """See Backend."""
        return self._lock.holder(self._read().lock)

    def break_lock(self, lock_id: str) -> bool:
        """See Backend."""
        holder = self.holder()
        if holder is None:
            return False
        if holder.id != lock_id:
            raise other_id(lock_id, holder)
        taken = self._lock.take_away(holder)
        # So that he finds out before somebody else has it. Who has it by then has written that himself.
        with contextlib.suppress(Locked, StateConflict), self._lock.glance() as info:
            mine = _Mine(info, self._read())
            if mine.document.lock is not None and mine.document.lock.lock.id == lock_id:
                self._put(mine, msgspec.structs.replace(mine.document, lock=None))
        return taken

    def _where(self, name: str) -> str:
        return f"{self._server.where} (journal {name})"

    def _read(self) -> Document:
        """The document; an empty one where there is none."""
        data = self._lock.saw(self._attempts.until_answered(self._server.get)).data
        if not data:
            return Document()
        return decode_document(data, name=self._server.where) or damaged_document(data)

    @contextlib.contextmanager
    def _changing(self) -> Iterator[_Change]:
        """The document, to be replaced by the one who has the lock; who has not takes it for the moment."""
        with self._guard:
            if self._mine is not None:
                yield _Change(self, self._mine)
                return
            with self._lock.glance() as info:
                yield _Change(self, _Mine(info, self._read()))

    def _keep(self, mine: _Mine, lease: float) -> None:
        """Write the lease into the document, as long as it is meant to be by the server's clock."""
        for _ in range(_TRIES):
            document = self._kept(mine, lease)
            self._put(mine, document)
            # Where this machine stood still on its way there, the lease would have begun in the past.
            if document.lock is not None and milliseconds(self._lock.now()) - document.lock.at < _SLACK:
                return

    def _woken(self, document: Document) -> Holder | None:
        """The holder who renewed his lease after all, while his lock was taken away because it was over."""
        ended, now = self._lock.ended, document.lock
        if ended is None or now is None or (now.lock.id, now.at) == (ended.lock.id, ended.at):
            return None
        return None if is_past(now.info, now=self._lock.now()) else now.info

    def _kept(self, mine: _Mine, lease: float) -> Document:
        keeping = Keeping(mine.info, milliseconds(self._lock.now()), milliseconds(lease))
        return msgspec.structs.replace(mine.document, lock=keeping)

    def _shown(self, mine: _Mine) -> LockInfo:
        assert mine.document.lock is not None
        return mine.document.lock.info

    def _put(self, mine: _Mine, document: Document) -> None:
        """Replace the document under a lock of ours. Raises Locked if it is not ours any more."""
        document = msgspec.structs.replace(document, serial=mine.document.serial + 1, revision=self._token())
        data = encode_document(document)
        lost_one = False
        for last in self._attempts:
            try:
                self._lock.saw(self._server.post(data, lock_id=mine.info.id))
            except (NotHeld, Unsure) as error:
                lost_one = lost_one or isinstance(error, Unsure)
                if lost_one and self._read().revision == document.revision:
                    break
                if isinstance(error, NotHeld):
                    raise self._lost(mine.info) from error
                if last:
                    raise self._attempts.silent(error) from error
            else:
                break
        mine.document = document

    def _lost(self, info: LockInfo) -> Locked | StateConflict:
        if info.id.startswith(GLANCE):
            return StateConflict(
                f"{self.describe()} was changed by somebody else at the same moment", remedy="run again"
            )
        return lost(info, self.holder())

    def _prove(self, info: LockInfo) -> None:
        """Refuse a server that does not say who has its lock, or takes a document from one who has not."""
        self._lock.prove(info)
        trial = encode_document(Document(serial=1, revision=_TRIAL + self._token()))
        try:
            self._attempts.until_answered(lambda: self._server.post(trial, lock_id=f"not-{info.id}"))
        except NotHeld:
            return
        raise StoreFailed(
            f"{self.describe()} takes a state from one who does not hold its lock: it cannot keep two runs apart",
            remedy="choose a server that compares the ID of a POST with its lock's (GitLab does)",
        )


def _snapshot(document: Document) -> Snapshot | None:
    if document.state is None:
        return None
    data = bytes_of(document.state)
    return Snapshot(data, version_of(data))


@dataclass(slots=True)
class _Change:
    """One change of the document under way."""

    _backend: HttpBackend
    _mine: _Mine

    @property
    def document(self) -> Document:
        """The document as it stands."""
        return self._mine.document

    def put(self, document: Document) -> None:
        """Replace it."""
        self._backend._put(self._mine, document)  # noqa: SLF001 (a part of it)
