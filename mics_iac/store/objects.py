"""State, journals and lock as objects of one bucket: the backends `s3`, `gs` and `az`.

Beside `imports.state.json` stand `imports.state.lock`; `imports.state.journal/<name>/<number>`, one small object for
each group of entries that was recorded together; and `imports.state.backup/<number>`, the last states that were
replaced. Every put is under a condition, so that of two writers one is refused. Knows nothing of what the bytes mean.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable
from secrets import token_hex

from mics_iac.core.clock import Clock
from mics_iac.errors import StateConflict, StoreFailed
from mics_iac.store.backend import NAME, RING, Blob, Busy, Holder, LockInfo, Snapshot
from mics_iac.store.bucket import Bucket, Changed
from mics_iac.store.objectlock import ObjectLock
from mics_iac.store.steady import Steady

_FIRST = 1


class ObjectBackend:
    """The state `name` (`imports.state.json`) below `folder` ("" for the top) of a bucket."""

    distant = True

    def __init__(
        self, bucket: Bucket, *, folder: str, name: str, clock: Clock, token: Callable[[], str] = lambda: token_hex(8)
    ) -> None:
        self._bucket = Steady(bucket, clock=clock)
        self._token = token
        stem = "/".join(part for part in (folder.strip("/"), name.removesuffix(".json")) if part)
        self._state = f"{stem}.json"
        self._journals = f"{stem}.journal"
        self._backups = f"{stem}.backup"
        self._aside = f"{stem}.damaged"
        self._group = re.compile(re.escape(self._journals) + f"/({NAME})/([0-9]{{8,}})")
        self._backup = re.compile(re.escape(self._backups) + "/[0-9]{8,}")
        self._lock = ObjectLock(self._bucket, stem=stem, clock=clock, token=token)
        self._guard = threading.Lock()
        # How many groups this client put into each journal of its own; None: it dropped it.
        self._put: dict[str, int | None] = {}
        # What lies below the folder of the journals, as last listed.
        self._seen: set[str] = set()

    def describe(self) -> str:
        """See Backend."""
        return self._where(self._state)

    def describe_lock(self) -> str:
        """See Backend."""
        return self._where(self._lock.key)

    def read(self) -> Snapshot | None:
        """See Backend."""
        found = self._bucket.get(self._state)
        return Snapshot(found.data, found.version) if found is not None else None

    def write(self, data: bytes, *, expected: str | None) -> str:
        """See Backend."""
        newest, oldest = self._keep() if expected is not None else ([], [])
        try:
            version = self._bucket.put(self._state, data, expected=expected)
        except Changed as error:
            self._forget(newest)
            raise StateConflict(
                f"{self.describe()} was changed by somebody else while this run held it",
                remedy="see who did (another run, a copy that was put back); what this run did is in its journal: "
                "run again",
            ) from error
        self._forget(oldest)
        return version

    def backups(self) -> list[Blob]:
        """See Backend."""
        keys = self._ring()
        found = zip(keys, self._bucket.get_all(keys), strict=True)
        return [Blob(key.rpartition("/")[2], self._where(key), o.data) for key, o in found if o is not None]

    def journals(self) -> list[Blob]:
        """See Backend.

        A journal without its first group is none: whoever dropped it removed that one first, and what came later was
        put by a run which had lost the lock, and which acted on none of it.
        """
        groups = self._groups()
        keys = [key for some in groups.values() for key in some]
        found = dict(zip(keys, self._bucket.get_all(keys), strict=True))
        whole = {name: [found[key] for key in some] for name, some in groups.items()}
        # One that is not there any more was dropped since it was listed, and the whole journal with it.
        return [
            Blob(name, self._where(f"{self._journals}/{name}"), b"".join(one.data for one in some if one is not None))
            for name, some in whole.items()
            if None not in some
        ]

    def append(self, name: str, data: bytes) -> None:
        """See Backend. One object a group; that a journal was dropped by somebody else is not noticed here.

        What is put behind it is no part of any journal then, and the fence that follows every intent notices.
        """
        with self._guard:
            count = self._put.get(name, 0)
        if count is None:
            raise self._not_ours(name)
        try:
            self._bucket.put(f"{self._journals}/{name}/{count + _FIRST:08d}", data, expected=None)
        except Changed as error:
            raise self._not_ours(name) from error
        with self._guard:
            self._put[name] = count + 1

    def drop(self, names: list[str]) -> None:
        """See Backend. Removes what journals that were dropped before left behind, too."""
        with self._guard:
            own = {f"{self._journals}/{n}/{i:08d}" for n in names for i in range(1, (self._put.get(n) or 0) + 1)}
            if any(name not in self._put for name in names) and not self._seen:
                self._seen = set(self._bucket.keys(self._journals))
            known = {key: match[1] for key in self._seen | own if (match := self._group.fullmatch(key))}
            heads = {name: min(k for k, n in known.items() if n == name) for name in known.values()}
            whole = {name for name, key in heads.items() if _number(key) == _FIRST}
            gone = sorted(key for key, name in known.items() if name in names or name not in whole)
            # The first group first: a journal is dropped when it is gone.
            self._bucket.remove(sorted(key for key in gone if key in heads.values()))
            self._bucket.remove(sorted(key for key in gone if key not in heads.values()))
            self._seen -= set(gone)
            self._put |= dict.fromkeys(names)

    def set_aside(self, name: str) -> str:
        """See Backend."""
        keys = self._groups().get(name, [])
        data = b"".join(found.data for found in self._bucket.get_all(keys) if found is not None)
        aside = f"{self._aside}/{name}.{self._token()}"
        with contextlib.suppress(Changed):
            self._bucket.put(aside, data, expected=None)
        self.drop([name])
        with self._guard:
            # It was never this client's, which may go on under that very name.
            self._put.pop(name, None)
        return self._where(aside)

    def lock(self, claim: LockInfo, *, lease: float) -> LockInfo | Busy:
        """See Backend."""
        return self._lock.take(claim, lease=lease)

    def renew(self, info: LockInfo, *, lease: float) -> LockInfo:
        """See Backend."""
        return self._lock.renew(info, lease=lease)

    def check(self, info: LockInfo) -> None:
        """See Backend."""
        self._lock.check(info)

    def unlock(self, lock_id: str) -> None:
        """See Backend."""
        self._lock.release(lock_id)

    def holder(self) -> Holder | None:
        """See Backend."""
        return self._lock.holder()

    def break_lock(self, lock_id: str) -> bool:
        """See Backend."""
        return self._lock.break_(lock_id)

    def _where(self, key: str) -> str:
        return f"{self._bucket.where}/{key}"

    def _not_ours(self, name: str) -> StateConflict:
        where = self._where(f"{self._journals}/{name}")
        return StateConflict(
            f"{where} is not as this run left it: another run had the state meanwhile",
            remedy="see that no other run is going on, then run again: nothing is sent twice",
        )

    def _groups(self) -> dict[str, list[str]]:
        """The keys of every journal's groups, in order, by the journal's name, in order."""
        keys = self._bucket.keys(self._journals)
        with self._guard:
            self._seen = set(keys)
        groups: dict[str, list[str]] = {}
        for match in filter(None, map(self._group.fullmatch, keys)):
            groups.setdefault(match[1], []).append(match[0])
        return {n: some for n, some in sorted(groups.items()) if _number(some[0]) == _FIRST}

    def _ring(self) -> list[str]:
        """The keys of the backups, newest first."""
        keys = [key for key in self._bucket.keys(self._backups) if self._backup.fullmatch(key)]
        return sorted(keys, key=_number, reverse=True)

    def _keep(self) -> tuple[list[str], list[str]]:
        """Copy the state that is about to be replaced: the new key, and those that the ring has no room for then.

        A backup is a help, not a promise.
        """
        with contextlib.suppress(StoreFailed):
            ring = self._ring()
            target = f"{self._backups}/{1 + (_number(ring[0]) if ring else 0):08d}"
            self._bucket.copy(self._state, target)
            return [target], ring[RING - 1 :]
        return [], []

    def _forget(self, keys: list[str]) -> None:
        with contextlib.suppress(StoreFailed):
            self._bucket.remove(keys)


def _number(key: str) -> int:
    return int(key.rpartition("/")[2])
