"""The order in which imports and files were written does not matter: same inputs, same plan, byte for byte."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from mics_iac.core.plan import digest_of, encode_plan
from tests.laws.projects import IMPORTS, Import, lay_out, rig_of


@given(IMPORTS, st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None)
def test_order_in_the_manifest_does_not_matter(imports: list[Import], chance: object) -> None:
    with rig_of(imports) as rig:
        plan = rig.plan()
        shuffled = [
            Import(i.key, i.title, i.priority, i.ordered, i.protect, i.max_failures, dict(reversed(i.files.items())))
            for i in reversed(imports)
        ]
        lay_out(rig, shuffled)
        again = rig.plan()
        assert again.digest == plan.digest == digest_of(again)
        assert (again.actions, again.policies, again.pins) == (plan.actions, plan.policies, plan.pins)


@given(IMPORTS)
@settings(max_examples=15, deadline=None)
def test_same_inputs_same_bytes(imports: list[Import]) -> None:
    with rig_of(imports) as rig:
        first = encode_plan(rig.plan())
        rig.clock.sleep(12345)
        assert encode_plan(rig.plan()) == first
        rig.apply()
        later = encode_plan(rig.plan())
        rig.clock.sleep(12345)
        assert encode_plan(rig.plan()) == later
