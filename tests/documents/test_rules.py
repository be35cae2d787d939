"""The rules, and the page that tells them."""

from __future__ import annotations

from mics_iac.core.codes import CODES
from mics_iac.documents.rules import RULES, Mark, errors_of
from mics_iac.documents.shapes import SHAPES
from tests.documents.pages import PAGE, codes_of, names, written

TEXT = PAGE.read_text(encoding="utf-8")


def test_the_page_tells_the_rules_as_they_are() -> None:
    assert written(TEXT) == TEXT, "run python -m tests.documents.pages"


def test_the_page_tells_every_rule_and_every_document_type() -> None:
    assert [code for code in RULES if f"| {code} |" not in TEXT] == []
    assert [one for one in SHAPES if one not in TEXT] == []
    # Of the others the page says in words what holds.
    told = set(names(TEXT))
    assert SHAPES.keys() - told == {"USER_IDENTIFIERS_DISSOCIATION_DECLARATIONS", "USER_DEVICE_POINT_DELETION"}


def test_no_code_means_two_things() -> None:
    assert not CODES.keys() & RULES.keys()
    assert list(RULES) == sorted(RULES)
    assert all("MICS300" < code < "MICS400" for code in RULES)


def test_every_rule_belongs_to_a_type_or_to_any_text() -> None:
    of_types = set().union(*(codes_of(document_type) for document_type in SHAPES))
    of_fields = {code for code, rule in RULES.items() if "MICS320" <= code < "MICS370" and rule.scope == "record"}
    assert of_types == of_fields


def test_what_is_inferred_is_a_warning_unless_wrong_data_would_be_loaded() -> None:
    inferred = {code for code, rule in RULES.items() if rule.mark is Mark.INFERRED and rule.severity == "error"}
    # Nothing, or what cannot be looked at; times and durations; rows that are no rows.
    assert inferred == {
        *("MICS301", "MICS309", "MICS311"),
        *("MICS360", "MICS361", "MICS362", "MICS370", "MICS372", "MICS373", "MICS374", "MICS375"),
    }


def test_errors_are_those_of_rules_less_what_is_ignored() -> None:
    usual = errors_of(ignore=(), strict=False)
    assert {"MICS306", "MICS360"} <= usual
    assert "MICS380" not in usual
    assert errors_of(ignore=["MICS306"], strict=False) == usual - {"MICS306"}
    assert errors_of(ignore=["MICS380"], strict=True) == RULES.keys() - {"MICS380"}
