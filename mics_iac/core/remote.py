"""Where a data file is that is not on this machine: the addresses that a source may have, as values.

    s3://bucket/key, gs://bucket/key, az://account/container/key     in a store of objects; a glob may stand in the key
    https://host/path                                                at a web server, one file

They stand in manifests, plans, states and messages, so nothing that could be a secret may be part of one: no user, no
password, no query. A key is written as the store has it, with nothing encoded. Pure; who reads them is `sources/`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from mics_iac.core.place import ACCOUNT_RULE, NAME_RULE, BucketKind
from mics_iac.core.weburl import URL, BadUrl, holds_user, read_url
from mics_iac.core.wording import quoted

SCHEMES: Final = ("s3", "gs", "az", "https", "http")

GLOB: Final = frozenset("*?[")
"""What makes a glob of a path."""

# No empty part and none that is a dot or two: stores and libraries disagree on what these are. What looks like a query
# is none here (`?` is a glob's), so it is refused: it may be a signature.
_PART: Final = r"(?!\.{1,2}(/|$))[^/\\\x00-\x1f\x7f]+"
_KEY: Final = rf"(?![^/]*(/[^/]*)*\?[A-Za-z][A-Za-z0-9_.-]*=){_PART}(/{_PART})*"
_NAME: Final = NAME_RULE.pattern
_BUCKET: Final = rf"(s3|gs)://{_NAME}/{_KEY}"
_CONTAINER: Final = rf"az://{ACCOUNT_RULE.pattern}/{_NAME}/{_KEY}"
# As `weburl.URL`, with a path that names something and holds nothing of a glob.
_WEB: Final = rf"(?=[^*\[]*$|https?://\[[^*\[]*$)(?!.*/$)(?=[a-z]+://[^/]+/){URL}"
REMOTE: Final = rf"({_BUCKET}|{_CONTAINER}|{_WEB})"
"""One spelling for Python and for the JSON Schema."""

_FORMS: Final = {
    "s3": "s3://bucket/key",
    "gs": "gs://bucket/key",
    "az": "az://account/container/key",
    "https": "https://host/path",
    "http": "https://host/path",
}

Fault: TypeAlias = Literal["unusable", "glob", "secret"]


class BadRemote(ValueError):
    """An address that no source may have; `message` says what to write, and holds no secret."""

    def __init__(self, fault: Fault, message: str) -> None:
        super().__init__(message)
        self.fault = fault
        self.message = message


@dataclass(frozen=True, slots=True)
class ObjectPath:
    """An object of a bucket, or a pattern of objects; `str` gives the address."""

    kind: BucketKind
    account: str | None
    """With `az` always, else never."""
    bucket: str
    key: str

    @property
    def root(self) -> str:
        """The bucket, as addresses in it begin."""
        return f"{self.kind}://{'/'.join(part for part in (self.account, self.bucket) if part)}/"

    def __str__(self) -> str:
        return self.root + self.key


@dataclass(frozen=True, slots=True)
class WebPath:
    """A file at a web server; `str` gives its address."""

    url: str

    def __str__(self) -> str:
        return self.url


def is_remote(path: str) -> bool:
    """Whether a path that the manifest took names something that is not on this machine."""
    return path.partition("://")[0] in SCHEMES and "://" in path


def is_glob(path: str) -> bool:
    """Whether something of a glob stands in the path."""
    return not GLOB.isdisjoint(path)


def read_remote(text: str) -> ObjectPath | WebPath:
    """What an address names, which begins with one of SCHEMES; BadRemote with what is wrong and what to write."""
    scheme, _, rest = text.partition("://")
    if holds_user(text):
        message = "the source holds a user or a password, which plans would show; the environment has credentials"
        raise BadRemote("secret", f"{message}, a manifest never")
    if scheme not in SCHEMES:
        raise BadRemote("unusable", f"write {quoted(scheme.lower())} in small letters: {_FORMS[scheme.lower()]}")
    if scheme in {"https", "http"}:
        return WebPath(_web_url(text))
    if (query := re.search(r"\?[A-Za-z][A-Za-z0-9_.-]*=", rest)) is not None:
        start = quoted(f"{scheme}://{rest[: query.start()]}")
        raise BadRemote("secret", f"{start} is followed by a query; leave it out, a ? that is part of a key is [?]")
    return _object(text, rest, scheme)


def locate(path: str) -> ObjectPath | WebPath:
    """What the path of a file names that was found at an address; ValueError where no file can have it.

    There is nothing of a glob in it: a key may hold any character.
    """
    kind, _, rest = path.partition("://")
    parts = rest.split("/", 2 if kind == "az" else 1)
    match kind, parts:
        case "s3" | "gs", [bucket, key] if key and NAME_RULE.takes(bucket):
            return ObjectPath("s3" if kind == "s3" else "gs", None, bucket, key)
        case "az", [account, container, key] if key and ACCOUNT_RULE.takes(account) and NAME_RULE.takes(container):
            return ObjectPath("az", account, container, key)
        case "https" | "http", _:
            return WebPath(_web_url(path))
        case _:
            raise ValueError("not the path of a remote file")


def _object(text: str, rest: str, scheme: str) -> ObjectPath:
    account = None
    if scheme == "az":
        account, _, rest = rest.partition("/")
        if not ACCOUNT_RULE.takes(account):
            raise BadRemote("unusable", f"{quoted(account)} is no storage account; write {_FORMS[scheme]}")
    bucket, _, key = rest.partition("/")
    if not NAME_RULE.takes(bucket):
        what = "container" if scheme == "az" else "bucket"
        raise BadRemote("unusable", f"{quoted(bucket)} is no {what}; write {_FORMS[scheme]}")
    if re.fullmatch(_KEY, key) is None:
        wanted = "with no empty part, none that is . or .., no backslash, no control character and no / at its end"
        raise BadRemote("unusable", f"{quoted(text)} names no object; write {_FORMS[scheme]}, {wanted}")
    kind: BucketKind = "az" if scheme == "az" else "gs" if scheme == "gs" else "s3"
    return ObjectPath(kind, account, bucket, key)


def _web_url(text: str) -> str:
    start = re.split("[?#]", text)[0]
    if "?" in text or "#" in text:
        message = f"{quoted(start)} is followed by a query or fragment, which may be a secret; leave it out"
        raise BadRemote("secret", f"{message} (a web address takes no glob either)")
    try:
        url = read_url(text)
    except BadUrl as bad:
        raise BadRemote("unusable", bad.message) from bad
    path = url.partition("://")[2].partition("/")[2]
    if is_glob(path):
        message = f"{quoted(url)} holds a glob, and a web server does not tell which files it has; name each file"
        raise BadRemote("glob", f"{message} (in a name, write * as %2A and [ as %5B)")
    if not path or path.endswith("/"):
        raise BadRemote("unusable", f"{quoted(url)} names no file; write {_FORMS['https']}")
    return url
