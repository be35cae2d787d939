"""Remote objects: a plan knows them by what their store says; apply reads them, and loads what is not loaded."""

from __future__ import annotations

import gzip

import pytest

from mics_iac.core.desired import settings_of
from mics_iac.core.plan import Fetch, Plan, Skip, Upload
from mics_iac.errors import GuardRefused, PlanStale, RecordsInvalid, UsageError
from mics_iac.sandbox.faults import Fault
from tests.engine.test_parts import once, records
from tests.engine.test_records import BAD
from tests.rig import Rig, manifest, visits
from tests.servers.processes import Distant
from tests.sources.far import Far, bucket, environment

BIG = visits(0, 30)


@pytest.fixture
def s3(rig: Rig, s3_server: Distant, monkeypatch: pytest.MonkeyPatch) -> Far:
    made = bucket("s3", s3_server)
    rig.environ = dict(environment("s3", s3_server))
    for name, value in rig.environ.items():  # what reads buckets reads it from there
        monkeypatch.setenv(name, value)
    return made


def declare(rig: Rig, far: Far, **settings: object) -> None:
    body = {"sources": [far.root + "*"], "split": "1kB", **settings}
    rig.declare(manifest({"fr/visits": body}))


def gets(far: Far, name: str) -> int:
    return sum(seen.method == "GET" and seen.path.endswith(f"/{name}") for seen in far.seen())


@pytest.mark.parametrize("name", ["big.ndjson", "big.ndjson.gz"])
def test_a_big_object_is_loaded_in_parts_and_then_known_unread(rig: Rig, s3: Far, name: str) -> None:
    declare(rig, s3)
    s3.put(name, gzip.compress(BIG.encode()) if name.endswith("gz") else BIG.encode())
    plan = rig.plan()
    assert [type(a) for a in plan.effects[1:]] == [Fetch]
    assert gets(s3, name) == 0
    assert rig.apply().exit_code == 0
    assert records(rig) == once(BIG)
    read = gets(s3, name)
    assert rig.plan().empty
    assert gets(s3, name) == read


def test_an_object_written_anew_with_the_same_bytes_is_read_once_more_and_not_loaded(rig: Rig, s3: Far) -> None:
    declare(rig, s3, split="100MB")
    s3.put("a.ndjson", BIG.encode())
    s3.put("b.ndjson.gz", gzip.compress(visits(100, 3).encode(), mtime=1))
    rig.apply()
    s3.put("b.ndjson.gz", gzip.compress(visits(100, 3).encode(), mtime=2))
    assert len(rig.plan().fetches) == 1
    assert not rig.plan(fetch=True).uploads
    assert rig.apply().exit_code == 0
    assert rig.plan().empty
    assert records(rig) == once(BIG, visits(100, 3))


def test_records_of_an_object_that_are_not_valid_keep_all_from_being_done(rig: Rig, s3: Far) -> None:
    declare(rig, s3)
    s3.put("a.ndjson", (visits(0, 3) + BAD).encode())
    with pytest.raises(RecordsInvalid) as caught:
        rig.apply()
    assert [(p.file, p.line) for p in caught.value.problems] == [(f"{s3.root}a.ndjson", 4)]
    assert rig.calls("POST") == []
    declare(rig, s3, on_invalid="skip")
    assert rig.apply().exit_code == 0
    assert records(rig) == once(visits(0, 3))
    (cut,) = rig.state().imports["fr/visits"].current.cuts
    assert cut.rejects is not None
    assert (rig.folder / cut.rejects).read_text() == BAD
    assert rig.plan().empty


def test_a_grown_object_is_refused_once_it_was_read(rig: Rig, s3: Far) -> None:
    declare(rig, s3)
    s3.put("a.ndjson", BIG.encode())
    rig.apply()
    s3.put("a.ndjson", (BIG + visits(100, 2)).encode())
    with pytest.raises(GuardRefused, match="has grown"):
        rig.apply()
    declare(rig, s3, on_growth="tail")
    assert rig.apply().exit_code == 0
    assert records(rig) == once(BIG, visits(100, 2))
    assert rig.plan().empty


def test_a_saved_plan_pins_the_object_that_was_read(rig: Rig, s3: Far) -> None:
    declare(rig, s3)
    s3.put("a.ndjson", BIG.encode())
    saved = rig.plan(fetch=True)
    assert len([a for a in saved.effects if isinstance(a, Upload)]) > 5
    s3.put("a.ndjson", BIG.replace("CUST-00002", "CUST-10002").encode())
    outcome = rig.apply_saved(saved)
    assert outcome.exit_code == 3
    assert "is not the object that was planned" in str(outcome.failures[0].error)
    assert records(rig) == once()


def test_an_expected_digest_holds_for_an_object_that_was_not_read(rig: Rig, s3: Far) -> None:
    declare(rig, s3)
    s3.put("a.ndjson", BIG.encode())
    reviewed = rig.plan().digest
    s3.put("a.ndjson", (BIG + "\n").encode())
    with pytest.raises(PlanStale):
        rig.apply(expect_digest=reviewed)
    s3.put("a.ndjson", BIG.encode())
    assert rig.apply(expect_digest=rig.plan().digest).exit_code == 0


def test_the_same_content_here_and_there_is_loaded_once(rig: Rig, s3: Far) -> None:
    rig.declare(manifest({"fr/visits": {"sources": ["data/*", s3.root + "*"]}}))
    rig.write("data/a.ndjson", BIG)
    s3.put("b.ndjson", BIG.encode())
    assert rig.apply().exit_code == 0
    assert records(rig) == once(BIG)
    plan = rig.plan()
    assert plan.empty
    assert [type(a) for a in plan.actions[1:]] == [Skip, Skip]


def test_a_file_here_is_loaded_under_the_name_of_the_equal_object_that_comes_first(rig: Rig, s3: Far) -> None:
    rig.declare(manifest({"fr/visits": {"sources": [s3.root + "*", "data/*"]}}))
    rig.write("data/a.ndjson", BIG)
    s3.put("b.ndjson", BIG.encode())
    assert rig.apply().exit_code == 0
    assert records(rig) == once(BIG)
    assert rig.plan().empty


def test_what_comes_after_an_object_that_was_refused_waits(rig: Rig, s3: Far) -> None:
    rig.declare(manifest({"fr/visits": {"sources": [s3.root + "*"], "ordered": True}}))
    s3.put("b.ndjson", BIG.encode())
    rig.fault(Fault("error", method="POST", path="*/executions", status=400, html=False, nth=1))
    assert rig.apply().exit_code == 3
    rig.declare(manifest({"fr/visits": {"sources": [s3.root + "*", "data/*"], "ordered": True}}))
    rig.write("data/a.ndjson", visits(100, 3))
    assert rig.apply().exit_code == 3
    assert records(rig) == once()
    assert rig.apply(retry_failed=True).exit_code == 0
    assert records(rig) == once(BIG, visits(100, 3))


def test_an_object_that_another_import_loads_too_is_a_guards_matter(rig: Rig, s3: Far) -> None:
    rig.declare(manifest({"fr/a": {"sources": [s3.root + "*"]}, "fr/b": {"sources": ["data/*"]}}))
    rig.write("data/a.ndjson", BIG)
    s3.put("b.ndjson", BIG.encode())
    with pytest.raises(GuardRefused, match="would be loaded twice"):
        rig.apply()
    assert rig.calls("POST") == []


def test_what_moves_on_the_platform_while_objects_are_read_is_told(rig: Rig, s3: Far) -> None:
    declare(rig, s3)
    s3.put("a.ndjson", BIG.encode())

    def approve(_: Plan) -> bool:
        rig.open().world.api.create_import(settings_of(rig.open().declared.imports[0]))
        return True

    with pytest.raises(PlanStale) as caught:
        rig.apply(approve=approve)
    assert caught.value.moved == ("fr/visits: what would be done with its import",)
    assert records(rig) == once()


def test_a_saved_plan_that_left_an_object_unread_is_not_applied(rig: Rig, s3: Far) -> None:
    declare(rig, s3)
    s3.put("a.ndjson", BIG.encode())
    saved = rig.plan()
    assert saved.fetches
    with pytest.raises(UsageError, match=r"a\.ndjson") as caught:
        rig.apply_saved(saved)
    assert "fetch=True" in (caught.value.remedy or "")
    assert rig.calls("POST") == []


@pytest.mark.parametrize(
    "later",
    [
        {"split": "2kB"},
        {"on_growth": "tail"},
        {"on_invalid": "send"},
        {"on_invalid": "skip"},
        {"ignore": ["MICS360"]},
        {"strict": True},
        {"allow_shared_content": True},
        {"max_failures": "3"},
        {"ordered": True},
    ],
)
def test_an_expected_digest_holds_for_how_an_unread_object_is_loaded(
    rig: Rig, s3: Far, later: dict[str, object]
) -> None:
    declare(rig, s3)
    s3.put("a.ndjson", BIG.encode())
    reviewed = rig.plan().digest
    declare(rig, s3, **later)
    with pytest.raises(PlanStale):
        rig.apply(expect_digest=reviewed)
    assert rig.calls("POST") == []


def test_an_object_without_its_invalid_records_that_is_written_anew_stays_known(rig: Rig, s3: Far) -> None:
    declare(rig, s3, on_invalid="skip", split="100MB")
    s3.put("b.ndjson.gz", gzip.compress((visits(0, 3) + BAD).encode(), mtime=1))
    assert rig.apply().exit_code == 0
    s3.put("b.ndjson.gz", gzip.compress((visits(0, 3) + BAD).encode(), mtime=2))
    assert rig.apply().exit_code == 0
    assert rig.plan().empty
    assert records(rig) == once(visits(0, 3))
    cut = rig.state().imports["fr/visits"].current.cuts[-1]
    assert cut.dropped == 1
    assert (rig.folder / str(cut.rejects)).read_text() == BAD
