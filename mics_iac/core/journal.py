"""The journal: one line for one thing that happened, and the only vocabulary in which it is said.

Pure. An Entry is appended to the journal, folded into the ledger (`core/ledger`) and shown to the user; there are no
other events. Intents (`…Begun`) are written before the request leaves, outcomes after its answer.

A line is the CRC-32 of all lines up to it, in eight hex digits, a space, the entry as JSON, and a newline: a line that
was changed, lost or moved breaks the chain. A torn last line is what a crash leaves, and is dropped: nothing that
depended on it had been done yet.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from mics_iac.core.settings import Settings
from mics_iac.core.state import Cut
from mics_iac.errors import StateDamaged, StateUnreadable


class _Entry(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True, tag_field="entry"):
    pass


class RunBegun(_Entry, frozen=True, tag="run-begun"):
    """The first line of every journal: which state it goes on from. `at` is epoch milliseconds, for people only."""

    run: str
    lineage: str
    serial: int
    api_url: str
    environment: str | None
    command: str
    who: str
    at: int
    mics_iac_version: str


class CreateBegun(_Entry, frozen=True, tag="create-begun"):
    """An import is about to be created; `known` are the ids of the same title that are there already."""

    address: str
    settings: Settings
    known: tuple[str, ...] = ()


class ImportCreated(_Entry, frozen=True, tag="import-created"):
    """The platform created the import. A former import of the address moves to `former`."""

    address: str
    id: str
    settings: Settings
    protect: bool = False


class CreateAbandoned(_Entry, frozen=True, tag="create-abandoned"):
    """The creation is known not to have happened."""

    address: str
    reason: str


class ImportAdopted(_Entry, frozen=True, tag="import-adopted"):
    """An import that was there is the one of this address from now on.

    `ours`: it is the outcome of a creation of our own whose answer was lost.
    """

    address: str
    id: str
    settings: Settings
    protect: bool = False
    ours: bool = False


class ChangeBegun(_Entry, frozen=True, tag="change-begun"):
    """An import is about to get these settings."""

    address: str
    settings: Settings


class ImportChanged(_Entry, frozen=True, tag="import-changed"):
    """The import has these settings now, by our doing or by somebody else's."""

    address: str
    settings: Settings


class GuardChanged(_Entry, frozen=True, tag="guard-changed"):
    """The manifest's `protect` of a declared import, kept in the state so that removing the block does not lift it."""

    address: str
    protect: bool


class ImportGone(_Entry, frozen=True, tag="import-gone"):
    """The platform no longer has the import of this address; its ledger stays."""

    address: str
    id: str


class ImportMoved(_Entry, frozen=True, tag="import-moved"):
    """The manifest renamed an address."""

    source: str
    target: str


class ImportForgotten(_Entry, frozen=True, tag="import-forgotten"):
    """A person took an address out of the state; what was loaded there stays loaded, the platform keeps the import."""

    address: str


class UploadBegun(_Entry, frozen=True, tag="upload-begun"):
    """A part is about to be sent into an import. Fields as in `state.Doubt`, which it is until its outcome is known."""

    address: str
    import_id: str
    attempt: str
    source: str
    part: int
    sha256: str
    bytes: int
    records: int
    lines: int
    strangers: tuple[str, ...] = ()


class SourceCut(_Entry, frozen=True, tag="source-cut"):
    """How a source of this import is loaded, before the first part of it is sent. See `state.Cut`."""

    address: str
    import_id: str
    cut: Cut


class UploadAccepted(_Entry, frozen=True, tag="upload-accepted"):
    """The platform took the part and made an execution of it."""

    address: str
    attempt: str
    id: str
    status: str
    creation_date: int | None = None


class UploadDoubted(_Entry, frozen=True, tag="upload-doubted"):
    """The answer was lost; `body_left` says whether the whole body may have left."""

    address: str
    attempt: str
    body_left: bool
    reason: str


class UploadAbandoned(_Entry, frozen=True, tag="upload-abandoned"):
    """The upload is known not to have happened: it never left, or no execution of it came to be.

    `reason` is empty where its turn came too late: the run was to end by then, or had to look at the import again.
    """

    address: str
    attempt: str
    reason: str


class UploadRefused(_Entry, frozen=True, tag="upload-refused"):
    """The platform refused the part with this HTTP status."""

    address: str
    attempt: str
    status: int
    reason: str
    error_id: str | None = None


class ExecutionAdopted(_Entry, frozen=True, tag="execution-adopted"):
    """An execution that the ledger did not know holds the bytes of this part: it is the part.

    It settles every open doubt of the same bytes in that import.
    """

    address: str
    import_id: str
    id: str
    source: str
    part: int
    sha256: str
    bytes: int
    records: int
    status: str
    creation_date: int | None = None


class StrangerRead(_Entry, frozen=True, tag="stranger-read"):
    """The input file of an execution that somebody else made was read; these are its bytes' digest."""

    address: str
    import_id: str
    id: str
    sha256: str


class StrangerDismissed(_Entry, frozen=True, tag="stranger-dismissed"):
    """A person decided that an execution does not hold this content; its bytes could not tell."""

    address: str
    import_id: str
    id: str
    sha256: str


class ExecutionSettled(_Entry, frozen=True, tag="execution-settled"):
    """The platform is done with an execution of ours. Counts are records; None where the platform gave none."""

    address: str
    id: str
    status: str
    total_success: int | None = None
    total_failure: int | None = None
    message: str | None = None


Entry = (
    RunBegun
    | CreateBegun
    | ImportCreated
    | CreateAbandoned
    | ImportAdopted
    | ChangeBegun
    | ImportChanged
    | GuardChanged
    | ImportGone
    | ImportMoved
    | ImportForgotten
    | SourceCut
    | UploadBegun
    | UploadAccepted
    | UploadDoubted
    | UploadAbandoned
    | UploadRefused
    | ExecutionAdopted
    | StrangerRead
    | StrangerDismissed
    | ExecutionSettled
)

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Entry)


def encode_entries(entries: Iterable[Entry], *, crc: int = 0) -> tuple[bytes, int]:
    """The lines of these entries after a journal whose chain stands at `crc`, and where it stands after them."""
    lines = []
    for entry in entries:
        text = _encoder.encode(entry)
        crc = zlib.crc32(text, crc)
        lines.append(b"%08x %b\n" % (crc, text))
    return b"".join(lines), crc


@dataclass(frozen=True, slots=True)
class Journal:
    """One run's journal as read: its entries, and how many bytes of a torn last line were dropped.

    `damage` is what is wrong after those entries, None if nothing is.
    """

    entries: tuple[Entry, ...]
    torn: int
    damage: StateUnreadable | None = None


def decode_journal(data: bytes, *, name: str) -> Journal:
    """Read a journal's bytes; `name` is how errors call it.

    Raises StateUnreadable for any damage but a torn last line.
    """
    journal = salvage_journal(data, name=name)
    if journal.damage is not None:
        raise journal.damage
    return journal


def salvage_journal(data: bytes, *, name: str) -> Journal:
    """The same, damaged or not.

    The entries before the damage are what was written: each line's checksum is over all lines up to it.
    """
    entries: list[Entry] = []
    crc = 0
    *lines, tail = data.split(b"\n")
    for number, line in enumerate(lines, start=1):
        text = line[9:]
        crc = zlib.crc32(text, crc)
        if line[:9] != b"%08x " % crc:
            return Journal(tuple(entries), 0, _damaged(name, number, "its checksum does not fit"))
        try:
            entry = _decoder.decode(text)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            # The checksum fits: nothing was damaged, it says something that this version does not know.
            return Journal(tuple(entries), 0, _newer(name, number, error))
        if number == 1 and not isinstance(entry, RunBegun):
            return Journal((), 0, _damaged(name, 1, "a journal begins with the run it belongs to"))
        entries.append(entry)
    return Journal(tuple(entries), len(tail))


def _newer(name: str, line: int, error: Exception) -> StateUnreadable:
    newer = StateUnreadable(
        f"{name}:{line}: the journal was written by a newer mics-iac: {error}",
        remedy="use the mics-iac that wrote it, or a newer one",
    )
    newer.__cause__ = error
    return newer


def _damaged(name: str, line: int, why: str) -> StateDamaged:
    return StateDamaged(f"{name}:{line}: the journal is damaged: {why}")
