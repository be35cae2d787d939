"""imports.yaml.example is a manifest that works: it is planned and applied on the sandbox."""

from __future__ import annotations

from pathlib import Path

from mics_iac.core.plan import count
from mics_iac.sandbox.profile import Profile
from tests.rig import Rig, visits

EXAMPLE = Path(__file__).parents[2] / "imports.yaml.example"


def test_the_example_is_planned_and_applied(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    rig = Rig(folder, profile=Profile(queue_ms=0, run_ms=0, unknown_document_types=True))
    rig.declare(EXAMPLE.read_text(encoding="utf-8"))
    rig.environment = "staging"
    rig.write("data/store-visits/a.ndjson", visits(0, 5))
    rig.write("data/crm-profiles/2026-01-15.ndjson", '{"operation":"DELETE","user_account_id":"C1"}\n')
    rig.write(
        "data/vip-segment/a.csv",
        "operation,user_account_id,segment_id,expiration_duration\nUPDATE,C1,50123,0\n",
    )
    cards = rig.sandbox.add_import("1500", "Loyalty cards", "USER_IDENTIFIERS_ASSOCIATION_DECLARATIONS")
    assert cards == "31001", "the example adopts the id of the sandbox's first import"

    plan = rig.plan()

    assert plan.refusals == ()
    assert count(plan).adopt == 1
    assert count(plan).load == 3
    assert rig.apply().exit_code == 0
    assert rig.plan().empty
