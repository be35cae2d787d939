"""What a manifest means, and that every mistake is told at once, each at its place."""

from __future__ import annotations

import gc
from contextlib import suppress
from decimal import Decimal

import pytest

from mics_iac.core.manifest import Budget, Manifest, ManifestText, Place
from mics_iac.core.parse import parse_manifest
from mics_iac.errors import ManifestInvalid

HEAD = "version: 1\ndatamarts:\n  fr:\n    id: 1500\n    imports:\n"


def parse(text: str, *more: str) -> Manifest:
    names = ("imports.yaml",) if not more else ("a.yaml", "b.yaml", "c.yaml")
    return parse_manifest([ManifestText(name, one.encode()) for name, one in zip(names, (text, *more), strict=False)])


def told(text: str, *more: str) -> list[str]:
    """Each problem as `line:column code`, with the file before it where there are several."""
    with pytest.raises(ManifestInvalid) as caught:
        parse(text, *more)
    files = "{0.file}:" if more else ""
    return [(files + "{0.line}:{0.column} {0.code}").format(problem) for problem in caught.value.problems]


def message(text: str) -> str:
    with pytest.raises(ManifestInvalid) as caught:
        parse(text)
    (problem,) = caught.value.problems
    return problem.message


def test_an_import_has_its_defaults() -> None:
    (one,) = parse(HEAD + "      visits: {name: Visits, document_type: USER_ACTIVITY}").imports
    assert (one.address, one.base, one.datamart_id, one.batch) == ("fr/visits", "fr/visits", "1500", None)
    assert (one.mime_type, one.encoding, one.priority) == ("APPLICATION_X_NDJSON", "utf-8", "MEDIUM")
    assert (one.sources, one.adopt, str(one.max_failures)) == ((), None, "0")
    assert [one.protect, one.ordered, one.allow_shared_content] == [False] * 3


def test_what_an_import_says_is_stronger_than_defaults_even_when_it_says_no() -> None:
    text = "defaults: {protect: true, ordered: true, priority: HIGH, max_failures: 5%}\n" + HEAD
    text += "      a: {name: A, document_type: USER_CHOICE, protect: false, priority: LOW, max_failures: 0}\n"
    text += "      b: {name: B, document_type: USER_CHOICE}"
    a, b = parse(text).imports
    assert (a.protect, a.ordered, a.priority, str(a.max_failures)) == (False, True, "LOW", "0")
    assert (b.protect, b.ordered, b.priority, str(b.max_failures)) == (True, True, "HIGH", "5%")


def test_places_of_what_later_errors_speak_of() -> None:
    text = HEAD + "      a:\n        name: A\n        document_type: USER_CHOICE\n        adopt: 31001\n"
    text += "        sources:\n          - x/*\n          - path: y/*\n"
    (one,) = parse(text).imports
    assert (one.place, one.name_place) == (Place("imports.yaml", 6, 7), Place("imports.yaml", 7, 15))
    assert (one.adopt_place, one.datamart_place) == (Place("imports.yaml", 9, 16), Place("imports.yaml", 4, 9))
    assert [source.place.line for source in one.sources] == [11, 12]
    assert one.sources[1].place.column == 19


def test_imports_are_sorted_by_address_and_files_have_their_digest() -> None:
    manifest = parse(
        HEAD + "      b: {name: B, document_type: USER_CHOICE}\n      a: {name: A, document_type: USER_CHOICE}"
    )
    assert [one.address for one in manifest.imports] == ["fr/a", "fr/b"]
    assert [(file.name, len(file.sha256)) for file in manifest.files] == [("imports.yaml", 64)]


@pytest.mark.parametrize(
    ("text", "rejected", "sent", "allowed"),
    [
        ("0", 0, 10, True),
        ("0", 1, 10, False),
        ("12", 12, 12, True),
        ("12", 13, 10**9, False),
        ("0.1%", 1, 1000, True),
        ("0.1%", 1, 999, False),
        ("0.000000001%", 1, 10**11, True),
        ("0.000000001%", 1, 10**11 - 1, False),
        ("100%", 7, 7, True),
        ("0.1%", 0, 0, True),
    ],
)
def test_budgets_are_exact(text: str, rejected: int, sent: int, allowed: bool) -> None:
    budget = Budget.parse(text)
    assert budget.allows(rejected=rejected, sent=sent) is allowed
    assert Budget.parse(str(budget)) == budget


def test_budgets_that_say_the_same_are_equal() -> None:
    assert Budget.parse("0.10%") == Budget.parse("0.1%") == Budget(Decimal("0.1"), percent=True)
    assert str(Budget.parse("100%")) == "100%"


@pytest.mark.parametrize("text", ["-1", "1.5", "101%", "100.1%", "%", "1e3", "٣", " 1", "1 %", "00", ""])
def test_what_is_no_budget(text: str) -> None:
    with pytest.raises(ValueError, match="not a budget"):
        Budget.parse(text)
    assert told(HEAD + f"      a: {{name: A, document_type: USER_CHOICE, max_failures: '{text}'}}") == ["6:62 MICS111"]


@pytest.mark.parametrize(
    ("url", "read"),
    [
        ("https://api.mediarithmics.com/", "https://api.mediarithmics.com"),
        ("https://proxy.example/mics/", "https://proxy.example/mics"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://127.1.2.3:80/v", "http://127.1.2.3:80/v"),
        ("'http://[::1]:80'", "http://[::1]:80"),
    ],
)
def test_api_addresses(url: str, read: str) -> None:
    assert parse(f"version: 1\napi: {{url: {url}}}").api_url == read


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com", "https://me:pw@example.com", "https://h?q=1", "https://h#f", "ftp://h", "example.com",
        "https://", "https://h:99999", "http://127.0.0.999", "http://localhost.example.com", "http://0.0.0.0",
        "https://h/a b", "'https://[::g]'", "http://127.0.0.1@evil.example", "https://h\\@x",
    ],
)  # fmt: skip
def test_addresses_that_are_refused(url: str) -> None:
    assert told(f"version: 1\napi: {{url: {url}}}") == ["2:12 MICS112"]


def test_all_mistakes_are_told_at_once_and_what_is_right_is_still_cross_checked() -> None:
    text = HEAD + (
        "      a: {name: A, document_type: USER_CHOICE, prority: LOW, priority: low}\n"
        "      b: {name: A, document_type: USER_CHOICE, batch: q}\n"
        "      c: {name: C}\n"
        "      d: [x]\n"
        "  de: {id: 1500}\n"
        "moved: [{from: fr/a, to: fr/zz}]\n"
        "stat: {}\n"
    )
    assert told(text) == [
        "6:48 MICS101", "6:72 MICS108", "7:17 MICS115", "7:17 MICS116", "8:7 MICS102", "9:10 MICS103", "10:12 MICS117",
        "11:9 MICS121", "11:9 MICS122", "12:1 MICS101",
    ]  # fmt: skip


def test_of_an_import_with_mistakes_nothing_false_is_said() -> None:
    assert told(HEAD + "      a: {document_type: USER_CHOICE}\nmoved: [{from: fr/z, to: fr/a}]") == ["6:7 MICS102"]
    assert told("version: 1\ndatamarts: []\nmoved: [{from: fr/z, to: fr/a}]") == ["2:12 MICS103"]
    assert told("version: 1\ndatamarts: {fr: []}\nmoved: [{from: fr/z, to: fr/a}]") == ["2:17 MICS103"]


def test_a_key_named_like_a_field_is_a_key_like_any_other() -> None:
    text = HEAD + "      name: []\n      id: {name: A, document_type: USER_CHOICE, priority: x}\n      b: 1\n"
    assert told(text) == ["6:13 MICS103", "7:59 MICS108", "8:10 MICS103"]


def test_a_newer_manifest_is_told_alone() -> None:
    assert "newer mics-iac" in message("version: 3\nunknown: [x]\ndatamarts: 7")


@pytest.mark.parametrize("version", ["0", "1.0", "one", "[1]", "-1", "99999999999999999999"])
def test_versions_that_never_were(version: str) -> None:
    assert len(told(f"version: {version}")) == 1


@pytest.mark.parametrize(
    ("word", "nearest"),
    [("USER_ACTIVTY", "USER_ACTIVITY"), ("user_profile", "USER_PROFILE"), ("SEGMENT", "USER_SEGMENT")],
)
def test_the_nearest_document_type_is_named(word: str, nearest: str) -> None:
    assert f'Did you mean "{nearest}"?' in message(HEAD + f"      a: {{name: A, document_type: {word}}}")


def test_an_unknown_key_near_none_names_all_that_are_known() -> None:
    text = message("version: 1\ndatamarts: {FR: {id: 1, zzz: 2}}")
    assert text == 'unknown key "zzz" in the datamart "FR". Known there: id and imports.'


@pytest.mark.parametrize("name", ["''", "'  '", '"\\t"'])
def test_a_blank_name_is_no_name(name: str) -> None:
    assert told(HEAD + f"      a: {{name: {name}, document_type: USER_CHOICE}}") == ["6:17 MICS104"]


def test_quoted_values_are_made_safe() -> None:
    shown = message(HEAD + '      a: {name: A, document_type: USER_CHOICE, priority: "\\e[2J\\u202e' + "x" * 500 + '"}')
    assert shown.isprintable()
    assert "\\x1b[2J\\u202e" in shown
    assert len(shown) < 200


def test_unknown_document_types_pass_only_when_asked_and_in_capitals() -> None:
    unknown = HEAD + "      a: {name: A, allow_unknown_document_type: true, document_type: "
    assert parse(unknown + "USER_NEW}").imports[0].document_type == "USER_NEW"
    assert told(unknown + "user new}") == ["6:70 MICS107"]
    assert told(unknown + "USER_NEW, mime_type: TEXT_CSV}") == ["6:91 MICS119"]


def test_outside_paths_need_to_be_allowed() -> None:
    sources = (
        "      a: {name: A, document_type: USER_CHOICE, sources: [{path: /x, allow_outside: true}, /x, a/../b, ..x]}"
    )
    assert told(HEAD + sources) == ["6:91 MICS202", "6:95 MICS202"]


IMPORTS = HEAD + (
    "      new: {name: N, document_type: USER_CHOICE}\n"
    "      other: {name: O, document_type: USER_CHOICE}\n"
    "      night: {name: N 7, batch: 7, document_type: USER_CHOICE}\nmoved:\n"
)


@pytest.mark.parametrize(
    "moved",
    [
        ["fr/old fr/new"],
        ["fr/old fr/night"],
        ["fr/old fr/new", "de/old fr/other"],
        ["fr/night fr/night@6"],
        ["fr/night@old fr/night@new"],
        ["fr/old@1 fr/night@1", "fr/old@2 fr/night@2"],
        ["fr/old@1 fr/new"],
    ],
)
def test_moves(moved: list[str]) -> None:
    pairs = [move.split() for move in moved]
    text = IMPORTS + "".join(f"  - {{from: {source}, to: {target}}}\n" for source, target in pairs)
    assert sorted([move.source, move.target] for move in parse(text).moved) == sorted(pairs)


@pytest.mark.parametrize(
    ("moved", "codes"),
    [
        (["fr/old fr/gone"], ["10:5 MICS121"]),
        (["fr/new fr/other"], ["10:5 MICS122"]),
        (["fr/night@7 fr/new"], ["10:5 MICS122"]),
        (["fr/old fr/new@1"], ["10:5 MICS121"]),
        (["fr/old@1 fr/night"], ["10:5 MICS121"]),
        (["fr/old fr/old"], ["10:5 MICS123"]),
        (["fr/old fr/new", "fr/old fr/other"], ["11:5 MICS123"]),
        (["fr/old fr/new", "fr/older fr/new"], ["11:5 MICS123"]),
        (["fr/a fr/b", "fr/b fr/new"], ["10:5 MICS123"]),
        (["fr/a fr/b", "fr/b fr/a"], ["10:5 MICS123", "11:5 MICS123"]),
        (["fr/old fr/night", "fr/old@1 fr/other"], ["11:5 MICS123"]),
        (["fr/old@1 fr/new", "fr/old fr/other"], ["11:5 MICS123"]),
    ],
)
def test_moves_that_cannot_be(moved: list[str], codes: list[str]) -> None:
    pairs = [move.split() for move in moved]
    assert told(IMPORTS + "".join(f"  - {{from: {source}, to: {target}}}\n" for source, target in pairs)) == codes


def test_several_files_are_one_manifest() -> None:
    manifest = parse(
        "version: 1\ndatamarts: {fr: {id: 1500, imports: {a: {name: A, document_type: USER_CHOICE}}}}",
        "datamarts: {fr: {imports: {b: {name: B, document_type: USER_CHOICE}}}}\nmoved: [{from: fr/x, to: fr/a}]",
        "moved: [{from: fr/y, to: fr/b}]\ndefaults:\nversion: 1",
    )
    assert [one.place for one in manifest.imports] == [Place("a.yaml", 2, 38), Place("b.yaml", 1, 28)]
    assert [str(move.place) for move in manifest.moved] == ["b.yaml:2:9", "c.yaml:1:9"]


def test_a_clash_between_files_names_both_places() -> None:
    first = (
        "version: 1\nvariables: {v: }\nenvironments: {e: }\ndefaults: {priority: LOW}\napi: {}\n"
        "datamarts: {fr: {id: 1, imports: {a: {name: A, document_type: USER_CHOICE}}}}"
    )
    second = first.replace("version: 1", "version: 1 ").replace("id: 1", "id: 2")
    with pytest.raises(ManifestInvalid) as caught:
        parse_manifest([ManifestText("a", first.encode()), ManifestText("b", second.encode())], environment="e")
    clashes = [problem for problem in caught.value.problems if problem.code == "MICS124"]
    assert [(clash.file, clash.line) for clash in clashes] == [
        ("b", 2),
        ("b", 3),
        ("b", 4),
        ("b", 5),
        ("b", 6),
        ("b", 6),
    ]
    assert "a:2:13" in clashes[0].message


def test_wrong_kinds_in_one_of_several_files() -> None:
    wrong = "variables: []\ndatamarts: {fr: 7}\nmoved: {}"
    places = ["b.yaml:1:12 MICS103", "b.yaml:2:17 MICS103", "b.yaml:3:8 MICS103"]
    assert told("version: 1", wrong, "datamarts: {fr: {id: 1}}\nmoved: []") == places


def test_wrong_kinds_inside_datamarts_of_several_files() -> None:
    first = "version: 1\ndatamarts: {fr: {id: 1, imports: [x]}, de: {id: 2, imports: }, es: *nope}\nmoved: *nope"
    second = "datamarts: {fr: {imports: {}}, de: {imports: {}}, es: {}}\nmoved: []"
    assert told(first, second) == ["a.yaml:2:34 MICS103", "a.yaml:2:68 MICS013", "a.yaml:3:8 MICS013"]


def test_imports_of_one_datamart_in_two_files_clash_by_key() -> None:
    one = "datamarts: {fr: {imports: {a: {name: A, document_type: USER_CHOICE}}}}"
    assert told("version: 1\n" + one.replace("{imports", "{id: 1, imports"), one) == ["b.yaml:1:28 MICS124"]


def test_files_that_disagree_on_the_version() -> None:
    assert told("version: 1", "version: '1'", "version: 0") == ["c.yaml:1:1 MICS124"]
    assert told("version: 1", "version: 9") == ["b.yaml:1:10 MICS105"]


@pytest.mark.parametrize("block", ["api: {ur: x}", "defaults: {x: 1}", "environments: {e: {x: }}", "moved: [{x: 1}]"])
def test_unknown_keys_are_found_everywhere(block: str) -> None:
    assert any(problem.endswith("MICS101") for problem in told(f"version: 1\n{block}"))


def test_a_broken_file_stops_no_other_and_makes_no_false_alarm() -> None:
    good = "datamarts: {fr: {imports: {a: {name: '${v}', document_type: x}}}}\nmoved: [{from: fr/b, to: fr/c}]\nx: 1"
    problems = ["a.yaml:2:16 MICS001", "b.yaml:1:61 MICS107", "b.yaml:3:1 MICS101"]
    assert told("version: 1\nvariables: {v: [", good) == problems


def test_no_file_at_all() -> None:
    with pytest.raises(ManifestInvalid):
        parse_manifest([])


@pytest.mark.parametrize("text", ["version: 1", "version: ["])
@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_is_left_as_it_was(text: str, enabled: bool) -> None:
    before = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        with suppress(ManifestInvalid):
            parse(text)
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if before else gc.disable)()
