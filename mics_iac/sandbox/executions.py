"""The rules of executions and of the files around them: upload, list, read, cancel, download (mediarithmics-api.md 3).

What becomes of an execution is settled when its file comes in; from then on the clock alone moves it.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from mics_iac.sandbox import imports
from mics_iac.sandbox.intake import Intake, Tally
from mics_iac.sandbox.life import execution_json, status_of, timed
from mics_iac.sandbox.message import BINARY_TYPE, Refused, Request, Response, one, page
from mics_iac.sandbox.multipart import Malformed, boundary_of, parts
from mics_iac.sandbox.store import EXECUTIONS, ExecutionRow, ImportRow, Spool
from mics_iac.sandbox.tenant import NOT_FOUND, Call, Tenant, json_body, media_type, window_of

CONTENT_TYPES: Final = {"APPLICATION_X_NDJSON": "application/x-ndjson", "TEXT_CSV": "text/csv"}
SUFFIXES: Final = {"APPLICATION_X_NDJSON": "ndjson", "TEXT_CSV": "csv"}
OUTCOMES: Final = {"ends_failed": "FAILED", "ends_canceled": "CANCELED", "ends_lost": "LOST"}
ORDERS: Final = {"newest_first": "DESC", "oldest_first": "ASC"}


def upload(call: Call) -> Response:
    """POST: one file becomes one execution, answered PENDING (documented)."""
    target = imports.found(call)
    _check_headers(call)
    if media_type(call.request.header("content-type")) == "multipart/form-data":
        row = accept(call, target, lambda intake: _read_form(call.request, target, intake))
    else:
        _check_type(call.request.header("content-type"), target)
        row = accept(call, target, lambda intake: (None, intake.read(call.request.body)))
    return one(execution_json(row, call.tenant.profile, row.created))


def _check_headers(call: Call) -> None:
    request, profile = call.request, call.tenant.profile
    if request.header("content-encoding").lower() not in ("", "identity"):
        raise Refused(415, "Content-Encoding is not supported")
    length = request.header("content-length")
    if profile.needs_content_length and not length:
        raise Refused(411, "Content-Length is required")
    form = media_type(request.header("content-type")) == "multipart/form-data"
    if not form and length.isascii() and length.isdigit() and int(length[:19]) > profile.size_limit:
        raise Refused(413, f"The file is larger than {profile.size_limit} bytes")


def _check_type(header: str, target: ImportRow) -> None:
    wanted = CONTENT_TYPES[target.mime_type]
    if media_type(header) != wanted:
        raise Refused(415, f"Content-Type must be {wanted} for an import of {target.mime_type}")


def _read_form(request: Request, target: ImportRow, intake: Intake) -> tuple[str | None, Tally]:
    """The web form: part `file`, and text part `type` with the same content type (seen in client code)."""
    name, tally = None, None
    try:
        for part in parts(request.body, boundary_of(request.header("content-type"))):
            if part.name == "type":
                _check_type(part.text(), target)
            elif part.name == "file" and tally is None:
                _check_type(part.content_type, target)
                name, tally = part.filename, intake.read(part.pieces)
    except Malformed as error:
        raise Refused(400, str(error)) from None
    if tally is None:
        raise Refused(400, "The form has no part named file")
    return name, tally


@contextmanager
def _spooled(tenant: Tenant) -> Iterator[tuple[Spool, Spool]]:
    """Room for the file and for its rejected lines; given back when anything goes wrong."""
    content, rejected = Spool(tenant.store), Spool(tenant.store)
    try:
        yield content, rejected
    except BaseException:
        content.abandon()
        rejected.abandon()
        raise


def accept(call: Call, target: ImportRow, read: Callable[[Intake], tuple[str | None, Tally]]) -> ExecutionRow:
    """Take a file in with `read`, and make the execution that it becomes; raises Refused, and then nothing is made."""
    doom = call.shape("rejects_lines")
    with _spooled(call.tenant) as (content, rejected):
        intake = Intake(
            profile=call.tenant.profile,
            document_type=target.document_type,
            mime_type=target.mime_type,
            content=content,
            rejected=rejected,
            doomed=doom.count if doom else 0,
        )
        name, tally = read(intake)
        return _made(call, target, intake, _Given(name, tally))


class _Given(NamedTuple):
    name: str | None
    tally: Tally


def _made(call: Call, target: ImportRow, intake: Intake, given: _Given) -> ExecutionRow:
    tenant, tally = call.tenant, _distorted(call, given.tally)
    with tenant.store.writing() as db:
        if not db.execute("SELECT 1 FROM imports WHERE id = ? AND deleted = 0", (target.id,)).fetchone():
            raise Refused(404, NOT_FOUND)
        created = tenant.now()
        starts, ends = _times(call, db, target.id, created)
        file_id = intake.content.settle(db)
        errors_id = intake.rejected.settle(db) if intake.rejected.bytes else None
        ending, odd = call.shape(*OUTCOMES), call.shape("odd_status")
        values = (
            target.id, target.document_type, target.mime_type, "", file_id, errors_id,
            tally.lines, tally.success, tally.failure, created, starts, ends,
            OUTCOMES[ending.kind] if ending else "SUCCEEDED",
            ending.message if ending else None,
            (odd.message or "WAITING_DEPENDENT_JOB") if odd else None,
        )  # fmt: skip
        statement = (
            "INSERT INTO executions (import_id, document_type, mime_type, file_name, file_id, errors_id,"
            " lines, success, failure, created, starts, ends, outcome, message, odd_status)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        )
        made = db.execute(statement, values).lastrowid or 0
        _name_files(call, db, made, (target, file_id, errors_id, given.name))
        return ExecutionRow(*db.execute(f"{EXECUTIONS} WHERE e.id = ?", (made,)).fetchone())


def _distorted(call: Call, tally: Tally) -> Tally:
    """The counts as the platform will tell them, where a fault makes it miscount."""
    off, unbalanced = call.shape("lines_off"), call.shape("unbalanced")
    lines = tally.lines + (off.count if off else 0)
    success = tally.success - (unbalanced.count if unbalanced else 0)
    return Tally(lines=max(0, lines), success=max(0, success), failure=tally.failure)


def _times(call: Call, db: sqlite3.Connection, import_id: int, created: int) -> tuple[int | None, int | None]:
    if call.shape("stuck"):
        return None, None
    query = "SELECT ends FROM executions WHERE import_id = ? AND ends IS NOT NULL ORDER BY id DESC LIMIT 1"
    last = db.execute(query, (import_id,)).fetchone()
    return timed(call.tenant.profile, created=created, busy_until=last[0] if last else 0)


def _name_files(
    call: Call, db: sqlite3.Connection, execution_id: int, files: tuple[ImportRow, int, int | None, str | None]
) -> None:
    """Give the files their uris (shape: mediarithmics-api.md 7, no 22, inferred) and the execution its file's name."""
    target, file_id, errors_id, given = files
    name = given or f"{target.id}-{execution_id}.{SUFFIXES[target.mime_type]}"
    folder = f"mics://data_file/tenants/{call.tenant.profile.organisation_id}/document_imports/{target.id}"
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", name.replace("\\", "/").rpartition("/")[2])
    uris = [(file_id, f"{folder}/{execution_id}-{plain}")]
    if errors_id is not None:
        uris.append((errors_id, f"{folder}/{execution_id}-errors.{SUFFIXES[target.mime_type]}"))
    db.executemany("UPDATE files SET uri = ? WHERE id = ?", [(uri, which) for which, uri in uris])
    db.execute("UPDATE executions SET file_name = ? WHERE id = ?", (name, execution_id))
    if call.shape("file_gone"):
        db.execute("UPDATE files SET gone = 1 WHERE id = ?", (file_id,))


def listed(call: Call) -> Response:
    """GET: a page of the import's executions."""
    target, profile, window = imports.found(call), call.tenant.profile, window_of(call)
    query = f"{EXECUTIONS} WHERE e.import_id = ? ORDER BY e.id {ORDERS[profile.execution_order]} LIMIT ? OFFSET ?"
    with call.tenant.store.reading() as db:
        rows = [ExecutionRow(*row) for row in db.execute(query, (target.id, window.size, window.first))]
        count = int(db.execute("SELECT count(*) FROM executions WHERE import_id = ?", (target.id,)).fetchone()[0])
    now = call.tenant.now()
    data = [execution_json(row, profile, now) for row in rows]
    return page(data, first=window.first, size=window.size, total=window.total(count))


def read(call: Call) -> Response:
    """GET of one (documented)."""
    return one(execution_json(_found(call), call.tenant.profile, call.tenant.now()))


def _found(call: Call) -> ExecutionRow:
    row = call.tenant.store.execution_by_id(imports.found(call).id, call.ids[2])
    if row is None:
        raise Refused(404, NOT_FOUND)
    return row


def act(call: Call) -> Response:
    """POST .../action: CANCEL alone, and only while PENDING (seen in client code; 400 otherwise is inferred)."""
    row, asked = _found(call), json_body(call.request)
    if asked.get("action") != "CANCEL":
        raise Refused(400, "The only action is CANCEL")
    with call.tenant.store.writing() as db:
        now = call.tenant.now()
        row = ExecutionRow(*db.execute(f"{EXECUTIONS} WHERE e.id = ?", (row.id,)).fetchone())
        if status_of(row, now) != "PENDING":
            raise Refused(400, "Only a PENDING execution can be canceled")
        db.execute("UPDATE executions SET canceled = ? WHERE id = ?", (now, row.id))
    return one(execution_json(row._replace(canceled=now), call.tenant.profile, now))


def download(call: Call) -> Response:
    """GET /data_file/data?uri=: the stored file itself (seen in client code)."""
    store = call.tenant.store
    file = store.file_by_uri(call.request.asked("uri") or "")
    if file is None:
        raise Refused(404, NOT_FOUND)
    file_id, size = file
    headers = {"content-type": BINARY_TYPE}
    return Response(status=200, headers=headers, chunks=lambda: store.pieces(file_id), length=size)
