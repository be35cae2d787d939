"""Opens the bucket or container of a place, with the credentials that each cloud's own tools would take.

They come from the environment of the process (variables, files that it names, the machine's or the job's own identity),
which obstore reads itself; nothing of them passes through here but for AWS profiles. What is asked of a bucket is not
known here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mics_iac import __version__
from mics_iac.clouds.use import Use
from mics_iac.core.place import CREDENTIALS, BucketPlace

if TYPE_CHECKING:
    from obstore.store import ObjectStore

# Bounds of one request, and of the silence in it; a state of some ten megabytes goes through a slow line in that time.
WHOLE_TIMEOUT = "60s"
_SILENCE = "25s"
_CONNECT_TIMEOUT = "5s"
# Where any of these is set, the environment itself has credentials for AWS.
_AWS_OWN = (
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_SKIP_SIGNATURE",
)
_AZURE_OWN = ("KEY", "SAS", "CLIENT", "TOKEN", "SECRET", "IDENTITY", "MSI", "CLI", "SKIP_SIGNATURE")
# What the library says of credentials that cannot be read or that are none.
_OF_CREDENTIALS = re.compile(r"credential|service account|Access Key|SAS|Private key|decode", re.IGNORECASE)


def where_of(place: BucketPlace) -> str:
    """The bucket or container, as messages call it."""
    return f"{place.backend}://{'/'.join(part for part in (place.account, place.bucket) if part)}"


def at_of(place: BucketPlace) -> str:
    """What a message adds where the store is not the cloud's own."""
    return f" at {place.endpoint}" if place.endpoint is not None else ""


def open_store(
    place: BucketPlace, environ: Mapping[str, str], *, use: Use, timeout: str = WHOLE_TIMEOUT
) -> ObjectStore:
    """The bucket, as the library sees it; nobody is asked yet.

    `timeout` bounds one request with its answer. Raises the use's error where obstore is missing, or cannot make sense
    of the place or the credentials.
    """
    where = where_of(place)
    try:
        from obstore import exceptions  # noqa: PLC0415 (an extra)
    except ImportError as error:
        raise use.failed(
            f"{use.what} in a bucket ({where}), and what reads buckets is not installed",
            remedy="install it: pip install 'mics-iac[objects]'",
        ) from error
    options = {
        "timeout": timeout,
        "connect_timeout": _CONNECT_TIMEOUT,
        "read_timeout": _SILENCE,
        "user_agent": f"mics-iac/{__version__}",
        **({"allow_http": True} if urlsplit(place.endpoint or "").scheme == "http" else {}),
        **_certificates(environ, use),
    }
    try:
        # Repeats are ours: what was asked may have been done, and to ask again would hide that.
        return _store(place, environ, use, client_options=options, retry_config={"max_retries": 0})
    except (exceptions.BaseError, ValueError, OSError) as error:
        text = str(error).partition("\n\nDebug source")[0][:300]
        if _OF_CREDENTIALS.search(text):
            raise use.refused(
                f"the credentials for {where} cannot be used: {text}",
                remedy=f"correct what the environment says, or where it points to: {CREDENTIALS[place.backend]}",
            ) from error
        raise use.failed(
            f"cannot open {where}: {text}",
            remedy=f"correct {use.where} and the variables of that cloud",
        ) from error


def _store(place: BucketPlace, environ: Mapping[str, str], use: Use, **options: Any) -> ObjectStore:
    from obstore.store import AzureStore, GCSStore, S3Store  # noqa: PLC0415

    match place.backend:
        case "s3":
            given: dict[str, object] = {"region": place.region, "endpoint": place.endpoint}
            if environ.get("AWS_ENDPOINT_URL_S3"):
                # The variable would win over the endpoint that is given under its other name.
                given["aws_endpoint_url_s3"] = place.endpoint
            provider = _aws_profile(environ, use)
            if provider is not None:
                options["credential_provider"] = provider
            return S3Store(place.bucket, **_set(given), **options)
        case "gs":
            return GCSStore(place.bucket, **_set({"base_url": place.endpoint}), **options)
        case "az":
            cli = True if _has_azure_cli_alone(environ) else None
            given = {"account_name": place.account, "endpoint": place.endpoint, "use_azure_cli": cli}
            return AzureStore(place.bucket, **_set(given), **options)


def _set(given: Mapping[str, object]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}


def _certificates(environ: Mapping[str, str], use: Use) -> dict[str, bytes]:
    """The certificates of one's own network, as SSL_CERT_FILE names them."""
    path = environ.get("SSL_CERT_FILE", "").strip()
    try:
        return {"root_certificate": Path(path).read_bytes()} if path else {}
    except OSError as error:
        raise use.failed(
            f"SSL_CERT_FILE names a file that cannot be read: {path}: {error.strerror}",
            remedy="point SSL_CERT_FILE to a file of PEM certificates, or unset it",
        ) from error


def _aws_profile(environ: Mapping[str, str], use: Use) -> Any | None:
    """The credentials of the profile that AWS's own tools would take; None where the environment has its own."""
    home = Path(environ.get("HOME", "/nonexistent"))
    files = (
        Path(environ.get("AWS_SHARED_CREDENTIALS_FILE") or home / ".aws" / "credentials"),
        Path(environ.get("AWS_CONFIG_FILE") or home / ".aws" / "config"),
    )
    named = environ.get("AWS_PROFILE")
    if any(environ.get(name) for name in _AWS_OWN) or not (named or any(path.is_file() for path in files)):
        return None
    try:
        import boto3  # noqa: PLC0415 (wanted for profiles alone)
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415
        from obstore.auth.boto3 import Boto3CredentialProvider  # noqa: PLC0415
    except ImportError as error:
        if not named:
            return None
        raise use.refused(
            f"AWS_PROFILE is set ({named}), and what reads AWS profiles is not installed",
            remedy="install it: pip install boto3; or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        ) from error
    try:
        session = boto3.Session(profile_name=named)
        return Boto3CredentialProvider(session) if session.get_credentials() is not None else None
    except BotoCoreError as error:
        raise use.refused(
            f"the AWS profile cannot be used: {error}", remedy="see `aws configure list`, or set AWS_ACCESS_KEY_ID"
        ) from error


def _has_azure_cli_alone(environ: Mapping[str, str]) -> bool:
    """Whether somebody is logged in with `az`, and the environment has no credentials of its own."""
    own = any(name.startswith("AZURE_") and any(part in name for part in _AZURE_OWN) for name in environ)
    folder = Path(environ.get("AZURE_CONFIG_DIR") or Path(environ.get("HOME", "/nonexistent")) / ".azure")
    return not own and (folder / "azureProfile.json").is_file()
