"""Who is let in and where a request goes: the gate and the table of routes (mediarithmics-api.md 0).

Plain values in, plain values out. Knows no resource's rules and neither of the faces.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

from mics_iac.sandbox import executions, imports
from mics_iac.sandbox.faults import Fault
from mics_iac.sandbox.message import Refused, Request, Response, one, page, refusal
from mics_iac.sandbox.tenant import NOT_FOUND, Call, Handler, Tenant, window_of


def datamarts(call: Call) -> Response:
    """GET /datamarts: those of a closed account, else those that were used so far."""
    tenant, window = call.tenant, window_of(call)
    asked = call.request.asked("organisation_id")
    with tenant.store.reading() as db:
        used = {str(row[0]) for row in db.execute("SELECT id FROM datamarts")}
    ids = sorted(tenant.profile.datamarts if tenant.profile.datamarts is not None else used, key=int)
    if asked is not None and asked != tenant.profile.organisation_id:
        ids = []
    data = [_datamart(tenant, one_id) for one_id in ids[window.first : window.first + window.size]]
    return page(data, first=window.first, size=window.size, total=window.total(len(ids)))


def datamart(call: Call) -> Response:
    """GET /datamarts/{id}."""
    return one(_datamart(call.tenant, call.ids[0]))


def _datamart(tenant: Tenant, datamart_id: str) -> dict[str, Any]:
    """The fields of mediarithmics-api.md 6.1 (seen in client code)."""
    return {
        "id": datamart_id,
        "name": f"Sandbox datamart {datamart_id}",
        "organisation_id": tenant.profile.organisation_id,
        "token": f"sandbox-{datamart_id}",
        "creation_date": 1609459200000,
        "time_zone": "Europe/Paris",
        "type": "DATAMART",
        "datafarm": tenant.profile.datafarm_key,
        "region": "EUROPE",
        "storage_model_version": "v201709",
        "user_point_system_version": tenant.profile.user_point_system_version,
        "archived": False,
    }


def compartments(call: Call) -> Response:
    """GET /datamarts/{id}/compartments: the default one alone (fields: 6.2, seen in client code)."""
    window, compartment_id = window_of(call), call.tenant.profile.compartment_id
    only = {
        "id": compartment_id,
        "datamart_id": call.ids[0],
        "compartment_id": compartment_id,
        "default": True,
        "token": "default",
        "name": "Default compartment",
    }
    data = [only][window.first : window.first + window.size]
    return page(data, first=window.first, size=window.size, total=window.total(1))


def segments(call: Call) -> Response:
    """GET /audience_segments: none is kept here, and any segment that a line names is taken to exist."""
    window = window_of(call)
    return page([], first=window.first, size=window.size, total=window.total(0))


_ID: Final = r"/([^/]+)"
_DATAMART: Final = rf"/v1/datamarts{_ID}"
_IMPORTS: Final = rf"{_DATAMART}/document_imports"
_EXECUTIONS: Final = rf"{_IMPORTS}{_ID}/executions"
# The pattern of a path, and what each method does there. The first id, where there is one, is a datamart's.
_TABLE: Final[dict[str, dict[str, Handler]]] = {
    _IMPORTS: {"GET": imports.listed, "POST": imports.create},
    _IMPORTS + _ID: {"GET": imports.read, "PUT": imports.update, "DELETE": imports.delete},
    _EXECUTIONS: {"GET": executions.listed, "POST": executions.upload},
    _EXECUTIONS + _ID: {"GET": executions.read},
    rf"{_EXECUTIONS}{_ID}/action": {"POST": executions.act},
    r"/v1/data_file/data": {"GET": executions.download},
    r"/v1/datamarts": {"GET": datamarts},
    _DATAMART: {"GET": datamart},
    rf"{_DATAMART}/compartments": {"GET": compartments},
    r"/v1/audience_segments": {"GET": segments},
}
ROUTES: Final = tuple((re.compile(pattern), methods) for pattern, methods in _TABLE.items())


@dataclass(slots=True)
class Rules:
    """The platform's answer to any request. Counts the requests of each token; remembers nothing else by itself."""

    tenant: Tenant
    _lock: threading.Lock
    _used: Counter[str]
    _known: set[str]

    @classmethod
    def over(cls, tenant: Tenant) -> Rules:
        """The rules of one account."""
        return cls(tenant, threading.Lock(), Counter(), set())

    def answer(self, request: Request, shapes: tuple[Fault, ...] = ()) -> Response:
        """The answer, also when it is a refusal. What the request's body raises goes through, with nothing done."""
        try:
            self._let_in(request)
            handler, ids = _routed(request)
            if ids:
                self._enter(ids[0])
            return handler(Call(self.tenant, request, ids, shapes))
        except Refused as no:
            return refusal(no.status, no.error, code=no.code)

    def _let_in(self, request: Request) -> None:
        """Any scheme before the token will do (mediarithmics-api.md 7, no 1: inferred)."""
        profile = self.tenant.profile
        token = re.sub(r"^(?:Bearer\s+|api:)", "", request.header("authorization"), flags=re.IGNORECASE)
        if not token or (profile.tokens is not None and token not in profile.tokens):
            raise Refused(401, "Authentication required")
        if profile.token_requests is None:
            return
        with self._lock:
            self._used[token] += 1
            if self._used[token] > profile.token_requests:
                raise Refused(401, "The token has expired")

    def _enter(self, datamart_id: str) -> None:
        """A datamart exists once it is named, unless the profile says which there are."""
        if datamart_id in self._known:
            return
        closed = self.tenant.profile.datamarts
        digits = datamart_id.isascii() and datamart_id.isdigit() and len(datamart_id) < 19
        if datamart_id not in closed if closed is not None else not digits:
            raise Refused(404, NOT_FOUND)
        with self.tenant.store.reading() as db:
            db.execute("INSERT OR IGNORE INTO datamarts VALUES (?)", (datamart_id,))
        self._known.add(datamart_id)

    def forget(self) -> None:
        """Tokens are new again, and no datamart is known."""
        with self._lock:
            self._used.clear()
            self._known.clear()


def _routed(request: Request) -> tuple[Handler, tuple[str, ...]]:
    for pattern, methods in ROUTES:
        match = pattern.fullmatch(request.path)
        if match is None:
            continue
        handler = methods.get(request.method)
        if handler is None:
            raise Refused(405, "Method Not Allowed")
        return handler, match.groups()
    raise Refused(404, NOT_FOUND)
