"""What an answer that is not 2xx says, and the error that it becomes.

Pure. Reads the platform's error envelope, and makes the best of HTML and plain text.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import dataclass

from mics_iac.api.calls import Answer, Call
from mics_iac.api.retry import Verdict, verdict
from mics_iac.api.wire import Unreadable, decode
from mics_iac.errors import ApiRefused, MicsError, NotAllowed

_LONGEST = 500
_LONGEST_MARK = 100
# All repetitions are bounded, and so is the text: a hostile page must not cost seconds of matching.
_MOST_PLAIN = 16_384
_TITLE = re.compile(r"<title[^<>]{0,200}>([^<]{1,500})", re.IGNORECASE)
_HIDDEN = re.compile(r"<(script|style)\b.{0,4000}?</\1[^<>]{0,100}>", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[^<>]{0,2000}>")


@dataclass(frozen=True, slots=True)
class Words:
    """What an error answer says. mediarithmics-api.md 1.5, seen in client code.

    `own` is true when it came in the platform's own envelope: a gateway or a wrong address answers otherwise.
    """

    text: str
    error_code: str | None = None
    error_id: str | None = None
    own: bool = False


def words(answer: Answer, *, clean: Callable[[str], str]) -> Words:
    """The text, code and id of an error answer, whatever its format.

    `clean` takes secrets out; it runs before anything is cut, so that no half of one stays at a cut.
    """
    try:
        data = decode(answer.body)
    except Unreadable:
        return Words(text=_cut(clean(_plain(answer.body[:_MOST_PLAIN].decode("utf-8", "replace")))))
    if not isinstance(data, dict):
        return Words(text="")
    return Words(
        text=_cut(clean(_string(data.get("error")))),
        error_code=_cut(clean(_string(data.get("error_code"))), _LONGEST_MARK) or None,
        error_id=_cut(clean(_string(data.get("error_id"))), _LONGEST_MARK) or None,
        own=data.get("status") == "error" or isinstance(data.get("error_id"), str),
    )


def says_absent(answer: Answer) -> bool:
    """Whether it is the platform itself that does not have the thing: a 404 in its own envelope.

    The 404 of a gateway or of a wrong address says nothing about what the platform has, and taking it for "gone"
    would create a second import.
    """
    return answer.status == 404 and words(answer, clean=str).own


def refusal(call: Call, answer: Answer, *, address: str, clean: Callable[[str], str]) -> MicsError:
    """The error that an answer which is not 2xx becomes; `clean` takes secrets out of what the server said."""
    said = words(answer, clean=clean)
    message = f"{call.name}: {_in_short(answer, said, clean=clean)}"
    remedy = _remedy(answer, said, address=address)
    if verdict(answer.status) is Verdict.FORBIDDEN:
        return NotAllowed(message, status=answer.status, remedy=remedy)
    return ApiRefused(message, status=answer.status, error_id=said.error_id, error_code=said.error_code, remedy=remedy)


def _in_short(answer: Answer, said: Words, *, clean: Callable[[str], str]) -> str:
    parts = [f"the platform answered {answer.status}"]
    location = answer.headers.get("location")
    if 300 <= answer.status < 400 and location:
        parts.append(f", a redirect to {_cut(clean(location))}")
    if said.text:
        parts.append(f": {said.text}")
    marks = [
        f"{name} {value}" for name, value in (("error_code", said.error_code), ("error_id", said.error_id)) if value
    ]
    if marks:
        parts.append(f" ({', '.join(marks)})")
    return "".join(parts)


def _remedy(answer: Answer, said: Words, *, address: str) -> str | None:
    match answer.status:
        case 401:
            return "the token was not taken: it may have expired; give a valid one with MICS_API_TOKEN or --token-file"
        case 403:
            return "the token is known but may not do this: check its user's role in the organisation of that datamart"
        case 404 if said.own:
            return "check the id of the datamart"
        case 413:
            return "the body is too big for the platform: keep files at or under 100 MB"
        case 429:
            return "the platform asks for fewer calls: run again later, or lower --parallelism and --transfers"
        case status if status >= 500:
            return "run again later; the platform's support asks for the error_id, where there is one"
        case status if 300 <= status < 400:
            return f"redirects are never followed: check api.url ({address})"
        case _ if not said.own:
            return f"this does not look like the platform's own answer: check api.url ({address})"
        case _:
            return None


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""


def _plain(text: str) -> str:
    title = _TITLE.search(text)
    if title:
        return html.unescape(title[1])
    if "<" in text:
        text = html.unescape(_TAG.sub(" ", _HIDDEN.sub(" ", text)))
    return text


def _cut(text: str, longest: int = _LONGEST) -> str:
    text = " ".join(text.split())
    return text if len(text) <= longest else text[:longest] + "…"
