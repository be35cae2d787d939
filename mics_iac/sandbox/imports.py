"""The rules of document imports: create, list, read, update, delete (mediarithmics-api.md 2).

Knows nothing of files and executions.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any, Final

from mics_iac.sandbox.life import import_json
from mics_iac.sandbox.lines import JUDGES
from mics_iac.sandbox.message import Refused, Response, one, page
from mics_iac.sandbox.profile import Profile
from mics_iac.sandbox.store import ImportRow
from mics_iac.sandbox.tenant import NOT_FOUND, Call, json_body, window_of

MIME_TYPES: Final = ("APPLICATION_X_NDJSON", "TEXT_CSV")
PRIORITIES: Final = ("LOW", "MEDIUM", "HIGH")
SETTINGS: Final = ("document_type", "mime_type", "encoding", "name", "priority")
DEFAULTS: Final = {"encoding": "utf-8", "priority": "MEDIUM"}
IDENTITY: Final = ("id", "datamart_id", "datafarm_key")
ORDERS: Final = {"id_asc": "id ASC", "id_desc": "id DESC", "name": "name ASC, id ASC"}


def create(call: Call) -> Response:
    """POST: answers the new import with all eight fields (documented)."""
    profile = call.tenant.profile
    asked = json_body(call.request)
    settings = {key: asked[key] if asked.get(key) is not None else DEFAULTS.get(key) for key in SETTINGS}
    _check(settings, profile)
    with call.tenant.store.writing() as db:
        row = insert(db, call.ids[0], settings)
    return one(import_json(row, profile))


def insert(
    db: sqlite3.Connection, datamart_id: str, settings: Mapping[str, Any], *, at: int | None = None
) -> ImportRow:
    """Write a new import, under a growing id or under `at`."""
    values = tuple(settings[key] for key in SETTINGS)
    statement = (
        "INSERT INTO imports (id, datamart_id, document_type, mime_type, encoding, name, priority)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)"
    )
    made = db.execute(statement, (at, datamart_id, *values)).lastrowid or 0
    return ImportRow(*db.execute("SELECT * FROM imports WHERE id = ?", (made,)).fetchone())


def listed(call: Call) -> Response:
    """GET: a page of the datamart's imports; `keywords` is looked for in the name (section 7, no 10: inferred)."""
    profile, window = call.tenant.profile, window_of(call)
    where, values = "datamart_id = ? AND deleted = 0", [call.ids[0]]
    if keywords := call.request.asked("keywords"):
        where, values = f"{where} AND instr(casefold(name), ?) > 0", [*values, keywords.casefold()]
    if call.request.asked("label_ids"):
        where += " AND 0"  # there are no labels here, so no import wears one
    query = f"SELECT * FROM imports WHERE {where} ORDER BY {ORDERS[profile.import_order]} LIMIT ? OFFSET ?"  # noqa: S608
    with call.tenant.store.reading() as db:
        rows = [ImportRow(*row) for row in db.execute(query, (*values, window.size, window.first))]
        count = int(db.execute(f"SELECT count(*) FROM imports WHERE {where}", values).fetchone()[0])  # noqa: S608
    _shift(call)
    data = [import_json(row, profile) for row in rows]
    return page(data, first=window.first, size=window.size, total=window.total(count))


def _shift(call: Call) -> None:
    """Other hands insert an import before all others, or remove the first, once this page has been read."""
    fault, datamart_id = call.shape("shift_insert", "shift_remove"), call.ids[0]
    if fault is None:
        return
    with call.tenant.store.writing() as db:
        first = db.execute(
            "SELECT min(id) FROM imports WHERE datamart_id = ? AND deleted = 0", (datamart_id,)
        ).fetchone()[0]
        if fault.kind == "shift_remove":
            db.execute("UPDATE imports SET deleted = 1 WHERE id = ?", (first,))
            return
        lowest = db.execute("SELECT min(id) FROM imports").fetchone()[0]
        settings = {**DEFAULTS, "document_type": "USER_PROFILE", "mime_type": MIME_TYPES[0], "name": "by other hands"}
        insert(db, datamart_id, settings, at=None if lowest is None else lowest - 1)


def read(call: Call) -> Response:
    """GET of one."""
    return one(import_json(found(call), call.tenant.profile))


def found(call: Call) -> ImportRow:
    """The living import that the path names; raises Refused (404)."""
    row = call.tenant.store.import_by_id(call.ids[0], call.ids[1])
    if row is None:
        raise Refused(404, NOT_FOUND)
    return row


def update(call: Call) -> Response:
    """PUT: `name` and `priority`, others only where the profile lets them change; absent keys stay (7, 11 and 12)."""
    profile, row, asked = call.tenant.profile, found(call), json_body(call.request)
    current = import_json(row, profile)
    fixed = IDENTITY if profile.put_changes_all else (*IDENTITY, "document_type", "mime_type", "encoding")
    moved = [key for key in fixed if key in asked and str(asked[key]) != current[key]]
    if moved:
        raise Refused(400, f"{', '.join(moved)} cannot be changed")
    settings = {key: asked.get(key, current[key]) for key in SETTINGS}
    _check(settings, profile)
    with call.tenant.store.writing() as db:
        changed = db.execute(
            "UPDATE imports SET document_type = ?, mime_type = ?, encoding = ?, name = ?, priority = ?"
            " WHERE id = ? AND deleted = 0",
            (*(settings[key] for key in SETTINGS), row.id),
        ).rowcount
    if not changed:
        raise Refused(404, NOT_FOUND)
    return one(import_json(row._replace(**settings), profile))


def delete(call: Call) -> Response:
    """DELETE: the import, its executions and its files are gone (seen in client code)."""
    row = found(call)
    with call.tenant.store.writing() as db:
        remove(db, row.id)
    if call.tenant.profile.delete_empty:
        return Response(status=204)
    return one(import_json(row, call.tenant.profile))


def remove(db: sqlite3.Connection, import_id: int) -> None:
    """Mark an import deleted and its files gone; its rows stay, for whoever wants to know what was loaded."""
    db.execute("UPDATE imports SET deleted = 1 WHERE id = ?", (import_id,))
    for column in ("file_id", "errors_id"):
        files = f"SELECT {column} FROM executions WHERE import_id = ?"  # noqa: S608 - names from the line above
        db.execute(f"UPDATE files SET gone = 1 WHERE id IN ({files})", (import_id,))  # noqa: S608


def _check(settings: Mapping[str, Any], profile: Profile) -> None:
    wrong = list(_mistakes(settings, profile))
    if wrong:
        raise Refused(400, "; ".join(wrong))


def _mistakes(settings: Mapping[str, Any], profile: Profile) -> Iterator[str]:
    for key in SETTINGS:
        if not isinstance(settings[key], str) or not settings[key].strip():
            yield f"{key} is missing or empty"
        elif not settings[key].isprintable() and any("\ud800" <= sign <= "\udfff" for sign in settings[key]):
            yield f"{key} is not Unicode text"
    document_type, mime_type = settings["document_type"], settings["mime_type"]
    if isinstance(document_type, str) and document_type not in JUDGES and not profile.unknown_document_types:
        yield f"document_type {document_type} is unknown"
    if isinstance(mime_type, str) and mime_type not in MIME_TYPES:
        yield f"mime_type {mime_type} is unknown"
    if mime_type == "TEXT_CSV" and document_type != "USER_SEGMENT":
        yield "mime_type TEXT_CSV goes with document_type USER_SEGMENT"
    if isinstance(settings["priority"], str) and settings["priority"] not in PRIORITIES:
        yield f"priority {settings['priority']} is unknown"
