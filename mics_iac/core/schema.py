"""The JSON Schema of the manifest, for editors: the same rules as the parser's, as far as the language can say them.

It comes from the models. What it cannot say (whether a variable has a value, what two imports mean together, whether
the batch stands in the name) the parser alone knows; nothing that it refuses is right for the parser.
"""

from __future__ import annotations

from typing import Any, Final

from mics_iac.core.model import ManifestModel

Schema = dict[str, Any]

SCHEMA_FILE: Final = ".mics-iac/imports.schema.json"
"""Where `init` writes it, relative to the manifest's folder."""

# What an import gets where neither it nor `defaults` says otherwise.
_EFFECTIVE: Final = {
    "encoding": "utf-8",
    "priority": "MEDIUM",
    "max_failures": 0,
    "protect": False,
    "ordered": False,
    "split": "100MB",
    "on_invalid": "refuse",
    "on_growth": "refuse",
    "strict": False,
}
_MAPPED: Final = frozenset(
    ("properties", "patternProperties", "definitions")
)  # names to schemas, no schemas themselves
_LISTED: Final = frozenset(("allOf", "anyOf", "oneOf"))


def manifest_schema() -> Schema:
    """The schema, draft-07, as plain JSON values; a new one each time."""
    schema = ManifestModel.model_json_schema(ref_template="#/definitions/{model}")
    schema["definitions"] = schema.pop("$defs")
    tidied = _tidied(schema)
    for key, value in _EFFECTIVE.items():
        tidied["definitions"]["ImportModel"]["properties"][key]["default"] = value
        tidied["definitions"]["DefaultsModel"]["properties"][key]["default"] = value
    return {"$schema": "http://json-schema.org/draft-07/schema#", **tidied}


def _tidied(schema: Schema) -> Schema:
    """The schema in the words of draft-07, and strict: no null where the parser takes none, no key beside the named."""
    tidied: Schema = {}
    for key, value in schema.items():
        if key == "default":
            if value not in (None, {}, []):
                tidied[key] = value
        elif key in _MAPPED:
            tidied[key] = {name: _tidied(below) for name, below in value.items()}
        elif isinstance(value, dict):
            tidied[key] = _tidied(value)
        elif key in _LISTED:
            tidied[key] = [_tidied(below) for below in value]
        else:
            tidied[key] = value
    if "patternProperties" in tidied:
        tidied["additionalProperties"] = False
    return tidied
