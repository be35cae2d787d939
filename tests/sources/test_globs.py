"""A pattern means the same in a bucket as in a folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mics_iac.core.manifest import Place, SourceSpec
from mics_iac.sources.globs import Pattern
from mics_iac.sources.local import LocalSource

NAMES = ("a", "ab", "b", ".a", "a.b", "[a]")
KEYS = [
    "/".join(parts)
    for parts in [
        *((one,) for one in NAMES[:2]),
        *((f"d{one}", two) for one in NAMES for two in NAMES),
        *((f"d{one}", f"e{one}", two) for one in ("a", ".a") for two in NAMES),
        *((".h", f"e{one}", two) for one in ("a", ".a") for two in NAMES),
        *(("da", f"e{one}", ".h", "x", two) for one in ("a", "b") for two in NAMES[:3]),
    ]
]
PARTS = st.sampled_from(["*", "**", "?", "a", "a*", ".*", ".h", "d*", "da", "e?", "[ad]*", "[!a]", "[", "*.b", "[[]a]"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("keys")
    for key in KEYS:
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        (root / key).write_text("x")
    return root


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(PARTS, min_size=1, max_size=5))
def test_keys_match_as_paths_do(folder: Path, parts: list[str]) -> None:
    text = "/".join(parts)
    found, _ = LocalSource(folder).find(SourceSpec(text, True, False, Place("m", 1, 1)))
    pattern = Pattern(text)
    assert {one.path for one in found} == {key for key in KEYS if pattern.matches(key)}
    assert all(key.startswith(pattern.prefix) for key in KEYS if pattern.matches(key))


def test_many_parts_cost_no_more_than_they_must() -> None:
    pattern = Pattern("/".join(["**", "*a*"] * 40))
    assert not pattern.matches("/".join(["a"] * 500 + ["b"]))


@pytest.mark.parametrize(
    ("text", "folder", "flat"),
    [
        ("data/*.gz", "data", True),
        ("*", "", True),
        ("data/2026*", "data", False),
        ("data/**", "data", False),
        ("data/*/x", "data", False),
        ("data/a/[x]", "data/a", True),
    ],
)
def test_where_one_has_to_look(text: str, folder: str, flat: bool) -> None:
    assert (Pattern(text).folder, Pattern(text).is_flat) == (folder, flat)
