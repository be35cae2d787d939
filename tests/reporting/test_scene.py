"""What is said while a run goes on."""

from __future__ import annotations

from mics_iac.core import journal
from mics_iac.core.progress import Decided, Failure, Listing, Notice, Reading, Sending, Waiting
from mics_iac.errors import ApiLost
from mics_iac.reporting.entries import Narration
from mics_iac.reporting.scene import LINES_A_BEAT, Scene
from tests.reporting.plans import plan, settings, unread, upload


def loading(count: int, *, every: bool = False) -> Scene:
    scene = Scene(every=every)
    scene.expect(plan(*(upload("fr/a", f"data/{n}.ndjson", size=100, records=10) for n in range(count))))
    return scene


def load(scene: Scene, number: int, *, rejected: int = 0, status: str = "SUCCEEDED") -> list[str]:
    lines = scene.tell(journal.UploadBegun("fr/a", "1", f"t{number}", f"data/{number}.ndjson", 1, "", 100, 10, 10))
    lines += scene.tell(journal.UploadAccepted("fr/a", f"t{number}", f"9{number}", "PENDING"))
    return lines + scene.tell(journal.ExecutionSettled("fr/a", f"9{number}", status, 10 - rejected, rejected))


def test_many_files_make_one_line() -> None:
    scene = loading(10_000)
    lines = [one for n in range(10_000) for one in load(scene, n)]
    assert lines == ["fr/a: 10,000 of 10,000 files loaded (100,000 records ok, 0 rejected)"]
    assert not scene.unsettled


def test_files_that_went_wrong_are_named_but_not_ten_thousand_times() -> None:
    scene = loading(1000)
    lines = [one for n in range(1000) for one in load(scene, n, rejected=1)]
    assert lines[0] == "fr/a: data/0.ndjson loaded (9 records ok, 1 rejected)"
    assert len(lines) == LINES_A_BEAT
    assert scene.beat()[0] == "... and 981 more lines not shown (all with --verbose)"
    assert len(scene.beat()) == 1


def test_verbose_names_each() -> None:
    scene = loading(100, every=True)
    lines = [one for n in range(100) for one in load(scene, n)]
    assert len(lines) == 201


def test_where_it_stands() -> None:
    scene = loading(4)
    assert scene.now() == "sending: 0 of 4 files, 0 B of 400 B"
    load(scene, 0)
    scene.tell(Sending("fr/a", "data/1.ndjson", 1, 50, 100))
    assert scene.now() == "sending: 1 of 4 files, 150 B of 400 B"
    for number in (1, 2):
        load(scene, number)
    scene.tell(journal.UploadBegun("fr/a", "1", "t3", "data/3.ndjson", 1, "", 100, 10, 10))
    scene.tell(journal.UploadAccepted("fr/a", "t3", "93", "PENDING"))
    scene.tell(Waiting(1, 0))
    assert scene.now() == "waiting for 1 execution to end"
    assert scene.unsettled == {("fr/a", "93")}


def test_parts_are_called_so() -> None:
    scene = Scene()
    scene.expect(plan(*(upload("fr/a", "data/big.ndjson", size=100, records=10, part=n) for n in (1, 2))))
    assert scene.now() == "sending: 0 of 2 parts, 0 B of 200 B"
    assert [*load(scene, 1), *load(scene, 2)] == ["fr/a: 2 of 2 parts loaded (20 records ok, 0 rejected)"]


def test_remote_files_are_read_before_anything_is_known_to_send() -> None:
    scene = Scene()
    scene.tell(Listing(2, 2))
    scene.expect(unread())
    scene.tell(Reading(5, 100))
    assert scene.now() == "reading files: 5 B of 100 B"
    known = plan(upload("fr/a", "s3://acme/1", size=100, records=10), checked=unread().checked)
    lines = scene.tell(Decided(known))
    assert lines[:2] == ["remote files are read", "Uploads: 1 to load (100 B, 10 records), 0 already loaded."]
    assert "  warning: MICS380 few records in the file: data/part.ndjson" in lines
    assert any("data/skip.ndjson: 3 invalid records will be left out, kept in .mics-iac/" in one for one in lines)
    assert scene.now() == "sending: 0 of 1 file, 0 B of 100 B"


def test_reading_and_listing() -> None:
    scene = Scene()
    scene.tell(Reading(1000, 2_000_000))
    assert scene.now() == "reading files: 1.0 kB of 2.0 MB"
    scene.tell(Listing(1, 3))
    assert scene.now() == "asking the platform: 1 of 3 lists"


def test_a_failed_part_ends_its_import_too() -> None:
    scene = loading(2)
    load(scene, 0)
    lines = scene.tell(Failure("fr/a", "data/1.ndjson", ApiLost("reset", body_left=True)))
    assert lines[0] == "fr/a: data/1.ndjson: failed: reset"
    assert lines[1] == "fr/a: 1 of 2 files loaded (10 records ok, 0 rejected)"
    assert scene.now().endswith("(1 failed)")


def test_each_entry_in_words() -> None:
    narration = Narration()
    begun = journal.UploadBegun("fr/a", "1", "t", "data/1.ndjson", 2, "", 100, 10, 10)
    assert narration.line(begun) is None
    assert narration.line(journal.UploadDoubted("fr/a", "t", body_left=True, reason="reset")) == (
        "fr/a: data/1.ndjson [part 2]: the answer was lost, looking for its execution (reset)"
    )
    adopted = journal.ExecutionAdopted("fr/a", "1", "9", "data/1.ndjson", 2, "", 100, 10, "PENDING")
    assert narration.line(adopted) == "fr/a: data/1.ndjson [part 2] is execution 9: the bytes are equal"
    settled = journal.ExecutionSettled("fr/a", "9", "FAILED", message="no luck")
    assert narration.line(settled) == "fr/a: data/1.ndjson [part 2] FAILED: no luck"
    assert narration.line(begun) is None
    refused = journal.UploadRefused("fr/a", "t", 413, "too large")
    assert narration.line(refused) == "fr/a: data/1.ndjson [part 2] refused with HTTP 413: too large"
    assert narration.line(journal.ImportCreated("fr/a", "558", settings("A"))) == "fr/a: created (558)"
    assert narration.line(journal.ImportMoved("fr/old", "fr/new")) == "fr/new: renamed from fr/old"
    assert narration.line(journal.ImportGone("fr/a", "558")) == "fr/a: the platform no longer has import 558"
    assert narration.line(Notice("slow down")) == "slow down"


def test_what_did_not_arrive_is_on_its_way_no_more() -> None:
    scene = loading(2)
    outcomes: list[journal.Entry] = [
        journal.UploadAbandoned("fr/a", "t0", "never left"),
        journal.UploadRefused("fr/a", "t1", 413, "too large"),
    ]
    for number, outcome in enumerate(outcomes):
        source = f"data/{number}.ndjson"
        scene.tell(journal.UploadBegun("fr/a", "1", f"t{number}", source, 1, "", 100, 10, 10))
        scene.tell(Sending("fr/a", source, 1, 50, 100))
        assert len(scene.tell(outcome)) == 1
        assert not scene.in_flight
    assert scene.files_sent == 0


def test_an_execution_that_was_found_counts_as_sent() -> None:
    scene = loading(1)
    lines = scene.tell(journal.ExecutionAdopted("fr/a", "1", "9", "data/0.ndjson", 1, "", 100, 10, "RUNNING"))
    assert lines == ["fr/a: data/0.ndjson is execution 9: the bytes are equal"]
    assert (scene.files_sent, scene.bytes_sent) == (1, 100)
    assert scene.unsettled == {("fr/a", "9")}


def test_while_a_doubt_is_waited_for_nothing_is_said_to_be_sent() -> None:
    scene = Scene()
    scene.files, scene.bytes = 2, 200
    scene.tell(Sending("fr/a", "data/1.ndjson", 1, 50, 100))
    assert scene.now().startswith("sending: ")
    scene.tell(Waiting(0, 1))
    assert scene.now() == "waiting to find out about 1 upload in doubt"
    scene.tell(Sending("fr/a", "data/1.ndjson", 1, 0, 100))
    assert scene.now().startswith("sending: ")
