"""Every code of a problem is explained, and is what the parser tells of a text that has that mistake and no other."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from mics_iac.core.codes import CODES
from mics_iac.core.manifest import ManifestText
from mics_iac.core.parse import parse_manifest
from mics_iac.core.variables import VariableSources, parse_var_file
from mics_iac.core.yamltree import MAX_BYTES
from mics_iac.errors import ManifestInvalid, Problem

ERRORS = (Path(__file__).parents[2] / "docs" / "errors.md").read_text(encoding="utf-8")
SECTIONS = {
    title[:7]: (title, body)
    for title, body in (section.split("\n", 1) for section in re.split(r"^## ", ERRORS, flags=re.MULTILINE)[1:])
}
EXAMPLES = {
    code: found[1]
    for code, (_, body) in SECTIONS.items()
    if (found := re.search(r"```yaml\n(.*?)```", body, re.DOTALL))
}
# Found where the data files are, not where the manifest is read.
ELSEWHERE = {
    "MICS201",
    "MICS204",
    "MICS205",
    "MICS206",
    "MICS207",
    "MICS212",
    "MICS213",
    "MICS214",
    "MICS215",
    "MICS216",
}


def problems(*files: bytes, environment: str | None = None, variables: VariableSources | None = None) -> list[Problem]:
    texts = [ManifestText(f"{letter}.yaml", data) for letter, data in zip("abc", files, strict=False)]
    with pytest.raises(ManifestInvalid) as caught:
        parse_manifest(texts, environment=environment, variables=variables or VariableSources())
    return list(caught.value.problems)


def var_file(data: bytes) -> list[Problem]:
    with pytest.raises(ManifestInvalid) as caught:
        parse_var_file(ManifestText("values.yaml", data))
    return list(caught.value.problems)


def bomb() -> bytes:
    levels = "".join(f"b{n}: &b{n} [{', '.join([f'*b{n - 1}'] * 10)}]\n" for n in range(1, 9))
    return f"version: 1\nb0: &b0 [x]\n{levels}".encode()


OTHERS: dict[str, Callable[[], list[Problem]]] = {
    "MICS004": lambda: problems("version: 1 # caf\xe9".encode("latin-1")),
    "MICS005": lambda: problems(b"version: 1\nstate: \0"),
    "MICS015": lambda: problems(bomb()),
    "MICS016": lambda: problems(b"version: 1\nmoved: " + b"[" * 60),
    "MICS017": lambda: problems(b" " * (MAX_BYTES + 1)),
    "MICS124": lambda: problems(b"version: 1\nstate: {path: a}", b"version: 1\nstate: {path: b}"),
    "MICS135": lambda: problems(b"version: 1", variables=VariableSources(flags={"batch": "1"})),
    "MICS137": lambda: problems(b"version: 1\nenvironments: {staging: }", environment="stagin"),
    "MICS138": lambda: var_file(b"batch: [1]"),
}


def test_every_code_has_its_section() -> None:
    assert [title for title, _ in SECTIONS.values()] == [f"{code}: {title}" for code, title in CODES.items()]


def test_every_section_says_what_to_do() -> None:
    assert [code for code, (_, body) in SECTIONS.items() if "**What to do.** " not in body] == []


def test_every_code_is_triggered() -> None:
    assert EXAMPLES.keys() | OTHERS.keys() | ELSEWHERE == CODES.keys()


@pytest.mark.parametrize("code", EXAMPLES)
def test_the_example_has_that_mistake_alone(code: str) -> None:
    assert {problem.code for problem in problems(EXAMPLES[code].encode())} == {code}


@pytest.mark.parametrize("code", OTHERS)
def test_what_no_example_can_show(code: str) -> None:
    assert {problem.code for problem in OTHERS[code]()} == {code}
