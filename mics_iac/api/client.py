"""The platform as Python: one method a call, our own values in and out.

Knows the platform's routes and nothing of sockets, retries or tokens: those are the transport's. Every method may
raise NotAllowed, ApiRefused, ApiUnreachable, ApiLost or ApiError. A POST (create, upload, cancel) that raises
ApiUnreachable, ApiRefused or NotAllowed did not act; one that raises ApiLost may have (design.md section 5).

Safe to use from many threads at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mics_iac.api import wire
from mics_iac.api.body import OpenBody
from mics_iac.api.calls import Call, OpenSink, Upload
from mics_iac.api.pages import read_pages
from mics_iac.api.transport import Transport
from mics_iac.core.observed import Listing, RemoteExecution, RemoteImport
from mics_iac.core.settings import Settings
from mics_iac.errors import ApiError

# mediarithmics-api.md 3.2: documented for ndjson, text/csv seen in client code.
CONTENT_TYPES = {"APPLICATION_X_NDJSON": "application/x-ndjson", "TEXT_CSV": "text/csv"}

BeforeSend = Callable[[float], None]
"""Called before every attempt with the most seconds it may last; may raise to keep it from leaving."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


@dataclass(frozen=True, slots=True)
class MicsApi:
    """The calls of document imports and their executions. mediarithmics-api.md 0."""

    transport: Transport
    page_size: int = 500

    def list_imports(self, datamart_id: str) -> Listing[RemoteImport]:
        """All document imports of a datamart, in the platform's order.

        One that cannot be read is left out, and the listing is not steady then; `read_import` tells what is wrong.
        """
        path = _imports(datamart_id)
        return read_pages(
            lambda first: self.transport.call(
                Call("GET", path, query=self._window(first)),
                lambda answer: wire.read_import_page(answer.body, datamart_id=datamart_id),
            ),
            what=f"document imports of datamart {datamart_id}",
            asked=self.page_size,
        )

    def read_import(self, datamart_id: str, import_id: str) -> RemoteImport | None:
        """One document import; None when the platform does not have it."""
        return self.transport.call(
            Call("GET", _import(datamart_id, import_id), absent_ok=True),
            lambda answer: None if answer.absent else wire.read_import(answer.body, datamart_id=datamart_id),
        )

    def create_import(self, settings: Settings, *, before_send: BeforeSend | None = None) -> RemoteImport:
        """A new document import. mediarithmics-api.md 2.2, documented."""
        wanted = {
            "name": settings.name,
            "document_type": settings.document_type,
            "mime_type": settings.mime_type,
            "encoding": settings.encoding,
            "priority": settings.priority,
        }
        return self.transport.call(
            Call("POST", _imports(settings.datamart_id), json=wanted, before_send=before_send),
            lambda answer: wire.read_import(answer.body, datamart_id=settings.datamart_id),
        )

    def update_import(
        self, remote: RemoteImport, *, name: str, priority: str, before_send: BeforeSend | None = None
    ) -> RemoteImport:
        """The import with that name and priority: the whole object is sent back, those two changed.

        mediarithmics-api.md 2.4: whole object seen in client code, partial update not known to work.
        """
        datamart_id = remote.settings.datamart_id
        wanted = {**remote.raw, "name": name, "priority": priority}
        return self.transport.call(
            Call("PUT", _import(datamart_id, remote.id), json=wanted, before_send=before_send),
            lambda answer: wire.read_import(answer.body, datamart_id=datamart_id),
        )

    def delete_import(self, datamart_id: str, import_id: str) -> None:
        """The import is gone afterwards, with its executions and files; also when it was gone before.

        mediarithmics-api.md 2.4: the answer's data is unused (seen), an empty body is accepted (inferred).
        """
        self.transport.call(Call("DELETE", _import(datamart_id, import_id), absent_ok=True), lambda _: None)

    def upload(
        self,
        datamart_id: str,
        import_id: str,
        *,
        mime_type: str,
        body: OpenBody,
        length: int,
        before_send: BeforeSend | None = None,
    ) -> RemoteExecution:
        """One file sent as it is, and the execution that the platform made of it. mediarithmics-api.md 3.2, documented.

        `body` opens the file's bytes anew for each attempt (attempts follow a failed connect or a 429, never
        anything else). Its reader may raise a MicsError at any read, its last, empty one included: the connection is
        then dropped before the body is complete, and that error comes out as it is. `length` is in bytes and must be
        exact: more or fewer raise SourceFailed in the same way.
        """
        content_type = CONTENT_TYPES.get(mime_type)
        if content_type is None:
            raise ApiError(
                f"no content type is known for the mime type {mime_type!r}",
                remedy=f"use one of {', '.join(sorted(CONTENT_TYPES))}",
            )
        return self.transport.call(
            Call(
                "POST",
                f"{_import(datamart_id, import_id)}/executions",
                upload=Upload(open=body, length=length, content_type=content_type),
                before_send=before_send,
            ),
            lambda answer: wire.read_execution(answer.body),
        )

    def list_executions(
        self,
        datamart_id: str,
        import_id: str,
        *,
        enough: Callable[[Sequence[RemoteExecution]], bool] | None = None,
    ) -> Listing[RemoteExecution]:
        """The executions of an import, newest first as far as is known (mediarithmics-api.md 3.4, inferred).

        `enough` is asked after each page with all that was read so far; True ends the reading there.
        """
        path = f"{_import(datamart_id, import_id)}/executions"
        return read_pages(
            lambda first: self.transport.call(
                Call("GET", path, query=self._window(first)),
                lambda answer: wire.read_execution_page(answer.body),
            ),
            what=f"executions of document import {import_id}",
            asked=self.page_size,
            enough=enough,
        )

    def read_execution(self, datamart_id: str, import_id: str, execution_id: str) -> RemoteExecution | None:
        """One execution; None when the platform does not have it. mediarithmics-api.md 3.4, documented."""
        return self.transport.call(
            Call("GET", _execution(datamart_id, import_id, execution_id), absent_ok=True),
            lambda answer: None if answer.absent else wire.read_execution(answer.body),
        )

    def cancel_execution(self, datamart_id: str, import_id: str, execution_id: str) -> RemoteExecution:
        """The execution after a request to cancel it. mediarithmics-api.md 3.5, seen in client code."""
        path = f"{_execution(datamart_id, import_id, execution_id)}/action"
        return self.transport.call(
            Call("POST", path, json={"action": "CANCEL"}), lambda answer: wire.read_execution(answer.body)
        )

    def download(self, uri: str, *, into: OpenSink) -> int | None:
        """The bytes of an input or error file, given to a sink block by block; how many, or None when it is gone.

        `into` is called at the start of each attempt and gives the function that takes the blocks, so that what a
        broken attempt left is thrown away by whoever keeps it. What is returned was checked against the length that
        the platform announced. mediarithmics-api.md 3.6, seen in client code.
        """
        return self.transport.call(
            Call("GET", "/data_file/data", query={"uri": uri}, absent_ok=True, into=into),
            lambda answer: None if answer.absent else answer.streamed,
        )

    def _window(self, first: int) -> dict[str, str]:
        return {"first_result": str(first), "max_results": str(self.page_size)}


def _segment(identifier: str) -> str:
    # An id from a manifest or a state goes into a path: nothing in it may change where the request goes.
    if not _ID.fullmatch(identifier):
        raise ApiError(f"{identifier!r} is not an id of the platform", remedy="look where that id comes from")
    return identifier


def _imports(datamart_id: str) -> str:
    return f"/datamarts/{_segment(datamart_id)}/document_imports"


def _import(datamart_id: str, import_id: str) -> str:
    return f"{_imports(datamart_id)}/{_segment(import_id)}"


def _execution(datamart_id: str, import_id: str, execution_id: str) -> str:
    return f"{_import(datamart_id, import_id)}/executions/{_segment(execution_id)}"
