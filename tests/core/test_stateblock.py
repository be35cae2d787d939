"""The block `state:` that is printed is the one that the manifest reads: the same place comes out of it."""

from __future__ import annotations

import pytest
from hypothesis import example, given

from mics_iac.core.manifest import ManifestText
from mics_iac.core.parse import parse_manifest
from mics_iac.core.place import FilePlace, StatePlace, parse_place
from mics_iac.core.stateblock import state_block
from tests.core.state_places import PLACES


@given(PLACES)
@example(FilePlace("a${b}$${c}.json"))
@example(FilePlace("null"))
@example(FilePlace("# é\u2028\u0085\ufeff\U0001f600\U000e0001: 'x' \"y\""))
def test_the_block_is_read_as_the_place(place: StatePlace) -> None:
    text = "version: 1\n" + state_block(place)
    assert parse_manifest([ManifestText("imports.yaml", text.encode())]).state.place == place


@pytest.mark.parametrize(
    ("url", "block"),
    [
        ("file:", "state:\n  backend: file\n"),
        ("states/a.json", "state:\n  backend: file\n  path: states/a.json\n"),
        ("gs://123", 'state:\n  backend: gs\n  bucket: "123"\n'),
        (
            "az://acmestates/iac/mics",
            "state:\n  backend: az\n  account: acmestates\n  container: iac\n  prefix: mics\n",
        ),
        (
            "https://states.example.com/mics/?update_method=PUT",
            "state:\n  backend: http\n  address: https://states.example.com/mics/\n  update_method: PUT\n",
        ),
    ],
)
def test_it_reads_well(url: str, block: str) -> None:
    assert state_block(parse_place(url)) == block
