"""S3, as moto imitates it, behind a `Server` of ours; a process of its own, since moto keeps all it has in globals.

    python -m tests.servers.s3 --port 0

says `listening on URL` and serves until SIGTERM. Any credentials do. moto looks whether an object is there, then puts
it, and its own server runs requests in threads at once: of two that create one object now and then both succeeded (seen
with moto 5.2: 1 of 150 races). S3 never does that, so here one request at a time is answered.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from html import unescape
from io import BytesIO
from typing import Any
from urllib.parse import unquote_to_bytes
from uuid import uuid4

import requests

from tests.servers.entry import options, serve
from tests.servers.server import Server
from tests.servers.wire import Answer, Request

ANYBODY = "AWS4-HMAC-SHA256 Credential=any/20200101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
"""An Authorization that will do: moto wants to be told who asks, and believes it."""

Wsgi = Callable[[dict[str, Any], Callable[..., object]], Any]


class Moto:
    """moto's WSGI application as an `Application`, one request at a time."""

    def __init__(self, application: Wsgi) -> None:
        self._application = application
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Answer:
        """Answer a request."""
        said: list[tuple[int, dict[str, str]]] = []

        def start(status: str, headers: list[tuple[str, str]], _error: object = None) -> None:
            said.append((int(status.partition(" ")[0]), dict(headers)))

        with self._lock:
            body = b"".join(self._application(_environ(request), start))
        status, headers = said[-1]
        bare = {name: text for name, text in headers.items() if name.lower() not in {"content-length", "date"}}
        if request.method == "HEAD":
            lengths = [text for name, text in headers.items() if name.lower() == "content-length"]
            return Answer(status, b"", bare, length=int(lengths[0]) if lengths else 0)
        return Answer(status, body, bare)


def _environ(request: Request) -> dict[str, Any]:
    """The request as PEP 3333 and moto want it."""
    sent = request.head.split(b" ", 2)[1].decode("latin-1")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(sent.partition("?")[0]).decode("latin-1"),
        "QUERY_STRING": request.search,
        # moto reads the keys of objects from these, since percent-encoding matters in them.
        "REQUEST_URI": sent,
        "RAW_URI": sent,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": request.headers.get("host", "").rpartition(":")[2] or "80",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(request.body),
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "CONTENT_LENGTH": str(len(request.body)),
        "CONTENT_TYPE": request.headers.get("content-type", ""),
    }
    named = {f"HTTP_{name.upper().replace('-', '_')}": text for name, text in request.headers.items()}
    return {**named, **environ}


def make_bucket(url: str) -> str:
    """Make a bucket of a new name, which is returned, in the server at this URL."""
    name = f"bucket-{uuid4().hex[:12]}"
    _ask("PUT", f"{url}/{name}")
    return name


def remove_bucket(url: str, name: str) -> None:
    """Remove a bucket with all that is in it."""
    for key in re.findall(r"<Key>(.*?)</Key>", _ask("GET", f"{url}/{name}?list-type=2&encoding-type=url")):
        _ask("DELETE", f"{url}/{name}/{unescape(key)}")
    _ask("DELETE", f"{url}/{name}")


def _ask(method: str, url: str) -> str:
    with requests.Session() as session:
        session.trust_env = False
        answer = session.request(method, url, headers={"Authorization": ANYBODY}, timeout=30)
    answer.raise_for_status()
    return answer.text


def moto_server(*, port: int) -> Server:
    """A server of S3. Its objects are dated by its clock. Imports moto, once a process."""
    import moto.s3.models  # noqa: PLC0415 - takes half a second, and only a process of its own needs it
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app  # noqa: PLC0415

    application = DomainDispatcherApplication(create_backend_app)
    server = Server(Moto(application), port=port)
    # It reads the clock by this name alone: what S3 says of when an object changed is what leases are measured by.
    setattr(moto.s3.models, "utcnow", lambda: datetime.fromtimestamp(server.now(), UTC).replace(tzinfo=None))  # noqa: B010 - not exported
    return server


def main() -> None:
    """Serve as a process of its own."""
    given = options("s3").parse_args()
    serve(moto_server(port=given.port), given)


if __name__ == "__main__":
    main()
