"""The requests that the object backends make, one method each: an object is read, put, listed, copied, removed.

Nothing is decided and nothing is repeated here. It is the seam at which a test lets the n-th request go wrong, and the
only place that knows obstore: whatever it raises becomes `Changed`, `Unsure` or one of our own errors.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mics_iac.core.place import CREDENTIALS
from mics_iac.errors import StoreFailed, StoreRefused
from mics_iac.store.attempts import Unsure

if TYPE_CHECKING:
    from obstore.store import ObjectStore

ANY = object()
"""Put whatever version is there, if any."""


class Changed(Exception):
    """The condition of a put does not hold: the object is not the version that was expected."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An object: its bytes, the token of this very version, and when it was put (epoch seconds, the store's clock)."""

    data: bytes
    version: str
    modified: float


class Bucket:
    """A real bucket or container; `where` is how messages call it, `at` what they add where it is not the cloud's own.

    It is opened with the first request (`opened`): a command that has nothing to ask needs neither credentials nor the
    library.
    """

    def __init__(self, opened: Callable[[], ObjectStore], *, where: str, at: str = "") -> None:
        self.opened = opened
        self.where = where
        self.at = at
        self._guard = threading.Lock()
        self._open: ObjectStore | None = None

    @property
    def _store(self) -> ObjectStore:
        with self._guard:
            if self._open is None:
                self._open = self.opened()
            return self._open

    def get(self, key: str) -> Stored | None:
        """The object, None where there is none."""
        store = self._store
        import obstore  # noqa: PLC0415 (an extra, wanted only where the state is in a bucket)

        try:
            found = obstore.get(store, key)
            data = found.bytes().to_bytes()
        except Exception as error:
            if _is_missing(error):
                return None
            raise self._translated(error) from error
        meta = found.meta
        return Stored(data, _token(meta["e_tag"], meta["version"]), meta["last_modified"].timestamp())

    def put(self, key: str, data: bytes, *, expected: object = ANY) -> str:
        """Put an object in one step and return its version; a string is the one expected, None: there must be none."""
        store = self._store
        import obstore  # noqa: PLC0415

        mode: Any = "overwrite"
        if expected is None:
            mode = "create"
        elif isinstance(expected, str):
            mode = _condition(expected)
        try:
            # In parts it could not be put under a condition.
            put = obstore.put(store, key, data, mode=mode, use_multipart=False)
        except Exception as error:
            if mode != "overwrite" and _is_condition(error):
                raise Changed(key) from error
            raise self._translated(error) from error
        return _token(put["e_tag"], put["version"])

    def keys(self, folder: str) -> list[str]:
        """The keys of all objects below a folder, in their order."""
        store = self._store
        import obstore  # noqa: PLC0415

        try:
            return sorted(meta["path"] for page in obstore.list(store, folder) for meta in page)
        except Exception as error:
            raise self._translated(error) from error

    def copy(self, key: str, target: str) -> None:
        """Copy an object within the store."""
        store = self._store
        import obstore  # noqa: PLC0415

        try:
            obstore.copy(store, key, target)
        except Exception as error:
            raise self._translated(error) from error

    def remove(self, keys: Sequence[str]) -> None:
        """Remove objects; one that is not there is passed over."""
        store = self._store
        import obstore  # noqa: PLC0415

        for some in ([*keys],) if len(keys) > 1 else [[key] for key in keys]:
            try:
                obstore.delete(store, some)
            except Exception as error:
                if not _is_missing(error):
                    raise self._translated(error) from error
                # Some stores stop at the first that is missing.
                for key in some if len(some) > 1 else ():
                    self.remove([key])

    def _translated(self, error: Exception) -> Exception:
        from obstore import exceptions  # noqa: PLC0415

        text = _reason(error)
        if _NO_BUCKET.search(str(error)):
            return StoreFailed(
                f"there is no such bucket or container: {self.where}",
                remedy="make it, or correct where the state is (the manifest's `state`, or --state)",
            )
        if _OWN_IDENTITY.search(str(error)):
            # Told at once, as each cloud's own tools do: whoever set no credentials would wait for nothing else.
            return StoreRefused(
                f"there are no credentials for {self.where}: none are set, and the machine has none to give ({text})",
                remedy=f"set {CREDENTIALS[self.where.partition(':')[0]]}",
            )
        if isinstance(error, exceptions.PermissionDeniedError | exceptions.UnauthenticatedError) or _REFUSAL.search(
            str(error)
        ):
            return StoreRefused(
                f"{self.where} refuses these credentials, or they may not do this: {text}",
                remedy="see that they are the right ones, not expired, and may read, write and delete there",
            )
        if "builder error" in text:
            return StoreFailed(
                f"{self.where}{self.at} cannot be asked: its address is plain http, or none",
                remedy="name it as the `endpoint` of the place; plain http goes to this machine alone",
            )
        if _IMPOSSIBLE.search(str(error)):
            return StoreFailed(
                f"{self.where} cannot put an object under a condition, so that it cannot keep two runs apart: {text}",
                remedy="keep the state in a store that can (S3, Google Cloud Storage and Azure Blob Storage do)",
            )
        if isinstance(error, exceptions.BaseError | OSError | ValueError):
            return Unsure(text)
        return error


# What stores answer where credentials are missing, wrong or expired, with whatever status.
_REFUSAL = re.compile(
    r"ExpiredToken|InvalidToken|TokenRefreshRequired|InvalidAccessKeyId|SignatureDoesNotMatch|RequestTimeTooSkewed|"
    r"AuthenticationFailed|AuthorizationFailure|AuthorizationPermissionMismatch|InvalidAuthenticationInfo|"
    r"AccessDenied|\b40[13] (Unauthorized|Forbidden)|invalid_grant|CredentialProvider"
)
# Where a library asks for the machine's own identity, which it does where it finds no other credentials.
_OWN_IDENTITY = re.compile(
    r"performing \w+ \S*(/latest/(api/token|meta-data/)|/computeMetadata/v1/)|token request: Error performing GET |"
    r"169\.254\.169\.254|metadata\.google\.internal"
)
_NO_BUCKET = re.compile(r"NoSuchBucket|ContainerNotFound|bucket does not exist", re.IGNORECASE)
_IMPOSSIBLE = re.compile(r"<Code>NotImplemented|501 Not Implemented")


def _is_missing(error: Exception) -> bool:
    """Whether an object is not there; what is missing may be the bucket itself."""
    return isinstance(error, FileNotFoundError) and not _NO_BUCKET.search(str(error))


def _is_condition(error: Exception) -> bool:
    from obstore import exceptions  # noqa: PLC0415

    # An object that is to be replaced and is not there is another version, too.
    refused = isinstance(error, exceptions.AlreadyExistsError | exceptions.PreconditionError)
    return refused or _is_missing(error)


def _token(e_tag: str | None, version: str | None) -> str:
    return json.dumps([e_tag, version])


def _condition(token: str) -> dict[str, str]:
    try:
        e_tag, version = json.loads(token)
    except (ValueError, TypeError):
        # No token of this store's: none of its versions is that one.
        e_tag, version = token, None
    return {name: text for name, text in (("e_tag", e_tag), ("version", version)) if text is not None}


# What the library's diagnosis tells of a connection that failed, in words a user can act on.
_CONNECTION = {
    "ConnectionRefused": "the connection was refused",
    "dns error": "its name cannot be resolved",
    "ertificate": "its TLS certificate is not trusted; SSL_CERT_FILE may name the certificates of your own network",
    "TimedOut": "it timed out",
    "kind: Timeout": "it timed out",
}


# What stands around what a user wants to know.
_NOISE = re.compile(
    r"^Generic \w+ error: (Error performing \w+ request: )?|^Object at location \S+ not found: "
    r"|^The operation lacked .* for path \S+: | in [0-9.]+(ns|µs|ms|s)(?= - )|Server returned non-2xx status code: "
    r"|:? *<(\?xml|Error|html|!DOCTYPE).*$"
)


def _reason(error: Exception) -> str:
    """What happened, on one line: without the library's own diagnosis, and without a query, which may be signed."""
    text, _, diagnosis = str(error).partition("\n\nDebug source")
    for mark, words in _CONNECTION.items():
        if "HttpError" in diagnosis and mark in diagnosis:
            return words
    if "HttpError" in diagnosis:
        return "the connection broke off"
    code = re.search(r"<Code>(\w+)</Code>", text)
    text = re.sub(r"\?[^\s)]*", "", " ".join(text.split()))
    text = _NOISE.sub("", text).rstrip(": ")
    return f"{text} {code[1]}" if code else text[:500]
