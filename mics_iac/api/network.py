"""The way to the platform: which host may be called, through which proxy, trusting which certificates.

Decided once, from an environment that is passed in; reads no environment itself and knows no HTTP library. It looks
at the file system only to tell at once that a certificate bundle is missing or broken.
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from mics_iac.errors import UsageError

CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


@dataclass(frozen=True, slots=True)
class Network:
    """How the platform is reached. `proxy` is a URL that may hold a password, so it is never shown."""

    proxy: str | None = field(default=None, repr=False)
    ca_bundle: str | None = None
    """A file or folder of certificates to trust instead of the built-in ones; verification itself is never off."""


def checked_base(url: str) -> str:
    """The API's address, without a slash at its end; UsageError when it may not be called.

    https only, or http to this machine. No user, query or fragment: a token goes to this address alone, and nothing
    else belongs into it. mediarithmics-api.md 1.1: plain http is no longer supported, documented.
    """
    shown = url if "@" not in url else "(with a user or password in it)"
    parts = _split(url, what=f"the API address {shown}")
    remedy = "set api.url to something like https://api.mediarithmics.com"
    if "@" in parts.netloc or parts.query or parts.fragment or any(ord(c) <= 32 or ord(c) == 127 for c in url):
        raise UsageError(f"the API address {shown} may hold a host, a port and a path, and nothing else", remedy=remedy)
    if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname))):
        raise UsageError(
            f"the API address {shown} must start with https:// (http:// goes to this machine alone)", remedy=remedy
        )
    return url.rstrip("/")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by its name alone; nothing is looked up."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def network_settings(environ: Mapping[str, str], url: str) -> Network:
    """Proxy and certificates for that address, as curl and requests take them from the environment.

    Lower-case names win over upper-case ones. This machine is never reached through a proxy. UsageError, naming the
    variable and never its value (it may hold a password), when one of them cannot be used.
    """
    parts = _split(url, what="the API address")
    host = parts.hostname or ""
    proxy = None
    if not is_loopback(host) and not _no_proxy(_either(environ, "no_proxy")[1], host=host, port=parts.port):
        proxy = _proxy(environ, scheme=parts.scheme)
    return Network(proxy=proxy, ca_bundle=_ca_bundle(environ) if parts.scheme == "https" else None)


def _either(environ: Mapping[str, str], name: str) -> tuple[str, str]:
    for spelling in (name, name.upper()):
        if environ.get(spelling, "").strip():
            return spelling, environ[spelling].strip()
    return name, ""


def _proxy(environ: Mapping[str, str], *, scheme: str) -> str | None:
    for name in (f"{scheme}_proxy", "all_proxy"):
        spelling, value = _either(environ, name)
        if value:
            return _checked_proxy(value, variable=spelling)
    return None


def _checked_proxy(value: str, *, variable: str) -> str:
    url = value if "://" in value else f"http://{value}"
    parts = _split(url, what=f"the proxy in {variable}")
    if parts.scheme not in {"http", "https"}:
        raise UsageError(
            f"the proxy in {variable} is of a kind that cannot be used ({parts.scheme or 'none'})",
            remedy=f"use an http:// or https:// proxy, or leave this host out with NO_PROXY (now {variable} is taken)",
        )
    if not parts.hostname:
        raise UsageError(
            f"the proxy in {variable} has no host", remedy=f"set {variable} to something like http://proxy:3128"
        )
    return url


def _no_proxy(value: str, *, host: str, port: int | None) -> bool:
    return any(_covers(entry.strip().lower(), host=host.lower(), port=port) for entry in value.split(","))


def _covers(entry: str, *, host: str, port: int | None) -> bool:
    if not entry:
        return False
    if entry == "*":
        return True
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        # Not an address, or not a network: names it is.
        pass
    name, _, wanted = entry.partition(":")
    if wanted and wanted != str(port or 443):
        return False
    name = name.removeprefix("*").lstrip(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _ca_bundle(environ: Mapping[str, str]) -> str | None:
    for variable in CA_VARIABLES:
        value = environ.get(variable, "").strip()
        if value:
            return _checked_bundle(Path(value).expanduser(), variable=variable)
    return None


def _checked_bundle(path: Path, *, variable: str) -> str:
    remedy = f"point {variable} to a file of PEM certificates, or unset it"
    if path.is_dir():
        return str(path)
    if not path.is_file():
        raise UsageError(f"{variable} names a certificate bundle that does not exist: {path}", remedy=remedy)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{variable} names {path}, which is not a certificate bundle: {error}", remedy=remedy
        ) from error
    return str(path)


def _split(url: str, *, what: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        # `hostname` and `port` are parsed when they are asked for, and may raise then.
        _ = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"{what} is not a URL") from error
    return parts
