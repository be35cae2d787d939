"""The platform's JSON, read into our own values: lax in what it takes, strict in what it hands on.

Knows nothing of HTTP. Whatever cannot be read is `Unreadable`, never a traceback: what comes is hostile until read.
Texts are kept as they came, control characters and all; whoever shows them makes those visible.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
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


def _text(value: object) -> object:
    # A number where a text is due is seen in this API (ids inside `parameters`); a bool is an int only to Python.
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _identifier(value: object) -> object:
    text = _text(value)
    if not isinstance(text, str) or not _ID.fullmatch(text):
        raise ValueError("is not an id")
    return text


def _count(value: object) -> object:
    if value is None:
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 18:
        return int(value)
    whole = int(value) if isinstance(value, float) and value.is_integer() else value
    if isinstance(whole, bool) or not isinstance(whole, int) or not 0 <= whole < 2**63:
        raise ValueError("is not a count")
    return whole


def _moment(value: object) -> object:
    # Dates only order what is shown, so an odd one is dropped, not refused.
    whole = int(value) if isinstance(value, float) and value.is_integer() else value
    return whole if isinstance(whole, int) and not isinstance(whole, bool) and abs(whole) < 2**63 else None


def _message(value: object) -> object:
    # `error` is null or an object with `message` (mediarithmics-api.md 3.1, seen in client code).
    return value.get("message") if isinstance(value, dict) else value


Text = Annotated[str | None, BeforeValidator(_text)]
Identifier = Annotated[str, BeforeValidator(_identifier)]
Count = Annotated[int | None, BeforeValidator(_count)]
Moment = Annotated[int | None, BeforeValidator(_moment)]
Message = Annotated[str | None, BeforeValidator(_text), BeforeValidator(_message)]


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Import(_Wire):
    """mediarithmics-api.md 2.1, documented; what is missing gets the documented default or an empty text."""

    id: Identifier
    name: Text = None
    document_type: Text = None
    mime_type: Text = None
    encoding: Text = None
    priority: Text = None


class _Parameters(_Wire):
    """mediarithmics-api.md 3.1, documented."""

    file_uri: Text = None
    number_of_lines: Count = None


class _Result(_Wire):
    """mediarithmics-api.md 3.1, documented."""

    total_success: Count = None
    total_failure: Count = None
    input_file_uri: Text = None
    error_file_uri: Text = None
    possible_issue_on_identifiers: bool | None = None


class _Execution(_Wire):
    """mediarithmics-api.md 3.1, documented."""

    id: Identifier
    status: Text = None
    creation_date: Moment = None
    parameters: _Parameters | None = None
    result: _Result | None = None
    error: Message = None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list: `total` is None where the platform does not say it."""

    items: tuple[T, ...]
    total: int | None


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
    try:
        total = _count(envelope.get("total"))
    except ValueError as error:
        raise Unreadable(f"its total {error}") from error
    return Page(items=tuple(read(item) for item in data), total=total if isinstance(total, int) else None)


def _as_import(data: object, *, datamart_id: str) -> RemoteImport:
    wire = _validated(_Import, data)
    settings = Settings(
        # The datamart that was asked: it is where every call about this import goes.
        datamart_id=datamart_id,
        name=wire.name or "",
        document_type=wire.document_type or "",
        mime_type=wire.mime_type or "",
        # mediarithmics-api.md 2.1: utf-8 in every sample; MEDIUM where nothing was sent, documented sample.
        encoding=wire.encoding or "utf-8",
        priority=wire.priority or "MEDIUM",
    )
    return RemoteImport(id=wire.id, settings=settings, raw=dict(_object(data)))


def _as_execution(data: object) -> RemoteExecution:
    wire = _validated(_Execution, data)
    given = wire.parameters or _Parameters()
    result = wire.result or _Result()
    return RemoteExecution(
        id=wire.id,
        # An id without a status is still an execution that exists: unknown counts as active, and is polled.
        status=wire.status or "UNKNOWN",
        creation_date=wire.creation_date,
        number_of_lines=given.number_of_lines,
        input_uri=given.file_uri or result.input_file_uri,
        error_uri=result.error_file_uri,
        loaded=result.total_success,
        rejected=result.total_failure,
        identifiers_suspect=bool(result.possible_issue_on_identifiers),
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
        yield f"its {place} cannot be read ({fault['msg']}, but it is a {type(fault['input']).__name__})"


def _object(data: object) -> dict[str, object]:
    if not isinstance(data, dict):
        raise Unreadable("its data is not an object")
    return data
