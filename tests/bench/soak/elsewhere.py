"""The state of a soak in a bucket, or at a state server: both run as processes on this machine."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import quote

import msgspec
import requests

from mics_iac.store.backend import RING
from mics_iac.store.document import Document, bytes_of, decode_document, encode_document, text_of
from tests.bench.soak.kept import STATE, InFolder, Kept
from tests.bench.soak.way import Target, Way, way_to
from tests.servers.processes import running
from tests.servers.s3 import ANYBODY, make_bucket
from tests.servers.state_rules import Documents, Flavour

Where = Literal["file", "s3", "http", "gitlab"]
WHERE: Sequence[Where] = get_args(Where)

_PREFIX = "soak"
_STEM = f"{_PREFIX}/{STATE.removesuffix('.json')}"
_NAME = "imports"


@contextmanager
def kept(where: Where, folder: Path, words: Path) -> Iterator[Kept]:
    """The place of a state, while the block runs: `folder` is the project's, `words` takes files of the store's own."""
    match where:
        case "file":
            yield InFolder(folder)
        case "s3":
            with running("s3") as store, way_to(store.url, _OF_BUCKET) as way:
                yield InBucket(store.url, make_bucket(store.url), way)
        case "http" | "gitlab":
            flavour: Flavour = "strict" if where == "http" else "gitlab"
            data = words / "documents.sqlite"
            with (
                running("state_http", "--flavour", flavour, "--data", str(data)) as server,
                way_to(server.url, _OF_DOCUMENT) as way,
                closing(Documents(data)) as documents,
            ):
                yield AtServer(documents, way, flavour)


_OF_BUCKET: Sequence[Target] = (
    (("PUT",), "*.journal/*"),
    (("PUT",), "*.journal/*"),
    (("PUT",), "*.lock"),
    (("PUT",), f"*/{STATE}"),
    (("PUT",), "*"),
    (("GET",), "*"),
    (("GET",), "*.lock"),
    (("POST", "DELETE"), "*"),
    ((), "*"),
)


class InBucket:
    """A folder of a bucket of the store at `url`, to which processes find by `way`."""

    environ: Mapping[str, str] = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any"}
    distant = True
    tells_holders = True

    def __init__(self, url: str, bucket: str, way: Way) -> None:
        self._address = f"{url}/{bucket}"
        self.words = ("--state", f"s3://{bucket}/{_PREFIX}?region=us-east-1&endpoint={quote(way.url, safe='')}")
        self._way = way
        self.break_, self.mend, self.complaint = way.break_, way.mend, way.complaint
        self._session = requests.Session()
        self._session.trust_env = False

    def free(self) -> bool:
        """See Kept."""
        return False

    def state(self) -> bytes | None:
        """See Kept."""
        return self._get(f"{_STEM}.json")

    def put_state(self, data: bytes | None) -> None:
        """See Kept."""
        if data is None:
            self._remove(f"{_STEM}.json")
        else:
            self.put_piece(f"{_STEM}.json", data)

    def journals(self) -> list[bytes]:
        """See Kept. One may be removed while we look, its first group first: the next run has folded it then."""
        groups: dict[str, list[bytes | None]] = {}
        for key in self._keys(f"{_STEM}.journal/"):
            name, _, number = key.rpartition("/")
            if name in groups or int(number) == 1:
                groups.setdefault(name, []).append(self._get(key))
        return [b"".join(one for one in some if one is not None) for some in groups.values() if None not in some]

    def drop_journals(self) -> None:
        """See Kept."""
        for key in self._keys(f"{_STEM}.journal/"):
            self._remove(key)

    def pieces(self) -> dict[str, bytes]:
        """See Kept."""
        keys = (f"{_STEM}.json", *self._keys(f"{_STEM}.journal/"))
        return {key: data for key in keys if (data := self._get(key)) is not None}

    def put_piece(self, name: str, data: bytes) -> None:
        """See Kept."""
        self._ask("PUT", f"/{name}", data)

    def leftovers(self) -> list[str]:
        """See Kept."""
        kept = re.compile(re.escape(_STEM) + r"\.(json|lock|clock|backup/[0-9]{8}|damaged/[0-9-]+\.[0-9a-f]+)")
        keys = self._keys("")
        found = [key for key in keys if not kept.fullmatch(key)]
        backups = [key for key in keys if ".backup/" in key]
        # A run that is killed when it has put one, and before it removed the oldest, leaves one more.
        if len(backups) > RING + 1:
            found += [f"{len(backups)} backups"]
        lock = self._get(f"{_STEM}.lock")
        return found if lock is None or msgspec.json.decode(lock)["lock"] is None else [*found, "a lock that is held"]

    def _keys(self, folder: str) -> list[str]:
        listed = self._ask("GET", f"?list-type=2&prefix={folder}").content.decode()
        assert "<IsTruncated>true" not in listed
        return sorted(re.findall(r"<Key>(.*?)</Key>", listed))

    def _get(self, key: str) -> bytes | None:
        answer = self._ask("GET", f"/{key}")
        return answer.content if answer.status_code == 200 else None

    def _remove(self, key: str) -> None:
        self._ask("DELETE", f"/{key}")

    def _ask(self, method: str, what: str, data: bytes | None = None) -> requests.Response:
        answer = self._session.request(
            method, self._address + what, data=data, headers={"Authorization": ANYBODY}, timeout=30
        )
        if answer.status_code != 404:
            answer.raise_for_status()
        return answer


_OF_DOCUMENT: Sequence[Target] = (
    (("POST",), "*"),
    (("POST",), "*"),
    (("POST",), "*"),
    (("GET",), "*"),
    (("LOCK",), "*"),
    (("UNLOCK",), "*"),
    ((), "*/lock"),
    ((), "*"),
)


class AtServer:
    """A document of a state server, to which processes find by `way`; looked at and changed behind its back."""

    environ: Mapping[str, str] = {}
    distant = True

    def __init__(self, documents: Documents, way: Way, flavour: Flavour) -> None:
        # GitLab tells nothing of who has a lock but its id, until he has written into the document.
        self.tells_holders = flavour != "gitlab"
        self._numbered = flavour == "gitlab"
        folder = "/api/v4/projects/7/terraform/state/" if flavour == "gitlab" else "/states/"
        self._path = f"{folder}{_NAME}"
        self._documents = documents
        self.words = ("--state", f"{way.url}{folder}")
        self.break_, self.mend, self.complaint = way.break_, way.mend, way.complaint

    def free(self) -> bool:
        """See Kept."""
        there, told = self._documents.lock(self._path), self._document().lock
        if self.tells_holders or there is None or (told is not None and told.lock.id == there["ID"]):
            return False
        self._documents.set_lock(self._path, None)
        return True

    def state(self) -> bytes | None:
        """See Kept."""
        text = self._document().state
        return None if text is None else bytes_of(text)

    def put_state(self, data: bytes | None) -> None:
        """See Kept."""
        self._put(msgspec.structs.replace(self._document(), state=None if data is None else text_of(data)))

    def journals(self) -> list[bytes]:
        """See Kept."""
        return [bytes_of(text) for _, text in sorted(self._document().journals.items())]

    def drop_journals(self) -> None:
        """See Kept. Where the state is gone as well, all of it goes, if nobody has the lock."""
        document = self._document()
        if document.state is None and self._documents.lock(self._path) is None:
            self._documents.remove(self._path)
        else:
            self._put(msgspec.structs.replace(document, journals={}))

    def pieces(self) -> dict[str, bytes]:
        """See Kept. The document itself is one: the part of it behind who has the lock."""
        document = self._document()
        state = {"state": bytes_of(document.state)} if document.state is not None else {}
        journals = {name: bytes_of(text) for name, text in document.journals.items()}
        return {**state, **journals, "document": self._halves()[1]}

    def put_piece(self, name: str, data: bytes) -> None:
        """See Kept."""
        if name == "document":
            self._write(self._halves()[0] + data, self._document().serial)
        elif name == "state":
            self.put_state(data)
        else:
            document = self._document()
            journals = {**document.journals, name: text_of(data)}
            self._put(msgspec.structs.replace(document, journals=journals))

    def leftovers(self) -> list[str]:
        """See Kept."""
        document = self._document()
        held = (document.lock is not None and document.lock.lease) or self._documents.lock(self._path) is not None
        return [*(f"journal {name}" for name in document.journals), *(["a lock that is held"] if held else [])]

    def _document(self) -> Document:
        data = self._documents.body(self._path)
        document = decode_document(data, name="the document") if data else Document()
        assert document is not None, "the document is damaged"
        return document

    def _put(self, document: Document) -> None:
        """Replace the document as somebody would who has the lock: by a version of its own."""
        serial = document.serial + 1
        put = msgspec.structs.replace(document, serial=serial, revision=f"by-hand-{serial}")
        self._write(encode_document(put), serial)

    def _write(self, data: bytes, serial: int) -> None:
        if self._numbered:
            self._documents.take_serial(self._path, serial)
        self._documents.write(self._path, data, serial=serial if self._numbered else 0)

    def _halves(self) -> tuple[bytes, bytes]:
        data = self._documents.body(self._path) or b""
        head, mark, tail = data.partition(b'"state":')
        return head, mark + tail
