"""The tree: text stays text, places are right, and hostile files end in a problem. Both of PyYAML's parsers."""

from __future__ import annotations

import pytest

from mics_iac.core.manifest import ManifestText, Place
from mics_iac.core.yamltree import Reading, YamlList, YamlMap, read_tree


@pytest.fixture(params=[True, False], ids=["libyaml", "python"])
def libyaml(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def read(text: str | bytes, libyaml: bool) -> Reading:
    return read_tree(ManifestText("m.yaml", text.encode() if isinstance(text, str) else text), libyaml=libyaml)


def tree(text: str, libyaml: bool) -> YamlMap:
    reading = read(text, libyaml)
    assert reading.problems == ()
    assert reading.root is not None
    return reading.root


def only(text: str | bytes, libyaml: bool) -> str:
    """The one problem, without its wording."""
    (problem,) = read(text, libyaml).problems
    return f"{problem.line}:{problem.column} {problem.code}"


@pytest.mark.parametrize("scalar", ["no", "yes", "010", "0x1F", "1e3", "1_000", "2026-01-15", "12:30:45", ".inf", "="])
def test_scalars_stay_text(scalar: str, libyaml: bool) -> None:
    assert tree(f"a: {scalar}\n{scalar}: b", libyaml) == {"a": scalar, scalar: "b"}


@pytest.mark.parametrize("empty", ["", "~", "null", "Null", "NULL", "!!null ''"])
def test_an_empty_value_is_none_and_a_quoted_one_is_text(empty: str, libyaml: bool) -> None:
    assert tree(f"a: {empty}\nb: 'null'\nc: ''\nd: !!str ~", libyaml) == {"a": None, "b": "null", "c": "", "d": "~"}


def test_every_key_and_value_knows_its_place(libyaml: bool) -> None:
    root = tree("\ufeffa: b\nlong key:\n  - x\n  -  y\n'c': {d: é, e: f}\n", libyaml)
    assert (root.key_place("a"), root.value_place("a")) == (Place("m.yaml", 1, 1), Place("m.yaml", 1, 4))
    items, inner = root["long key"], root["c"]
    assert isinstance(items, YamlList)
    assert isinstance(inner, YamlMap)
    assert [items.item_place(0), items.item_place(1)] == [Place("m.yaml", 3, 5), Place("m.yaml", 4, 6)]
    assert inner.key_place("e") == Place("m.yaml", 5, 13)


def test_duplicate_keys_are_all_told_with_the_place_of_the_first(libyaml: bool) -> None:
    reading = read("a: 1\nb: {c: 1, c: 2}\na: 3\n", libyaml)
    assert [(p.line, p.column, p.code) for p in reading.problems] == [(2, 11, "MICS009"), (3, 1, "MICS009")]
    assert "m.yaml:1:1" in reading.problems[1].message
    assert reading.root == {"a": "1", "b": {"c": "1"}}


def test_merge_keys_are_weaker_than_what_is_written_and_the_first_of_a_list_wins(libyaml: bool) -> None:
    root = tree(
        "x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz: {b: 3, <<: *x}\nw: {<<: [*y, *x], d: 4}\nv: {'<<': 5}", libyaml
    )
    assert root["z"] == {"a": "1", "b": "3"}
    assert root["w"] == {"a": "1", "b": "2", "c": "2", "d": "4"}
    assert root["v"] == {"<<": "5"}
    merged = root["z"]
    assert isinstance(merged, YamlMap)
    assert merged.key_place("a") == Place("m.yaml", 1, 8)


def test_aliases_may_be_keys(libyaml: bool) -> None:
    assert tree("a: &k '<<'\nb: {*k : c}\n&n d: *n", libyaml) == {"a": "<<", "b": {"<<": "c"}, "d": "d"}
    assert only("a: &k [x]\nb: {*k : c}", libyaml) == "2:5 MICS010"


def test_anchors_may_be_given_anew(libyaml: bool) -> None:
    assert tree("a: &k {x: 1}\nb: [*k, &k {y: 2}]\nc: *k", libyaml)["c"] == {"y": "2"}


def test_merges_of_merges(libyaml: bool) -> None:
    assert tree("x: &x {a: 1}\ny: &y {<<: *x, b: 2}\nz: {<<: *y}", libyaml)["z"] == {"a": "1", "b": "2"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: b\n\tc: d\n", "2:1 MICS002"),
        ("a:\n\t- b\n", "2:1 MICS002"),
        ("a:\n  b: 1\n c: 2\n", "3:2 MICS003"),
        ("a: b: c\n", "1:5 MICS003"),
        ("a: 'x\n", "1:4 MICS001"),
        ("a: {b: [c\n\n", "1:8 MICS001"),
        ("a: @x\n", "1:4 MICS001"),
        ("a: *x\n", "1:4 MICS013"),
        ("a: &x [*x]\n", "1:8 MICS014"),
        ("a: &x {<<: *x}\n", "1:12 MICS014"),
        ("a: !!python/object/apply:os.system [x]\n", "1:4 MICS011"),
        ("a: !!binary aGk=\n", "1:4 MICS011"),
        ("a: !!timestamp 2026-01-15\n", "1:4 MICS011"),
        ("a: !!set {b: }\n", "1:4 MICS011"),
        ("a: !!str [b]\n", "1:4 MICS011"),
        ("{a: b}: c\n", "1:1 MICS010"),
        ("~: c\n", "1:1 MICS010"),
        ("<<: [x]\n", "1:5 MICS012"),
        ("a: &a {}\nb: {<<: *a, <<: *a}\n", "2:13 MICS009"),
        ("a: b\n---\nc: d\n", "2:1 MICS007"),
        ("- a\n", "1:1 MICS008"),
        ("", "0:0 MICS006"),
        ("# nothing\n", "0:0 MICS006"),
        ("---\n", "0:0 MICS006"),
        (b"\xff\xfea\0", "1:1 MICS004"),
        (b"a: b\nc: d\xe9\n", "2:5 MICS004"),
        ("a: b\nc: \x07\n", "2:4 MICS005"),
        ("\0", "1:1 MICS005"),
    ],
)
def test_what_is_wrong_and_where(text: str | bytes, told: str, libyaml: bool) -> None:
    assert only(text, libyaml) == told


@pytest.mark.parametrize(
    "text", ["%YAML 9.9\n---\na: b", '"\\ud800": b', '"\\UFFFFFFFF": b', "a: !%ff b", "? a\n: - b\n: c"]
)
def test_oddities_end_in_a_problem(text: str, libyaml: bool) -> None:
    assert read(text, libyaml).problems


def test_a_bomb_is_refused_before_it_grows(libyaml: bool) -> None:
    lines = "".join(f"b{n}: &b{n} [{', '.join([f'*b{n - 1}'] * 10)}]\n" for n in range(1, 200))
    assert only(f"b0: &b0 [x]\n{lines}", libyaml).endswith("MICS015")


def test_a_bomb_of_merges_is_refused(libyaml: bool) -> None:
    keys = ", ".join(f"k{n}: " for n in range(1000))
    lines = "".join(f"m{n}: {{<<: *m}}\n" for n in range(1100))
    assert only(f"m: &m {{{keys}}}\n{lines}", libyaml).endswith("MICS015")


def test_depth_is_bounded_through_aliases_too(libyaml: bool) -> None:
    lines = "".join(f"b{n}: &b{n} [*b{n - 1}]\n" for n in range(1, 100))
    assert only(f"b0: &b0 [x]\n{lines}", libyaml).endswith("MICS016")


def test_endless_brackets_are_refused_at_once(libyaml: bool) -> None:
    # Where: our own limit, or that of a parser which looks ahead further than our limit is deep.
    assert only("a: " + "[" * 3000, libyaml) in {"1:53 MICS016", "1:1003 MICS016"}
