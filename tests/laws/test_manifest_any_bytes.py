"""Law: whatever the bytes are, the parser gives a manifest or its problems, and nothing else."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from mics_iac.core.codes import CODES
from mics_iac.core.manifest import Manifest, ManifestText
from mics_iac.core.parse import parse_manifest
from mics_iac.core.variables import VariableSources, parse_var_file
from mics_iac.core.yamltree import read_tree
from mics_iac.errors import ManifestInvalid, Problem

EXAMPLE = (Path(__file__).parents[2] / "imports.yaml.example").read_text(encoding="utf-8")
VALUES = VariableSources(flags={"batch": "2026-01-15"})
PIECES = [
    "${",
    "}",
    "$${",
    "&a ",
    "*a",
    "<<: ",
    "\t",
    "- ",
    ": ",
    "!!x ",
    "'",
    '"',
    "|\n",
    "? ",
    "\n",
    "~",
    "[",
    "{",
    "\0",
]


@st.composite
def disturbed(draw: st.DrawFn) -> str:
    """The example with a few pieces cut out, put in or moved."""
    text = EXAMPLE
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 40)))
        text = text[:start] + draw(st.sampled_from(["", *PIECES]) | st.text(max_size=4)) + text[end:]
    return text


def problems(data: bytes, *more: bytes) -> tuple[Problem, ...]:
    texts = [ManifestText(f"{index}.yaml", one) for index, one in enumerate((data, *more))]
    try:
        manifest = parse_manifest(texts, environment="staging", variables=VALUES)
    except ManifestInvalid as invalid:
        return invalid.problems or (Problem("", 0, 0, "none", "no problem is told"),)
    assert isinstance(manifest, Manifest)
    return ()


def judge(data: bytes, *more: bytes) -> None:
    for problem in problems(data, *more):
        assert problem.code in CODES
        assert problem.message.isprintable()
        assert "pydantic" not in problem.message


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60))
def test_bytes(data: bytes) -> None:
    judge(data)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60))
def test_text(text: str) -> None:
    judge(text.encode("utf-8", "surrogatepass"))


@settings(max_examples=200, deadline=None)
@given(disturbed())
def test_disturbed_manifests(text: str) -> None:
    judge(text.encode("utf-8", "surrogatepass"))


@settings(max_examples=60, deadline=None)
@given(disturbed(), disturbed())
def test_disturbed_folders(first: str, second: str) -> None:
    judge(first.encode("utf-8", "surrogatepass"), second.encode("utf-8", "surrogatepass"))


@settings(max_examples=150, deadline=None)
@given(disturbed() | st.text(max_size=40))
def test_both_parsers_end(text: str) -> None:
    read_tree(ManifestText("m.yaml", text.encode("utf-8", "surrogatepass")), libyaml=False)


@settings(max_examples=80, deadline=None)
@given(st.text(max_size=60))
def test_files_of_variables(text: str) -> None:
    with suppress(ManifestInvalid):
        given_values = parse_var_file(ManifestText("values.yaml", text.encode("utf-8", "surrogatepass")))
        assert all(isinstance(value.text, str) for value in given_values.values())
