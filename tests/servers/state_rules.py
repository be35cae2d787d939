"""What a server of Terraform's http state protocol decides, in four flavours; written from descriptions of it.

`strict` and `lenient` are two readings of what Terraform's documentation of its `http` backend leaves open, `gitlab` is
what GitLab's documentation and its published source say that its Terraform state API does, `trusting` lets anybody
write, whoever holds the lock. Nothing here was tried against GitLab. Knows nothing of sockets: requests in, answers
out, over one SQLite file.
"""

from __future__ import annotations

import re
import sqlite3
import threading
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import msgspec

from tests.servers.server import as_json, refusal
from tests.servers.wire import Answer, Request

Flavour = Literal["strict", "lenient", "trusting", "gitlab"]

_GITLAB = re.compile(r"/api/v4/projects/[^/]+/terraform/state/[^/]+")
_ASKED_BY_GITLAB = ("ID", "Operation", "Info", "Who", "Version", "Created", "Path")


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may read, and write where it says so."""

    password: str
    may_write: bool = True


class Documents:
    """States by their path, each with its lock, in one SQLite file, or in memory. What was written survives a kill."""

    def __init__(self, file: Path | None = None) -> None:
        self._db = sqlite3.connect(file or ":memory:", isolation_level=None, check_same_thread=False)
        # The server may be killed, the machine is not: no fsync is needed for what it wrote to be there.
        self._db.executescript(
            "PRAGMA journal_mode = wal; PRAGMA synchronous = off;"
            "CREATE TABLE IF NOT EXISTS document (path TEXT PRIMARY KEY, body BLOB, serial INTEGER, lock TEXT);"
            "CREATE TABLE IF NOT EXISTS serial (path TEXT, serial INTEGER, PRIMARY KEY (path, serial));"
        )

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def body(self, path: str) -> bytes | None:
        """The bytes of the state, None where there is none."""
        body: bytes | None = self._one("SELECT body FROM document WHERE path = ?", path)
        return body

    def known(self, path: str) -> bool:
        """Whether the path was ever written or locked, and not removed since."""
        return bool(self._one("SELECT 1 FROM document WHERE path = ?", path))

    def write(self, path: str, body: bytes, *, serial: int = 0) -> None:
        """Put a state there; one whose `serial` is lower than that of the one that is there stays unseen."""
        self._db.execute(
            "INSERT INTO document (path, body, serial) VALUES (?1, ?2, ?3) ON CONFLICT (path) DO UPDATE SET"
            " body = ?2, serial = ?3 WHERE serial IS NULL OR serial <= ?3",
            (path, body, serial),
        )

    def take_serial(self, path: str, serial: int) -> bool:
        """Use this serial; False if it was used before."""
        done = self._db.execute("INSERT OR IGNORE INTO serial VALUES (?, ?)", (path, serial))
        return done.rowcount == 1

    def remove(self, path: str) -> None:
        """Forget the state and its serials; a lock stays."""
        self._db.execute("DELETE FROM serial WHERE path = ?", (path,))
        self._db.execute("UPDATE document SET body = NULL, serial = NULL WHERE path = ?", (path,))
        self._db.execute("DELETE FROM document WHERE path = ? AND lock IS NULL", (path,))

    def lock(self, path: str) -> dict[str, Any] | None:
        """What the holder of the lock said, None if nobody holds it."""
        found = self._one("SELECT lock FROM document WHERE path = ?", path)
        return None if found is None else msgspec.json.decode(found)

    def set_lock(self, path: str, lock: Mapping[str, Any] | None) -> None:
        """Lock it for whoever said this, or unlock it."""
        text = None if lock is None else msgspec.json.encode(lock).decode()
        self._db.execute(
            "INSERT INTO document (path, lock) VALUES (?1, ?2) ON CONFLICT (path) DO UPDATE SET lock = ?2", (path, text)
        )

    def _one(self, statement: str, path: str) -> Any:
        row = self._db.execute(statement, (path,)).fetchone()
        return None if row is None else row[0]


class StateRules:
    """The protocol over these documents: an `Application`. One request at a time, as a database would have it.

    `users` by name; where none is given, nobody is asked who he is. `now` (epoch seconds) is when GitLab says that a
    lock was taken.
    """

    def __init__(
        self, flavour: Flavour, documents: Documents, *, users: Mapping[str, User], now: Callable[[], float]
    ) -> None:
        self._flavour = flavour
        self._documents = documents
        self._users = users
        self._now = now
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Answer:
        """Answer a request."""
        name = _user_of(request)
        user = self._users.get(name)
        if self._users and (user is None or user.password != _password_of(request)):
            return refusal(401)
        if user is not None and not user.may_write and request.method not in {"GET", "HEAD"}:
            return refusal(403)
        with self._lock:
            if self._flavour == "gitlab":
                return self._gitlab(request, name or "root")
            return self._terraform(request)

    # Terraform's documentation: 423 or 409 with the holder's information where it is locked, 200 for success.

    def _terraform(self, request: Request) -> Answer:
        path = request.path.removesuffix("/lock")
        apart = path != request.path
        match request.method:
            case "LOCK":
                return self._take(path, request)
            case "POST" | "PUT" if apart:
                return self._take(path, request)
            case "UNLOCK":
                return self._let_go(path, request)
            case "DELETE" if apart:
                return self._let_go(path, request)
            case "GET":
                body = self._documents.body(path)
                return _found(body, none=404 if self._strict else 204)
            case "POST" | "PUT":
                return self._refused(path, request) or self._update(path, request.body)
            case "DELETE":
                return self._refused(path, request) or self._delete(path)
            case _:
                return refusal(405)

    @property
    def _strict(self) -> bool:
        return self._flavour == "strict"

    def _take(self, path: str, request: Request) -> Answer:
        claim = _object(request.body)
        if claim is None or not isinstance(claim.get("ID"), str) or not claim["ID"]:
            return as_json({"error": "a lock needs a JSON object with an ID"}, 400)
        holder = self._documents.lock(path)
        if holder is not None:
            return as_json(holder, 423)
        self._documents.set_lock(path, claim)
        return as_json(claim)

    def _let_go(self, path: str, request: Request) -> Answer:
        if self._strict:
            holder, claim = self._documents.lock(path), _object(request.body) or {}
            if holder is None or holder.get("ID") != claim.get("ID"):
                return as_json(holder or {}, 409)
        self._documents.set_lock(path, None)
        return Answer(200)

    def _refused(self, path: str, request: Request) -> Answer | None:
        """The answer to who writes with another lock than the one that is there; None where he may."""
        holder, named = self._documents.lock(path), request.query.get("ID")
        if self._flavour == "trusting" or (holder or {}).get("ID") == named or (holder is None and not self._strict):
            return None
        return as_json(holder or {"error": "it is not locked"}, 409 if self._strict else 423)

    def _update(self, path: str, body: bytes) -> Answer:
        self._documents.write(path, body)
        return Answer(200)

    def _delete(self, path: str) -> Answer:
        there = self._documents.body(path) is not None
        self._documents.remove(path)
        return Answer(200 if there or not self._strict else 404)

    # GitLab: every version is kept under its serial, and what is locked is told with the requester's own words.

    def _gitlab(self, request: Request, name: str) -> Answer:
        path = request.path.removesuffix("/lock")
        if not _GITLAB.fullmatch(path):
            return as_json({"error": "404 Not Found"}, 404)
        match request.method, path != request.path:
            case "GET", False:
                if not self._documents.known(path):
                    return as_json({"message": "404 Terraform State Not Found"}, 404)
                return _found(self._documents.body(path), none=204)
            case "POST", False:
                return self._add_version(path, request)
            case "DELETE", False:
                # As its source reads: what is locked stays, and the answer is the same.
                if self._documents.known(path) and self._documents.lock(path) is None:
                    self._documents.remove(path)
                return as_json({})
            case "POST", True:
                return self._gitlab_lock(path, request, name)
            case "DELETE", True:
                return self._gitlab_unlock(path, request)
            case _:
                return as_json({"error": "405 Not Allowed"}, 405)

    def _add_version(self, path: str, request: Request) -> Answer:
        if not request.body:
            return Answer(204)
        if request.headers.get("content-type", "application/json").partition(";")[0] != "application/json":
            return as_json({"error": "The provided content-type is not supported."}, 415)
        state = _object(request.body)
        if state is None:
            return as_json({"error": "400 Bad request: not a JSON object"}, 400)
        if (self._documents.lock(path) or {}).get("ID") != request.query.get("ID"):
            return as_json({"message": "409 Conflict"}, 409)
        serial = state.get("serial")
        if not isinstance(serial, int) or isinstance(serial, bool) or not self._documents.take_serial(path, serial):
            return as_json({"message": "422 Unprocessable: version is missing, or taken"}, 422)
        self._documents.write(path, request.body, serial=serial)
        return as_json({})

    def _gitlab_lock(self, path: str, request: Request, name: str) -> Answer:
        claim = {**(_object(request.body) or {}), **request.query}
        missing = [key for key in _ASKED_BY_GITLAB if not isinstance(claim.get(key), str)]
        if missing or not 1 <= len(claim["ID"]) <= 255:
            return as_json({"error": f"{', '.join(missing) or 'ID'} is missing or invalid"}, 400)
        holder = self._documents.lock(path)
        status = 200 if holder is None else 409
        if holder is None:
            created = datetime.fromtimestamp(self._now(), UTC).isoformat(timespec="milliseconds")
            holder = {"ID": claim["ID"], "Who": name, "Created": created.replace("+00:00", "Z")}
            self._documents.set_lock(path, holder)
        told = {key: claim[key] for key in ("Operation", "Info", "Version", "Path")}
        return as_json({**told, **holder}, status)

    def _gitlab_unlock(self, path: str, request: Request) -> Answer:
        claim = {**(_object(request.body) or {}), **request.query}
        holder = self._documents.lock(path) or {}
        # Who names no lock takes away any: that is how it is told to be broken.
        if "ID" in claim and claim["ID"] != holder.get("ID"):
            return as_json({"message": "409 Conflict"}, 409)
        self._documents.set_lock(path, None)
        return as_json({})


def _found(body: bytes | None, *, none: int) -> Answer:
    return Answer(none) if body is None else Answer(200, body, {"Content-Type": "application/json"})


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        value = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return None
    return value if isinstance(value, dict) else None


def _basic(request: Request) -> tuple[str, str]:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        name, _, password = b64decode(given, validate=True).decode().partition(":")
    except (NotBase64, UnicodeDecodeError):
        return "", ""
    return name, password


def _user_of(request: Request) -> str:
    return _basic(request)[0]


def _password_of(request: Request) -> str:
    return _basic(request)[1]
