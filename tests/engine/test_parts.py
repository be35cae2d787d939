"""Big files go out in parts, each once; a file that grew, or is cut or named otherwise later, is not loaded again."""

from __future__ import annotations

import gzip
import hashlib
from collections import Counter

import pytest

from mics_iac.core.plan import Skip, Stuck, Upload
from mics_iac.engine import workflow
from mics_iac.engine.resolution import resolve
from mics_iac.errors import GuardRefused, PlanStale, UsageError
from mics_iac.sandbox.faults import Fault
from tests.rig import Rig, digest, manifest, visits

UPLOADS = "*/executions"
BIG = visits(0, 30)  # about 7 kB


def declare(rig: Rig, **settings: object) -> None:
    body = {"sources": ["data/*"], "split": "1kB", **settings}
    rig.declare(manifest({"fr/visits": body}))


def records(rig: Rig) -> Counter[bytes]:
    """Each line that the platform took and did not reject, as often as it took it."""
    taken: Counter[bytes] = Counter()
    for execution in rig.sandbox.executions():
        if execution.status not in {"FAILED", "CANCELED", "LOST"}:
            taken.update(rig.sandbox.content(execution.id).splitlines())
    return taken


def once(*texts: str) -> Counter[bytes]:
    return Counter(line for text in texts for line in text.encode().splitlines())


@pytest.fixture
def big(rig: Rig) -> Rig:
    declare(rig)
    rig.write("data/big.ndjson", BIG)
    return rig


def test_a_big_file_is_loaded_in_parts(big: Rig) -> None:
    plan = big.plan()
    assert len(plan.uploads) > 5
    assert all(upload.bytes <= 1000 for upload in plan.uploads)
    outcome = big.apply()
    assert outcome.exit_code == 0
    assert records(big) == once(BIG)
    state = big.state().imports["fr/visits"].current
    assert sorted(e.part for e in state.executions) == [u.part for u in plan.uploads]
    assert {e.source for e in state.executions} == {"data/big.ndjson"}
    assert [(c.source, c.sha256, len(c.pieces)) for c in state.cuts] == [
        ("data/big.ndjson", digest(BIG), len(plan.uploads))
    ]


@pytest.mark.parametrize("split", ["1kB", "2kB", "100MB"])
@pytest.mark.parametrize("name", ["data/big.ndjson", "data/other.ndjson", "data/big.ndjson.gz"])
def test_what_is_loaded_stays_loaded_under_any_cut_and_name(big: Rig, split: str, name: str) -> None:
    big.apply()
    (big.folder / "data/big.ndjson").unlink()
    big.write(name, gzip.compress(BIG.encode()) if name.endswith("gz") else BIG)
    declare(big, split=split)
    plan = big.plan()
    assert plan.empty
    assert {type(a) for a in plan.actions if hasattr(a, "source")} == {Skip}


def test_a_file_that_was_loaded_whole_is_not_loaded_in_parts(big: Rig) -> None:
    declare(big, split="100MB")
    big.apply()
    declare(big)
    assert big.plan().empty


def test_what_began_under_a_cut_is_finished_with_it(big: Rig) -> None:
    big.fault(Fault("error", method="POST", path=UPLOADS, status=400, html=False, nth=3))
    assert big.apply().exit_code == 3
    declare(big, split="2kB")
    plan = big.plan(retry_failed=True)
    assert [type(a) for a in plan.actions if hasattr(a, "source")].count(Upload) == 1
    assert big.apply(retry_failed=True).exit_code == 0
    assert records(big) == once(BIG)
    assert big.plan().empty


@pytest.mark.parametrize("nth", [1, 2, 5])
@pytest.mark.parametrize("kind", ["reset_after", "reset_midway", "truncated_json"])
def test_a_lost_answer_is_settled_for_the_part_alone(big: Rig, kind: str, nth: int) -> None:
    big.fault(Fault(kind, method="POST", nth=nth, path=UPLOADS))  # type: ignore[arg-type]  # one of the kinds
    big.apply()
    declare(big, split="3kB")
    assert big.apply().exit_code == 0
    assert records(big) == once(BIG)


def test_a_part_that_failed_unseen_is_sent_again_as_it_was_cut(big: Rig) -> None:
    big.limit(wait=False)
    big.fault(Fault("ends_failed", nth=3))
    big.apply()
    big.limit(wait=True)
    big.clock.sleep(3600)
    declare(big, split="3kB")
    plan = big.plan()
    assert not plan.refusals
    assert [type(a) for a in plan.actions if hasattr(a, "source")].count(Stuck) == 1
    assert big.apply(retry_failed=True).exit_code == 7  # this run saw it fail, and sent it again
    assert records(big) == once(BIG)
    assert big.plan().empty


def test_a_part_is_read_again_as_it_was_planned(big: Rig) -> None:
    saved = big.plan()
    big.write("data/big.ndjson", BIG.replace("CUST-000029", "CUST-100029"))
    with pytest.raises(PlanStale) as caught:
        big.apply_saved(saved)
    assert caught.value.moved == ("data/big.ndjson is not the file that was planned: its bytes are others",)
    assert records(big) == once()


def test_a_grown_file_is_refused_by_default(big: Rig) -> None:
    big.apply()
    big.write("data/big.ndjson", BIG + visits(100, 3))
    plan = big.plan()
    assert not plan.uploads
    assert "data/big.ndjson has grown: its first" in plan.refusals[0].message
    with pytest.raises(GuardRefused):
        big.apply()
    assert records(big) == once(BIG)


@pytest.mark.parametrize("split", ["1kB", "100MB"])
@pytest.mark.parametrize("name", ["data/big.ndjson", "data/renamed.ndjson", "data/big.ndjson.gz"])
def test_of_a_grown_file_the_tail_is_loaded(big: Rig, split: str, name: str) -> None:
    big.apply()
    (big.folder / "data/big.ndjson").unlink()
    declare(big, on_growth="tail", split=split)
    logs = [visits(100, 3), visits(200, 20), visits(300, 1)]
    for length in range(1, len(logs) + 1):
        text = "".join([BIG, *logs[:length]])
        big.write(name, gzip.compress(text.encode()) if name.endswith("gz") else text)
        assert big.apply().exit_code == 0
        assert records(big) == once(BIG, *logs[:length])
        assert big.plan().empty


def test_the_state_of_a_log_grows_with_the_log_alone(rig: Rig) -> None:
    declare(rig, on_growth="tail", split="100MB")
    log = ""
    for hour in range(30):
        log += visits(hour * 10, 1)
        rig.write("data/log.ndjson", log)
        rig.apply()
    assert records(rig) == once(log)
    cuts = rig.state().imports["fr/visits"].current.cuts
    assert sum(len(cut.pieces) for cut in cuts) < 60
    rig.write("data/log.ndjson", visits(0, 1) + visits(10, 1))
    assert rig.plan().empty


def test_a_file_that_grew_while_half_of_it_was_loaded_is_finished(big: Rig) -> None:
    big.fault(Fault("error", method="POST", path=UPLOADS, status=400, html=False, nth=3))
    big.apply()
    declare(big, on_growth="tail")
    big.write("data/big.ndjson", BIG + visits(100, 9))
    assert big.apply(retry_failed=True).exit_code == 0
    assert records(big) == once(BIG, visits(100, 9))
    assert big.plan().empty


def test_a_grown_file_may_be_loaded_whole(big: Rig) -> None:
    big.apply()
    declare(big, on_growth="whole", split="100MB")
    big.write("data/big.ndjson", BIG + visits(100, 3))
    assert big.apply().exit_code == 0
    assert records(big) == once(BIG, BIG, visits(100, 3))


def test_a_last_line_that_went_on_is_no_growth_to_load(big: Rig) -> None:
    big.write("data/big.ndjson", BIG.rstrip("\n"))
    big.apply()
    declare(big, on_growth="tail")
    big.write("data/big.ndjson", BIG.rstrip("\n") + " \n" + visits(100, 1))
    assert "its last loaded line goes on" in big.plan().refusals[0].message
    big.write("data/big.ndjson", BIG + visits(100, 1))
    assert big.apply().exit_code == 0
    assert records(big) == once(BIG, visits(100, 1))


def test_the_header_of_a_csv_is_sent_with_each_part(rig: Rig) -> None:
    header = "operation,user_account_id,compartment_id,segment_id,expiration_duration,data_bag\n"
    rows = [f'UPDATE,CUST-{n:06d},1001,5,60,"{{""a"":\n{n}}}"\n' for n in range(60)]
    settings = {"document_type": "USER_SEGMENT", "mime_type": "TEXT_CSV", "sources": ["a.csv"], "split": "1kB"}
    rig.declare(manifest({"fr/vip": {**settings, "on_growth": "tail"}}))
    rig.write("a.csv", header + "".join(rows[:50]))
    assert rig.apply().exit_code == 0
    rig.write("a.csv", header + "".join(rows))
    assert rig.apply().exit_code == 0
    sent = [rig.sandbox.content(e.id).decode() for e in rig.sandbox.executions()]
    assert len(sent) == 4
    assert all(text.startswith(header) and len(text) <= 1000 for text in sent)
    assert "".join(sorted(text.removeprefix(header) for text in sent)) == "".join(rows)
    assert rig.plan().empty


def test_content_of_another_import_is_refused_in_any_cut(big: Rig) -> None:
    big.apply()
    body = {"sources": ["data/*"], "split": "1kB"}
    big.declare(manifest({"fr/visits": body, "fr/others": {"sources": ["copy.ndjson"]}}))
    big.write("copy.ndjson", BIG)
    refused = big.plan().refusals
    assert [r.address for r in refused] == ["fr/others"]
    assert "would be loaded twice" in refused[0].message


def test_parts_of_an_ordered_import_go_one_after_the_other(big: Rig) -> None:
    declare(big, ordered=True)
    big.apply()
    sent = [hashlib.sha256(big.sandbox.content(e.id)).hexdigest() for e in big.sandbox.executions()]
    assert sent == [p.sha256 for p in big.state().imports["fr/visits"].current.cuts[0].pieces]


@pytest.mark.parametrize("by", ["recovery", "apply"])
def test_a_lost_state_learns_the_cut_again(big: Rig, by: str) -> None:
    big.apply()
    big.state_path.unlink()
    if by == "recovery":
        workflow.recover(big.open())
    else:
        assert big.apply().exit_code == 0
    declare(big, split="100MB")
    assert big.plan().empty
    assert records(big) == once(BIG)


@pytest.fixture
def vanished(big: Rig) -> tuple[Rig, dict[str, str]]:
    """A big file whose import was deleted before any of its parts had ended; with the execution of each part."""
    big.limit(wait=False)
    big.apply()
    current = big.state().imports["fr/visits"].current
    big.open().world.api.delete_import("1502", current.id)
    big.apply()
    return big, {e.sha256: e.id for e in current.executions}


@pytest.mark.parametrize("loaded", [True, False])
@pytest.mark.parametrize("split", ["1kB", "3kB"])
def test_a_person_decides_about_one_part_by_the_command_that_is_shown(
    vanished: tuple[Rig, dict[str, str]], split: str, *, loaded: bool
) -> None:
    rig, executions = vanished
    declare(rig, split=split)
    rig.write("data/big.ndjson", BIG)
    (rig.folder / "data/big.ndjson").rename(rig.folder / "data/renamed.ndjson")
    stuck = [a for a in rig.plan().actions if isinstance(a, Stuck)]
    fifth, others = stuck[4], [s.sha256 for s in stuck if s is not stuck[4]]
    choice = f"sha256:{fifth.sha256[:12]}"
    assert f"state resolve fr/visits:{choice} --resend" in fifth.reason
    assert "data/renamed.ndjson [part 5]: execution " in "\n".join(rig.apply().unfinished)
    with pytest.raises(UsageError, match=rf"fr/visits:{choice}  \(data/big.ndjson \[part 5\]\)"):
        resolve(rig.open(), "fr/visits", path="data/big.ndjson", execution=None)
    resolve(rig.open(), "fr/visits", path=choice, execution=executions[fifth.sha256] if loaded else None)
    plan = rig.plan()
    assert [a.sha256 for a in plan.actions if isinstance(a, Stuck)] == others
    assert [u.part for u in plan.uploads] == ([] if loaded else [5])


@pytest.mark.parametrize("split", ["1kB", "3kB"])
def test_of_a_part_that_was_never_sent_a_person_decides_as_well(big: Rig, split: str) -> None:
    """Somebody else may have loaded part 5, and no bytes are left to tell."""
    fifth = big.plan().uploads[4]
    big.fault(Fault("error", method="POST", path=UPLOADS, status=400, html=False, nth=1))
    big.fault(Fault("error", method="POST", path=UPLOADS, status=503, html=False, nth=5, times=None))
    big.limit(transfers=1, fail_fast=True)
    big.apply()
    big.faults.clear()
    declare(big, split=split)
    with pytest.raises(UsageError, match=f"fr/visits:sha256:{fifth.sha256[:12]}"):
        resolve(big.open(), "fr/visits", path="data/big.ndjson", execution=None)
    decision = resolve(big.open(), "fr/visits", path=f"sha256:{fifth.sha256[:12]}", execution=None)
    assert (decision.subject.part, decision.subject.sha256) == (5, fifth.sha256)


def test_how_a_file_is_cut_is_not_recorded_of_an_import_that_was_replaced(big: Rig) -> None:
    big.fault(Fault("reset_after", method="POST", path=UPLOADS, times=None))
    big.fault(Fault("error", method="GET", path=UPLOADS, status=503, html=False, times=None))
    big.apply()
    big.faults.clear()
    before = big.state().imports["fr/visits"].current.cuts
    big.declare(manifest({"fr/visits": {"sources": ["data/*"], "split": "2kB"}}, {"fr": "1503"}))
    big.apply()
    held = big.state().imports["fr/visits"]
    assert held.current.cuts != before
    assert [former.cuts for former in held.former] == [before]
