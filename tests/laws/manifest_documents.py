"""Manifests as an editor sees them: JSON values, right ones and ones with something changed somewhere."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any, TypeAlias

from hypothesis import strategies as st

from mics_iac.core.manifest import Manifest, ManifestText
from mics_iac.core.parse import parse_manifest
from mics_iac.core.variables import NO_VARIABLES, VariableSources
from mics_iac.errors import ManifestInvalid, Problem

Document: TypeAlias = Any
Path: TypeAlias = tuple[str | int, ...]

FULL: Document = {
    "version": 1,
    "variables": {"batch": {"description": "d", "pattern": ".*", "default": "1"}, "bare": None},
    "defaults": {"encoding": "utf-8", "priority": "LOW", "max_failures": 3, "protect": True, "ordered": "false"},
    "api": {"url": "https://api.mediarithmics.com"},
    "state": {"backend": "file", "path": "state/x.json"},
    "datamarts": {
        "fr": {
            "id": 1500,
            "imports": {
                "visits": {
                    "name": "Visits 7",
                    "batch": 7,
                    "document_type": "USER_ACTIVITY",
                    "mime_type": "APPLICATION_X_NDJSON",
                    "encoding": "UTF-8",
                    "priority": "HIGH",
                    "sources": [
                        "data/*.ndjson",
                        {"path": "late/*", "allow_empty": True, "allow_outside": False},
                        "s3://acme/*",
                    ],
                    "adopt": "31001",
                    "protect": False,
                    "max_failures": "0.1%",
                    "ordered": True,
                    "allow_shared_content": "TRUE",
                    "allow_unknown_document_type": False,
                },
                "segment": {"name": "VIP", "document_type": "USER_SEGMENT", "mime_type": "TEXT_CSV"},
                "new": {"name": "New", "document_type": "USER_NEW", "allow_unknown_document_type": True},
            },
        },
        "de": {"id": "1501", "imports": None},
    },
    "moved": [{"from": "fr/old", "to": "fr/visits"}],
}

# One document for each kind of place that a state may have.
STATES: list[Document] = [
    FULL["state"],
    {"path": "x.json"},
    {"backend": "s3", "bucket": "acme", "prefix": "a/b", "region": "eu-west-3", "endpoint": "http://127.0.0.1:9000"},
    {"backend": "gs", "bucket": "acme.states", "prefix": "p", "endpoint": "https://h/v"},
    {"backend": "az", "account": "acmestates", "container": "iac", "prefix": "p", "endpoint": "https://h"},
    {
        "backend": "http",
        "address": "https://h/s",
        "lock_address": "https://h/l",
        "unlock_address": "https://h/u",
        "lock_method": "PUT",
        "unlock_method": "DELETE",
        "update_method": "POST",
    },
]
DOCUMENTS: list[Document] = [FULL | {"state": state} for state in STATES]

_TEXTS = [
    "", " ", "a", "true", "TRUE", "yes", "LOW", "low", "TEXT_CSV", "USER_SEGMENT", "USER_NEW", "user_new", "1500", "0",
    "007", "0.1%", "100%", "100.1%", "12", "-1", "a/b", "fr/visits", "a/b@c", "a/b/c", ".", "..", "s3://x", "ftp://x",
    "s3://acme/a*/b", "S3://acme/a", "gs://acme", "gs://acme/", "az://acme1/iac/a?", "az://acme1/iac", "s3://acme/a/../b",
    "s3://k:s@acme/a", "s3://acme/a?sig=1", "s3://acme//a", "s3://acme/a/", "https://h/v*", "https://h/a?q=1", "https://h/v/",
    "https://h", "https://[::1]/a", "https://[::1]/[a", "s3://acme/é b#%[x]", "http://localhost/a", "http://h/a",
    "C:\\x", "../x", "/x", "utf-8", "Utf-8", "utf8", "https://h/v", "https://h?q", "http://h", "http://localhost:8/x",
    "http://127.0.0.1", "https://u@h", "file", "s3", "gs", "az", "http",
    "acme-states", "a/b/", "a//b", "POST", "post", "eu-west-3", "http://minio:9000",
    "a\tb", "é", "$", "[", "~", "null", "<<", "1.5",
]  # fmt: skip
_STATE_KEYS = ["bucket", "container", "account", "region", "endpoint", "address", "lock_address", "password"]
_KEYS = [
    *_STATE_KEYS,
    "id",
    "name",
    "path",
    "from",
    "batch",
    "adopt",
    "protect",
    "pth",
    "a",
    "..",
    "a b",
    "<<",
    "0",
    "variables",
]

leaves = st.one_of(
    st.sampled_from(_TEXTS),
    st.sampled_from([None, True, False, -1, 0, 1, 2, 1500, 0.5, -1.5]),
    st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"], exclude_characters="${"), max_size=5),
)
values = st.recursive(
    leaves,
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.sampled_from(_KEYS), inner, max_size=2)),
    max_leaves=4,
)


def paths(document: Document, at: Path = ()) -> Iterator[Path]:
    """Where each value below the top stands."""
    steps = document.items() if isinstance(document, dict) else enumerate(document)
    for step, value in steps:
        yield (*at, step)
        if isinstance(value, dict | list):
            yield from paths(value, (*at, step))


def parent(document: Document, path: Path) -> Document:
    """What holds the value at that path."""
    for step in path[:-1]:
        document = document[step]
    return document


@st.composite
def changed_documents(draw: st.DrawFn) -> Document:
    """A full document with one or two values replaced, removed, or added beside."""
    document = copy.deepcopy(draw(st.sampled_from(DOCUMENTS)))
    for _ in range(draw(st.sampled_from([1, 1, 1, 2]))):
        places = list(paths(document))
        if draw(st.integers(0, 3)) == 0:  # else hardly any would fall into so small a block
            places = [path for path in places if path[0] == "state"] or places
        path = draw(st.sampled_from(places))
        holder = parent(document, path)
        single = not isinstance(holder[path[-1]], dict | list)
        match draw(st.sampled_from(["replace", "replace", "replace", "remove", "add"])):
            case "replace":
                # Single values mostly by others: a wrong kind is found too soon.
                holder[path[-1]] = draw(leaves if single and draw(st.integers(0, 5)) else values)
            case "remove":
                del holder[path[-1]]
            case _ if isinstance(holder, dict):
                holder[draw(st.sampled_from(_KEYS))] = draw(values)
            case _:
                holder.append(draw(values))
    return document


def written(document: Document) -> bytes:
    """The document as YAML in which the rules of YAML 1.2 read the same values: JSON."""
    return json.dumps(document, ensure_ascii=False).encode()


def read(document: Document, *, variables: VariableSources = NO_VARIABLES) -> Manifest:
    """What the parser makes of it."""
    return parse_manifest([ManifestText("imports.yaml", written(document))], variables=variables)


def mistakes(document: Document) -> tuple[Problem, ...]:
    """What the parser finds wrong."""
    try:
        read(document)
    except ManifestInvalid as invalid:
        return invalid.problems
    return ()
