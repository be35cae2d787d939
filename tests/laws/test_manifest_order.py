"""Law: the order of keys, and the split into files, change nothing."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mics_iac.core.manifest import ManifestText
from mics_iac.core.parse import parse_manifest
from tests.laws.manifest_documents import FULL, Document, read, written

RIGHT = read(FULL)


@st.composite
def reordered(draw: st.DrawFn, value: Any) -> Document:
    """The same with the keys of each mapping in some other order; lists stay."""
    if isinstance(value, dict):
        return {key: draw(reordered(value[key])) for key in draw(st.permutations(list(value)))}
    if isinstance(value, list):
        return [draw(reordered(item)) for item in value]
    return value


@settings(max_examples=50, deadline=None)
@given(reordered(FULL))
def test_the_order_of_keys_changes_nothing(document: Document) -> None:
    assert read(document) == RIGHT


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_the_split_into_files_changes_nothing(data: st.DataObject) -> None:
    files: list[Document] = [{"version": 1}, {}, {}]

    def file() -> Document:
        return data.draw(st.sampled_from(files))

    for key in ("api", "state"):
        file()[key] = FULL[key]
    for key in ("variables", "defaults"):
        for name, value in FULL[key].items():
            file().setdefault(key, {})[name] = value
    for datamart, block in FULL["datamarts"].items():
        file().setdefault("datamarts", {}).setdefault(datamart, {})["id"] = block["id"]
        for name, one in (block["imports"] or {}).items():
            own = file().setdefault("datamarts", {}).setdefault(datamart, {})
            own.setdefault("imports", {})[name] = copy.deepcopy(one)
    file()["moved"] = FULL["moved"]
    texts = [ManifestText(f"{index}.yaml", written(one)) for index, one in enumerate(files) if one]
    assert parse_manifest(texts) == RIGHT
