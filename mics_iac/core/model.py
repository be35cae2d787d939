"""The shape of a manifest: its keys, what each means, and which are needed. Validation and JSON Schema come from here.

The models take the YAML tree as it is (text, mappings, lists) after variables were replaced. They judge each key by
itself; what two keys or two imports mean together is judged in `crosscheck`. Nothing here knows places or messages.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from mics_iac.core.manifest import DEFAULT_API_URL, DOCUMENT_TYPES, LARGEST_PART, NO_FAILURES
from mics_iac.core.mapping import BLOCK, LIST, WRITTEN, Schema, strict
from mics_iac.core.scalars import (
    REFERENCE,
    TRUE,
    Address,
    ApiUrl,
    Batch,
    DocumentType,
    Encoding,
    FreeText,
    Id,
    Key,
    MaxFailures,
    MimeTypeField,
    Name,
    OnGrowthField,
    OnInvalidField,
    Pattern,
    PriorityField,
    RecordRule,
    Size,
    SourcePath,
    Switch,
    VariableName,
    Version,
)
from mics_iac.core.statemodel import StateModel


class PathAlone:
    """A source may be written as its path alone."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def wrapped(node: object) -> object:
            return {"path": node} if node is None or isinstance(node, str) else node

        return core_schema.no_info_before_validator_function(wrapped, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> Schema:
        return {"anyOf": [source_path_schema(), handler(schema)]}


class VariableModel(BaseModel):
    """A variable that the manifest uses as `${name}`."""

    model_config = strict("Variable")

    description: FreeText = Field(default="", description="What the variable is for; for people only.")
    pattern: Annotated[Pattern | None, WRITTEN] = Field(
        default=None,
        description="A regular expression (Python's) that the value must match as a whole.",
        examples=[r"\d{4}-\d\d-\d\d"],
    )
    default: Annotated[FreeText | None, WRITTEN] = Field(
        default=None, description="The value where nothing stronger gives one.", examples=["1500"]
    )


class EnvironmentModel(BaseModel):
    """A place that the same manifest is applied to, chosen with `--env`."""

    model_config = strict("Environment")

    variables: Annotated[dict[VariableName, FreeText], BLOCK] = Field(
        default={}, description="Values of variables in this environment.", examples=[{"fr_datamart": "1500"}]
    )


class DefaultsModel(BaseModel):
    """What holds for every import that does not say otherwise."""

    model_config = strict("Defaults")

    encoding: Encoding = Field(default="utf-8", description="Encoding of the files.")
    priority: PriorityField = Field(default="MEDIUM", description="Priority of the imports on the platform.")
    max_failures: MaxFailures = Field(
        default_factory=lambda: NO_FAILURES, description="Rejected records allowed in each execution."
    )
    protect: Switch = Field(default=False, description="Never delete these imports.")
    ordered: Switch = Field(default=False, description="Load the parts of each import one after the other.")
    split: Size = Field(default=LARGEST_PART, description="Most bytes of one upload; a bigger file is cut into parts.")
    on_invalid: OnInvalidField = Field(
        default="refuse", description="What becomes of a file with records that are not valid."
    )
    on_growth: OnGrowthField = Field(
        default="refuse", description="What becomes of a file whose first bytes are content already loaded."
    )
    ignore: Annotated[list[RecordRule], LIST] = Field(
        default=[], description="Rules for records that are not held against a file.", examples=[["MICS383"]]
    )
    strict: Switch = Field(default=False, description="Warnings about records count as errors.")


class ApiModel(BaseModel):
    """How the platform is reached."""

    model_config = strict("API")

    url: ApiUrl = Field(
        default=DEFAULT_API_URL,
        description="Root of the API: https, or http to this machine only; no user, query or fragment.",
    )


class SourceModel(BaseModel):
    """Files to load: one path or glob, and what is allowed for it."""

    model_config = strict("Source")

    path: SourcePath = Field(
        description="Path or glob, relative to the manifest's folder, or below `s3://bucket/`, `gs://bucket/`, "
        "`az://account/container/`; `**` means any depth. Or one file at `https://host/path`.",
        examples=["data/store-visits/*.ndjson", "s3://acme-crm/2026-01-15/*.ndjson.gz"],
    )
    allow_empty: Switch = Field(default=False, description="It is no error when nothing matches.")
    allow_outside: Switch = Field(default=False, description="The path may leave the manifest's folder.")


class ImportModel(BaseModel):
    """A document import: what should exist on the platform, and the files to load through it."""

    model_config = strict(
        "Import",
        allOf=[
            {
                "if": {
                    "properties": {"allow_unknown_document_type": {"anyOf": [{"enum": [True, *TRUE]}, REFERENCE]}},
                    "required": ["allow_unknown_document_type"],
                },
                "else": {"properties": {"document_type": {"anyOf": [{"enum": list(DOCUMENT_TYPES)}, REFERENCE]}}},
            },
            {
                "if": {"properties": {"mime_type": {"const": "TEXT_CSV"}}, "required": ["mime_type"]},
                "then": {"properties": {"document_type": {"anyOf": [{"const": "USER_SEGMENT"}, REFERENCE]}}},
            },
        ],
    )

    name: Name = Field(description="Name on the platform; may change without a new import.", examples=["Store visits"])
    document_type: DocumentType = Field(description="What a line of the files is.", examples=["USER_ACTIVITY"])
    mime_type: MimeTypeField = Field(
        default="APPLICATION_X_NDJSON", description="Format of the files; TEXT_CSV goes with USER_SEGMENT only."
    )
    encoding: Annotated[Encoding | None, WRITTEN] = Field(
        default=None, description="Encoding of the files; utf-8 is the only one."
    )
    priority: Annotated[PriorityField | None, WRITTEN] = Field(
        default=None, description="Priority of the import on the platform."
    )
    batch: Annotated[Batch | None, WRITTEN] = Field(
        default=None,
        description="Makes an import of its own for each value; the value must stand in the name.",
        examples=["2026-01-15"],
    )
    sources: Annotated[list[Annotated[SourceModel, PathAlone()]], LIST] = Field(
        default=[], description="Where the files to load are.", examples=[["data/store-visits/*.ndjson"]]
    )
    adopt: Annotated[Id | None, WRITTEN] = Field(
        default=None, description="Id of an existing import to take over instead of creating one.", examples=["31001"]
    )
    protect: Annotated[Switch | None, WRITTEN] = Field(default=None, description="Never delete this import.")
    max_failures: Annotated[MaxFailures | None, WRITTEN] = Field(
        default=None,
        description="Rejected records allowed in each execution: a number, or a share in percent.",
        examples=["0.1%", 12],
    )
    ordered: Annotated[Switch | None, WRITTEN] = Field(default=None, description="Load the parts one after the other.")
    split: Annotated[Size | None, WRITTEN] = Field(
        default=None,
        description="Most bytes of one upload; a bigger file is cut into parts at the ends of records.",
        examples=["50MB"],
    )
    on_invalid: Annotated[OnInvalidField | None, WRITTEN] = Field(
        default=None,
        description="What becomes of a file with records that are not valid: none of it is sent (`refuse`), the others "
        "are (`skip`), or all are (`send`).",
    )
    on_growth: Annotated[OnGrowthField | None, WRITTEN] = Field(
        default=None,
        description="What becomes of a file whose first bytes are content already loaded: none of it is sent "
        "(`refuse`), what is new is (`tail`), or all is (`whole`).",
    )
    ignore: Annotated[Annotated[list[RecordRule], LIST] | None, WRITTEN] = Field(
        default=None, description="Rules for records that are not held against a file.", examples=[["MICS383"]]
    )
    strict: Annotated[Switch | None, WRITTEN] = Field(
        default=None, description="Warnings about records count as errors."
    )
    allow_shared_content: Switch = Field(
        default=False,
        description="Files that another import with the same document type already loaded may be loaded here too.",
    )
    allow_unknown_document_type: Switch = Field(
        default=False, description="Let a document type pass that this tool does not know; its records go unchecked."
    )


class DatamartModel(BaseModel):
    """A datamart and the imports it should hold."""

    model_config = strict("Datamart")

    id: Id = Field(description="Id of the datamart on the platform.", examples=["1500"])
    imports: Annotated[dict[Key, ImportModel], BLOCK] = Field(
        default={}, description="Imports by key; `datamart/import` is the address of each."
    )


class MovedModel(BaseModel):
    """An import whose key was renamed."""

    model_config = strict("Moved")

    source: Address = Field(alias="from", description="The former address.", examples=["fr/visits"])
    target: Address = Field(alias="to", description="The present address.", examples=["fr/store-visits"])


class ManifestModel(BaseModel):
    """Document imports of mediarithmics, as code."""

    model_config = strict("mics-iac manifest")

    version: Version = Field(description="Version of this format.")
    variables: Annotated[dict[VariableName, Annotated[VariableModel, BLOCK]], BLOCK] = Field(
        default={}, description="Variables that values use as `${name}`."
    )
    environments: Annotated[dict[Key, Annotated[EnvironmentModel, BLOCK]], BLOCK] = Field(
        default={}, description="Environments; where there are any, one is chosen with `--env`."
    )
    defaults: Annotated[DefaultsModel, BLOCK] = Field(
        default_factory=DefaultsModel, description="Settings for every import that does not say otherwise."
    )
    api: Annotated[ApiModel, BLOCK] = Field(default_factory=ApiModel, description="How the platform is reached.")
    state: Annotated[StateModel, BLOCK] = Field(default_factory=StateModel, description="Where the state is kept.")
    datamarts: Annotated[dict[Key, DatamartModel], BLOCK] = Field(default={}, description="Datamarts by key.")
    moved: Annotated[list[MovedModel], LIST] = Field(default=[], description="Imports whose key was renamed.")


def source_path_schema() -> Schema:
    """The schema of a source written as its path alone."""
    path: Schema = SourceModel.model_json_schema()["properties"]["path"]
    return path


def model_at(loc: tuple[int | str, ...]) -> type[BaseModel] | None:
    """The model of the mapping at that path of the tree, None where it is no mapping with fixed keys."""
    match loc:
        case ():
            return ManifestModel
        case ("variables", _):
            return VariableModel
        case ("environments", _):
            return EnvironmentModel
        case ("defaults",):
            return DefaultsModel
        case ("api",):
            return ApiModel
        case ("state",):
            return StateModel
        case ("moved", int()):
            return MovedModel
        case ("datamarts", _):
            return DatamartModel
        case ("datamarts", _, "imports", _):
            return ImportModel
        case ("datamarts", _, "imports", _, "sources", int()):
            return SourceModel
        case _:
            return None


def keys_of(model: type[BaseModel]) -> tuple[str, ...]:
    """The keys that the model takes, as they are written."""
    return tuple(field.alias or name for name, field in model.model_fields.items())
