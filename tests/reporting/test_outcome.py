"""The end of an apply."""

from __future__ import annotations

import json

from mics_iac.core import journal
from mics_iac.core.manifest import NO_FAILURES, Budget
from mics_iac.core.outcome import Outcome, Shortfall
from mics_iac.core.progress import Failure
from mics_iac.core.state import Cut, Piece
from mics_iac.core.tally import Tally
from mics_iac.errors import ApiRefused, NotAllowed
from mics_iac.reporting.lines import Palette, json_text, write
from mics_iac.reporting.outcome import outcome_json, outcome_lines, trouble_lines
from tests.conftest import Golden
from tests.reporting.plans import rich, settings


def tally(*, adopted: int = 0) -> Tally:
    found = Tally()
    for number in range(2):
        found.add(journal.ImportCreated(f"fr/{number}", str(number), settings("A")))
    for number in range(adopted):
        found.add(journal.ImportAdopted(f"fr/a{number}", str(number), settings("A")))
    found.add(journal.GuardChanged("fr/c", protect=True))
    for number in range(14):
        found.add(journal.UploadAccepted("fr/0", f"attempt{number}", str(number), "PENDING"))
    found.add(journal.ExecutionSettled("fr/0", "1", "SUCCEEDED", 2_410_118, 214))
    return found


def text(outcome: Outcome, *, running: int = 0) -> str:
    return write(outcome_lines(outcome, running=running), palette=Palette(on=False))


def trouble(outcome: Outcome) -> str:
    return write(trouble_lines(outcome), palette=Palette(on=False))


def test_lines_that_tools_parse() -> None:
    assert text(Outcome(rich(), tally(), 86)) == (
        "Apply complete! Resources: 2 added, 1 changed, 0 destroyed.\n"
        "Uploads complete! 14 loaded (2,410,118 records ok, 214 rejected), 86 skipped.\n"
    )
    assert "Resources: 1 imported, 2 added, 1 changed, 0 destroyed." in text(Outcome(rich(), tally(adopted=1), 86))
    assert trouble(Outcome(rich(), tally(), 86)) == ""


def test_executions_that_still_run_are_told() -> None:
    assert "214 rejected, 3 executions still running), 86 skipped." in text(Outcome(rich(), tally(), 86), running=3)


def failed() -> Outcome:
    return Outcome(
        rich(),
        tally(),
        86,
        failures=(
            Failure("fr/a", None, NotAllowed("HTTP 403", remedy="ask for the role")),
            Failure("fr/b", "data/1.ndjson", ApiRefused("too large", status=413, error_id="0000-7")),
        ),
        shortfalls=(
            Shortfall("fr/c", "data/2.ndjson", "771", "SUCCEEDED", 1000, 12, 0, Budget.parse("1%"), None, "errors/771"),
            Shortfall("fr/d", "data/3.ndjson", "772", "FAILED", 10, None, None, NO_FAILURES, "queue\ntrouble"),
            Shortfall("fr/e", "data/4.ndjson", "773", "SUCCEEDED", 10, 0, 2, NO_FAILURES),
        ),
        unfinished=("fr/f: data/5.ndjson: it may be execution 9, which cannot be told apart",),
    )


def test_golden(golden: Golden) -> None:
    golden("outcome.txt", trouble(failed()) + text(failed(), running=2))
    golden("outcome.json", json_text(outcome_json(failed(), running=2)))


def test_nothing_is_called_complete_that_is_not() -> None:
    assert "complete!" not in text(failed())
    over = Outcome(rich(), tally(), 86, shortfalls=failed().shortfalls)
    assert "Uploads complete!" not in text(over)
    assert "Apply complete!" in text(over)
    assert "complete!" not in text(Outcome(rich(), tally(), 0, interrupted=2))


def test_each_trouble_has_its_address_and_its_next_step() -> None:
    shown = trouble(failed())
    for words in (
        "Error: fr/a: HTTP 403\n  ask for the role\n",
        "Error: fr/b: data/1.ndjson: too large\n  error id: 0000-7",
        "execution 771 ended SUCCEEDED: 12 rejected of 1,000 records sent, max_failures is 1%\n",
        "  rejected lines: errors/771\n",
        "execution 772 ended FAILED of 10 records sent\n  the platform says: queue\\ntrouble\n",
        "0 rejected of 10 records sent, max_failures is 0; 2 unaccounted for\n",
        "Not done: fr/f: ",
        "then run apply again",
    ):
        assert words in shown


def with_rejects(files: int = 1) -> Outcome:
    counts = tally()
    for n in range(files):
        cut = Cut(f"data/{n:02}.ndjson", "aa", 100, (Piece(0, 100, "bb"),), dropped=3, rejects=f".mics-iac/rejects/{n}")
        counts.add(journal.SourceCut("fr/0", "0", cut))
        counts.add(journal.SourceCut("fr/0", "0", Cut(f"data/big{n}", "cc", 100, (Piece(0, 100, "dd"),))))
    return Outcome(rich(), counts, 86)


def test_records_that_were_left_out_are_counted_and_where_they_are_is_told() -> None:
    assert text(with_rejects()) == (
        "fr/0: data/00.ndjson: 3 invalid records left out, kept in .mics-iac/rejects/0\n"
        "Apply complete! Resources: 2 added, 1 changed, 0 destroyed.\n"
        "Uploads complete! 14 loaded (2,410,118 records ok, 214 rejected, 3 left out), 86 skipped.\n"
    )
    found = json.loads(json_text(outcome_json(with_rejects(), running=0)))
    assert found["uploads"]["records_left_out"] == 3
    assert found["rejects"] == [
        {"address": "fr/0", "source": "data/00.ndjson", "records": 3, "file": ".mics-iac/rejects/0"}
    ]
    assert "... and 30 more files with records left out\n" in text(with_rejects(50))


def test_a_no_is_told_as_such() -> None:
    assert text(Outcome(rich(), Tally(), 0, declined=True)) == "Apply cancelled: nothing was done.\n"


def test_json_has_the_counts() -> None:
    found = json.loads(json_text(outcome_json(failed(), running=2)))
    assert found["uploads"] == {
        "loaded": 14,
        "skipped": 86,
        "running": 2,
        "records_ok": 2_410_118,
        "records_rejected": 214,
        "records_left_out": 0,
    }
    assert found["exit_code"] == 9
    assert [one["execution_id"] for one in found["shortfalls"]] == ["771", "772", "773"]
