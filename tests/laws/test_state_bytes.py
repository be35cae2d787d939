"""A state survives its bytes, and the same state has the same bytes."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from mics_iac.core.journal import Entry
from mics_iac.core.ledger import Ledger
from mics_iac.core.state import State, decode_state, encode_state
from tests.laws.histories import HISTORY, STATE, fold


@given(STATE, st.integers(0, 2**63 - 1), st.none() | st.text(st.characters(codec="utf-8"), max_size=5))
@settings(max_examples=200)
def test_a_state_survives_its_bytes(state: State, serial: int, environment: str | None) -> None:
    state = msgspec.structs.replace(state, serial=serial, environment=environment, mics_iac_version="0.1.0")
    read = decode_state(encode_state(state), name="state")
    assert msgspec.structs.replace(read, checksum="") == state
    assert encode_state(read) == encode_state(state)


@given(HISTORY)
def test_the_same_history_has_the_same_bytes(entries: list[Entry]) -> None:
    assert encode_state(fold(entries)) == encode_state(fold(entries))


@given(STATE)
def test_a_ledger_that_nothing_was_added_to_is_the_state_it_was_made_of(state: State) -> None:
    assert encode_state(Ledger(state).state()) == encode_state(state)


@given(STATE)
def test_the_order_of_addresses_does_not_matter(state: State) -> None:
    turned = msgspec.structs.replace(
        state,
        imports=dict(reversed(state.imports.items())),
        creating=dict(reversed(state.creating.items())),
    )
    assert encode_state(turned) == encode_state(state)


@given(STATE)
def test_one_execution_stands_on_one_line(state: State) -> None:
    lines = encode_state(state).decode().split("\n")
    for slot in state.imports.values():
        for import_ in [slot.current, *slot.former]:
            for execution in import_.executions:
                assert any(
                    line.strip().rstrip(",") == msgspec.json.encode(_sorted(execution)).decode() for line in lines
                )


def _sorted(value: object) -> object:
    return msgspec.to_builtins(value, order="sorted")
