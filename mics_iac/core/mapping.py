"""What the mappings of a manifest are made of, whatever their keys: which are refused, empty or absent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from pydantic import ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

Schema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class EmptyMeans:
    """A block with nothing in it, which YAML reads as null, means one without keys (or items)."""

    kind: type[dict[str, object] | list[object]]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def filled(node: object) -> object:
            return self.kind() if node is None else node

        return core_schema.no_info_before_validator_function(filled, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> Schema:
        return {"anyOf": [handler(schema), {"type": "null"}]}


class WrittenOut:
    """None means that the key is absent: where it stands, it has a value (pydantic alone takes a null too)."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        assert schema["type"] == "nullable"
        inner: CoreSchema = schema["schema"]
        return inner


WRITTEN: Final = WrittenOut()
BLOCK: Final = EmptyMeans(dict)
LIST: Final = EmptyMeans(list)


def strict(title: str, **extra: Any) -> ConfigDict:
    """A mapping that takes the keys it names and no other."""
    return ConfigDict(extra="forbid", frozen=True, title=title, json_schema_extra=extra or None)
