"""The platform's JSON, read into our own values: lax in what it takes, strict in what it hands on.

Knows nothing of HTTP. Whatever cannot be read is `Unreadable`, never a traceback: what comes is hostile until read.
An answer is unreadable only for what one cannot do without: an id, of an import also what would have it replaced, and
of a list a total that is a count. Any other field that is not what it should be counts as not said. One thing that
cannot be read does not hide the others of its list: it is left out, and counted. Texts are kept as they came, control
characters and all; whoever shows them makes those visible.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Generic, TypeVar

import msgspec
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from mics_iac.core.observed import RemoteExecution, RemoteImport
from mics_iac.core.settings import Settings

# Ids go into URLs, file names and messages. mediarithmics-api.md 1.3: strings holding digits, documented sample.
_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")

T = TypeVar("T")


class Unreadable(Exception):
    """The answer is not what the platform is known to answer; the text says in what, and may quote it."""


def _text(value: object) -> str | None:
    # A number where a text is due is seen in this API (ids inside `parameters`); a bool is an int only to Python, and
    # one of thousands of digits cannot be written out.
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**100:
        return str(value)
    return _plain_text(value)


def _plain_text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _needed(value: object) -> str:
    text = _text(value)
    if text is None:
        raise ValueError("is not a text")
    return text


def _encoding(value: object) -> str:
    # mediarithmics-api.md 2.1: utf-8 in every sample, and the only choice of the vendor's form.
    return "utf-8" if value is None or value == "" else _needed(value)


def _priority(value: object) -> str:
    # mediarithmics-api.md 2.1: MEDIUM where nothing was sent, documented sample.
    return "MEDIUM" if value is None or value == "" else _text(value) or ""


def _identifier(value: object) -> str:
    text = _text(value)
    if text is None or not _ID.fullmatch(text):
        raise ValueError("is not an id")
    return text


def _count(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 18:
        return int(value)
    whole = _whole(value)
    return whole if whole is not None and whole >= 0 else None


def _whole(value: object) -> int | None:
    whole = int(value) if isinstance(value, float) and value.is_integer() else value
    return whole if isinstance(whole, int) and not isinstance(whole, bool) and abs(whole) < 2**63 else None


def _message(value: object) -> str | None:
    # `error` is null or an object with `message` (mediarithmics-api.md 3.1, seen in client code); a mere text says why
    # just as well.
    return _plain_text(value.get("message") if isinstance(value, dict) else value)


def _fields(value: object) -> object:
    return value if isinstance(value, dict) else {}


Text = Annotated[str | None, BeforeValidator(_text)]
Uri = Annotated[str | None, BeforeValidator(_plain_text)]
Needed = Annotated[str, BeforeValidator(_needed)]
Encoding = Annotated[str, BeforeValidator(_encoding)]
Priority = Annotated[str, BeforeValidator(_priority)]
Identifier = Annotated[str, BeforeValidator(_identifier)]
Count = Annotated[int | None, BeforeValidator(_count)]
Moment = Annotated[int | None, BeforeValidator(_whole)]
Message = Annotated[str | None, BeforeValidator(_message)]
Yes = Annotated[bool, BeforeValidator(lambda value: value is True)]


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Import(_Wire):
    """mediarithmics-api.md 2.1, documented.

    An import of another type, mime type or encoding than the manifest's is replaced, and another type loads its files
    anew. So those are never guessed: without them it cannot be read.
    """

    id: Identifier
    name: Text = None
    document_type: Needed
    mime_type: Needed
    encoding: Encoding = "utf-8"
    priority: Priority = "MEDIUM"


class _Parameters(_Wire):
    """mediarithmics-api.md 3.1, documented."""

    file_uri: Uri = None
    number_of_lines: Count = None


class _Result(_Wire):
    """mediarithmics-api.md 3.1, documented."""

    total_success: Count = None
    total_failure: Count = None
    input_file_uri: Uri = None
    error_file_uri: Uri = None
    possible_issue_on_identifiers: Yes = False


class _Execution(_Wire):
    """mediarithmics-api.md 3.1, documented."""

    id: Identifier
    status: Text = None
    creation_date: Moment = None
    parameters: Annotated[_Parameters, BeforeValidator(_fields)] = _Parameters()
    result: Annotated[_Result, BeforeValidator(_fields)] = _Result()
    error: Message = None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list.

    `total` and `size`, the page size that the platform says it kept to, are None where it does not say them.
    `left_out` is how many things of the page cannot be read, and are not among the items.
    """

    items: tuple[T, ...]
    total: int | None
    left_out: int = 0
    size: int | None = None

    @property
    def length(self) -> int:
        """How many things the platform put on the page."""
        return len(self.items) + self.left_out


def decode(body: bytes) -> object:
    """JSON bytes to Python values; Unreadable for anything else, NaN, odd UTF-8 and deep nesting included."""
    try:
        value: object = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unreadable(f"it is not JSON ({error})") from error
    except RecursionError as error:
        raise Unreadable("its JSON is nested too deeply") from error
    return value


def read_envelope(body: bytes) -> dict[str, object]:
    """The outer object of a success answer. mediarithmics-api.md 1.4, documented."""
    value = decode(body)
    if not isinstance(value, dict):
        raise Unreadable("its JSON is not an object")
    if value.get("status") == "error":
        raise Unreadable(f"it says status error: {value.get('error')}")
    if "data" not in value:
        raise Unreadable("it has no data")
    return value


def read_import(body: bytes, *, datamart_id: str) -> RemoteImport:
    """One document import, as create, read and update answer it."""
    return _as_import(read_envelope(body)["data"], datamart_id=datamart_id)


def read_execution(body: bytes) -> RemoteExecution:
    """One execution, as upload, read and cancel answer it."""
    return _as_execution(read_envelope(body)["data"])


def read_import_page(body: bytes, *, datamart_id: str) -> Page[RemoteImport]:
    """One page of document imports."""
    return _page(body, lambda item: _as_import(item, datamart_id=datamart_id))


def read_execution_page(body: bytes) -> Page[RemoteExecution]:
    """One page of executions."""
    return _page(body, _as_execution)


def _page(body: bytes, read: Callable[[object], T]) -> Page[T]:
    envelope = read_envelope(body)
    data = envelope["data"]
    if not isinstance(data, list):
        raise Unreadable("its data is not a list")
    total = _count(envelope.get("total"))
    if total is None and envelope.get("total") is not None:
        # Taken for one that is not said, it would no longer tell that a list ends too early.
        raise Unreadable("its total is not a count")
    items: list[T] = []
    for one in data:
        with suppress(Unreadable):
            items.append(read(one))
    return Page(
        items=tuple(items),
        total=total,
        left_out=len(data) - len(items),
        size=_count(envelope.get("max_results")),
    )


def _as_import(data: object, *, datamart_id: str) -> RemoteImport:
    wire = _validated(_Import, data)
    settings = Settings(
        # The datamart that was asked: it is where every call about this import goes.
        datamart_id=datamart_id,
        # Without a name it is like none that is declared, so it is found by its id alone.
        name=wire.name or "",
        document_type=wire.document_type,
        mime_type=wire.mime_type,
        encoding=wire.encoding,
        priority=wire.priority,
    )
    return RemoteImport(id=wire.id, settings=settings, raw=dict(_object(data)))


def _as_execution(data: object) -> RemoteExecution:
    wire = _validated(_Execution, data)
    return RemoteExecution(
        id=wire.id,
        # An id without a status is still an execution that exists: unknown counts as active, and is polled.
        status=wire.status or "UNKNOWN",
        creation_date=wire.creation_date,
        number_of_lines=wire.parameters.number_of_lines,
        input_uri=wire.parameters.file_uri or wire.result.input_file_uri,
        error_uri=wire.result.error_file_uri,
        loaded=wire.result.total_success,
        rejected=wire.result.total_failure,
        identifiers_suspect=wire.result.possible_issue_on_identifiers,
        message=wire.error,
    )


W = TypeVar("W", bound=_Wire)


def _validated(model: type[W], data: object) -> W:
    try:
        return model.model_validate(_object(data))
    except ValidationError as error:
        raise Unreadable("; ".join(_faults(error))) from error


def _faults(error: ValidationError) -> Iterator[str]:
    for fault in error.errors(include_url=False, include_context=False)[:3]:
        place = ".".join(str(part) for part in fault["loc"])
        # The value itself stays out: it may be anything, an echoed token included.
        match fault:
            case {"type": "missing"} | {"input": None}:
                yield f"its {place} is missing"
            case {"input": ""}:
                yield f"its {place} is empty"
            case _:
                yield f"its {place} cannot be read ({fault['msg']}, a value of type {type(fault['input']).__name__})"


def _object(data: object) -> dict[str, object]:
    if not isinstance(data, dict):
        raise Unreadable("its data is not an object")
    return data
