"""The state: which import stands behind each address, and every part that was ever accepted for it.

Pure values and their bytes. Knows nothing of where the bytes are kept (`store/`) or of how entries change it
(`core/ledger`). It holds ids, digests and counts: never a secret, never record data.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

import msgspec

from mics_iac.core.settings import Settings
from mics_iac.errors import StateDamaged, StateUnreadable

VERSION = 1


class Execution(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """One part that the platform accepted: what was sent, and what became of it.

    `source` is the path as the manifest's folder sees it; `part` counts from 1 within its source. `bytes` and
    `records` are what was sent; `total_success` and `total_failure` are None until the execution settled. Until then
    `status` is none of those that end one, even where the platform said so when it took the part.
    """

    id: str
    source: str
    part: int
    sha256: str
    bytes: int
    records: int
    status: str
    creation_date: int | None = None
    total_success: int | None = None
    total_failure: int | None = None


class Refusal(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """One part that the platform refused to take (a 4xx): sent again only when asked, or when it changes."""

    source: str
    part: int
    sha256: str
    status: int


class Doubt(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """One upload that began and whose outcome is not known.

    `strangers` are the executions that were in the import before it and that the ledger did not know: they cannot be
    this upload. `body_left` is False only when it is known that the body did not leave whole.
    """

    attempt: str
    source: str
    part: int
    sha256: str
    bytes: int
    records: int
    lines: int
    strangers: tuple[str, ...] = ()
    body_left: bool = True


class Stranger(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """An execution that somebody else made, and what is known of its bytes.

    `sha256` is that of its input file, None where it was not read: it saves reading it again. `not_` are contents that
    it is not, by a person's word where the bytes could not tell.
    """

    id: str
    sha256: str | None = None
    not_: tuple[str, ...] = ()


NOTHING: Final = ""
"""In place of the sha256 of a piece of which nothing is sent."""


class Piece(msgspec.Struct, frozen=True, gc=False, array_like=True, forbid_unknown_fields=True):
    """One part of a source: the bytes [start, end) of its whole content, and the sha256 of what is sent of them.

    `sha256` is NOTHING where all records of it are left out.
    """

    start: int
    end: int
    sha256: str


class Cut(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """How a source is loaded that is not sent byte for byte as it lies there, in one part.

    `sha256` and `bytes` are of its whole content, decompressed; `pieces` cover it, and are finished as they stand once
    one of them was sent. `seal` is what the store said of a remote object whose content this is, None for a file here.
    `dropped` records were left out as invalid, and are in the file `rejects` below the manifest's folder.
    """

    source: str
    sha256: str
    bytes: int
    pieces: tuple[Piece, ...]
    seal: str | None = None
    dropped: int = 0
    rejects: str | None = None


class Incarnation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One import of the platform, with the ledger of what was loaded through it.

    `adopted`: it was there before us, so `--prune` never deletes it. `gone`: the platform no longer has it; its
    ledger stays, because the data it loaded stays.
    """

    id: str
    settings: Settings
    adopted: bool = False
    gone: bool = False
    executions: tuple[Execution, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    strangers: tuple[Stranger, ...] = ()
    cuts: tuple[Cut, ...] = ()


class ImportState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What stands behind one address: the import of today, the ones it replaced, and its guard."""

    current: Incarnation
    protect: bool = False
    former: tuple[Incarnation, ...] = ()


class Creating(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A creation that began and whose outcome is not known; `known` are the ids of that title seen before it."""

    settings: Settings
    known: tuple[str, ...] = ()


class State(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything the tool knows of one environment.

    `lineage` names this state's history for ever, `serial` counts its saves. `environment` is None where the manifest
    declares none. `moved_to` is the place where the state is instead of here, "" where it is here: a state that was
    moved is a memory of what was, and no run goes on from it. `forgotten` are imports that a person took out of the
    state, by their last address: nothing is done about them any more, but what was loaded through them stays loaded.
    """

    lineage: str
    api_url: str
    version: int = VERSION
    mics_iac_version: str = ""
    serial: int = 0
    environment: str | None = None
    moved_to: str = ""
    imports: dict[str, ImportState] = {}
    creating: dict[str, Creating] = {}
    forgotten: dict[str, tuple[Incarnation, ...]] = {}
    checksum: str = ""


_CHECKSUM = re.compile(rb'^ "checksum": "(sha256:[0-9a-f]{64})",$', re.MULTILINE)
_BLANK = b' "checksum": "",'


def encode_state(state: State) -> bytes:
    """The bytes of a state file: keys sorted, one execution a line, with the checksum of all of it."""
    blank = _layout(msgspec.to_builtins(msgspec.structs.replace(state, checksum=""), order="sorted"), 0) + b"\n"
    seal = b' "checksum": "sha256:%b",' % hashlib.sha256(blank).hexdigest().encode()
    return blank.replace(_BLANK, seal, 1)


def decode_state(data: bytes, *, name: str) -> State:
    """Read a state file's bytes; `name` is how errors call it.

    Raises StateDamaged, or StateUnreadable when a newer version wrote it. Every format, this one and those to come, is
    sealed by the same checksum: so a damaged version number is not taken for a newer format.
    """
    head = _head(data, name)
    found = _CHECKSUM.search(data)
    blank = _CHECKSUM.sub(_BLANK, data, count=1)
    if found is None or found[1] != b"sha256:" + hashlib.sha256(blank).hexdigest().encode():
        raise _damaged(name, "its checksum does not fit its content")
    if head.version != VERSION:
        raise StateUnreadable(
            f"{name} is of format {head.version}; this version of mics-iac reads format {VERSION}",
            remedy="use the mics-iac that wrote it, or a newer one",
        )
    try:
        return msgspec.json.decode(data, type=State)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _damaged(name, str(error)) from error


class _Head(msgspec.Struct):
    version: int


def _head(data: bytes, name: str) -> _Head:
    try:
        return msgspec.json.decode(data, type=_Head)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _damaged(name, f"it is not the JSON of a state ({error})") from error


def _damaged(name: str, why: str) -> StateDamaged:
    return StateDamaged(f"{name} is damaged: {why}")


def _layout(value: object, depth: int) -> bytes:
    """JSON with an object's keys on lines of their own down to an incarnation, and one list item a line."""
    pad = b" " * (depth + 1)
    match value:
        case dict() if value and depth < 5 and any(isinstance(v, dict | list | tuple) for v in value.values()):
            rows = [pad + msgspec.json.encode(k) + b": " + _layout(v, depth + 1) for k, v in value.items()]
            return b"{\n" + b",\n".join(rows) + b"\n" + b" " * depth + b"}"
        case list() | tuple() if value:
            rows = [pad + _layout(v, depth + 1) for v in value]
            return b"[\n" + b",\n".join(rows) + b"\n" + b" " * depth + b"]"
        case _:
            return msgspec.json.encode(value)
