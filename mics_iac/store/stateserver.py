"""The requests of the protocol in which Terraform's `http` backend speaks to a state server, one method each.

GET and POST of one document, LOCK and UNLOCK beside it, `?ID=` on a POST for the lock that it is made under; 409 or 423
say that another one holds it. GitLab speaks it with its own methods and address for the lock. Nothing is decided and
nothing repeated here: it is the seam at which a test lets the n-th request go wrong. Redirects are never followed: what
is sent is meant for this address alone.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from urllib.parse import urlencode, urlsplit

import urllib3

from mics_iac import __version__
from mics_iac.clouds.attempts import Unsure
from mics_iac.clouds.web import open_pool, why_broken
from mics_iac.core.place import HttpPlace
from mics_iac.errors import StoreFailed, StoreRefused
from mics_iac.store.backend import visible

# Bound on the bytes of one answer.
_LONGEST = 1 << 30

_ACCESS = (
    "set TF_HTTP_USERNAME and TF_HTTP_PASSWORD, or MICS_STATE_HEADER ('Name: value'), to ones that may read and write "
    "it"
)

TAKEN = frozenset({409, 423})
"""What a server answers where somebody else has the lock."""


class NotHeld(Exception):
    """The server refuses a POST or an UNLOCK, since the lock is not the one that is named."""


@dataclass(frozen=True, slots=True)
class Access:
    """What opens the door, and the way there: all of it from the environment, none of it ever shown."""

    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    proxy: str | None = field(default=None, repr=False)
    ca_bundle: str | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """The body of an answer, and the server's time in it (epoch seconds; None where it tells none)."""

    status: int
    data: bytes
    at: float | None


class StateServer:
    """One document at one address. Safe for threads."""

    def __init__(self, place: HttpPlace, access: Access) -> None:
        self._place = place
        self._headers = {"User-Agent": f"mics-iac/{__version__}", "Accept": "application/json", **access.headers}
        self._secrets = [access.password, *access.headers.values()]
        if access.username is not None or access.password is not None:
            pair = base64.b64encode(f"{access.username or ''}:{access.password or ''}".encode()).decode()
            self._headers["Authorization"] = f"Basic {pair}"
            self._secrets.append(pair)
        self._pool = open_pool(proxy=access.proxy, ca_bundle=access.ca_bundle)

    @property
    def where(self) -> str:
        """The address, as messages call it."""
        return str(self._place.address)

    def get(self) -> Answered:
        """The document; its bytes are empty where there is none yet."""
        answer = self._ask("GET", self._place.address, None)
        if answer.status in {204, 404}:
            self._refuse_hidden(answer)
            return Answered(answer.status, b"", answer.at)
        return self._fine(answer, "read the state")

    def post(self, data: bytes, *, lock_id: str | None) -> Answered:
        """Replace the document; under the lock of that id. Raises NotHeld."""
        answer = self._ask(self._place.update_method, self._place.address, data, lock_id=lock_id)
        if answer.status in TAKEN:
            raise NotHeld
        if answer.status == 422:
            # GitLab has a version of that number: most likely this very one, from an answer that was lost.
            raise Unsure("it has that version already (422)")
        return self._fine(answer, "write the state")

    def lock(self, info: bytes) -> Answered:
        """Take the lock. Where somebody has it the answer's status is in TAKEN, and its body is what is said of him."""
        answer = self._ask(self._place.lock_method, self._place.lock_address or self._place.address, info)
        if answer.status in TAKEN:
            return answer
        self._refuse_hidden(answer)
        if answer.status in {404, 405, 501}:
            raise StoreFailed(
                f"{self.where} does not know {self._place.lock_method} ({answer.status}), so that it cannot keep two "
                "runs apart",
                remedy="set lock_address, lock_method and unlock_method as the server wants them, or choose another",
            )
        return self._fine(answer, "take the lock")

    def unlock(self, info: bytes) -> Answered:
        """Let the lock go, or take it from whoever has it. Raises NotHeld if it is another one."""
        address = self._place.unlock_address or self._place.lock_address or self._place.address
        answer = self._ask(self._place.unlock_method, address, info)
        if answer.status in TAKEN:
            raise NotHeld
        return self._fine(answer, "let the lock go")

    def _refuse_hidden(self, answer: Answered) -> None:
        """GitLab says the same of a project that is not there and of one that one may not see."""
        if answer.status == 404 and b"Project Not Found" in answer.data:
            raise StoreRefused(
                f"there is no such project, or these credentials may not see it: {self.where}", remedy=_ACCESS
            )

    def _ask(self, method: str, url: str, data: bytes | None, *, lock_id: str | None = None) -> Answered:
        if lock_id is not None:
            url += ("&" if urlsplit(url).query else "?") + urlencode({"ID": lock_id})
        headers = dict(self._headers)
        if data is not None:
            headers["Content-Type"] = "application/json"
        try:
            response = self._pool.request(
                method, url, body=data, headers=headers, redirect=False, preload_content=False, retries=False
            )
            try:
                body = self._whole(response, method)
            finally:
                response.release_conn()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Unsure(why_broken(error)) from error
        if response.status < 200:
            raise Unsure("its answer broke off")
        if response.status == 200 and method == "GET" and "text/html" in response.headers.get("Content-Type", ""):
            raise StoreFailed(
                f"{self.where} answers with a web page, not with a state: perhaps to log in",
                remedy="correct the address of the state (the manifest's `state`, or --state)",
            )
        return Answered(response.status, body, _moment(response.headers.get("Date")))

    def _whole(self, response: urllib3.BaseHTTPResponse, method: str) -> bytes:
        blocks: list[bytes] = []
        size = 0
        # To the empty block: only there a body that broke off is told apart.
        while block := response.read(1 << 20):
            blocks.append(block)
            size += len(block)
            if size > _LONGEST:
                raise StoreFailed(f"{self.where} answers with more than {_LONGEST} bytes", remedy="correct its address")
        headers = {name.lower() for name in response.headers}
        tells_length = bool({"content-length", "transfer-encoding"} & headers)
        # An answer that broke off within its head passes for a whole one without a body; what is empty then would be
        # taken for no state, or for a lock of which nothing is known.
        body_matters = (method == "GET" and response.status == 200) or (response.status in TAKEN and not size)
        if not headers or (body_matters and not tells_length):
            raise Unsure("its answer broke off, or does not say how long it is")
        return b"".join(blocks)

    def _fine(self, answer: Answered, doing: str) -> Answered:
        status = answer.status
        if 200 <= status < 300:
            return answer
        if status in {401, 403}:
            what = "does not take these credentials" if status == 401 else f"does not allow to {doing}"
            raise StoreRefused(
                f"{self.where} {what} ({status})",
                remedy=_ACCESS,
            )
        if status >= 500 or status in {408, 425, 429}:
            raise Unsure(f"it answers with {status}")
        said = answer.data.decode(errors="replace")
        for secret in filter(None, self._secrets):
            said = said.replace(secret, "***")  # a server may repeat what it was asked
        said = visible(said[:200])
        raise StoreFailed(
            f"cannot {doing}: {self.where} answers with {status}: {said}",
            remedy="correct the address of the state (the manifest's `state`, or --state); redirects are not followed",
        )


def _moment(date: str | None) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp() if date else None
    except (ValueError, TypeError, OverflowError):
        return None
