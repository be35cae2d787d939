"""docs/sources.md: its sources are sources, and the variables it names are those that are read."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from mics_iac.core.manifest import ManifestText
from mics_iac.core.parse import parse_manifest
from mics_iac.core.remote import SCHEMES, is_remote
from mics_iac.sources.objects import ENDPOINTS

PAGE = (Path(__file__).parents[2] / "docs" / "sources.md").read_text(encoding="utf-8")
HEAD = "version: 1\ndatamarts: {fr: {id: 1500, imports: {visits: {name: V, document_type: USER_ACTIVITY, sources: "


def test_the_sources_shown_are_sources() -> None:
    (block,) = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    written = yaml.safe_load(block)["sources"]
    manifest = parse_manifest([ManifestText("imports.yaml", f"{HEAD}{written}}}}}}}}}\n".encode())])
    assert [spec.path for spec in manifest.imports[0].sources] == written
    assert {path.partition("://")[0] for path in written if is_remote(path)} == set(SCHEMES) - {"http"}


def test_the_variables_are_those_that_are_read() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE, re.MULTILINE)
    assert {kind: tuple(re.findall(r"`([A-Z_0-9]+)`", row.partition(";")[0])) for kind, row in rows} == ENDPOINTS
