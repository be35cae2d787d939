"""The sandbox as a value: several holders of one file, other hands, reset; and that it stands alone."""

from __future__ import annotations

import ast
import contextlib
import multiprocessing
import sqlite3
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

import mics_iac.sandbox.sandbox as witness
from mics_iac.sandbox.adapter import SandboxAdapter
from mics_iac.sandbox.message import Refused
from mics_iac.sandbox.sandbox import Sandbox, Unknown
from mics_iac.sandbox.store import Unusable

IMPORTS = "https://api.mediarithmics.com/v1/datamarts/1502/document_imports"
GOOD = b'{"operation":"DELETE","email_hash":"x"}\n'


def upload_some(path: Path, import_id: str, label: str, count: int) -> int:
    """What one process or thread does: upload `count` files that differ from all others."""
    with Sandbox(path) as sandbox, requests.Session() as session:
        session.headers.update({"Authorization": "a-token", "Content-Type": "application/x-ndjson"})
        session.mount("https://", SandboxAdapter(sandbox))
        for number in range(count):
            body = b'{"operation":"DELETE","email_hash":"%s"}\n' % f"{label}-{number}".encode()
            session.post(f"{IMPORTS}/{import_id}/executions", data=body).raise_for_status()
    return count


def test_threads_and_processes_share_one_file(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    spawn = multiprocessing.get_context("spawn")
    with Sandbox(path) as sandbox:
        import_id = sandbox.add_import("1502", "crm")
        with ProcessPoolExecutor(2, mp_context=spawn) as processes, ThreadPoolExecutor(3) as threads:
            work = [processes.submit(upload_some, path, import_id, f"p{n}", 20) for n in range(2)]
            work += [threads.submit(upload_some, path, import_id, f"t{n}", 20) for n in range(3)]
            assert sum(one.result() for one in work) == 100
        assert len({one.sha256 for one in sandbox.executions()}) == 100
        assert len(sandbox.requests(method="POST")) == 100


def test_what_is_written_outlives_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "s.db"
    with Sandbox(path, now=lambda: 0) as sandbox:
        sandbox.add_execution(sandbox.add_import("1502", "crm"), GOOD)
        sandbox.tick(600)
    with Sandbox(path, now=lambda: 0) as again:
        assert again.now() == 600
        assert again.executions()[0].status == "SUCCEEDED"
        first = again.imports()[0].id
        again.reset()
        assert (again.imports(deleted=True), again.executions(deleted=True), again.now()) == ((), (), 0)
        assert int(again.add_import("1502", "crm")) > int(first)


def test_a_file_that_is_not_a_sandbox_is_named(tmp_path: Path) -> None:
    text, folder, other = tmp_path / "a.txt", tmp_path / "folder", tmp_path / "other.db"
    text.write_text("not a database, but long enough to be looked at\n" * 100)
    folder.mkdir()
    with contextlib.closing(sqlite3.connect(other)) as db:
        db.execute("CREATE TABLE imports (id)")
    for path in (text, folder, other, text / "below.db"):
        with pytest.raises(Unusable, match="remove it, or name another"):
            Sandbox(path)
    assert text.read_text().startswith("not a database")


def test_other_hands(sandbox: Sandbox, session: requests.Session) -> None:
    import_id = sandbox.add_import("1502", "crm", priority="LOW")
    sandbox.change_import(import_id, name="renamed")
    execution_id = sandbox.add_execution(import_id, GOOD, name="theirs.ndjson")
    sandbox.remove_input_file(execution_id)
    assert session.get(f"{IMPORTS}/{import_id}").json()["data"]["name"] == "renamed"
    assert session.get(f"{IMPORTS}/{import_id}/executions").json()["data"][0]["id"] == execution_id
    seen = sandbox.executions(import_id)[0]
    assert (seen.file_name, seen.file_gone) == ("theirs.ndjson", True)
    with pytest.raises(Refused, match="empty"):
        sandbox.add_execution(import_id, b"")
    sandbox.delete_import(import_id)
    assert [one.deleted for one in sandbox.imports(deleted=True)] == [True]


def test_what_is_not_there_is_said(sandbox: Sandbox) -> None:
    for act in (sandbox.content, sandbox.rejected, sandbox.remove_input_file):
        with pytest.raises(Unknown, match="there is no execution 7"):
            act("7")
    for do in (sandbox.delete_import, sandbox.change_import, lambda one: sandbox.add_execution(one, GOOD)):
        with pytest.raises(Unknown, match="there is no import 7"):
            do("7")


def test_the_sandbox_imports_nothing_of_the_tool() -> None:
    for file in sorted(Path(witness.__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            foreign = [one for one in names if f"{one}.".startswith("mics_iac.") and one.split(".")[1:2] != ["sandbox"]]
            assert not foreign, f"{file.name} imports {foreign}"
