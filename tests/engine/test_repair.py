"""What a person decides about the state, and a state that is mended and found again: nothing is sent, nothing lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from mics_iac.core import journal
from mics_iac.core.outcome import Recovery
from mics_iac.core.progress import Notice
from mics_iac.core.state import State, decode_state
from mics_iac.engine import addresses, workflow
from mics_iac.engine.resolution import resolve as resolve_part
from mics_iac.errors import GuardRefused, MicsError, StateDamaged, UsageError
from mics_iac.sandbox.faults import Fault
from tests.rig import Rig, digest, manifest, visits

ADDRESS = "fr/visits"
PATH = "data/a.ndjson"


def lost(rig: Rig, *names: str, gone: bool = True) -> list[str]:
    """Uploads whose answers were lost, and (`gone`) whose input files nobody can read any more; their executions."""
    for number, name in enumerate(names):
        rig.write(f"data/{name}.ndjson", visits(10 * number, 3))
    rig.limit(wait_timeout=30)
    if gone:
        rig.fault(Fault("file_gone", times=len(names)))
    else:
        rig.fault(Fault("stuck", times=len(names)))
    rig.fault(Fault("reset_after", method="POST", path="*/executions", times=len(names)))
    assert rig.apply().exit_code == 3
    rig.faults.clear()
    rig.limit(wait_timeout=3600)
    return [e.id for e in rig.sandbox.executions()]


def resolve(rig: Rig, *, path: str | None = None, execution: str | None = None, address: str = ADDRESS) -> object:
    return resolve_part(rig.open(), address, path=path, execution=execution)


def posts(rig: Rig) -> int:
    return len(rig.sandbox.requests(method="POST"))


def executions(state: State) -> dict[str, str]:
    return {e.id: e.sha256 for i in state.imports.values() for e in i.current.executions}


# Deciding what an upload came to.


def test_the_message_names_the_commands_that_decide(rig: Rig) -> None:
    (execution,) = lost(rig, "a")
    said = "\n".join(rig.apply().unfinished)
    assert f"mics-iac state resolve {ADDRESS}:{PATH} --execution {execution}" in said
    assert f"mics-iac state resolve {ADDRESS}:{PATH} --resend" in said
    assert f"--ignore-history {ADDRESS}" in said


def test_a_person_says_which_execution_it_is(rig: Rig) -> None:
    (execution,) = lost(rig, "a")
    resolve(rig, execution=execution)
    assert executions(rig.state()) == {execution: digest(visits(0, 3))}
    assert rig.state().imports[ADDRESS].current.doubts == ()
    before = posts(rig)
    assert rig.plan().empty
    assert rig.apply().exit_code == 0
    assert posts(rig) == before


def test_a_person_says_that_it_was_not_loaded(rig: Rig) -> None:
    (execution,) = lost(rig, "a")
    decision = resolve_part(rig.open(), ADDRESS, path=PATH, execution=None)
    assert decision.dismissed == (execution,)
    # It is a doubt as before, but for that execution: nothing else shows up within the settle delay.
    began = rig.clock.monotonic()
    assert rig.apply().exit_code == 0
    assert rig.clock.monotonic() - began >= 60
    assert len(rig.loaded()) == 2
    assert rig.plan().empty


def test_where_several_are_in_doubt_the_file_must_be_named(rig: Rig) -> None:
    first, second = lost(rig, "a", "b")
    with pytest.raises(UsageError, match=r"2 uploads of fr/visits are in doubt(.|\n)*data/a(.|\n)*data/b"):
        resolve(rig, execution=first)
    of = {e.sha256: e.id for e in rig.sandbox.executions()}
    assert {first, second} == set(of.values())
    resolve(rig, path="data/b.ndjson", execution=of[digest(visits(10, 3))])
    resolve(rig, execution=of[digest(visits(0, 3))])
    assert rig.plan().empty


def test_nobody_decides_against_the_bytes(rig: Rig) -> None:
    (execution,) = lost(rig, "a", gone=False)
    rig.sandbox.release()
    rig.clock.sleep(10)
    other = rig.sandbox.add_execution(rig.sandbox.imports()[0].id, visits(100, 3).encode())
    rig.clock.sleep(10)
    with pytest.raises(GuardRefused, match=f"execution {other} holds other bytes"):
        resolve(rig, execution=other)
    with pytest.raises(GuardRefused, match=f"execution {execution} holds exactly the bytes"):
        resolve(rig)
    resolve(rig, execution=execution)
    assert rig.plan().empty


def test_an_execution_that_is_another_file_already_is_not_this_one(rig: Rig) -> None:
    rig.write("data/0.ndjson", visits(900, 3))
    rig.apply()
    (known,) = (e.id for e in rig.sandbox.executions())
    lost(rig, "a")
    with pytest.raises(GuardRefused, match=r"is data/0\.ndjson already"):
        resolve(rig, path=PATH, execution=known)


def test_an_execution_that_is_not_there_is_said(rig: Rig) -> None:
    lost(rig, "a")
    with pytest.raises(MicsError, match='has no execution "4711"'):
        resolve(rig, execution="4711")


def test_what_the_state_never_knew_is_decided_by_the_manifests_file(rig: Rig) -> None:
    """A state that was lost: the import is adopted, and an execution whose file is gone may be the file."""
    rig.write(PATH, visits(0, 3))
    rig.fault(Fault("file_gone"))
    rig.apply()
    rig.state_path.unlink()
    assert rig.apply().exit_code == 3
    assert rig.state().imports[ADDRESS].current.doubts == ()
    with pytest.raises(UsageError, match="no upload of fr/visits is in doubt"):
        resolve(rig)
    (execution,) = rig.sandbox.executions()
    resolve(rig, path=PATH, execution=execution.id)
    assert rig.plan().empty
    assert len(rig.loaded()) == 1


def test_what_the_state_never_knew_is_sent_once_a_person_says_so(rig: Rig) -> None:
    there = rig.sandbox.add_import("1502", "Visits", "USER_ACTIVITY")
    theirs = rig.sandbox.add_execution(there, visits(500, 3).encode())
    rig.sandbox.remove_input_file(theirs)
    rig.clock.sleep(10)
    rig.write(PATH, visits(0, 3))
    assert rig.apply().exit_code == 3
    resolve(rig, path=PATH)
    assert rig.apply().exit_code == 0
    assert len(rig.loaded()) == 2
    # What a person said of one file says nothing of the next: it may be that execution all the same.
    rig.write("data/b.ndjson", visits(30, 3))
    assert theirs in "\n".join(rig.apply().unfinished)
    assert len(rig.loaded()) == 2


def test_a_renamed_file_is_the_same_doubt(rig: Rig) -> None:
    lost(rig, "a")
    (rig.folder / PATH).rename(rig.folder / "data/new.ndjson")
    resolve(rig, path="data/new.ndjson", execution=rig.sandbox.executions()[0].id)
    assert rig.state().imports[ADDRESS].current.doubts == ()
    assert rig.plan().empty


def test_a_doubt_about_an_import_that_is_gone_is_decided_too(rig: Rig) -> None:
    lost(rig, "a")
    rig.sandbox.delete_import(rig.sandbox.imports()[0].id)
    with pytest.raises(GuardRefused, match=f"state resolve {ADDRESS}:{PATH} --execution ID"):
        rig.apply()
    assert posts(rig) == 2
    rig.declare(manifest({ADDRESS: {"sources": [{"path": "data/*", "allow_empty": True}]}}))
    workflow.recover(rig.open())
    resolve(rig)
    assert rig.apply().exit_code == 0
    assert len(rig.loaded()) == 1
    assert rig.plan().empty


@pytest.mark.parametrize(
    ("address", "path", "words"),
    [
        ("fr/visit", None, 'holds no "fr/visit". Did you mean "fr/visits"'),
        (ADDRESS, None, "no upload of fr/visits is in doubt"),
        (ADDRESS, "data/x.ndjson", "declares no such file"),
    ],
)
def test_what_is_not_there_is_said(rig: Rig, address: str, path: str | None, words: str) -> None:
    rig.write(PATH, visits(0, 3))
    rig.apply()
    with pytest.raises(UsageError) as caught:
        resolve(rig, address=address, path=path)
    assert words in caught.value.message


def test_a_decision_about_one_file_decides_nothing_about_another(rig: Rig) -> None:
    """Two files of one length, one of which arrived; nobody can read its input file any more."""
    rig.write("data/a.ndjson", visits(0, 3))
    rig.write("data/b.ndjson", visits(10, 3))
    rig.limit(wait_timeout=30, transfers=1)
    rig.fault(Fault("file_gone", nth=2))
    rig.fault(Fault("hang", method="POST", path="*/executions"))
    rig.fault(Fault("reset_after", method="POST", path="*/executions"))
    assert rig.apply().exit_code == 3
    rig.faults.clear()
    rig.limit(wait_timeout=3600)
    (arrived,) = rig.sandbox.executions()
    assert arrived.sha256 == digest(visits(10, 3))
    resolve(rig, path="data/a.ndjson")
    said = "\n".join(rig.apply().unfinished)
    assert "data/b.ndjson" in said
    assert rig.loaded() == sorted([digest(visits(0, 3)), digest(visits(10, 3))])
    resolve(rig, path="data/b.ndjson", execution=arrived.id)
    assert rig.apply().exit_code == 0
    assert len(rig.loaded()) == 2
    assert rig.plan().empty


def test_nobody_decides_what_will_be_told_by_itself(rig: Rig) -> None:
    (execution,) = lost(rig, "a", gone=False)
    with pytest.raises(GuardRefused, match=f"execution {execution} may be data/a.ndjson and has not started yet"):
        resolve(rig)
    rig.sandbox.release()
    assert rig.apply().exit_code == 0
    assert len(rig.loaded()) == 1


def test_an_execution_of_another_length_is_not_the_file(rig: Rig) -> None:
    lost(rig, "a")
    other = rig.sandbox.add_execution(rig.sandbox.imports()[0].id, visits(100, 40).encode())
    rig.sandbox.remove_input_file(other)
    rig.clock.sleep(10)
    with pytest.raises(GuardRefused, match=f"execution {other} has 40 lines"):
        resolve(rig, execution=other)


def test_two_versions_of_one_file_in_doubt_are_told_apart_by_their_digests(rig: Rig) -> None:
    (first,) = lost(rig, "a")
    rig.write(PATH, visits(50, 8))
    rig.limit(wait_timeout=30)
    rig.fault(Fault("file_gone"), Fault("reset_after", method="POST", path="*/executions"))
    rig.apply()
    rig.faults.clear()
    second = next(e.id for e in rig.sandbox.executions() if e.id != first)
    with pytest.raises(UsageError, match=f"sha256:{digest(visits(0, 3))[:12]}"):
        resolve(rig, path=PATH, execution=first)
    resolve(rig, path=f"sha256:{digest(visits(0, 3))[:12]}", execution=first)
    resolve(rig, path=PATH, execution=second)
    assert rig.plan().empty
    assert len(rig.loaded()) == 2


def test_a_word_about_an_import_that_is_gone_is_taken_and_told_as_unchecked(rig: Rig) -> None:
    (execution,) = lost(rig, "a")
    rig.sandbox.delete_import(rig.sandbox.imports()[0].id)
    with pytest.raises(GuardRefused):
        rig.apply()
    workflow.recover(rig.open())
    decision = resolve_part(rig.open(), ADDRESS, path=None, execution=execution)
    assert not decision.checked
    assert rig.apply().exit_code == 0
    assert rig.loaded() == []
    assert rig.plan().empty


# Forgetting and renaming.


def test_what_is_forgotten_is_found_again_and_loaded_once(rig: Rig) -> None:
    rig.write(PATH, visits(0, 3))
    rig.apply()
    before = rig.state()
    assert addresses.forget(rig.open(), ADDRESS) == before.imports[ADDRESS]
    assert rig.state().imports == {}
    assert rig.state().serial == before.serial + 1
    assert len(rig.sandbox.imports()) == 1
    assert rig.apply().exit_code == 0
    assert len(rig.loaded()) == 1
    assert executions(rig.state()) == executions(before)


def test_nothing_is_forgotten_that_is_in_doubt(rig: Rig) -> None:
    lost(rig, "a")
    with pytest.raises(GuardRefused, match=r"in doubt: data/a\.ndjson"):
        addresses.forget(rig.open(), ADDRESS)
    assert ADDRESS in rig.state().imports
    with pytest.raises(UsageError, match="holds no"):
        addresses.forget(rig.open(), "fr/other")


@pytest.mark.parametrize("moved", ["deleted", "renamed"])
def test_what_was_loaded_stays_loaded_though_its_import_is_forgotten_and_not_found_again(rig: Rig, moved: str) -> None:
    rig.write(PATH, visits(0, 3))
    rig.apply()
    (made,) = rig.sandbox.imports()
    if moved == "deleted":
        rig.sandbox.delete_import(made.id)
        rig.apply()
    else:
        rig.sandbox.change_import(made.id, name="Somebody's")
    addresses.forget(rig.open(), ADDRESS)
    assert set(rig.state().forgotten) == {ADDRESS}
    rig.write("data/b.ndjson", visits(10, 3))
    assert rig.apply().exit_code == 0
    every = [e.sha256 for e in rig.sandbox.executions(deleted=True)]
    assert sorted(every) == sorted([digest(visits(0, 3)), digest(visits(10, 3))])
    assert rig.plan().empty


def test_what_is_forgotten_comes_back_under_another_address_with_what_it_loaded(rig: Rig) -> None:
    rig.write(PATH, visits(0, 3))
    rig.apply()
    addresses.forget(rig.open(), ADDRESS)
    rig.declare(manifest({"fr/other": {"name": "Visits", "sources": ["data/*"]}}))
    assert rig.apply().exit_code == 0
    assert rig.state().forgotten == {}
    assert len(rig.state().imports["fr/other"].current.executions) == 1
    assert len(rig.loaded()) == 1


def test_forgetting_is_whole_or_not_at_all_when_it_is_killed(rig: Rig) -> None:
    rig.write(PATH, visits(0, 3))
    rig.apply()
    state = rig.state_path.read_bytes()
    addresses.forget(rig.open(), ADDRESS)
    # Killed between the record and the save: the journal is there, and the state is the former one.
    entry = journal.ImportForgotten(ADDRESS)
    before = decode_state(state, name="state")
    begun = journal.RunBegun(
        "run", before.lineage, before.serial, before.api_url, None, "state rm", "tester@host", 0, "0.1.0"
    )
    rig.state_path.write_bytes(state)
    name = f"imports.state.journal.{before.serial:08d}-0001"
    (rig.state_path.parent / name).write_bytes(journal.encode_entries([begun, entry])[0])
    assert rig.apply().exit_code == 0
    assert set(rig.state().imports) == {ADDRESS}
    assert len(rig.loaded()) == 1


def test_nothing_is_forgotten_that_has_not_ended(rig: Rig) -> None:
    rig.write(PATH, visits(0, 3))
    rig.limit(wait=False)
    rig.apply()
    with pytest.raises(GuardRefused, match="had not ended"):
        addresses.forget(rig.open(), ADDRESS)


def test_nothing_is_renamed_onto_what_is_being_created(rig: Rig) -> None:
    rig.declare(manifest({"fr/visits": {}}))
    rig.apply()
    rig.declare(manifest({"fr/visits": {}, "fr/new": {}}))
    rig.fault(Fault("reset_after", method="POST", path="*/document_imports"))
    rig.fault(Fault("forbidden", method="GET", path="*/document_imports", nth=2, times=None))
    rig.apply()
    rig.faults.clear()
    assert set(rig.state().creating) == {"fr/new"}
    with pytest.raises(GuardRefused, match="whether an import of fr/new was created"):
        addresses.rename(rig.open(), ADDRESS, "fr/new")


def test_an_address_is_renamed_with_its_batches(rig: Rig) -> None:
    def declare(key: str, batch: str) -> None:
        body = {"name": f"Visits {batch}", "batch": batch, "sources": [f"data/{batch}.ndjson"]}
        rig.declare(manifest({f"fr/{key}": body}))

    for number, batch in enumerate(("b1", "b2")):
        rig.write(f"data/{batch}.ndjson", visits(10 * number, 3))
        declare("visits", batch)
        rig.apply()
    renamed = addresses.rename(rig.open(), ADDRESS, "fr/store")
    assert renamed == [("fr/visits@b1", "fr/store@b1"), ("fr/visits@b2", "fr/store@b2")]
    declare("store", "b2")
    assert rig.plan().empty
    with pytest.raises(UsageError, match="is in the state already"):
        addresses.rename(rig.open(), "fr/store@b1", "fr/store@b2")
    with pytest.raises(UsageError, match="holds no"):
        addresses.rename(rig.open(), ADDRESS, "fr/x")
    with pytest.raises(UsageError, match="is no address"):
        addresses.rename(rig.open(), "fr/store", "nonsense")


# Recovering.


def loaded_project(rig: Rig) -> State:
    """Two imports with two files each, all loaded."""
    both = {"fr/visits": {"sources": ["data/*.ndjson"]}, "fr/other": {"sources": ["other/*.ndjson"]}}
    rig.declare(manifest(both))
    for number in range(2):
        rig.write(f"data/{number}.ndjson", visits(10 * number, 3))
        rig.write(f"other/{number}.ndjson", visits(100 + 10 * number, 3))
    assert rig.apply().exit_code == 0
    return rig.state()


def recover(rig: Rig) -> Recovery:
    before = posts(rig)
    found = workflow.recover(rig.open())
    assert posts(rig) == before, "a recovery sends nothing"
    return found


def backups(rig: Rig) -> list[Path]:
    return sorted(rig.state_path.parent.glob("*.backup.*"))


def test_a_lost_state_is_found_again_without_loading_anything(rig: Rig) -> None:
    before = loaded_project(rig)
    rig.state_path.unlink()
    found = recover(rig)
    assert (found.outcome.exit_code, found.missing) == (0, 0)
    assert (found.outcome.tally.adopted, found.outcome.tally.found) == (2, 4)
    assert executions(rig.state()) == executions(before)
    assert rig.plan().empty


def test_a_damaged_state_is_recovered(rig: Rig) -> None:
    before = loaded_project(rig)
    rig.write("data/9.ndjson", visits(900, 3))
    rig.apply()
    after = rig.state()
    rig.state_path.write_bytes(rig.state_path.read_bytes()[:-10])
    with pytest.raises(StateDamaged):
        rig.apply()
    found = recover(rig)
    assert found.mended is not None
    assert found.mended.state
    # The backup knew all but the last upload, which was found by its bytes.
    assert found.outcome.tally.found == 1
    assert executions(rig.state()) == executions(after)
    assert rig.state().lineage == before.lineage
    assert rig.plan().empty


def test_what_was_never_loaded_is_counted_and_left_to_apply(rig: Rig) -> None:
    loaded_project(rig)
    rig.write("data/new.ndjson", visits(700, 3))
    body = {"sources": ["third/*"]}
    rig.write("third/x", visits(800, 3))
    rig.declare(manifest({"fr/visits": {"sources": ["data/*"]}, "fr/third": body}))
    rig.state_path.unlink()
    found = recover(rig)
    assert found.missing == 2
    assert set(rig.state().imports) == {"fr/visits"}
    assert rig.apply().exit_code == 0
    assert len(rig.loaded()) == 6
    assert rig.plan().empty


def test_rejected_records_are_judged_by_the_apply_after_a_recovery(rig: Rig) -> None:
    rig.write(PATH, visits(0, 3))
    rig.fault(Fault("rejects_lines"))
    rig.limit(wait=False)
    rig.apply()
    rig.clock.sleep(60)
    for lose in (False, True):
        if lose:
            rig.state_path.unlink()
        assert recover(rig).outcome.exit_code == 0
        rig.limit(wait=True)
        outcome = rig.apply()
        assert outcome.exit_code == 7
        assert [s.rejected for s in outcome.shortfalls] == [1]


def test_a_recovery_that_could_not_find_out_says_so(rig: Rig) -> None:
    """The queue stands still: nobody can tell yet whether the execution is the file."""
    rig.write(PATH, visits(0, 3))
    rig.fault(Fault("stuck"))
    rig.limit(wait=False, wait_timeout=60)
    rig.apply()
    rig.state_path.unlink()
    found = recover(rig)
    assert (found.outcome.exit_code, found.missing) == (3, 0)
    assert f"{PATH}: whether it was loaded could not be found out yet" in found.outcome.unfinished[0]
    rig.sandbox.release()
    rig.limit(wait=True, wait_timeout=3600)
    assert recover(rig).outcome.exit_code == 0
    assert rig.apply().exit_code == 0
    assert len(rig.loaded()) == 1


def test_a_state_is_mended_though_the_files_are_gone(rig: Rig) -> None:
    loaded_project(rig)
    rig.write("data/9.ndjson", visits(900, 3))
    rig.apply()
    rig.state_path.write_bytes(rig.state_path.read_bytes()[:-10])
    for path in (*rig.folder.glob("data/*"), *rig.folder.glob("other/*")):
        path.unlink()
    found = recover(rig)
    assert found.mended is not None
    assert found.mended.state
    assert any("passed over: " in told.text for told in rig.told if isinstance(told, Notice))
    assert set(rig.state().imports) == {"fr/visits", "fr/other"}


def test_a_state_is_mended_though_the_platform_does_not_answer(rig: Rig) -> None:
    before = loaded_project(rig)
    rig.write("data/9.ndjson", visits(900, 3))
    rig.apply()
    rig.state_path.write_bytes(rig.state_path.read_bytes()[:-10])
    rig.fault(Fault("refuse", times=None))
    with pytest.raises(MicsError) as caught:
        recover(rig)
    assert "the state was mended before that" in caught.value.__notes__[0]
    assert executions(rig.state()) == executions(before)


def test_a_recovery_of_a_good_state_changes_nothing(rig: Rig) -> None:
    loaded_project(rig)
    before = rig.state_path.read_bytes()
    assert recover(rig).outcome.exit_code == 0
    assert rig.state_path.read_bytes() == before


def test_a_recovery_settles_doubts(rig: Rig) -> None:
    (execution,) = lost(rig, "a", gone=False)
    rig.sandbox.release()
    found = recover(rig)
    assert found.outcome.exit_code == 0
    assert executions(rig.state()) == {execution: digest(visits(0, 3))}


def test_a_recovery_changes_no_settings(rig: Rig) -> None:
    loaded_project(rig)
    rig.sandbox.change_import(rig.sandbox.imports()[0].id, priority="HIGH")
    rig.state_path.unlink()
    recover(rig)
    assert [i.priority for i in rig.sandbox.imports()] == ["HIGH", "MEDIUM"]
    assert len(rig.plan().effects) == 1


def test_a_recovery_does_not_wait_for_executions_in_order(rig: Rig) -> None:
    """An `ordered` import whose queue stands still: looking is enough."""
    rig.declare(manifest({ADDRESS: {"sources": ["data/*"], "ordered": True}}))
    for number in range(3):
        rig.write(f"data/{number}", visits(10 * number, 3))
    rig.apply()
    rig.state_path.unlink()
    found = recover(rig)
    assert found.outcome.tally.found == 3
    assert rig.plan().empty


def test_what_cannot_be_told_apart_is_left_to_a_person(rig: Rig) -> None:
    rig.write(PATH, visits(0, 3))
    rig.fault(Fault("file_gone"))
    rig.apply()
    rig.state_path.unlink()
    found = recover(rig)
    assert found.outcome.exit_code == 3
    assert "state resolve" in found.outcome.unfinished[0]
    assert found.missing == 0


def test_several_candidates_stop_one_import_and_no_other(rig: Rig) -> None:
    loaded_project(rig)
    rig.sandbox.add_import("1502", "Visits", "USER_ACTIVITY")
    rig.state_path.unlink()
    found = recover(rig)
    assert found.outcome.exit_code == 8
    assert "adopt" in found.outcome.failures[0].error.message
    assert set(rig.state().imports) == {"fr/other"}


def test_five_backups_are_kept(rig: Rig) -> None:
    for number in range(8):
        rig.write(f"data/{number}.ndjson", visits(10 * number, 3))
        rig.apply()
    assert [p.name.rpartition(".")[2] for p in backups(rig)] == [
        "00000003",
        "00000004",
        "00000005",
        "00000006",
        "00000007",
    ]
    assert rig.state().serial == 8
