"""Where the sandbox remembers: one SQLite file for imports, executions, stored files and the log of requests.

Safe for several threads (a pool of connections) and several processes (WAL, every write in BEGIN IMMEDIATE, a busy
timeout). Files are kept as rows of at most CHUNK bytes, so no body is ever whole in memory. Knows no rule: rows in,
rows out. Nothing is really deleted, so that a test still sees what was loaded into an import that is gone.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

CHUNK: Final = 1024 * 1024
BUSY_SECONDS: Final = 60.0

VERSION: Final = 1
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS datamarts (id TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS imports (
    id INTEGER PRIMARY KEY AUTOINCREMENT, datamart_id TEXT NOT NULL, document_type TEXT NOT NULL,
    mime_type TEXT NOT NULL, encoding TEXT NOT NULL, name TEXT NOT NULL, priority TEXT NOT NULL,
    deleted INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS imports_of_a_datamart ON imports (datamart_id, deleted, id);
CREATE TABLE IF NOT EXISTS files (
    id INTEGER PRIMARY KEY AUTOINCREMENT, uri TEXT UNIQUE, bytes INTEGER NOT NULL DEFAULT 0, sha256 TEXT,
    gone INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS chunks (file_id INTEGER NOT NULL, n INTEGER NOT NULL, data BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS chunks_of_a_file ON chunks (file_id, n);
CREATE TABLE IF NOT EXISTS executions (
    id INTEGER PRIMARY KEY AUTOINCREMENT, import_id INTEGER NOT NULL, document_type TEXT NOT NULL,
    mime_type TEXT NOT NULL, file_name TEXT NOT NULL, file_id INTEGER NOT NULL, errors_id INTEGER,
    lines INTEGER NOT NULL, success INTEGER NOT NULL, failure INTEGER NOT NULL,
    created INTEGER NOT NULL, starts INTEGER, ends INTEGER, canceled INTEGER,
    outcome TEXT NOT NULL, message TEXT, odd_status TEXT);
CREATE INDEX IF NOT EXISTS executions_of_an_import ON executions (import_id, id);
CREATE TABLE IF NOT EXISTS requests (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, method TEXT NOT NULL, path TEXT NOT NULL,
    query TEXT NOT NULL, status INTEGER, fault TEXT NOT NULL);
INSERT INTO sqlite_sequence (name, seq)
    SELECT 'imports', 31000 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'imports');
INSERT INTO sqlite_sequence (name, seq)
    SELECT 'executions', 9200000 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'executions');
"""


class Unusable(Exception):
    """The file cannot be a sandbox's; the message says why, and what to do."""


class ImportRow(NamedTuple):
    """A document import as stored."""

    id: int
    datamart_id: str
    document_type: str
    mime_type: str
    encoding: str
    name: str
    priority: str
    deleted: int


class ExecutionRow(NamedTuple):
    """An execution as stored; its status is not, since the clock tells it. Times in epoch milliseconds."""

    id: int
    import_id: int
    document_type: str
    mime_type: str
    file_name: str
    file_id: int
    errors_id: int | None
    lines: int
    success: int
    failure: int
    created: int
    starts: int | None
    ends: int | None
    canceled: int | None
    outcome: str
    message: str | None
    odd_status: str | None
    # Joined from elsewhere:
    datamart_id: str
    input_uri: str
    input_bytes: int
    input_sha256: str
    input_gone: int
    errors_uri: str | None
    deleted: int


class RequestRow(NamedTuple):
    """One request as it was seen; `status` is None where the platform never acted, `fault` names what struck."""

    seq: int
    at: int
    method: str
    path: str
    query: str
    status: int | None
    fault: str


EXECUTIONS: Final = """
SELECT e.*, i.datamart_id, f.uri, f.bytes, f.sha256, f.gone, x.uri, i.deleted
FROM executions e JOIN imports i ON i.id = e.import_id JOIN files f ON f.id = e.file_id
LEFT JOIN files x ON x.id = e.errors_id
"""


class Store:
    """The one SQLite file at `path`, made if it is not there. Close it, or let it be collected."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._inherited: list[sqlite3.Connection] = []
        self._pid = os.getpid()
        self._finalizer = weakref.finalize(self, _close_all, self._idle)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._prepare()
        except (OSError, sqlite3.DatabaseError) as error:
            raise Unusable(f"{self.path} cannot hold a sandbox: {error}; remove it, or name another file") from error

    def _prepare(self) -> None:
        # Two processes that make the file at once may meet while it turns to WAL, where SQLite does not wait.
        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                if self._is_made():
                    return
                with self.reading() as db:
                    db.execute("PRAGMA journal_mode = WAL")
                with self.writing() as db:
                    for statement in SCHEMA.split(";"):
                        db.execute(statement)
                    db.execute(f"PRAGMA user_version = {VERSION}")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)  # another process is setting the file up; SQLite does not wait for that
            else:
                return

    def _is_made(self) -> bool:
        """Whether the tables are there. Raises Unusable, and changes nothing, when others are."""
        with self.reading() as db:
            db.execute("BEGIN")  # both figures of one moment, while another process may be making the tables
            found = int(db.execute("PRAGMA user_version").fetchone()[0])
            tables = int(db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
            db.execute("COMMIT")
        if found != VERSION and (found or tables):
            raise Unusable(f"{self.path} was made by something else, or by another version; remove it, or name another")
        return found == VERSION

    def close(self) -> None:
        """Close what is idle; the store may still be used, and opens again."""
        with self._lock:
            _close_all(self._idle)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection for reading, or for one statement that writes."""
        db = self._take()
        try:
            yield db
        except BaseException:
            db.close()
            raise
        with self._lock:
            self._idle.append(db)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that holds the write lock from its start; rolled back when the block raises."""
        with self.reading() as db:
            db.execute("BEGIN IMMEDIATE")
            yield db
            db.execute("COMMIT")

    def _take(self) -> sqlite3.Connection:
        with self._lock:
            if self._pid != os.getpid():  # a connection must be neither used nor closed across a fork
                self._inherited += self._idle
                self._idle.clear()
                self._pid = os.getpid()
            if self._idle:
                return self._idle.pop()
        db = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA synchronous = OFF")  # it outlives the process, and need not outlive the machine
        db.create_function("casefold", 1, str.casefold, deterministic=True)
        return db

    def forget(self) -> None:
        """Empty every table; ids go on from where they were."""
        with self.writing() as db:
            for table in ("chunks", "files", "executions", "imports", "datamarts", "requests", "meta"):
                db.execute(f"DELETE FROM {table}")  # noqa: S608 - names from the line above

    def import_by_id(self, datamart_id: str, import_id: str) -> ImportRow | None:
        """A living import of that datamart."""
        query = "SELECT * FROM imports WHERE id = ? AND datamart_id = ? AND deleted = 0"
        with self.reading() as db:
            row = db.execute(query, (_number(import_id), datamart_id)).fetchone()
        return ImportRow(*row) if row else None

    def execution_by_id(self, import_id: int, execution_id: str) -> ExecutionRow | None:
        """An execution of that import."""
        query = f"{EXECUTIONS} WHERE e.id = ? AND e.import_id = ?"
        with self.reading() as db:
            row = db.execute(query, (_number(execution_id), import_id)).fetchone()
        return ExecutionRow(*row) if row else None

    def all_imports(self) -> tuple[ImportRow, ...]:
        """Every import ever made, by id."""
        with self.reading() as db:
            return tuple(ImportRow(*row) for row in db.execute("SELECT * FROM imports ORDER BY id"))

    def all_executions(self) -> tuple[ExecutionRow, ...]:
        """Every execution ever made, by id."""
        with self.reading() as db:
            return tuple(ExecutionRow(*row) for row in db.execute(f"{EXECUTIONS} ORDER BY e.id"))

    def note_request(self, *, at: int, method: str, path: str, query: str, status: int | None, fault: str) -> None:
        """Add one line to the log of requests."""
        statement = "INSERT INTO requests (at, method, path, query, status, fault) VALUES (?, ?, ?, ?, ?, ?)"
        with self.reading() as db:
            db.execute(statement, (at, method, path, query, status, fault))

    def all_requests(self) -> tuple[RequestRow, ...]:
        """The log of requests, oldest first."""
        with self.reading() as db:
            return tuple(RequestRow(*row) for row in db.execute("SELECT * FROM requests ORDER BY seq"))

    def remember(self, key: str, value: int) -> None:
        """Keep one number under a name."""
        with self.reading() as db:
            db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def remembered(self, key: str) -> int:
        """The number kept under a name, or 0."""
        with self.reading() as db:
            row = db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return int(row[0]) if row else 0

    def file_by_uri(self, uri: str) -> tuple[int, int] | None:
        """Id and size of a stored file that is still there."""
        with self.reading() as db:
            row = db.execute("SELECT id, bytes FROM files WHERE uri = ? AND gone = 0", (uri,)).fetchone()
        return (int(row[0]), int(row[1])) if row else None

    def pieces(self, file_id: int) -> Iterator[bytes]:
        """A stored file, a chunk at a time; gone or not."""
        n = 0
        while True:
            with self.reading() as db:
                row = db.execute("SELECT data FROM chunks WHERE file_id = ? AND n = ?", (file_id, n)).fetchone()
            if row is None:
                return
            yield bytes(row[0])
            n += 1


class Spool:
    """A file on its way in. Small ones are written in one transaction with what refers to them (`settle`).

    The bytes of a file that was never settled are removed by `abandon`.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._file_id: int | None = None
        self._waiting = bytearray()
        self._n = 0
        self._sha = hashlib.sha256()
        self.bytes = 0

    def write(self, data: bytes) -> None:
        """Take the next bytes."""
        self._sha.update(data)
        self.bytes += len(data)
        self._waiting += data
        if len(self._waiting) >= CHUNK:
            with self._store.writing() as db:
                self._flush(db)

    def _flush(self, db: sqlite3.Connection) -> int:
        if self._file_id is None:
            self._file_id = int(db.execute("INSERT INTO files DEFAULT VALUES").lastrowid or 0)
        if self._waiting:
            db.execute("INSERT INTO chunks VALUES (?, ?, ?)", (self._file_id, self._n, bytes(self._waiting)))
            self._waiting.clear()
            self._n += 1
        return self._file_id

    def settle(self, db: sqlite3.Connection) -> int:
        """Write what waits, within the caller's transaction; returns the file's id, still without a uri."""
        file_id = self._flush(db)
        row = (self.bytes, self._sha.hexdigest(), file_id)
        db.execute("UPDATE files SET bytes = ?, sha256 = ? WHERE id = ?", row)
        return file_id

    def abandon(self) -> None:
        """Forget the bytes that were written so far."""
        if self._file_id is not None:
            with self._store.writing() as db:
                db.execute("DELETE FROM chunks WHERE file_id = ?", (self._file_id,))
                db.execute("DELETE FROM files WHERE id = ?", (self._file_id,))


def _close_all(connections: list[sqlite3.Connection]) -> None:
    while connections:
        with suppress(sqlite3.Error):
            connections.pop().close()


def _number(text: str) -> int:
    """An id as SQLite keeps it; one that cannot be an id becomes one that nothing has."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else -1
