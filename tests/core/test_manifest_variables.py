"""Variables: which value is the strongest, where references stand, and what is told when they cannot be replaced."""

from __future__ import annotations

import pytest

from mics_iac.core.manifest import Manifest, ManifestText
from mics_iac.core.parse import parse_manifest
from mics_iac.core.place import FilePlace
from mics_iac.core.variables import NO_VARIABLES, VariableSources, parse_var_file
from mics_iac.errors import ManifestInvalid

LAYERS = """\
version: 1
variables:
  v: {default: from-default}
environments:
  e: {variables: {v: from-environment}}
  other: {variables: {w: "1"}}
state: {path: "${v}"}
"""


def parse(text: str, sources: VariableSources = NO_VARIABLES, *, environment: str | None = None) -> Manifest:
    return parse_manifest([ManifestText("m.yaml", text.encode())], environment=environment, variables=sources)


def told(text: str, sources: VariableSources = NO_VARIABLES, *, environment: str | None = None) -> list[str]:
    with pytest.raises(ManifestInvalid) as caught:
        parse(text, sources, environment=environment)
    return [f"{problem.line}:{problem.column} {problem.code}" for problem in caught.value.problems]


def messages(text: str, sources: VariableSources = NO_VARIABLES, *, environment: str | None = None) -> str:
    with pytest.raises(ManifestInvalid) as caught:
        parse(text, sources, environment=environment)
    return "\n".join(map(str, caught.value.problems))


def path(text: str, sources: VariableSources = NO_VARIABLES, *, environment: str | None = None) -> str | None:
    place = parse(text, sources, environment=environment).state.place
    assert isinstance(place, FilePlace)
    return place.path


def test_the_strongest_value_wins() -> None:
    flags = {"v": "from-flag"}
    first, last = (parse_var_file(ManifestText("f", f"v: from-{name}".encode())) for name in ("first", "last"))
    process = {"MICS_VAR_v": "from-process", "MICS_VAR_unknown": "x", "PATH": "y"}
    assert (
        path(LAYERS, VariableSources(flags=flags, files=(first, last), process=process), environment="e") == "from-flag"
    )
    assert path(LAYERS, VariableSources(files=(first, last), process=process), environment="e") == "from-last"
    assert path(LAYERS, VariableSources(process=process), environment="e") == "from-process"
    assert path(LAYERS, environment="e") == "from-environment"
    assert path(LAYERS, environment="other") == "from-default"


def test_an_empty_value_is_a_value() -> None:
    assert path(LAYERS.replace("${v}", "a${v}b"), VariableSources(flags={"v": ""}), environment="e") == "ab"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("a/${v}.json", "a/1.json"),
        ("${v}${v}", "11"),
        ("$${v}", "${v}"),
        ("$$${v}", "$${v}"),
        ("$v $ {v} $$ 5$", "$v $ {v} $$ 5$"),
        ("$${v}${v}", "${v}1"),
        ("'${v}'", "1"),
    ],
)
def test_references(written: str, read: str) -> None:
    assert path(f"version: 1\nvariables: {{v: {{default: 1}}}}\nstate:\n  path: {written}\n") == read


def test_a_value_is_not_looked_into_again() -> None:
    assert path('version: 1\nvariables: {v: {default: "${v}"}}\nstate: {path: "${v}"}') == "${v}"


def test_names_of_the_variables_used_are_kept_and_values_are_not() -> None:
    text = "version: 1\nvariables: {a: {default: secret-7}, b: {default: x}}\nstate: {path: '${a}'}\ndatamarts:"
    manifest = parse(text)
    assert manifest.variables == ("a",)


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ("path: a/${nope}", "4:11"),
        ("path: 'a/${nope}'", "4:12"),
        ('path: "a/${nope}"', "4:12"),
        ("path: 'it''s ${nope}'", "4:9"),
        ("path: &x a/${nope}", "4:9"),
        ("path: >-\n    a/${nope}", "4:9"),
        ("path: a\n    b/${nope}", "4:9"),
    ],
)
def test_the_place_of_a_reference(written: str, place: str) -> None:
    assert told(f"version: 1\nvariables:\nstate:\n  {written}\n") == [f"{place} MICS131"]


def test_every_bad_reference_is_told_and_its_value_not_judged_further() -> None:
    text = (
        "version: 1\nvariables: {batch: }\ndatamarts:\n  fr:\n    id: ${bach}\n    imports:\n"
        "      a: {name: '${x', document_type: '${ }', priority: '${batch}', batch: '${y}', sources: ['${z}']}\n"
    )
    assert told(text) == [
        "5:9 MICS131", "7:18 MICS130", "7:40 MICS130", "7:58 MICS132", "7:77 MICS131", "7:95 MICS131",
    ]  # fmt: skip
    assert 'Did you mean "batch"?' in messages(text)


def test_references_in_keys_are_no_references() -> None:
    assert told("version: 1\nvariables: {v: {default: x}}\ndatamarts: {'${v}': {id: 1}}") == ["3:13 MICS106"]


def test_a_shared_value_is_replaced_everywhere_and_told_once() -> None:
    text = (
        "version: 1\nvariables: {v: {default: LOW}}\ndefaults: &d {priority: '${v}'}\ndatamarts:\n  fr:\n    id: 1\n"
        "    imports:\n      a: {<<: *d, name: A, document_type: USER_CHOICE}\n"
        "      b: {<<: *d, name: '$${', document_type: USER_CHOICE}\n"
    )
    assert [(one.priority, one.name) for one in parse(text).imports] == [("LOW", "A"), ("LOW", "${")]
    assert told(text.replace("default: LOW", "")) == ["3:26 MICS132"]


def test_an_environment_is_asked_for_and_its_variables_are_not_told_missing_too() -> None:
    assert told(LAYERS.replace("{default: from-default}", "")) == ["4:1 MICS136"]
    assert "--env e or other" in messages(LAYERS)
    assert 'Did you mean "other"?' in messages(LAYERS, environment="othr")
    assert told("version: 1", environment="e") == ["1:1 MICS137"]


def test_a_variable_of_another_environment_has_no_value_here() -> None:
    assert 'no value in the environment "e"' in messages(LAYERS.replace("${v}", "${w}"), environment="e")


@pytest.mark.parametrize("name", ["vv", "V"])
def test_names_given_by_hand_must_be_known(name: str) -> None:
    file = parse_var_file(ManifestText("values.yaml", f"v: x\n{name}: y".encode()))
    text = messages(LAYERS, VariableSources(flags={name: "x"}, files=(file,)), environment="e")
    assert text.count("MICS135") == 2
    assert "values.yaml:2:" in text
    assert 'Did you mean "v"?' in text or name == "vv"


PATTERN = "version: 1\nvariables:\n  v: {pattern: '\\d+', default: a}\nstate: {path: '${v}'}"


@pytest.mark.parametrize("value", ["x1", "1x", "1\n", ""])
def test_a_pattern_matches_as_a_whole(value: str) -> None:
    assert path(PATTERN, VariableSources(flags={"v": "12"})) == "12"
    assert told(PATTERN, VariableSources(flags={"v": value})) == ["0:0 MICS133"]
    assert told(PATTERN) == ["3:32 MICS133"]


@pytest.mark.parametrize("pattern", ["[", "(?P<a>", "*", "(?<=a+)b", "a{9999999999999999999}"])
def test_patterns_that_are_none(pattern: str) -> None:
    assert told(f"version: 1\nvariables: {{v: {{pattern: '{pattern}'}}}}") == ["2:26 MICS134"]


def matched(pattern: str, *values: str) -> list[str]:
    text = "version: 1\nvariables:\n" + "".join(
        f"  v{n}: {{pattern: '{pattern}', default: {value}}}\n" for n, value in enumerate(values)
    )
    try:
        parse(text)
    except ManifestInvalid as invalid:
        return [f"{problem.line} {problem.code}" for problem in invalid.problems]
    return []


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+$", "(a*)*", "(a|a)*b", "(a|ab)+", "(a?){99}b", "(a+){2,}?b", "([a-z]+-)*[a-z]+", "a*a*a*a*b",
        "a?" * 40 + "a" * 40, "(?:(?:(?:){65000}){65000}){65000}", "(?=(a+)+b)a*", "(.*)(.*)(.*)(.*)x",
        r"(a*)\1\1(\1|a)*b", "((a{0,9}){0,9}){0,9}b", "(?>(a|a)*)b",
    ],
)  # fmt: skip
def test_patterns_that_could_take_for_ever_are_refused_whatever_the_value(pattern: str) -> None:
    assert matched(pattern, "a" * 40) == ["3 MICS134"]
    text = messages(f"version: 1\nvariables: {{v: {{pattern: '{pattern}'}}}}")
    assert "could take too long to match; repeat nothing that has" in text


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        (r"\d{4}-\d\d-\d\d", "2026-01-15"),
        (r"\d{4}(-\d\d){2}", "2026-01-15"),
        ("[a-z0-9-]+", "night-7"),
        (r"v?\d+\.\d+\.\d+", "v1.22.333"),
        (r"\d{1,3}(\.\d{1,3}){3}", "10.0.0.255"),
        ("(staging|production|test)-[a-z]+(-[0-9]+)?", "staging-fr-2"),
        ("(?i)(?P<where>fr|de)_.*", "FR_x"),
        ("(ab)*", "abab"),
        (r"(?!.*--)[a-z]+?(?<!x)\b.++", "a-b"),
        (r"(.)x\1", "axa"),
        ("[^/]+@[^/]+", "a@b"),
    ],
)
def test_patterns_as_people_write_them_are_taken(pattern: str, value: str) -> None:
    assert matched(pattern, value) == []
    assert matched(pattern, "=/=") == ["3 MICS133"]


def test_a_value_with_a_pattern_has_its_longest_length() -> None:
    assert matched("[a-z]*", "a" * 200) == []
    assert matched("[a-z]*", "a" * 201) == ["3 MICS133"]
    assert path(PATTERN.replace("pattern: '\\d+', ", ""), VariableSources(flags={"v": "a" * 5_000})) == "a" * 5_000


def test_many_patterns_that_are_slow_together_are_told() -> None:
    slow = "a" * 200
    found = matched("a*a*a*", *[slow] * 20)
    assert found
    assert set(found) < {f"{line} MICS133" for line in range(3, 23)}
    assert matched(r"\d+\.\d+\.\d+", *["1.22.333"] * 300) == []


@pytest.mark.parametrize("source", ["flags", "process"])
def test_bytes_from_the_command_line_that_are_no_text(source: str) -> None:
    given = (
        VariableSources(flags={"v": "\udce9"})
        if source == "flags"
        else VariableSources(process={"MICS_VAR_v": "\udce9"})
    )
    assert told(LAYERS, given, environment="e") == ["0:0 MICS138"]


def test_a_default_that_is_no_text_is_told_once() -> None:
    assert told("version: 1\nvariables: {v: {default: [x]}}\nstate: {path: '${v}'}") == ["2:26 MICS103"]
    text = "version: 1\nenvironments:\n  e: {variables: {v: []}}\nstate: {path: '${v}'}"
    assert told(text, environment="e") == ["3:22 MICS103"]


def test_a_mapping_that_aliases_share_is_replaced_in_each_place() -> None:
    text = (
        "version: 1\nvariables: {v: {default: x}}\ndatamarts:\n  fr: {id: 1, imports: {a: {name: A, "
        "document_type: USER_CHOICE, sources: &s [{path: '${v}'}, '${v}']}, "
        "b: {name: B, document_type: USER_CHOICE, sources: *s}}}"
    )
    assert [[source.path for source in one.sources] for one in parse(text).imports] == [["x", "x"], ["x", "x"]]


def test_a_file_of_variables_tells_all_its_mistakes() -> None:
    with pytest.raises(ManifestInvalid) as caught:
        parse_var_file(ManifestText("values.yaml", b"a: [1]\nb:\nb: {}\nc: 1\n"))
    assert [(problem.line, problem.code) for problem in caught.value.problems] == [
        (1, "MICS138"), (2, "MICS138"), (3, "MICS009"),
    ]  # fmt: skip
