"""The platform, imitated: one value that answers requests, tells what it saw, and lets other hands in.

Everything lies in one SQLite file, so several processes may hold a Sandbox over the same path. It imports nothing of
the tool it is a witness of, and believes nothing but the bytes that reach it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Self
from urllib.parse import urlencode

from mics_iac.sandbox import executions, imports
from mics_iac.sandbox.faults import Fault
from mics_iac.sandbox.life import status_of
from mics_iac.sandbox.message import Request, Response
from mics_iac.sandbox.profile import Profile
from mics_iac.sandbox.rules import Rules
from mics_iac.sandbox.store import ImportRow, RequestRow, Store
from mics_iac.sandbox.tenant import Call, Tenant

_CLOCK: Final = "clock_offset_ms"


def real_clock() -> int:
    """Epoch milliseconds."""
    return time.time_ns() // 1_000_000


class Unknown(LookupError):
    """A test named an import or an execution that there is not."""


@dataclass(frozen=True, slots=True)
class SeenImport:
    """An import as the platform holds it, deleted ones too."""

    id: str
    datamart_id: str
    document_type: str
    mime_type: str
    encoding: str
    name: str
    priority: str
    deleted: bool


@dataclass(frozen=True, slots=True)
class SeenExecution:
    """An execution as the platform holds it; `deleted` when its import is. `sha256` and `bytes` are of the whole file.

    `success` and `failure` are what will be told once it has succeeded.
    """

    id: str
    import_id: str
    datamart_id: str
    document_type: str
    status: str
    creation_date: int
    file_name: str
    file_uri: str
    error_file_uri: str | None
    sha256: str
    bytes: int
    lines: int
    success: int
    failure: int
    file_gone: bool
    deleted: bool


class Sandbox:
    """The platform over the SQLite file at `path`; `now` gives epoch milliseconds and alone moves executions on.

    Safe for several threads. A context manager; also closes when collected. Raises Unusable: a file that cannot be one.
    """

    def __init__(
        self, path: Path | str, *, now: Callable[[], int] = real_clock, profile: Profile | None = None
    ) -> None:
        self.profile = profile if profile is not None else Profile()
        self._store = Store(path)
        self._given_now = now
        self._offset = self._store.remembered(_CLOCK)
        self._rules = Rules.over(Tenant(self._store, self.profile, self.now))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; using it again opens it again."""
        self._store.close()

    # The platform

    def now(self) -> int:
        """The platform's clock, in epoch milliseconds: the one it was given, and the time ticked since."""
        return self._given_now() + self._offset

    def handle(self, request: Request, *, shapes: tuple[Fault, ...] = (), fault: str = "") -> Response:
        """Act on one request and answer it, refusals too.

        `shapes` are the faults that shape what is done; `fault` stands in the log. What the request's body raises goes
        through: nothing is done, and the log says "aborted".
        """
        try:
            response = self._rules.answer(request, shapes)
        except BaseException:
            self.note(request, status=None, fault=f"{fault},aborted" if fault else "aborted")
            raise
        self.note(request, status=response.status, fault=fault)
        return response

    def note(self, request: Request, *, status: int | None, fault: str = "") -> None:
        """Log a request; `status` is None where the platform did not act."""
        self._store.note_request(
            at=self.now(),
            method=request.method,
            path=request.path,
            query=urlencode(request.query),
            status=status,
            fault=fault,
        )

    # What it saw

    def imports(self, *, deleted: bool = False) -> tuple[SeenImport, ...]:
        """All imports by id, with the deleted ones if asked."""
        rows = (row for row in self._store.all_imports() if deleted or not row.deleted)
        return tuple(_seen_import(row) for row in rows)

    def executions(self, import_id: str | None = None, *, deleted: bool = False) -> tuple[SeenExecution, ...]:
        """All executions by id, of one import or of all; with those of deleted imports if asked."""
        now = self.now()
        return tuple(
            SeenExecution(
                id=str(row.id),
                import_id=str(row.import_id),
                datamart_id=row.datamart_id,
                document_type=row.document_type,
                status=status_of(row, now),
                creation_date=row.created,
                file_name=row.file_name,
                file_uri=row.input_uri,
                error_file_uri=row.errors_uri,
                sha256=row.input_sha256,
                bytes=row.input_bytes,
                lines=row.lines,
                success=row.success,
                failure=row.failure,
                file_gone=bool(row.input_gone),
                deleted=bool(row.deleted),
            )
            for row in self._store.all_executions()
            if import_id in (None, str(row.import_id)) and (deleted or not row.deleted)
        )

    def content(self, execution_id: str) -> bytes:
        """The bytes that were uploaded, also when the file is gone for the API; raises Unknown."""
        return self._bytes(execution_id, "file_id")

    def rejected(self, execution_id: str) -> bytes:
        """The rejected lines as they came, empty when there are none; raises Unknown."""
        return self._bytes(execution_id, "errors_id")

    def _bytes(self, execution_id: str, column: Literal["file_id", "errors_id"]) -> bytes:
        with self._store.reading() as db:
            row = db.execute(f"SELECT {column} FROM executions WHERE id = ?", (execution_id,)).fetchone()  # noqa: S608
        if row is None:
            raise Unknown(f"there is no execution {execution_id}")
        return b"" if row[0] is None else b"".join(self._store.pieces(row[0]))

    def requests(self, *, method: str | None = None, path: str | None = None) -> tuple[RequestRow, ...]:
        """The log, oldest first; `path` is compared as a whole."""
        return tuple(
            row for row in self._store.all_requests() if method in (None, row.method) and path in (None, row.path)
        )

    def request_counts(self) -> Counter[tuple[str, str, str]]:
        """How often each (method, path, query) came."""
        return Counter((row.method, row.path, row.query) for row in self._store.all_requests())

    def forget_requests(self) -> None:
        """Empty the log of requests."""
        with self._store.reading() as db:
            db.execute("DELETE FROM requests")

    # Other hands

    def add_import(
        self,
        datamart_id: str,
        name: str,
        document_type: str = "USER_PROFILE",
        *,
        mime_type: str = "APPLICATION_X_NDJSON",
        priority: str = "MEDIUM",
        encoding: str = "utf-8",
    ) -> str:
        """An import made by somebody else; returns its id."""
        settings = {
            "document_type": document_type,
            "mime_type": mime_type,
            "encoding": encoding,
            "name": name,
            "priority": priority,
        }
        with self._store.writing() as db:
            db.execute("INSERT OR IGNORE INTO datamarts VALUES (?)", (datamart_id,))
            return str(imports.insert(db, datamart_id, settings).id)

    def change_import(self, import_id: str, *, name: str | None = None, priority: str | None = None) -> None:
        """Somebody else renames an import, or gives it another priority; raises Unknown."""
        self._living(import_id)
        statement = "UPDATE imports SET name = coalesce(?, name), priority = coalesce(?, priority) WHERE id = ?"
        with self._store.writing() as db:
            db.execute(statement, (name, priority, import_id))

    def delete_import(self, import_id: str) -> None:
        """Somebody else deletes an import, with its executions and files; raises Unknown."""
        with self._store.writing() as db:
            imports.remove(db, self._living(import_id).id)

    def add_execution(
        self, import_id: str, content: bytes, *, name: str | None = None, shapes: tuple[Fault, ...] = ()
    ) -> str:
        """Somebody else uploads a file; returns the execution's id. Raises Unknown, or Refused (a bad file)."""
        target = self._living(import_id)
        call = Call(Tenant(self._store, self.profile, self.now), Request("POST", ""), (), shapes)
        return str(executions.accept(call, target, lambda intake: (name, intake.read((content,)))).id)

    def remove_input_file(self, execution_id: str) -> None:
        """The platform no longer has the uploaded file: its download answers 404 from now on; raises Unknown."""
        statement = "UPDATE files SET gone = 1 WHERE id = (SELECT file_id FROM executions WHERE id = ?)"
        with self._store.writing() as db:
            if not db.execute(statement, (execution_id,)).rowcount:
                raise Unknown(f"there is no execution {execution_id}")

    def _living(self, import_id: str) -> ImportRow:
        row = next((row for row in self._store.all_imports() if str(row.id) == import_id and not row.deleted), None)
        if row is None:
            raise Unknown(f"there is no import {import_id}")
        return row

    # Time and the queue

    def tick(self, milliseconds: int) -> int:
        """Move the platform's clock on, for this and for later holders of the file; returns its time."""
        self._offset += milliseconds
        self._store.remember(_CLOCK, self._offset)
        return self.now()

    def release(self) -> int:
        """Let the queue move again: what stood still starts now; returns how many executions that are."""
        now = self.now()
        starts, ends = now + self.profile.queue_ms, now + self.profile.queue_ms + self.profile.run_ms
        statement = "UPDATE executions SET starts = ?, ends = ? WHERE starts IS NULL AND canceled IS NULL"
        with self._store.writing() as db:
            return db.execute(statement, (starts, ends)).rowcount

    def reset(self) -> None:
        """An empty account: no import, no execution, no file, no log, the clock as it was given. Ids go on."""
        self._store.forget()
        self._rules.forget()
        self._offset = 0


def _seen_import(row: ImportRow) -> SeenImport:
    return SeenImport(
        id=str(row.id),
        datamart_id=row.datamart_id,
        document_type=row.document_type,
        mime_type=row.mime_type,
        encoding=row.encoding,
        name=row.name,
        priority=row.priority,
        deleted=bool(row.deleted),
    )
