"""The plan as bytes: every kind of action survives them, and what was changed by hand does not pass."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mics_iac.core.plan import (
    Base,
    Change,
    Create,
    ManifestPin,
    Options,
    Plan,
    Upload,
    decode_plan,
    digest_of,
    encode_plan,
)
from mics_iac.core.settings import Settings
from mics_iac.errors import MicsError
from tests.core.plans import PLANS, profiles


@given(PLANS)
@settings(deadline=None)
def test_a_plan_survives_its_bytes(plan: Plan) -> None:
    data = encode_plan(plan)
    assert decode_plan(data, name="plan.json") == plan
    assert encode_plan(decode_plan(data, name="plan.json")) == data
    json.loads(data)


@given(PLANS)
@settings(deadline=None)
def test_the_digest_leaves_wording_clocks_and_serials_out(plan: Plan) -> None:
    later = msgspec.structs.replace(
        plan,
        mics_iac_version="9.9.9",
        manifest_path="elsewhere/imports.yaml",
        manifest=(ManifestPin("elsewhere/imports.yaml", "0" * 64),),
        base=Base("another", 99, "else"),
        pins={"import 1": "x"},
        warnings=("said otherwise",),
        earlier={"fr/x": 3},
        actions=tuple(_reworded(a) for a in plan.actions),
    )
    assert digest_of(later) == plan.digest


def _reworded(action: Any) -> Any:
    return msgspec.structs.replace(action, reason="said otherwise") if hasattr(action, "reason") else action


@given(PLANS, st.data())
@settings(deadline=None)
def test_the_digest_is_over_every_field_of_what_is_done(plan: Plan, data: st.DataObject) -> None:
    if not plan.effects:
        return
    index = data.draw(st.sampled_from([i for i, a in enumerate(plan.actions) if a in plan.effects]))
    action = plan.actions[index]
    # The bytes of a part that was read say what it is; what its store said of them then is no part of that.
    unpinned = {"reason", "doubted", *(["seal"] if isinstance(action, Upload) else [])}
    fields = [f for f in action.__struct_fields__ if f not in unpinned]
    field = data.draw(st.sampled_from(fields))
    other = msgspec.structs.replace(action, **{field: _other(getattr(action, field))})
    actions = (*plan.actions[:index], other, *plan.actions[index + 1 :])
    assert digest_of(msgspec.structs.replace(plan, actions=actions)) != plan.digest


def _other(value: object) -> object:
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case Settings():
            return msgspec.structs.replace(value, name=f"{value.name}!")
        case _:
            return f"{value}!"


@given(PLANS, st.data())
@settings(deadline=None)
def test_a_plan_that_was_changed_is_no_plan(plan: Plan, data: st.DataObject) -> None:
    whole = json.loads(encode_plan(plan))
    key = data.draw(st.sampled_from(sorted(whole)))
    changed = {**whole, key: _meddled(whole[key])}
    with pytest.raises(MicsError) as refused:
        decode_plan(json.dumps(changed).encode(), name="plan.json")
    assert "plan.json" in refused.value.message
    assert refused.value.remedy


def _meddled(value: object) -> object:
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case str():
            return f"{value}x"
        case list():
            return value[:-1] if value else [{"address": "fr/x", "message": "y"}]
        case dict():
            return {**value, "zz": "zz"}
        case _:
            return "something"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"format": 2}',
        b'{"actions": [{"action": "launch-missiles"}]}',
        b'{"digest": "' + b"a" * 1_000_000,
    ],
    ids=range(10),
)
def test_what_is_no_plan_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(MicsError, match=r"plan\.json") as refused:
        decode_plan(data, name="plan.json")
    assert "--out" in str(refused.value.remedy)


@given(PLANS, st.data())
@settings(deadline=None)
def test_no_damage_gets_through_or_ends_in_a_traceback(plan: Plan, data: st.DataObject) -> None:
    whole = encode_plan(plan)
    place = data.draw(st.integers(0, len(whole) - 1))
    damaged = whole[:place] + bytes([data.draw(st.integers(0, 255))]) + whole[place + 1 :]
    with contextlib.suppress(MicsError):
        assert decode_plan(damaged, name="plan.json") == plan


def test_a_plan_of_another_format_says_so() -> None:
    action = Create("fr/x", profiles(), False, "new")
    plan = _plan(action)
    data = encode_plan(plan).replace(b'"format": 1', b'"format": 7')
    with pytest.raises(MicsError, match="format 7"):
        decode_plan(data, name="plan.json")


def test_the_order_of_keys_in_a_value_does_not_matter_to_the_digest() -> None:
    action = Change("fr/x", "1", profiles(), profiles(name="B"))
    one = msgspec.structs.replace(_plan(action), datamarts={"fr": "1", "de": "2"})
    two = msgspec.structs.replace(_plan(action), datamarts={"de": "2", "fr": "1"})
    assert digest_of(one) == digest_of(two)
    assert encode_plan(one) == encode_plan(two)


def _plan(*actions: Any) -> Plan:
    plan = Plan(
        mics_iac_version="0",
        api_url="https://api.example",
        environment=None,
        manifest_path="imports.yaml",
        manifest=(),
        datamarts={"fr": "1"},
        state=None,
        base=Base(None, 0, ""),
        options=Options(),
        policies={},
        actions=actions,
    )
    return msgspec.structs.replace(plan, digest=digest_of(plan))
