"""Law: the JSON Schema refuses what the parser refuses, as far as a schema can tell, and nothing else."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from jsonschema import Draft7Validator

from mics_iac.core.schema import manifest_schema
from mics_iac.core.variables import VariableSources
from tests.laws.manifest_documents import DOCUMENTS, Document, Path, changed_documents, mistakes, parent, paths, read

SCHEMA = manifest_schema()
VALIDATOR = Draft7Validator(SCHEMA)

# What a schema cannot say: what two values mean together (batch in name, shared names and ids, moves), where a path
# leads, whether two addresses both end with a slash, whether a variable has a value that fits, whether a text is a
# regular expression of Python.
BEYOND = {
    *("MICS115", "MICS116", "MICS117", "MICS118", "MICS121", "MICS122", "MICS123", "MICS140", "MICS202"),
    *("MICS130", "MICS131", "MICS132", "MICS133", "MICS134", "MICS136", "MICS137"),
}


def test_the_schema_is_one_of_draft_07() -> None:
    Draft7Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "http://json-schema.org/draft-07/schema#"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_full_document_is_right_on_both_sides(document: Document) -> None:
    assert mistakes(document) == ()
    assert [error.message for error in VALIDATOR.iter_errors(document)] == []


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(changed_documents())
def test_schema_and_parser_agree(document: Document) -> None:
    told = [str(problem) for problem in mistakes(document) if problem.code not in BEYOND]
    errors = [f"{list(error.path)}: {error.message}" for error in VALIDATOR.iter_errors(document)]
    assert bool(told) == bool(errors), (told, errors)


LEAVES = [
    (document, path)
    for number, document in enumerate(DOCUMENTS)
    for path in paths(document)
    if path[0] not in ("version", "variables")
    and (path[0] == "state" or number == 0)
    and not isinstance(parent(document, path)[path[-1]], dict | list | None)
]


@pytest.mark.parametrize(
    ("full", "path"), LEAVES, ids=lambda of: "-".join(map(str, of)) if isinstance(of, tuple) else ""
)
def test_a_variable_may_stand_for_any_value(full: Document, path: Path) -> None:
    value = parent(full, path)[path[-1]]
    document = copy.deepcopy(full)
    parent(document, path)[path[-1]] = "${bare}"
    given_value = VariableSources(flags={"bare": str(value).lower() if isinstance(value, bool) else str(value)})
    assert replace(read(document, variables=given_value), variables=()) == read(full)
    assert VALIDATOR.is_valid(document)


def references(schema: Any) -> Iterator[Any]:
    if isinstance(schema, dict):
        if "$ref" in schema:
            yield schema
        yield from (found for below in schema.values() for found in references(below))
    elif isinstance(schema, list):
        yield from (found for below in schema for found in references(below))


def test_nothing_stands_beside_a_reference_where_draft_07_would_not_see_it() -> None:
    found = list(references(SCHEMA))
    assert found
    assert [schema for schema in found if len(schema) > 1] == []


def test_every_mapping_of_the_schema_is_closed_and_described() -> None:
    for name, definition in SCHEMA["definitions"].items():
        assert definition["additionalProperties"] is False, name
        for key, schema in definition["properties"].items():
            assert schema["description"].endswith("."), (name, key)
