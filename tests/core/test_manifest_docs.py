"""What is written about the manifest is true: the page, the example with every key, and the starter."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from mics_iac.core.manifest import DOCUMENT_TYPES, ManifestText
from mics_iac.core.parse import parse_manifest
from mics_iac.core.schema import SCHEMA_FILE, manifest_schema
from mics_iac.core.starter import GITIGNORE, STARTER_MANIFEST
from mics_iac.core.variables import VariableSources
from mics_iac.core.yamltree import YamlList, YamlMap, read_tree

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "manifest.md").read_text(encoding="utf-8")
EXAMPLE = (ROOT / "imports.yaml.example").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```yaml(| fragment)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
KEYS = sorted(
    {key for one in manifest_schema()["definitions"].values() for key in one["properties"]}
    | manifest_schema()["properties"].keys()
)


def keys_in(node: Any) -> Iterator[str]:
    if isinstance(node, YamlMap):
        yield from node
        for below in node.values():
            yield from keys_in(below)
    elif isinstance(node, YamlList):
        for below in node:
            yield from keys_in(below)


@pytest.mark.parametrize("block", [text for kind, text in BLOCKS if not kind])
def test_complete_examples_of_the_page_are_right(block: str) -> None:
    environment = "staging" if "environments:" in block else None
    assert parse_manifest([ManifestText("page.yaml", block.encode())], environment=environment).imports


def test_fragments_of_the_page_are_yaml_or_comments() -> None:
    fragments = [text for kind, text in BLOCKS if kind]
    assert fragments
    for fragment in fragments:
        reading = read_tree(ManifestText("page.yaml", fragment.encode()))
        assert all(problem.code == "MICS006" for problem in reading.problems)


# A manifest has one place of its state; the other kinds stand in comments of the example.
STATES = [
    *(text for kind, text in BLOCKS if kind and text.startswith("state:")),
    *(found.replace("# ", "") for found in re.findall(r"^(# state: .*\n(?:#   .*\n)*)", EXAMPLE, re.MULTILINE)),
]


@pytest.mark.parametrize("text", STATES)
def test_each_kind_of_place_that_is_shown_is_right(text: str) -> None:
    document = f"version: 1\nvariables: {{site: {{default: paris}}}}\n{text}"
    assert parse_manifest([ManifestText("page.yaml", document.encode())]).state.at is not None


def test_every_kind_of_place_is_shown() -> None:
    assert {re.search(r"backend: (\w+)", text)[1] for text in STATES} == {"file", "s3", "gs", "az", "http"}  # type: ignore[index]


@pytest.mark.parametrize("key", KEYS)
def test_every_key_is_explained_and_shown(key: str) -> None:
    assert re.search(rf"`([a-z]+\.)?{key}`", PAGE)
    shown = [EXAMPLE, *STATES]
    assert key in {one for text in shown for one in keys_in(read_tree(ManifestText("example", text.encode())).root)}


def test_every_document_type_is_on_the_page() -> None:
    assert [name for name in DOCUMENT_TYPES if f"`{name}`" not in PAGE] == []


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_the_example_is_right(environment: str) -> None:
    variables = VariableSources(flags={"batch": "2026-01-15"})
    manifest = parse_manifest([ManifestText("e", EXAMPLE.encode())], environment=environment, variables=variables)
    assert [one.address for one in manifest.imports] == [
        "fr/coming-soon", "fr/crm-profiles@2026-01-15", "fr/loyalty-cards", "fr/store-visits", "fr/vip-segment",
    ]  # fmt: skip


def test_the_starter_is_right_and_names_the_schema_that_init_writes() -> None:
    (one,) = parse_manifest([ManifestText("imports.yaml", STARTER_MANIFEST.encode())]).imports
    assert one.address == "main/store-visits"
    for text in (STARTER_MANIFEST, EXAMPLE):
        assert text.startswith(f"# yaml-language-server: $schema=./{SCHEMA_FILE}\n")


def ignored(path: str) -> bool:
    """The rules of git for the few kinds of patterns used here: the last that matches decides."""
    verdict = False
    for line in GITIGNORE.splitlines():
        pattern = line.removeprefix("!")
        whole = path if "/" in pattern else path.rsplit("/", 1)[-1]
        if line and not line.startswith("#") and fnmatch(whole, pattern):
            verdict = not line.startswith("!")
    return verdict


@pytest.mark.parametrize(
    "path",
    [
        ".mics-iac/errors",
        ".mics-iac/sandbox",
        "imports.state.lock",
        "imports.state.lock.0123456789abcdef.gone",
        "imports.state.json.lock",
        "imports.state.json.0123456789abcdef.tmp",
        "imports.fr.state.journal.1-a.jsonl",
    ],
)
def test_git_ignores_what_is_of_this_machine(path: str) -> None:
    assert ignored(path)


@pytest.mark.parametrize("path", ["imports.yaml", "imports.state.json", "imports.fr.state.json", SCHEMA_FILE])
def test_git_keeps_manifest_state_and_schema(path: str) -> None:
    assert not ignored(path)
