"""Connections to web servers that are not the platform: through which proxy, trusting whom, and why one broke.

Knows neither what is asked nor of whom. Redirects and repeats are nobody's here: the library's own are switched off.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote, urlsplit

import urllib3

# Bounds in seconds: to connect, and between two bytes.
_TIMEOUT = urllib3.Timeout(connect=5.0, read=25.0)


def open_pool(*, proxy: str | None, ca_bundle: str | None) -> urllib3.PoolManager:
    """Connections that are kept and used again, safe for threads. `proxy` is a URL that may hold a password."""
    options: dict[str, Any] = {"timeout": _TIMEOUT, "retries": False, "maxsize": 16, "ca_certs": ca_bundle}
    if proxy:
        return urllib3.ProxyManager(proxy, proxy_headers=_proxy_headers(proxy), **options)
    return urllib3.PoolManager(**options)


def why_broken(error: Exception) -> str:
    """What happened, without the address, which is named beside it."""
    cause = getattr(error, "reason", None) or error
    text = re.sub(r"^\w+\(.*?\)?[>)]: ", "", str(cause))[:300]
    match cause:
        case urllib3.exceptions.NameResolutionError():
            return "its name cannot be resolved"
        case urllib3.exceptions.SSLError():
            return f"its TLS certificate is not trusted, or it speaks no TLS ({text})"
        case _ if "refused" in text:
            return "the connection was refused"
        case urllib3.exceptions.NewConnectionError():  # a kind of timeout to the library, whatever it was
            return text
        case urllib3.exceptions.TimeoutError():
            return "it timed out"
        case urllib3.exceptions.ProtocolError():
            return "the connection broke off"
        case _:
            return f"{type(cause).__name__}: {text}"


def _proxy_headers(proxy: str) -> dict[str, str]:
    parts = urlsplit(proxy)
    if parts.username is None:
        return {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return dict(urllib3.make_headers(proxy_basic_auth=pair))
