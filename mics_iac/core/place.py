"""Where a state is kept, as values: a file, a bucket of an object store, or an HTTP server.

They stand in manifests, in saved plans and on the command line, so no secret may be part of one: credentials come from
where each cloud looks for them, and for http from the environment. Pure; how a place is read and written is `store/`'s,
and what a manifest's keys are is `core/model`'s.

    imports.state.json, file:/srv/states/a.json        a file
    s3://bucket/prefix?region=eu-west-3&endpoint=URL   Amazon S3, or what speaks its API
    gs://bucket/prefix?endpoint=URL                    Google Cloud Storage
    az://account/container/prefix?endpoint=URL         Azure Blob Storage
    https://host/path?lock_address=URL&…               the protocol of Terraform's http backend, as GitLab speaks it
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, NoReturn, TypeAlias
from urllib.parse import parse_qsl, quote

import msgspec

from mics_iac.core.weburl import BadUrl, read_url
from mics_iac.core.wording import did_you_mean, listed, quoted
from mics_iac.errors import UsageError

BucketKind: TypeAlias = Literal["s3", "gs", "az"]
BackendName: TypeAlias = Literal["file", "s3", "gs", "az", "http"]


class FilePlace(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="file"):
    """A file on a disk. `path`: relative to the manifest's folder; None is the default name beside the manifest."""

    path: str | None = None


class BucketPlace(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="bucket"):
    """A bucket (in Azure: a container of an account), and what all names in it begin with."""

    backend: BucketKind
    bucket: str
    prefix: str = ""
    """No slash at its ends; empty for none."""
    account: str | None = None
    """The storage account: with `az` always, else never."""
    region: str | None = None
    """With `s3` alone; None: as the environment says."""
    endpoint: str | None = None
    """Address of the store, no slash at its end; None: the cloud's own."""


class HttpPlace(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="http"):
    """A server that speaks the protocol of Terraform's http backend.

    An `address` that ends with `/` is a prefix: each state has its own name behind it (`document_of`), and so have the
    addresses of the lock, which then end with `/` too.
    """

    address: str
    lock_address: str | None = None
    unlock_address: str | None = None
    lock_method: str = "LOCK"
    unlock_method: str = "UNLOCK"
    update_method: str = "POST"


StatePlace: TypeAlias = FilePlace | BucketPlace | HttpPlace


@dataclass(frozen=True, slots=True)
class Rule:
    """What a text of a place may be, for the manifest and its schema as for the command line."""

    pattern: str
    wanted: str

    def takes(self, text: str) -> bool:
        """Whether the whole text is so."""
        return re.fullmatch(self.pattern, text) is not None


# Wider than what the clouds hand out today: old buckets have names that new ones may not have. What is neither letter
# nor digit is little, so that nobody needs to know which characters a URL or a store would spell otherwise.
NAME_RULE: Final = Rule(
    r"[A-Za-z0-9][A-Za-z0-9._-]{1,220}[A-Za-z0-9]", "3 or more letters, digits, `.`, `_` and `-`, as in acme-states"
)
ACCOUNT_RULE: Final = Rule(r"[a-z0-9]{3,24}", "3 to 24 small letters and digits, as in acmestates")
PREFIX_RULE: Final = Rule(
    r"(?!.{501})((?!\.{1,2}(/|$))[A-Za-z0-9._=@+-]+/)*(?!\.{1,2}(/|$))[A-Za-z0-9._=@+-]+/?",
    "letters, digits and any of `. _ = @ + -`, with `/` between its parts and none before, as in mics/states",
)
REGION_RULE: Final = Rule(r"[a-z0-9-]{1,40}", "small letters, digits and `-`, as in eu-west-3")
METHOD_RULE: Final = Rule(r"[A-Z]{1,20}", "an HTTP method in capitals, such as POST")

LOCAL_PATH: Final = r"[^\\\x00-\x1f\x7f]+"
BACKENDS: Final[tuple[BackendName, ...]] = ("file", "s3", "gs", "az", "http")

CREDENTIALS: Final = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a web identity, a profile (with boto3 installed), or the "
    "machine's own role",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS, gcloud's own, or the machine's service account",
    "az": "AZURE_STORAGE_ACCOUNT_KEY, AZURE_CLIENT_ID and its fellows, or the machine's own identity",
    "http": "TF_HTTP_USERNAME and TF_HTTP_PASSWORD, or MICS_STATE_HEADER",
}
"""Where the credentials of each kind come from; never from a place."""

METHODS: Final = {"lock_method": "LOCK", "unlock_method": "UNLOCK", "update_method": "POST"}
"""The HTTP methods that a state server is asked with, where nothing else is said."""

_SCHEMES: Final = ("file", "s3", "gs", "az", "https", "http")
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)
_ADDRESSES: Final = ("lock_address", "unlock_address")
_PARAMETERS: Final[dict[str, tuple[str, ...]]] = {
    "s3": ("region", "endpoint"),
    "gs": ("endpoint",),
    "az": ("endpoint",),
    "http": (*_ADDRESSES, *METHODS),
}
_FORMS: Final = {"s3": "s3://bucket/prefix", "gs": "gs://bucket/prefix", "az": "az://account/container/prefix"}

# docs.gitlab.com, "GitLab-managed Terraform state": the lock is below the state, taken by POST and freed by DELETE.
_GITLAB: Final = re.compile(r"https?://[^/]+(/.*)?/api/v4/projects/[^/]+/terraform/state/[^/]+")


def parse_place(url: str) -> StatePlace:
    """The place that `--state` names; UsageError with what is wrong and what to write instead.

    A relative path is left as it is: what it is relative to, the caller knows. `file:` alone is the default file.
    """
    found = _SCHEME.fullmatch(url)
    scheme, rest = (found[1].lower(), found[2]) if found else ("", "")
    if scheme == "file":
        return _file(rest)
    if scheme in _SCHEMES and not rest.startswith("//"):
        _refuse(f"{scheme}: is no place of a state", remedy=f"write {_FORMS.get(scheme, f'{scheme}://host/path')}")
    match scheme:
        case "s3" | "gs" | "az":
            return _bucket(scheme, rest[2:])
        case "https" | "http":
            return _http(f"{scheme}:{rest}")
        case _:
            if rest.startswith("//"):
                _refuse_scheme(scheme)
            path = _path(url)
            if not path.endswith(".json"):
                # Else a bucket whose scheme was forgotten would become a file of that name.
                _refuse(
                    f"{quoted(url)} names no kind of place, and no file whose name ends with .json",
                    remedy=f"write {', '.join(_FORMS.values())}, https://host/path, or file:PATH for any file",
                )
            return FilePlace(path)


def url_of(place: StatePlace) -> str:
    """The text that `parse_place` reads as this place."""
    match place:
        case FilePlace(path):
            return "file:" if path is None else f"file:{'//' if path.startswith('//') else ''}{path}"
        case BucketPlace(region=region, endpoint=endpoint):
            return _root(place) + _query({"region": region, "endpoint": endpoint})
        case HttpPlace():
            given = {key: getattr(place, key) for key in _PARAMETERS["http"]}
            return place.address + _query({key: value for key, value in given.items() if value != METHODS.get(key)})


def describe(place: StatePlace) -> str:
    """How a message calls the place; on one line, with no secret, as none can be in it."""
    match place:
        case FilePlace(path):
            return "the file beside the manifest" if path is None else path
        case BucketPlace(endpoint=endpoint):
            return _root(place) + (f" at {endpoint}" if endpoint is not None else "")
        case HttpPlace(address):
            return address


def document_of(place: HttpPlace, name: str) -> HttpPlace:
    """The addresses of one state on a server, none of them a prefix; `name` is as in `imports.production.state.json`.

    GitLab's lock is known by its address. Elsewhere it is taken at the address of the state where the place gives no
    other one, and freed where it was taken, unless the place says otherwise.
    """
    own = quote(name.removesuffix(".state.json"), safe="")
    address, lock, unlock = (_completed(one, own) for one in (place.address, place.lock_address, place.unlock_address))
    assert address is not None
    place = msgspec.structs.replace(place, address=address, lock_address=lock, unlock_address=unlock or lock)
    if _GITLAB.fullmatch(address) is None:
        return place
    taken = place.lock_address or f"{address}/lock"
    return msgspec.structs.replace(
        place,
        lock_address=taken,
        unlock_address=place.unlock_address or taken,
        lock_method="POST" if place.lock_method == "LOCK" else place.lock_method,
        unlock_method="DELETE" if place.unlock_method == "UNLOCK" else place.unlock_method,
    )


def _completed(address: str | None, name: str) -> str | None:
    return address + name if address is not None and address.endswith("/") else address


def locks_apart(address: str, lock_address: str) -> bool:
    """Whether one of the two is a prefix and the other is not: all states would have one lock, or one state several."""
    return address.endswith("/") != lock_address.endswith("/")


def _file(rest: str) -> FilePlace:
    if not rest:
        return FilePlace(None)
    if rest.startswith("//"):  # as URLs have it: file:///srv/states/a.json, on no other host
        rest = rest[2:]
        if not rest.startswith("/"):
            _refuse("a file is on no other host", remedy="write file:PATH, or file:///PATH from the root")
    return FilePlace(_path(rest))


def _path(text: str) -> str:
    if re.fullmatch(LOCAL_PATH, text) is None or not _utf8(text):
        wanted = "the path of a file, with no backslash and no control character"
        _refuse(f"{quoted(text)} is no path that a state can have", remedy=f"write {wanted}")
    return text


def _utf8(text: str) -> bool:
    """False for bytes of a command line that are no text: they could not stand in a plan."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _bucket(kind: BucketKind, rest: str) -> BucketPlace:
    body, _, query = rest.partition("?")
    first, _, behind = body.partition("/")
    if "@" in first:
        _refuse_secret(kind)
    given = _parameters(kind, query)
    account: str | None = None
    if kind == "az":
        account = _checked(first, ACCOUNT_RULE, "storage account", kind)
        first, _, behind = behind.partition("/")
    bucket = _checked(first, NAME_RULE, "container" if kind == "az" else "bucket", kind)
    prefix = _checked(behind, PREFIX_RULE, "prefix", kind).rstrip("/") if behind else ""
    region = given.get("region")
    if region is not None:
        _checked(region, REGION_RULE, "region", kind)
    endpoint = given.get("endpoint")
    if endpoint is not None:
        endpoint = _address(endpoint, " (endpoint)", kind).rstrip("/")
    return BucketPlace(kind, bucket, prefix, account=account, region=region, endpoint=endpoint)


def _http(url: str) -> HttpPlace:
    text, _, query = url.partition("?")
    address = _address(text, "", "http")
    given = _parameters("http", query)
    found: dict[str, str] = {key: _address(given[key], f" ({key})", "http") for key in _ADDRESSES if key in given}
    for method in METHODS.keys() & given.keys():
        found[method] = _checked(given[method], METHOD_RULE, method, "http")
    if "unlock_address" in found and "lock_address" not in found:
        _refuse("unlock_address is given, and lock_address is not", remedy="give lock_address too, or neither")
    for key in _ADDRESSES:
        if key in found and locks_apart(address, found[key]):
            _refuse(f"one of the address and {key} ends with a slash", remedy="end both with a slash, or neither")
    return HttpPlace(address, **found)


def _parameters(kind: str, query: str) -> dict[str, str]:
    """What stands behind the `?`. Values are not repeated in a refusal: what nobody expects may be a secret."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError:
        _refuse("what stands behind the ? is not understood", remedy="write ?key=value, with & between them")
    known = _PARAMETERS[kind]
    for key, _ in pairs:
        if key not in known:
            hint = did_you_mean(key, known)
            remedy = f"leave it out; known: {listed(known, last='and')}. Credentials come from {CREDENTIALS[kind]}"
            _refuse(f"the place of a state on {kind} takes no {quoted(key)}.{hint}", remedy=remedy)
    if len({key for key, _ in pairs}) < len(pairs):
        _refuse("something behind the ? is given twice", remedy="give each once")
    return dict(pairs)


def _checked(text: str, rule: Rule, what: str, kind: str) -> str:
    if not rule.takes(text):
        form = _FORMS.get(kind, "https://host/path")
        _refuse(f"{quoted(text)} is no {what} for a state", remedy=f"write {rule.wanted}; the whole is {form}")
    return text


def _address(text: str, what: str, kind: str) -> str:
    try:
        return read_url(text)
    except BadUrl as bad:
        if bad.secret:
            _refuse_secret(kind)
        raise UsageError(f"the address{what} of the state is wrong: {bad.message}") from bad


def _refuse_scheme(scheme: str) -> NoReturn:
    known = listed(f"{one}:" if one == "file" else f"{one}://" for one in _SCHEMES[:-1])
    hint = did_you_mean(scheme, _SCHEMES)
    _refuse(f"no state can be kept at {quoted(scheme + '://')}.{hint}", remedy=f"write a path, {known}")


def _refuse_secret(kind: str) -> NoReturn:
    _refuse(
        "the place of the state holds a user or a password, which messages and plans would show",
        remedy=f"leave out what stands before the @; credentials come from {CREDENTIALS[kind]}",
    )


def _refuse(message: str, *, remedy: str) -> NoReturn:
    raise UsageError(message, remedy=remedy)


def _root(place: BucketPlace) -> str:
    parts = [place.account, place.bucket, place.prefix]
    return f"{place.backend}://" + "/".join(part for part in parts if part)


def _query(given: dict[str, str | None]) -> str:
    pairs = [f"{key}={quote(value, safe='/:')}" for key, value in given.items() if value is not None]
    return "?" + "&".join(pairs) if pairs else ""
