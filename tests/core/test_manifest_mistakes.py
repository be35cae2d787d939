"""Every mistake at once: one hides no other, wherever two stand together; and many of them are told as fast as few."""

from __future__ import annotations

import pytest

from mics_iac.core.manifest import ManifestText
from mics_iac.core.parse import parse_manifest
from mics_iac.core.wording import Hints
from mics_iac.errors import ManifestInvalid, Problem

HEAD = "version: 1\ndatamarts:\n  fr:\n    id: 1500\n    imports:\n"


def problems(text: str) -> tuple[Problem, ...]:
    with pytest.raises(ManifestInvalid) as caught:
        parse_manifest([ManifestText("imports.yaml", text.encode())])
    return caught.value.problems


def told(text: str) -> list[str]:
    return [f"{problem.line} {problem.code}" for problem in problems(text)]


CROWDED = """\
version: 1
datamarts:
  fr:
    id: fifteen
    imports:
      store visits:
        document_type: USER_ACTIVTY
        batch: 7
        prority: LOW
        sources:
          - ../outside/*
          - {path: /srv/data/*, allow_empty: maybe}
          - {path: "s3://bucket//x"}
      a:
        name: A
        document_type: USER_ACTIVITY
        mime_type: TEXT_CSV
        batch: 2026-01
        priority: low
        adopt: 7
        sources: [{path: ../b, pth: x}]
      b:
        name: A
        document_type: USER_ACTIVITY
        batch: b c
        adopt: 7
        protect: yes
  de:
    imports:
      c: {document_type: USER_NOTHING, adopt: x}
      d: {name: [], document_type: USER_ELSE, max_failures: many}
moved:
  - {from: fr/a, to: fr}
  - {from: fr, to: fr/gone}
  - {from: fr/a, to: fr/b}
"""


def test_several_mistakes_of_one_import_are_all_told_at_once() -> None:
    assert told(CROWDED) == [
        "4 MICS110",
        "6 MICS102", "6 MICS106", "7 MICS107", "9 MICS101", "11 MICS202", "12 MICS202", "12 MICS109", "13 MICS208",
        "15 MICS115", "17 MICS119", "19 MICS108", "21 MICS202", "21 MICS101",
        "23 MICS116", "25 MICS114", "26 MICS118", "27 MICS109",
        "28 MICS102",
        "30 MICS102", "30 MICS107", "30 MICS110", "31 MICS103", "31 MICS107", "31 MICS111",
        "33 MICS120", "34 MICS121", "34 MICS120", "35 MICS123",
    ]  # fmt: skip


# Each line is one mistake, and the line that mends it.
MENDS = [
    ("    id: x\n", "    id: 1500\n"),
    ("        name:\n", "        name: B 2026\n"),
    ("        document_type: USER_PROFIL\n", "        document_type: USER_PROFILE\n"),
    ("        priority: low\n", "        priority: LOW\n"),
    ("          - /abs\n", "          - abs\n"),
    ("          - {path: ../up, allow_empty: 1}\n", "          - {path: up}\n"),
    ("        prorty: 1\n", ""),
    ("  - {to: fr/gone}\n", "  - {from: fr/old, to: fr/b}\n"),
]
ROOMY = "version: 1\ndatamarts:\n  fr:\n{0}    imports:\n      b:\n{1}{2}{3}        sources:\n{4}{5}{6}moved:\n{7}"


@pytest.mark.parametrize("mended", range(len(MENDS)))
def test_mending_one_mistake_brings_no_other_to_light(mended: int) -> None:
    before = {problem.code for problem in problems(ROOMY.format(*(wrong for wrong, _ in MENDS)))}
    lines = [right if index == mended else wrong for index, (wrong, right) in enumerate(MENDS)]
    assert {problem.code for problem in problems(ROOMY.format(*lines))} <= before


def test_what_a_faulty_switch_may_allow_is_not_told() -> None:
    body = "      a: {name: A, document_type: USER_NEW, allow_unknown_document_type: yes}\n"
    body += "      b: {name: B, document_type: USER_CHOICE, sources: [{path: ../x, allow_outside: yes}]}\n"
    assert told(HEAD + body) == ["6 MICS109", "7 MICS109"]


def test_of_a_batch_that_is_at_fault_nothing_false_is_said() -> None:
    body = HEAD + "      a: {name: A, batch: 'x y', document_type: USER_CHOICE}\nmoved:\n"
    assert told(body + "  - {from: fr/a@1, to: fr/a@2}\n") == ["6 MICS114"]
    assert told(body + "  - {from: fr/old, to: fr/a}\n") == ["6 MICS114"]
    assert told(body + "  - {from: fr/a, to: fr/a@2}\n") == ["6 MICS114"]
    assert told(body + "  - {from: fr/a, to: fr/none}\n") == ["6 MICS114", "8 MICS121", "8 MICS122"]


def test_a_move_written_twice_hides_no_other_mistake_of_it() -> None:
    assert told(HEAD + "moved:\n  - {from: fr/a, to: fr/b}\n  - {from: fr/a, to: fr/b}\n") == ["7 MICS121", "8 MICS123"]


MANY = 4_000
FLOODS = {
    "keys": "version: 1\n" + "".join(f"modatamar{n}: 1\n" for n in range(MANY)),
    "types": HEAD + "".join(f"      i{n}: {{name: N{n}, document_type: USER_ACT{n}}}\n" for n in range(MANY)),
    "choices": HEAD
    + "".join(f"      i{n}: {{name: N{n}, document_type: USER_CHOICE, priority: LO{n}}}\n" for n in range(MANY)),
    "moves": HEAD
    + "".join(f"      i{n}: {{name: N{n}, document_type: USER_CHOICE}}\n" for n in range(1_000))
    + "moved:\n"
    + "".join(f"  - {{from: fr/o{n}, to: fr/ix{n}}}\n" for n in range(MANY)),
    "variables": "version: 1\nvariables:\n"
    + "".join(f"  v{n}: \n" for n in range(1_000))
    + "datamarts:\n"
    + "".join(f"  d{n}: {{id: '${{vx{n}}}'}}\n" for n in range(MANY)),
}


@pytest.mark.parametrize("flood", FLOODS)
def test_of_very_many_mistakes_all_are_told_and_guesses_made_for_the_first(flood: str) -> None:
    found = problems(FLOODS[flood])
    assert len(found) == MANY
    guessed = ["Did you mean" in problem.message for problem in found]
    assert guessed[0]
    assert 0 < sum(guessed) < MANY // 2 + 1


def test_guesses_end_and_start_anew_with_each_manifest() -> None:
    hints = Hints(comparisons=24)
    assert [hints.did_you_mean("prioritx", ["priority", "name"]) != "" for _ in range(3)] == [True, True, False]
    many = problems("version: 1\n" + "".join(f"apii{n}: 1\n" for n in range(10)))
    assert all("Did you mean" in problem.message for problem in many)


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    (problem,) = problems("version: 1\napi: {url: https://me:hunter2@api.example.com}\n")
    assert problem.code == "MICS112"
    assert "hunter2" not in str(problem)
