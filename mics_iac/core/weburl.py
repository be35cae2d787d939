"""Web addresses that a user may write: the root of the platform's API, a store of states, an endpoint of a cloud.

One rule for all of them: https, or plain http to this machine alone; no user or password, no query, no fragment. Such
an address stands in messages, plans and states, so nothing that could be a secret may be part of it, and no refusal
repeats one. Nothing here knows which setting an address belongs to.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final
from urllib.parse import urlsplit

from mics_iac.core.wording import quoted

LOOPBACK: Final = r"(localhost|127\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}|\[::1\])"
# One spelling for Python and for the JSON Schema. The path is printable ASCII without `?`, `#` and the backslash.
URL: Final = (
    rf"(https://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])|http://{LOOPBACK})(:[0-9]{{1,5}})?"
    r"(/[!\x22$->@-\x5b\x5d-~]*)?"
)
RULE: Final = "https://host[:port][/path], with no user, query or fragment; plain http only to this machine"

_AUTHORITY: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://([^/?#\\]*)")


class BadUrl(ValueError):
    """An address that is not usable; its text is the message, which holds no secret."""

    def __init__(self, message: str, *, secret: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.secret = secret
        """It holds a user or a password."""


def read_url(text: str) -> str:
    """The address with its host in small letters and its path as it is written; BadUrl where it is none."""
    if holds_user(text):
        raise BadUrl("the address holds a user or a password", secret=True)
    if re.fullmatch(URL, text) is None:
        raise BadUrl(f"{quoted(re.split('[?#]', text)[0])} is not usable; write {RULE}")
    try:
        parts = urlsplit(text)
        port, host = parts.port, parts.hostname or ""
        if not host[:1].isalpha() and (":" in host or host.startswith("127.")):
            ipaddress.ip_address(host)
    except ValueError:
        raise BadUrl(f"{quoted(text)} has a host or port that cannot be; correct it") from None
    address = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{address}{'' if port is None else f':{port}'}{parts.path}"


def holds_user(text: str) -> bool:
    """Whether something stands before an `@` where the host is."""
    found = _AUTHORITY.match(text)
    return found is not None and "@" in found[1]
