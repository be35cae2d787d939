"""docs/duckdb.md: every line of SQL there runs, and writes records that the platform takes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import duckdb
import pytest

from mics_iac.core.manifest import DOCUMENT_TYPES
from mics_iac.documents.check import Checker
from mics_iac.documents.rules import RULES

PAGE = (Path(__file__).parents[2] / "docs" / "duckdb.md").read_text(encoding="utf-8")
TABLES = dict(re.findall(r"^```csv (\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
LINES = dict(re.findall(r"^```sql (\w+)\n(.*)\n```$", PAGE, re.MULTILINE))

# Two records are few, and nobody knows what a dissociation looks like.
EXPECTED = {"MICS380", "MICS382"}


def test_there_is_a_line_for_each_document_type() -> None:
    assert LINES.keys() == set(DOCUMENT_TYPES) - {"USER_DEVICE_POINT_DELETION"}


@pytest.mark.parametrize("document_type", LINES)
def test_what_it_writes_is_valid(document_type: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in TABLES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    with duckdb.connect(config={"autoinstall_known_extensions": False, "threads": 1}) as connection:
        connection.execute(LINES[document_type])
    [written] = tmp_path.glob("*.ndjson")
    checker = Checker(document_type)
    checker.feed(written.read_bytes())
    report = checker.end()
    assert report.records == 2
    assert set(report.counts) <= EXPECTED, [f for f in report.findings if f.code not in EXPECTED]
    assert all(RULES[code].severity == "warning" for code in report.counts)


def test_texts_stay_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "customers.csv").write_text(TABLES["customers.csv"], encoding="utf-8")
    with duckdb.connect(config={"autoinstall_known_extensions": False, "threads": 1}) as connection:
        connection.execute(LINES["USER_PROFILE"])
    first = json.loads((tmp_path / "profiles.ndjson").read_text().splitlines()[0])
    assert first["user_profile"]["zip_code"] == "01390"
