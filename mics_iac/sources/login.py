"""Who one is at a web server: the line of its host in `.netrc`, as curl and git take it.

Never from the manifest. A `default` line is passed over: it would tell a password to whatever host a manifest names.
"""

from __future__ import annotations

import netrc
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import urllib3

from mics_iac.errors import SourceRefused


def login_headers(url: str, environ: Mapping[str, str]) -> dict[str, str]:
    """The header that says who one is to the host of an address; none where nobody told.

    The file is the one that NETRC names, else `.netrc` at home. Raises SourceRefused where it cannot be read.
    """
    named = environ.get("NETRC", "").strip()
    path = Path(named) if named else Path(environ.get("HOME") or "/nonexistent") / ".netrc"
    if not named and not path.is_file():
        return {}
    remedy = "correct that file, or let NETRC name another"
    try:
        found = netrc.netrc(str(path)).hosts.get(urlsplit(url).hostname or "")
    except netrc.NetrcParseError as error:
        # Its own text may repeat a word of the file.
        raise SourceRefused(f"{path}, line {error.lineno}, is not understood", remedy=remedy) from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise SourceRefused(f"{path} cannot be read: {why}", remedy=remedy) from None
    if found is None:
        return {}
    try:
        return dict(urllib3.make_headers(basic_auth=f"{found[0] or ''}:{found[2] or ''}"))
    except UnicodeEncodeError:
        raise SourceRefused(
            f"the login for this host in {path} holds letters that cannot be sent", remedy=remedy
        ) from None
