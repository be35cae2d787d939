"""The single values of a manifest: each kind's check, and the same rule as JSON Schema.

All come in as text (the YAML tree types nothing), are judged by a plain function, and leave typed. The schema beside
each speaks of the document as an editor sees it, where `1500` is a number and `true` a boolean, and lets a reference to
a variable stand wherever the check would see its value. Nothing here knows which key a value belongs to.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final, NoReturn, TypeVar

from pydantic import PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from mics_iac.core.address import ADDRESS
from mics_iac.core.manifest import DOCUMENT_TYPES, MANIFEST_VERSION, Budget, MimeType, OnGrowth, OnInvalid, Priority
from mics_iac.core.pattern import refusal
from mics_iac.core.place import (
    ACCOUNT_RULE,
    BACKENDS,
    LOCAL_PATH,
    METHOD_RULE,
    NAME_RULE,
    PREFIX_RULE,
    REGION_RULE,
    BackendName,
    Rule,
)
from mics_iac.core.remote import REMOTE, SCHEMES, BadRemote, read_remote
from mics_iac.core.variables import VARIABLE_NAME
from mics_iac.core.weburl import URL, BadUrl, read_url
from mics_iac.core.wording import listed, quoted
from mics_iac.core.yamltree import Faulty, kind_of
from mics_iac.documents.rules import RULES

T = TypeVar("T")
C = TypeVar("C", bound=str)
Schema = dict[str, Any]

# One spelling of each rule for both sides. Neither `^` and `$` of Python nor of ECMAScript differ here but for a last
# line end, which `fullmatch` refuses and a schema cannot.
KEY: Final = r"(?!\.{1,2}$)[A-Za-z0-9._-]+"
ID: Final = r"[1-9][0-9]{0,18}"
BUDGET: Final = r"(0|[1-9][0-9]{0,14}|(100(\.0{1,9})?|[1-9]?[0-9](\.[0-9]{1,9})?)%)"
SIZE: Final = r"(?:([1-9][0-9]{0,4}|100000) ?kB|([1-9][0-9]?|100) ?MB)"
ONE_LINE: Final = r"[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*"
UNKNOWN_TYPE: Final = r"[A-Z][A-Z0-9_]*"
PATH: Final = rf"(?![A-Za-z][A-Za-z0-9+.-]*://){LOCAL_PATH}"
SOURCE: Final = rf"({PATH}|{REMOTE})"

PRIORITIES: Final[tuple[Priority, ...]] = ("LOW", "MEDIUM", "HIGH")
ON_INVALID: Final[tuple[OnInvalid, ...]] = ("refuse", "skip", "send")
ON_GROWTH: Final[tuple[OnGrowth, ...]] = ("refuse", "tail", "whole")
MIME_TYPES: Final[tuple[MimeType, ...]] = ("APPLICATION_X_NDJSON", "TEXT_CSV")
TRUE: Final = ("true", "True", "TRUE")
FALSE: Final = ("false", "False", "FALSE")

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")

REFERENCE: Final[Schema] = {
    "type": "string",
    "pattern": rf"(^|[^$])\$\{{{VARIABLE_NAME}\}}",
    "description": "A reference to a variable.",
}


@dataclass(frozen=True, slots=True)
class Meant:
    """The word that a message is about, the words it may stand for, and what is said where none of them is near."""

    word: str
    choices: tuple[str, ...]
    otherwise: str = ""


def newer_version(text: object) -> str | None:
    """The message for a version of the format that is still to come, None for any other text."""
    if not isinstance(text, str) or not re.fullmatch("[0-9]{1,9}", text) or int(text) <= MANIFEST_VERSION:
        return None
    return f"version {text} was written for a newer mics-iac; update mics-iac, or write a manifest of version 1"


def fault(code: str, message: str, *, meant: Meant | None = None) -> NoReturn:
    """Refuse a value, with the code and the message of the problem to report.

    The message is ended by a did-you-mean for what may have been `meant`; that is looked for where it is reported.
    """
    raise PydanticCustomError("problem", "{message}", {"code": code, "message": message, "meant": meant})


def scalar(check: Callable[[str], T], *, wanted: str) -> PlainValidator:
    """A validator for one value: refuses what is no text, and leaves what was reported already to nobody."""

    def read(node: object) -> T:
        if isinstance(node, Faulty):
            raise PydanticCustomError("reported", "reported already")
        if not isinstance(node, str):
            code = "MICS104" if node is None else "MICS103"
            raise PydanticCustomError("kind", "{wanted}", {"code": code, "wanted": wanted, "found": kind_of(node)})
        return check(node)

    return PlainValidator(read)


def either(*schemas: Schema) -> WithJsonSchema:
    """A value of one of these schemas, or one with a reference to a variable."""
    return WithJsonSchema({"anyOf": [*schemas, REFERENCE]})


def matching(pattern: str) -> Schema:
    """Text that matches as a whole."""
    return {"type": "string", "pattern": f"^{pattern}$"}


def _free_text(text: str) -> str:
    return text


def _name(text: str) -> str:
    if not text.strip():
        fault("MICS104", "the name is empty; give the import the name it should have on the platform")
    return _printable(text)


def _printable(text: str) -> str:
    if found := _CONTROL.search(text):
        fault("MICS125", f"the text {quoted(text)} holds the control character {quoted(found[0])}; remove it")
    return text


def _key(text: str) -> str:
    if re.fullmatch(KEY, text) is None:
        fault("MICS106", f"the key {quoted(text)} may hold letters, digits, `.`, `_` and `-` only; rename it")
    return text


def _variable_name(text: str) -> str:
    if re.fullmatch(VARIABLE_NAME, text) is None:
        hint = "letters, digits and `_`, no digit first"
        fault("MICS139", f"the variable's name {quoted(text)} may hold {hint}; rename it")
    return text


def _batch(text: str) -> str:
    if re.fullmatch(KEY, text) is None:
        fault("MICS114", f"the batch {quoted(text)} may hold letters, digits, `.`, `_` and `-` only; change it")
    return text


def _pattern(text: str) -> str:
    if (why := refusal(text)) is not None:
        fault("MICS134", f"{quoted(text)} {why}")
    return text


def _choice(text: str, choices: tuple[C, ...], what: str) -> C:
    for choice in choices:
        if choice == text:
            return choice
    fault("MICS108", f"{quoted(text)} is no {what}; write {listed(choices)}.", meant=Meant(text, choices))


def _priority(text: str) -> Priority:
    return _choice(text, PRIORITIES, "priority")


def _mime_type(text: str) -> MimeType:
    return _choice(text, MIME_TYPES, "mime type")


def _encoding(text: str) -> str:
    return _choice(text.lower() if text.isascii() else text, ("utf-8",), "encoding that the platform takes")


def _switch(text: str) -> bool:
    if text in TRUE:
        return True
    if text not in FALSE:
        fault("MICS109", f"{quoted(text)} is neither true nor false; write one of the two")
    return False


def _id(text: str) -> str:
    if re.fullmatch(ID, text) is None:
        fault("MICS110", f"{quoted(text)} is not an id of the platform; ids are digits, with no zero first")
    return text


def _budget(text: str) -> Budget:
    if re.fullmatch(BUDGET, text) is None:
        example = "a number of records such as 12, or a share of at most 100% such as 0.1%"
        fault("MICS111", f"{quoted(text)} is not understood; write {example}")
    return Budget.parse(text)


def _size(text: str) -> int:
    found = re.fullmatch(SIZE, text)
    if found is None:
        fault("MICS141", f"{quoted(text)} is not usable here; write a size from 1kB to 100MB such as 50MB")
    return int(found[1]) * 1000 if found[1] else int(found[2]) * 1_000_000


def _on_invalid(text: str) -> OnInvalid:
    return _choice(text, ON_INVALID, "way to treat invalid records")


def _on_growth(text: str) -> OnGrowth:
    return _choice(text, ON_GROWTH, "way to treat a file that has grown")


def _rule(text: str) -> str:
    if text not in RULES:
        meant = Meant(text, tuple(RULES), otherwise=" docs/records.md lists them.")
        fault("MICS142", f"there is no rule for records {quoted(text)}.", meant=meant)
    return text


def _url(text: str) -> str:
    try:
        return read_url(text).rstrip("/")
    except BadUrl as bad:
        rest = "; the token alone says who calls, remove what stands before the `@`" if bad.secret else ""
        fault("MICS112", bad.message + rest)


def _backend(text: str) -> BackendName:
    for backend in BACKENDS:
        if backend == text:
            return backend
    message = f"there is no state backend {quoted(text)}; write {listed(BACKENDS)}."
    fault("MICS113", message, meant=Meant(text, BACKENDS))


def _named(rule: Rule) -> Callable[[str], str]:
    """The check of a name inside the place of a state."""

    def check(text: str) -> str:
        if not rule.takes(text):
            fault("MICS129", f"{quoted(text)} is not usable here; write {rule.wanted}")
        return text

    return check


def _state_url(text: str) -> str:
    try:
        return read_url(text)
    except BadUrl as bad:
        if bad.secret:
            rest = "leave out what stands before the `@`; the environment has credentials, a manifest never"
            fault("MICS128", f"{bad.message}; {rest}")
        fault("MICS127", bad.message)


def _state_path(text: str) -> str:
    if found := _SCHEME.match(text):
        fault("MICS208", f"`path` is a file's, and this begins with {found[1]}://; say what it is with `backend`")
    return _local_path(text)


# What is wrong with the address of a source, and the code of the problem.
_REMOTE_CODES: Final = {"unusable": "MICS208", "glob": "MICS210", "secret": "MICS211"}


def _source(text: str) -> str:
    found = _SCHEME.match(text)
    if found is None:
        return _local_path(text)
    scheme = found[1].lower()
    if scheme not in SCHEMES:
        meant = Meant(scheme, SCHEMES, otherwise=f" Write a path, {listed(f'{one}://' for one in SCHEMES[:-1])}.")
        fault("MICS209", f"there is no kind of source {quoted(scheme + '://')}.", meant=meant)
    try:
        return str(read_remote(text))
    except BadRemote as bad:
        fault(_REMOTE_CODES[bad.fault], bad.message)


def _local_path(text: str) -> str:
    if not text:
        fault("MICS208", "the path is empty; write the path of a file, or a glob such as data/*.ndjson")
    if "\\" in text:
        fault("MICS208", f"the path {quoted(text)} holds a backslash; write `/` between its parts")
    return _printable(text)


def _version(text: str) -> int:
    if text != str(MANIFEST_VERSION):  # newer ones are told before anything else is looked at
        fault("MICS105", f"{quoted(text)} is no version of the manifest's format; write `version: {MANIFEST_VERSION}`")
    return MANIFEST_VERSION


def _address(text: str) -> str:
    if re.fullmatch(ADDRESS, text) is None:
        fault("MICS120", f"{quoted(text)} is not an address; write datamart/import, or datamart/import@batch")
    return text


# What an editor sees as a number or a boolean is text like any other where text is asked.
_ANY_TEXT: Final[Schema] = {"type": ["string", "number", "boolean"]}


def _text_matching(pattern: str) -> Schema:
    return {**_ANY_TEXT, "pattern": f"^{pattern}$"}


Version = Annotated[
    int, scalar(_version, wanted="a version"), WithJsonSchema({"enum": [MANIFEST_VERSION, str(MANIFEST_VERSION)]})
]
FreeText = Annotated[str, scalar(_free_text, wanted="a text"), WithJsonSchema(_ANY_TEXT)]
Name = Annotated[str, scalar(_name, wanted="a text"), WithJsonSchema(_text_matching(ONE_LINE))]
Key = Annotated[str, scalar(_key, wanted="a text"), WithJsonSchema(matching(KEY))]
VariableName = Annotated[str, scalar(_variable_name, wanted="a text"), WithJsonSchema(matching(VARIABLE_NAME))]
Pattern = Annotated[str, scalar(_pattern, wanted="a regular expression"), WithJsonSchema(_ANY_TEXT)]
Batch = Annotated[str, scalar(_batch, wanted="a text"), either(_text_matching(KEY))]
Encoding = Annotated[str, scalar(_encoding, wanted="an encoding"), either(matching("[uU][tT][fF]-8"))]
DocumentType = Annotated[
    str, scalar(_free_text, wanted="a document type"), either({"enum": list(DOCUMENT_TYPES)}, matching(UNKNOWN_TYPE))
]
PriorityField = Annotated[Priority, scalar(_priority, wanted="a priority"), either({"enum": list(PRIORITIES)})]
MimeTypeField = Annotated[MimeType, scalar(_mime_type, wanted="a mime type"), either({"enum": list(MIME_TYPES)})]
Switch = Annotated[
    bool, scalar(_switch, wanted="true or false"), either({"type": "boolean"}, {"enum": [*TRUE, *FALSE]})
]
Size = Annotated[int, scalar(_size, wanted="a size"), either(matching(SIZE))]
OnInvalidField = Annotated[OnInvalid, scalar(_on_invalid, wanted="a choice"), either({"enum": list(ON_INVALID)})]
OnGrowthField = Annotated[OnGrowth, scalar(_on_growth, wanted="a choice"), either({"enum": list(ON_GROWTH)})]
RecordRule = Annotated[str, scalar(_rule, wanted="a code"), either({"enum": list(RULES)})]
Id = Annotated[
    str, scalar(_id, wanted="an id"), either(matching(ID), {"type": "integer", "minimum": 1, "maximum": 10**19 - 1})
]
MaxFailures = Annotated[
    Budget,
    scalar(_budget, wanted="a number or a percentage"),
    either({"type": "integer", "minimum": 0, "maximum": 10**15 - 1}, matching(BUDGET)),
]
ApiUrl = Annotated[str, scalar(_url, wanted="an address"), either(matching(URL))]
BackendField = Annotated[BackendName, scalar(_backend, wanted="a backend"), either({"enum": list(BACKENDS)})]
SourcePath = Annotated[str, scalar(_source, wanted="a path"), either(_text_matching(SOURCE))]
StatePath = Annotated[str, scalar(_state_path, wanted="a path"), either(_text_matching(PATH))]
StateUrl = Annotated[str, scalar(_state_url, wanted="an address"), either(matching(URL))]
# An unquoted number or boolean is text like any other here too, where the text that it is fits the rule.
BucketName = Annotated[
    str,
    scalar(_named(NAME_RULE), wanted="a name"),
    either(
        matching(NAME_RULE.pattern),
        {"type": "integer", "minimum": 100},
        {"type": "number", "minimum": 0, "not": {"type": "integer"}},
        {"type": "boolean"},
    ),
]
Account = Annotated[
    str,
    scalar(_named(ACCOUNT_RULE), wanted="a name"),
    either(matching(ACCOUNT_RULE.pattern), {"type": "integer", "minimum": 100}, {"type": "boolean"}),
]
Prefix = Annotated[str, scalar(_named(PREFIX_RULE), wanted="a text"), either(_text_matching(PREFIX_RULE.pattern))]
Region = Annotated[
    str,
    scalar(_named(REGION_RULE), wanted="a region"),
    either(matching(REGION_RULE.pattern), {"type": ["integer", "boolean"]}),
]
HttpMethod = Annotated[str, scalar(_named(METHOD_RULE), wanted="a method"), either(matching(METHOD_RULE.pattern))]
Address = Annotated[str, scalar(_address, wanted="an address"), either(matching(ADDRESS))]
