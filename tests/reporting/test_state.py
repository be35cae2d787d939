"""The state as people read it: files in parts, records that were left out, objects as their store had them."""

from __future__ import annotations

import json

from mics_iac.core.state import Cut, Execution, ImportState, Incarnation, Piece
from mics_iac.core.status import ImportStatus, Status
from mics_iac.reporting.lines import Palette, json_text, write
from mics_iac.reporting.state import address_json, address_lines, list_lines
from mics_iac.reporting.status import status_lines
from tests.reporting.plans import HOSTILE, digest, settings


def execution(number: int, source: str, *, part: int = 1, status: str = "SUCCEEDED") -> Execution:
    return Execution(str(100 + number), source, part, digest(f"{source}{number}"), 1000, 10, status, None, 10, 0)


def cut(source: str, *numbers: int, **others: object) -> Cut:
    pieces = tuple(Piece(1000 * n, 1000 * n + 1000, digest(f"{source}{m}")) for n, m in enumerate(numbers))
    return Cut(source, digest(f"{source} {numbers}"), 1000 * len(numbers), pieces, **others)  # type: ignore[arg-type]


BIG, LOG, REMOTE, BAD = "data/big.ndjson", "data/log.ndjson", "s3://acme/1.ndjson", "data/bad.ndjson"
EXECUTIONS = (
    execution(0, "data/small.ndjson"),
    execution(2, BIG, part=2, status="FAILED"),
    execution(5, LOG),
    execution(1, BIG),
    execution(6, LOG, part=2),
    execution(8, REMOTE),
    execution(9, BAD),
)
CUTS = (
    cut(BIG, 1, 2, 3),
    cut(LOG, 5, 6),
    cut(LOG, 5, 6, 7),
    cut(REMOTE, 8, seal="etag 7"),
    cut(BAD, 9, dropped=3, rejects=".mics-iac/rejects/bad.txt"),
)
HELD = ImportState(Incarnation("558", settings("Visits"), executions=EXECUTIONS, cuts=CUTS))


def shown(held: ImportState = HELD) -> str:
    return write(address_lines("fr/visits", held), palette=Palette(on=False))


def test_parts_stand_under_their_file() -> None:
    lines = shown().splitlines()
    at = next(n for n, one in enumerate(lines) if one.startswith(f"      {BIG}"))
    assert lines[at].startswith(f"      {BIG}  3.0 kB in 3 parts, 2 sent  sha256:")
    assert lines[at + 1].startswith(f"        101  SUCCEEDED  {BIG} [part 1 of 3]  1.0 kB, 10 records")
    assert lines[at + 2].startswith(f"        102  FAILED     {BIG} [part 2 of 3]")
    assert "    7 executions:\n      100  SUCCEEDED  data/small.ndjson  1.0 kB" in shown()


def test_a_file_that_grew_is_there_once() -> None:
    assert shown().count(f"\n      {LOG}  ") == 1
    assert f"\n      {LOG}  3.0 kB in 3 parts, 2 sent" in shown()
    assert f"{LOG} [part 2 of 3]" in shown()


def test_what_a_store_said_and_what_was_left_out() -> None:
    assert f"      {REMOTE}  1.0 kB  sha256:" in shown()
    assert "        as its store had it: etag 7\n" in shown()
    assert "        3 invalid records left out, kept in .mics-iac/rejects/bad.txt\n" in shown()
    assert "7 executions, 3 left out" in write(list_lines({"fr/visits": HELD}), palette=Palette(on=False))


def test_json_has_it_all() -> None:
    found = json.loads(json_text(address_json("fr/visits", HELD)))["current"]["cuts"]
    assert found[0]["pieces"][1] == [1000, 2000, digest(f"{BIG}2")]
    assert (found[4]["dropped"], found[4]["rejects"]) == (3, ".mics-iac/rejects/bad.txt")


def test_status_has_them_too() -> None:
    row = ImportStatus(
        "fr/visits", "558", settings("Visits"), True, False, False, False, EXECUTIONS, (), cuts=CUTS
    )  # fmt: skip
    status = Status("https://api.mediarithmics.com", None, "lineage", 1, True, (row,))
    brief = write(status_lines(status), palette=Palette(on=False))
    assert "70 records ok, 0 rejected, 3 left out" in brief
    assert f"102  FAILED     {BIG} [part 2 of 3]" in brief
    assert brief.endswith("1 import, 7 executions (70 records ok, 0 rejected, 3 left out).\n")
    every = write(status_lines(status, every=True), palette=Palette(on=False))
    assert f"    {BIG}  3.0 kB in 3 parts, 2 sent" in every
    assert "3 invalid records left out, kept in .mics-iac/rejects/bad.txt" in every


def test_what_comes_from_outside_cannot_act_on_the_terminal() -> None:
    odd = cut(HOSTILE, 1, 2, seal=HOSTILE, dropped=1, rejects=HOSTILE)
    text = shown(ImportState(Incarnation("1", settings("A"), executions=(execution(1, HOSTILE),), cuts=(odd,))))
    assert all(c.isprintable() or c == "\n" for c in text)
