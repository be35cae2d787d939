"""Records are checked before a byte is sent; what is wrong is refused, left out, or sent, as the import says."""

from __future__ import annotations

import pytest

from mics_iac.engine import workflow
from mics_iac.engine.files import find_files, read_desired
from mics_iac.errors import RecordsInvalid, SourceFailed
from tests.engine.test_parts import once, records
from tests.rig import Rig, manifest, visit, visits

BAD = '{"$type":"TOUCH","$session_status":"NO_SESSION","$ts":1768460400,"$user_account_id":"C","$events":[]}\n'
WORSE = '{"$type": "TOUCH"\n'
GOOD = visits(0, 4)
MIXED = GOOD + BAD + visits(10, 3) + WORSE + visits(20, 2)


def declare(rig: Rig, **settings: object) -> None:
    rig.declare(manifest({"fr/visits": {"sources": ["data/*"], **settings}}))


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


def test_a_file_of_which_nothing_is_left_is_refused(mixed: Rig) -> None:
    declare(mixed, on_invalid="skip")
    mixed.write("data/mixed.ndjson", BAD + WORSE)
    assert [one.source for one in mixed.plan().invalid] == ["data/mixed.ndjson"]


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
