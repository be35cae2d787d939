"""What went wrong with a request to a store of objects, in our errors and words.

With `opened`, the room of obstore, whose exceptions become `Unsure` or the errors of a use here. Knows nothing of what
was asked.
"""

from __future__ import annotations

import re

from mics_iac.clouds.attempts import Unsure
from mics_iac.clouds.use import Use
from mics_iac.core.place import CREDENTIALS


def translated(error: Exception, *, where: str, at: str, use: Use) -> Exception:
    """What the library raised as what it means: `Unsure`, one of the use's errors, or itself where it is none of its.

    `where` is the bucket, as messages call it; `at` is what they add where it is not the cloud's own.
    """
    from obstore import exceptions  # noqa: PLC0415 (an extra)

    text = reason(error)
    if _NO_BUCKET.search(str(error)):
        return use.failed(f"there is no such bucket or container: {where}", remedy=f"make it, or correct {use.where}")
    if _OWN_IDENTITY.search(str(error)):
        # Told at once, as each cloud's own tools do: whoever set no credentials would wait for nothing else.
        return use.refused(
            f"there are no credentials for {where}: none are set, and the machine has none to give ({text})",
            remedy=f"set {CREDENTIALS[where.partition(':')[0]]}",
        )
    if isinstance(error, exceptions.PermissionDeniedError | exceptions.UnauthenticatedError) or _REFUSAL.search(
        str(error)
    ):
        return use.refused(
            f"{where} refuses these credentials, or they may not do this: {text}",
            remedy=f"see that they are the right ones, not expired, and may {use.rights} there",
        )
    if _REGION.search(str(error)):
        return use.failed(f"{where}{at} is in another region than the one that was asked", remedy=use.region)
    if "builder error" in text:
        return use.failed(
            f"{where}{at} cannot be asked: its address is plain http, or none",
            remedy=f"{use.endpoint}; plain http goes to this machine alone",
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
_REGION = re.compile(r"redirect without LOCATION|PermanentRedirect|<Code>AuthorizationHeaderMalformed")
_NO_BUCKET = re.compile(r"NoSuchBucket|ContainerNotFound|bucket does not exist", re.IGNORECASE)


def is_missing(error: Exception) -> bool:
    """Whether an object is not there; what is missing may be the bucket itself."""
    return isinstance(error, FileNotFoundError) and not _NO_BUCKET.search(str(error))


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


def reason(error: Exception) -> str:
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
