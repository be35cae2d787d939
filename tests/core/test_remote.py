"""Addresses of sources: what each names, what is refused and with no secret told, and one rule for the schema."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mics_iac.core.remote import REMOTE, BadRemote, ObjectPath, WebPath, is_remote, read_remote

CANARY = "hunter2canary"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("s3://acme-crm/a", ObjectPath("s3", None, "acme-crm", "a")),
        ("s3://acme/2026/**/*.ndjson.gz", ObjectPath("s3", None, "acme", "2026/**/*.ndjson.gz")),
        ("gs://acme.crm/é b#c%20[0-9]?", ObjectPath("gs", None, "acme.crm", "é b#c%20[0-9]?")),
        ("az://acmecrm/exports/a=b/c.csv", ObjectPath("az", "acmecrm", "exports", "a=b/c.csv")),
        ("https://Files.Example.com:8443/a%20b/c.ndjson", WebPath("https://files.example.com:8443/a%20b/c.ndjson")),
        ("http://127.0.0.1:9000/a", WebPath("http://127.0.0.1:9000/a")),
    ],
)
def test_what_an_address_names(text: str, path: ObjectPath | WebPath) -> None:
    assert read_remote(text) == path
    assert read_remote(str(path)) == path
    assert is_remote(text)


@pytest.mark.parametrize(
    ("text", "fault", "words"),
    [
        ("s3://acme", "unusable", "names no object"),
        ("s3://acme/", "unusable", "names no object"),
        ("s3://acme//a", "unusable", "no empty part"),
        ("s3://acme/a/../b", "unusable", "none that is . or .."),
        ("s3://acme/a/", "unusable", "no / at its end"),
        ("s3://acme/a\nb", "unusable", "no control character"),
        ("S3://acme/a", "unusable", "small letters: s3://bucket/key"),
        ("s3:///a", "unusable", "no bucket"),
        ("az://Acme/exports/a", "unusable", "no storage account"),
        ("az://acmecrm/exports", "unusable", "names no object"),
        (f"s3://AKIA:{CANARY}@acme/a", "secret", "the environment has credentials"),
        (f"s3://acme/a?versionId={CANARY}", "secret", "followed by a query"),
        (f"s3://acme/b/a.ndjson?x=1&sig={CANARY}", "secret", "followed by a query"),
        (f"https://user:{CANARY}@host/a", "secret", "the environment has credentials"),
        (f"https://host/a?sig={CANARY}", "secret", "followed by a query"),
        (f"https://host/a#{CANARY}", "secret", "followed by a query or fragment"),
        ("https://host/*.ndjson", "glob", "name each file"),
        ("https://host/[ab]", "glob", "%5B"),
        ("https://host", "unusable", "names no file"),
        ("https://host/a/", "unusable", "names no file"),
        ("http://files.example.com/a", "unusable", "plain http only to this machine"),
        ("https://host/é", "unusable", "is not usable"),
    ],
)
def test_what_no_source_may_have(text: str, fault: str, words: str) -> None:
    with pytest.raises(BadRemote, match=re.escape(words)) as refused:
        read_remote(text)
    assert refused.value.fault == fault
    assert CANARY not in refused.value.message


def test_a_path_of_this_machine_is_not_remote() -> None:
    assert not any(map(is_remote, ("a", "s3", "s3:/a", "data/s3://x", "/https://h/a", "")))


PIECES = [
    "a",
    "acme",
    "iac",
    "/",
    "//",
    "..",
    ".",
    "*",
    "?",
    "?a=",
    "[",
    "]",
    "@",
    ":",
    "é",
    " ",
    "\\",
    "#",
    "%2A",
    "1",
]
TEXTS = st.builds(
    lambda head, rest: head + "".join(rest),
    st.sampled_from(
        ["s3://", "s3://acme/", "gs://acme/", "az://", "az://acme1/iac/", "S3://acme/", "https://h", "https://h/",
         "http://[::1]/", "https://[::1]", "http://localhost/", "http://h/"]
    ),
    st.lists(st.sampled_from(PIECES), max_size=6),
)  # fmt: skip


@given(TEXTS)
def test_the_schema_takes_what_is_read_and_nothing_else(text: str) -> None:
    try:
        read_remote(text)
    except BadRemote:
        assert re.fullmatch(REMOTE, text) is None
    else:
        assert re.fullmatch(REMOTE, text)
