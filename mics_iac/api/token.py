"""The token: checked before it is sent, and kept out of everything that is said.

Pure. mediarithmics-api.md 1.2: sent as it is, with no scheme added (documented samples; other clients add one, so the
user's string decides).
"""

from __future__ import annotations

import json
from base64 import b64encode
from urllib.parse import quote, quote_plus

from mics_iac.errors import NotAllowed

_WHERE = "set MICS_API_TOKEN, --token-file or --token-command to a token made in Navigator under My Account, API Tokens"

# Shorter than this, a token is no secret (the sandbox takes any), and cutting it out would maim every message.
_SHORTEST_SECRET = 4


def checked_token(token: str) -> str:
    """The token itself; NotAllowed, never quoting it, when it cannot stand in a header."""
    if not token or token != token.strip():
        what = "is empty" if not token.strip() else "begins or ends with white space"
        raise NotAllowed(f"the API token {what}", remedy=_WHERE)
    if any(ord(char) < 32 or 127 <= ord(char) < 160 for char in token):
        raise NotAllowed("the API token holds a line break or another control character", remedy=_WHERE)
    # Looked at, not encoded: the error of a codec would hold the token.
    if any(ord(char) > 255 for char in token):
        raise NotAllowed("the API token holds a character that no HTTP header can carry", remedy=_WHERE)
    return token


def scrub(text: str, token: str) -> str:
    """The text without the token, in any of the spellings a server may echo it in."""
    if len(token) < _SHORTEST_SECRET:
        return text
    spellings = {token, quote(token, safe=""), quote_plus(token), json.dumps(token)[1:-1], _base64(token)}
    # With its scheme cut off too: `Bearer x` is secret because of x.
    bare = token.rpartition(" ")[2]
    if len(bare) >= 2 * _SHORTEST_SECRET:
        spellings |= {bare, quote(bare, safe=""), _base64(bare)}
    for spelling in sorted(spellings, key=len, reverse=True):
        text = text.replace(spelling, "[token]")
    return text


def _base64(text: str) -> str:
    return b64encode(text.encode("latin-1")).decode("ascii").rstrip("=")
