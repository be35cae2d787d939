"""Records are checked before a byte is sent; what is wrong is refused, left out, or sent, as the import says."""

from __future__ import annotations

import os
import shutil

import msgspec
import pytest

from mics_iac.core.plan import Plan
from mics_iac.engine import workflow
from mics_iac.engine.files import find_files, read_desired
from mics_iac.errors import RecordsInvalid, SourceFailed, UsageError
from mics_iac.sandbox.faults import Fault
from tests.engine.test_parts import once, records
from tests.rig import Rig, manifest, visit, visits

BAD = '{"$type":"TOUCH","$session_status":"NO_SESSION","$ts":1768460400,"$user_account_id":"C","$events":[]}\n'
WORSE = '{"$type": "TOUCH"\n'
GOOD = visits(0, 4)
MIXED = GOOD + BAD + visits(10, 3) + WORSE + visits(20, 2)


def declare(rig: Rig, **settings: object) -> None:
    ignore = ["MICS380"]  # few records are not what this is about
    rig.declare(manifest({"fr/visits": {"sources": ["data/*"], "ignore": ignore, **settings}}))


@pytest.fixture
def mixed(rig: Rig) -> Rig:
    declare(rig)
    rig.write("data/mixed.ndjson", MIXED)
    rig.write("data/good.ndjson", visits(100, 5))
    return rig


def test_a_file_with_errors_is_refused_and_nothing_is_done(mixed: Rig) -> None:
    with pytest.raises(RecordsInvalid) as caught:
        mixed.apply()
    assert [(p.file, p.line, p.code) for p in caught.value.problems] == [
        ("data/mixed.ndjson", 5, "MICS360"),
        ("data/mixed.ndjson", 9, "MICS306"),
    ]
    assert mixed.calls("POST") == []
    plan = mixed.plan()
    assert [(one.source, one.refused, one.errors) for one in plan.invalid] == [
        ("data/mixed.ndjson", True, {"MICS306": 1, "MICS360": 1})
    ]


@pytest.mark.parametrize("split", ["1kB", "100MB"])
def test_invalid_records_are_left_out_and_kept(mixed: Rig, split: str) -> None:
    declare(mixed, on_invalid="skip", split=split)
    assert mixed.apply().exit_code == 0
    assert records(mixed) == once(visits(100, 5), *MIXED.replace(BAD, "").replace(WORSE, "").split("\0"))
    (cut,) = [c for c in mixed.state().imports["fr/visits"].current.cuts if c.dropped]
    assert (cut.source, cut.dropped) == ("data/mixed.ndjson", 2)
    assert cut.rejects is not None
    kept = mixed.folder / cut.rejects
    assert kept.read_text() == BAD + WORSE
    assert kept.stat().st_mode & 0o777 == 0o600
    assert mixed.plan().empty


@pytest.mark.parametrize("later", [{"on_invalid": "skip", "ignore": ["MICS360"]}, {"on_invalid": "send"}, {}])
def test_what_was_loaded_without_them_is_not_loaded_again_under_other_rules(
    mixed: Rig, later: dict[str, object]
) -> None:
    declare(mixed, on_invalid="skip")
    mixed.apply()
    declare(mixed, **later)
    assert mixed.plan().empty
    assert not mixed.plan().invalid


def test_they_may_be_sent_all_the_same(mixed: Rig) -> None:
    mixed.write("data/mixed.ndjson", GOOD + BAD)
    declare(mixed, on_invalid="send", max_failures="100%")
    assert mixed.apply().exit_code == 0
    assert sum(records(mixed).values()) == 10


def test_a_rule_can_be_ignored_and_warnings_can_count(mixed: Rig) -> None:
    mixed.write("data/mixed.ndjson", GOOD + BAD)
    declare(mixed, ignore=["MICS360"])
    assert not mixed.plan().invalid
    declare(mixed, ignore=["MICS360"], strict=True)
    assert {code for one in mixed.plan().invalid for code in one.errors} == {"MICS380"}


def test_a_file_of_which_nothing_is_left_is_told_and_kept(mixed: Rig) -> None:
    declare(mixed, on_invalid="skip")
    mixed.write("data/mixed.ndjson", BAD + WORSE)
    (checked,) = mixed.plan().checked
    assert (checked.source, checked.dropped, checked.refused) == ("data/mixed.ndjson", 2, False)
    assert mixed.apply().exit_code == 0
    assert records(mixed) == once(visits(100, 5))
    assert checked.rejects is not None
    assert (mixed.folder / checked.rejects).read_text() == BAD + WORSE
    assert mixed.plan().empty
    declare(mixed, on_invalid="skip", ignore=["MICS360"])
    assert [upload.records for upload in mixed.plan().uploads] == [1]


def test_of_a_tail_nothing_may_be_left(mixed: Rig) -> None:
    declare(mixed, on_invalid="skip", on_growth="tail")
    mixed.write("data/mixed.ndjson", GOOD)
    mixed.apply()
    mixed.write("data/mixed.ndjson", GOOD + BAD)
    (checked,) = mixed.plan().checked
    assert (checked.dropped, checked.findings[0].line) == (1, 5)
    assert mixed.apply().exit_code == 0
    mixed.write("data/mixed.ndjson", GOOD + BAD + visits(10, 1))
    assert not mixed.plan().checked
    assert mixed.apply().exit_code == 0
    assert records(mixed) == once(visits(100, 5), GOOD, visits(10, 1))


@pytest.mark.parametrize("first", [{"on_invalid": "send", "max_failures": "100%"}, {"on_invalid": "skip"}])
def test_what_was_sent_is_not_judged_again(mixed: Rig, first: dict[str, object]) -> None:
    declare(mixed, **first)
    mixed.write("data/mixed.ndjson", GOOD + BAD)
    mixed.apply()
    mixed.write("data/mixed.ndjson", GOOD + BAD + visits(10, 2))
    declare(mixed, on_growth="tail")
    assert mixed.apply().exit_code == 0
    mixed.write("data/mixed.ndjson", GOOD + BAD + visits(10, 2) + WORSE)
    declare(mixed, on_growth="tail", on_invalid="skip")
    (checked,) = mixed.plan().checked
    assert [(f.line, f.code) for f in checked.findings] == [(8, "MICS306")]
    assert checked.dropped == 1


@pytest.mark.parametrize("text", ["\n\n  \n", "\ufeff" + GOOD])
@pytest.mark.parametrize("on_invalid", ["refuse", "skip"])
def test_what_is_wrong_with_the_file_as_a_whole_is_refused(mixed: Rig, text: str, on_invalid: str) -> None:
    declare(mixed, on_invalid=on_invalid)
    mixed.write("data/mixed.ndjson", text)
    with pytest.raises(RecordsInvalid):
        mixed.apply()


def test_a_mended_file_is_warned_of(mixed: Rig) -> None:
    declare(mixed, on_invalid="skip")
    mixed.apply()
    mixed.write("data/mixed.ndjson", MIXED.replace(BAD, visits(50, 1)).replace(WORSE, visits(51, 1)))
    assert "would be loaded twice: load the mended .mics-iac/rejects/" in mixed.plan().warnings[0]


def test_what_is_loaded_already_is_not_held_to_the_rules(mixed: Rig) -> None:
    mixed.write("data/mixed.ndjson", GOOD + BAD)
    declare(mixed, on_invalid="send", max_failures="100%")
    mixed.apply()
    declare(mixed)
    plan = mixed.plan()
    assert plan.empty
    assert not plan.checked


def test_no_value_of_a_record_is_told(mixed: Rig) -> None:
    mixed.write("data/mixed.ndjson", visit(7).replace("TOUCH", "SECRET-VALUE") + "\n")
    told = str([one.findings for one in mixed.plan().checked])
    assert "MICS322" in told
    assert "SECRET" not in told
    assert "CUST-" not in told


def test_what_was_loaded_without_them_is_found_again_when_the_state_is_lost(mixed: Rig) -> None:
    declare(mixed, on_invalid="skip")
    mixed.apply()
    mixed.state_path.unlink()
    recovery = workflow.recover(mixed.open())
    assert recovery.missing == 0
    assert len(mixed.state().imports["fr/visits"].current.executions) == 2
    assert mixed.apply().exit_code == 0
    assert len(mixed.loaded()) == 2


def kept_of(rig: Rig) -> str:
    """What is in the files that the state names."""
    cuts = [c for c in rig.state().imports["fr/visits"].current.cuts if c.dropped]
    return "".join((rig.folder / str(cut.rejects)).read_text() for cut in cuts)


def test_what_is_left_out_is_kept_by_the_run_that_sends_after_the_cut_was_recovered(rig: Rig) -> None:
    declare(rig, on_invalid="skip")
    rig.write("data/a.ndjson", visits(0, 3))
    rig.apply()
    rig.write("data/b.ndjson", visits(10, 3) + BAD)
    workflow.recover(rig.open())
    assert kept_of(rig) == BAD
    shutil.rmtree(rig.folder / ".mics-iac/rejects")
    assert rig.apply().exit_code == 0
    assert records(rig) == once(visits(0, 3), visits(10, 3))
    assert kept_of(rig) == BAD


def test_what_is_left_out_is_kept_on_every_machine_that_sends(rig: Rig) -> None:
    declare(rig, on_invalid="skip")
    rig.write("data/b.ndjson", visits(10, 3) + BAD)
    rig.fault(Fault("error", method="POST", path="*/executions", status=400, html=False, nth=1))
    assert rig.apply().exit_code == 3
    assert records(rig) == once()
    shutil.rmtree(rig.folder / ".mics-iac/rejects")
    (checked,) = rig.plan(retry_failed=True).checked
    assert checked.rejects is not None
    assert rig.apply(retry_failed=True).exit_code == 0
    assert records(rig) == once(visits(10, 3))
    assert kept_of(rig) == BAD


def test_a_file_that_changed_since_the_plan_is_not_kept_in_the_place_of_what_was_planned(rig: Rig) -> None:
    declare(rig, on_invalid="skip")
    rig.write("data/a.ndjson", visits(0, 3) + BAD)

    def approve(_: Plan) -> bool:
        rig.write("data/a.ndjson", visits(5, 3) + BAD.replace('"C"', '"D"'))
        return True

    with pytest.raises(SourceFailed, match="is not the file that was planned"):
        rig.apply(approve=approve)
    assert records(rig) == once()
    assert list((rig.folder / ".mics-iac/rejects").iterdir()) == []
    rig.write("data/a.ndjson", visits(0, 3) + BAD)
    assert rig.apply().exit_code == 0
    assert kept_of(rig) == BAD


@pytest.mark.parametrize("what", ["link", "file", "open file"])
def test_what_is_left_out_goes_into_a_file_of_our_own_making(rig: Rig, what: str) -> None:
    declare(rig, on_invalid="skip")
    rig.write("data/a.ndjson", visits(0, 3) + BAD)
    (cut,) = rig.plan().cuts
    target = rig.folder / str(cut.cut.rejects)
    victim = rig.write("victim.txt", "mine\n")
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    target.parent.mkdir(parents=True)
    match what:
        case "link":
            aside.symlink_to(victim)
        case "file":
            aside.hardlink_to(victim)
        case _:
            aside.touch(mode=0o666)
    with aside.open("rb") as held:
        assert rig.apply().exit_code == 0
        assert BAD.encode() not in held.read()
    assert victim.read_text() == "mine\n"
    assert kept_of(rig) == BAD
    assert target.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("path", ["../../victim.txt", "data/a.ndjson", ".mics-iac/rejects/../../victim.txt", "/tmp/x"])
def test_a_saved_plan_keeps_nothing_anywhere_else(rig: Rig, path: str) -> None:
    declare(rig, on_invalid="skip")
    rig.write("data/a.ndjson", visits(0, 3) + BAD)
    saved = rig.plan()
    (planned,) = saved.cuts
    cut = msgspec.structs.replace(planned.cut, rejects=path)
    saved = msgspec.structs.replace(saved, cuts=(msgspec.structs.replace(planned, cut=cut),))
    with pytest.raises(UsageError, match=r"not in \.mics-iac/rejects"):
        rig.apply_saved(saved)
    assert rig.calls("POST") == []
    assert (rig.folder / "data/a.ndjson").read_text() == visits(0, 3) + BAD


def test_files_that_vanish_while_they_are_looked_for_are_all_told(mixed: Rig) -> None:
    project = mixed.open()
    files = find_files(project.declared, project.world)
    for path in mixed.folder.glob("data/*"):
        path.unlink()
    with pytest.raises(SourceFailed) as caught:
        read_desired(project.declared, project.world, files=files)
    told = [str(caught.value), *caught.value.__notes__]
    assert len(told) == sum(map(len, files.values())) > 1
    assert len(set(told)) == len(told)


@pytest.mark.parametrize("on_invalid", ["refuse", "skip"])
def test_a_quote_that_is_never_closed_takes_no_other_rows_with_it(rig: Rig, on_invalid: str) -> None:
    body = {"document_type": "USER_SEGMENT", "mime_type": "TEXT_CSV", "sources": ["a.csv"], "on_invalid": on_invalid}
    rig.declare(manifest({"fr/vip": body}))
    row = "UPDATE,aa,vip,5\n"
    rig.write(
        "a.csv",
        "operation,email_hash,segment_technical_name,expiration_duration\n" + row + 'UPDATE,"bb,vip,5\n' + row * 9,
    )
    (checked,) = rig.plan().invalid
    assert [(f.line, f.code) for f in checked.findings if f.code in checked.errors] == [(3, "MICS375")]
    with pytest.raises(RecordsInvalid):
        rig.apply()
