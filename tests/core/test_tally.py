"""The figures of a run, from its entries alone."""

from __future__ import annotations

from mics_iac.core import journal
from mics_iac.core.journal import Entry
from mics_iac.core.tally import Tally
from tests.core.plans import profiles

SHA = "a" * 64
BEGUN = journal.UploadBegun("fr/a", "1", "t1", "x", 1, SHA, 10, 2, 2)


def counted(*entries: Entry) -> Tally:
    tally = Tally()
    for entry in entries:
        tally.add(entry)
    return tally


def test_an_upload_counts_when_it_was_accepted_not_when_it_began() -> None:
    assert counted(BEGUN).loaded == 0
    assert counted(BEGUN, journal.UploadAccepted("fr/a", "t1", "9", "PENDING")).loaded == 1
    assert counted(BEGUN, journal.UploadRefused("fr/a", "t1", 400, "no")).loaded == 0
    assert counted(BEGUN, journal.UploadAbandoned("fr/a", "t1", "no")).loaded == 0


def test_one_that_was_found_after_its_answer_was_lost_counts_as_loaded_by_this_run() -> None:
    found = journal.ExecutionAdopted("fr/a", "1", "9", "x", 1, SHA, 10, 2, "PENDING")
    settled = journal.ExecutionSettled("fr/a", "9", "SUCCEEDED", 2, 0)
    mine = counted(BEGUN, journal.UploadDoubted("fr/a", "t1", True, "lost"), found, settled)
    assert (mine.loaded, mine.found, mine.ok) == (1, 0, 2)
    others = counted(found, settled)
    assert (others.loaded, others.found, others.ok) == (0, 1, 0)


def test_records_count_where_the_execution_succeeded() -> None:
    tally = counted(
        *(journal.UploadAccepted("fr/a", f"t{n}", str(n), "PENDING") for n in (1, 2, 3)),
        journal.ExecutionSettled("fr/a", "1", "SUCCEEDED", 7, 3),
        journal.ExecutionSettled("fr/a", "4", "SUCCEEDED", 9, 9),
        journal.ExecutionSettled("fr/a", "2", "FAILED", 5, 5),
        journal.ExecutionSettled("fr/a", "3", "SUCCEEDED"),
    )
    assert (tally.ok, tally.rejected) == (7, 3)


def test_a_change_counts_once_and_only_if_this_run_made_it() -> None:
    begun, changed = journal.ChangeBegun("fr/a", profiles()), journal.ImportChanged("fr/a", profiles())
    assert counted(changed).changed == 0
    assert counted(begun).changed == 0
    assert counted(begun, changed, journal.GuardChanged("fr/a", True), changed).changed == 1


def test_a_new_import_is_not_changed_by_its_new_key() -> None:
    moved = journal.ImportMoved("fr/old", "fr/a")
    created = journal.ImportCreated("fr/a", "1", profiles())
    assert counted(moved).changed == 1
    assert (counted(moved, created).changed, counted(moved, created).added) == (0, 1)
    adopted = counted(
        journal.ImportAdopted("fr/a", "1", profiles()),
        journal.ChangeBegun("fr/a", profiles()),
        journal.ImportChanged("fr/a", profiles()),
    )
    assert (adopted.adopted, adopted.changed) == (1, 1)
