"""The one document in which a state server keeps everything: state, journals, former states, and who holds the lock.

Pure values and their bytes. Servers of the protocol keep one JSON document an address; some of them (GitLab) want a
`serial` at its top that grows with every version. Knows nothing of requests, and not what state and journals mean.
"""

from __future__ import annotations

import base64
import lzma
import re

import msgspec

from mics_iac.errors import StateUnreadable
from mics_iac.store.backend import RING, LockInfo, visible

FORMAT = 1
# Former states are packed together, so that each costs little more than what differs. What they unpack to is bounded:
# a small document must not fill the memory.
_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 1, "dict_size": 1 << 26}]
_LONGEST_RING = 1 << 30


class Keeping(msgspec.Struct, frozen=True):
    """Who holds the lock: `lease` milliseconds from `at` (epoch milliseconds, the server's clock)."""

    lock: LockInfo
    at: int
    lease: int

    @property
    def info(self) -> LockInfo:
        """The holder with the end of his lease."""
        return msgspec.structs.replace(self.lock, expires=self.at + self.lease)


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What stands at the address.

    `revision` is unique to each version: by it whoever lost the answer to a POST knows his own. `state` and `journals`
    (by name, as `aside` too) are the text of their bytes (`text_of`), `ring` the packed former states.
    """

    mics_iac: int = FORMAT
    serial: int = 0
    revision: str = ""
    lock: Keeping | None = None
    state: str | None = None
    ring: str | None = None
    journals: dict[str, str] = {}
    aside: dict[str, str] = {}


# Keys by which a document of ours is known whose marker is damaged.
_OURS = {"revision", "ring", "journals", "aside"}


def encode_document(document: Document) -> bytes:
    """The bytes of a document."""
    return msgspec.json.encode(document) + b"\n"


def decode_document(data: bytes, *, name: str) -> Document | None:
    """Read a document; None if its bytes are damaged. `name` is how errors call it.

    Raises StateUnreadable for one that is somebody else's, or of a newer version: it must not be replaced.
    """
    try:
        found = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    keys = set(found) if isinstance(found, dict) else set()
    if "mics_iac" not in keys:
        if len(keys & _OURS) > 1:
            return None
        raise StateUnreadable(
            f"what is kept at {name} is no state of mics-iac: {visible(data[:80].decode(errors='replace'))}",
            remedy="give the state an address of its own (the manifest's `state`, or --state)",
        )
    if isinstance(found["mics_iac"], int) and found["mics_iac"] > FORMAT:
        raise StateUnreadable(
            f"{name} is of format {found['mics_iac']}; this version of mics-iac reads format {FORMAT}",
            remedy="use the mics-iac that wrote it, or a newer one",
        )
    try:
        return msgspec.json.decode(data, type=Document)
    except (msgspec.MsgspecError, RecursionError):
        return None


def damaged_document(data: bytes) -> Document:
    """What stands for damaged bytes: they are the state, which is damaged then, and are replaced by nobody unseen.

    The next version must have a higher number than they had, which is looked for in them.
    """
    numbers = [int(found) for found in re.findall(rb'"serial": ?([0-9]{1,15})', data)]
    return Document(serial=max(numbers, default=0), revision="damaged", state=text_of(data))


# Bytes that are no text, as damaged ones may be, are marked by a character that no text of ours begins with.
_MARK = "\x00"


def text_of(data: bytes) -> str:
    """Bytes as text for a document: themselves where they are text."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = _MARK
    return text if not text.startswith(_MARK) else _MARK + base64.b64encode(data).decode()


def bytes_of(text: str) -> bytes:
    """The bytes that `text_of` made text."""
    return base64.b64decode(text[1:]) if text.startswith(_MARK) else text.encode()


def pushed(ring: str | None, former: bytes) -> str:
    """The packed ring with one more state, which is the newest from now on."""
    states = [former, *unpacked(ring)][:RING]
    packed = lzma.compress(msgspec.msgpack.encode(states), lzma.FORMAT_XZ, filters=_FILTERS)
    return base64.b64encode(packed).decode()


def unpacked(ring: str | None) -> list[bytes]:
    """The former states, newest first; none where they cannot be unpacked: they are a help, not a promise."""
    if ring is None:
        return []
    try:
        data = lzma.LZMADecompressor(lzma.FORMAT_XZ).decompress(base64.b64decode(ring), _LONGEST_RING)
        return msgspec.msgpack.decode(data, type=list[bytes])
    except (ValueError, EOFError, lzma.LZMAError, msgspec.MsgspecError):
        return []
