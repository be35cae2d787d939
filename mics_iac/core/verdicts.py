"""What the plan says of one part, with its reason or with what a person can do. Pure.

Nothing is decided here: that is `core/loading`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from mics_iac.core.content import Content, Part
from mics_iac.core.desired import DesiredImport, Grown, SourceFile
from mics_iac.core.loaded import Loaded, OpenDoubt
from mics_iac.core.naming import called, resolve_command
from mics_iac.core.plan import Fetch, Refused, Skip, Stuck, Upload
from mics_iac.core.state import NOTHING, Cut, Piece


def upload(wanted: DesiredImport, source: SourceFile, part: Part, reason: str, *, again: bool = False) -> Upload:
    """A part to load."""
    whole = source.content is None or (part.start, part.end) == (0, source.content.bytes)
    return Upload(
        wanted.address,
        source.path,
        part.number,
        part.sha256,
        part.bytes,
        part.lines,
        part.records,
        reason,
        again,
        range=None if whole else (part.start, part.end),
        seal=source.seal,
    )


def skip(wanted: DesiredImport, path: str, part: Part, reason: str) -> Skip:
    """A part that is loaded."""
    return Skip(wanted.address, path, part.number, part.sha256, part.bytes, part.records, reason)


def emptied(wanted: DesiredImport, path: str, content: Content) -> Skip:
    """A source of which nothing is sent, since none of its records is valid."""
    return Skip(wanted.address, path, 1, NOTHING, content.bytes, 0, "none of its records is valid: all are left out")


def stuck(wanted: DesiredImport, path: str, part: Part, reason: str) -> Stuck:
    """A part that is not sent, though it is not loaded."""
    return Stuck(wanted.address, path, part.number, part.sha256, part.bytes, part.records, reason)


def waiting(wanted: DesiredImport, decided: Upload | Fetch, reason: str) -> Stuck:
    """A part, or an object that was not read, which may not be loaded before another one is."""
    if isinstance(decided, Fetch):
        return Stuck(wanted.address, decided.source, 1, "", decided.bytes, 0, reason)
    d = decided
    return Stuck(wanted.address, d.source, d.part, d.sha256, d.bytes, d.records, reason)


def unseen(wanted: DesiredImport, source: SourceFile, part: Part, loaded: Loaded) -> Stuck:
    """Content whose import was deleted before its execution had ended: a person must decide."""
    sent = loaded.execution.sha256
    several = source.content is None or source.content.sha256 != sent
    resolve = resolve_command(wanted.address, source.path, sent, several=several)
    reason = (
        f"execution {loaded.execution.id} had not ended when its import was deleted: if it was loaded, {resolve} "
        f"--execution {loaded.execution.id}; if it was not, {resolve} --resend"
    )
    return msgspec.structs.replace(stuck(wanted, source.path, part, reason), unseen=True)


def where(loaded: Loaded, held: str, path: str) -> str:
    """By what, and as what, a part was loaded."""
    reason = f"loaded by execution {loaded.execution.id}"
    if loaded.execution.source != path:
        reason += f" as {loaded.execution.source}"
    if loaded.address != held:
        reason += f" in {loaded.address}"
    return reason


def shared(wanted: DesiredImport, path: str, other: Loaded | None, planned: tuple[str, str] | None) -> Refused:
    """Content that another import has loaded, or loads in this very plan."""
    if other is not None:
        there = f"{other.address} loaded it already (execution {other.execution.id}, {other.execution.source})"
    else:
        address, source = planned or ("", "")
        there = f"{address} loads it too ({source})"
    kind = wanted.settings.document_type
    message = (
        f"{path}: the same content would be loaded twice as {kind} into datamart "
        f"{wanted.settings.datamart_id}: {there}. "
        "Remove one of the two, or set `allow_shared_content: true` on this import"
    )
    return Refused(wanted.address, message)


def lost(wanted: DesiredImport, source: SourceFile, doubt: OpenDoubt) -> Refused:
    """Content whose last answer was lost by an import that is not there to be asked."""
    several = source.content is None or source.content.sha256 != doubt.sha256
    resolve = resolve_command(doubt.address, doubt.source, doubt.sha256, several=several)
    message = (
        f"{called(source.path, doubt.part, several=several)}: the answer to its upload into import {doubt.import_id} "
        f"was lost, and that import cannot be asked any more whether it was loaded. If it was: {resolve} --execution "
        f"ID. If it was not: {resolve} --resend, or apply with --ignore-history {wanted.address}"
    )
    return Refused(wanted.address, message)


def grown(wanted: DesiredImport, path: str, found: Grown, pieces: Sequence[Piece]) -> Refused:
    """A file that begins with what is loaded: loaded as it is, those records would be loaded twice."""
    loaded = "loaded already" if len(pieces) == 1 else f"loaded already, or begun to be, in {len(pieces)} parts"
    if found.whole_records:
        do = "set `on_growth: tail` on this import to load the new lines alone, or `on_growth: whole` to load all again"
    else:
        do = "its last loaded line goes on, too: put back what was loaded, or set `on_growth: whole` to load all again"
    return Refused(wanted.address, f"{path} has grown: its first {found.bytes:,} bytes are content {loaded}; {do}")


def mended(wanted: DesiredImport, path: str, cut: Cut) -> str:
    """The warning for another content of a path that was loaded without its invalid records: it may be that, mended."""
    records = "1 record" if cut.dropped == 1 else f"{cut.dropped:,} records"
    return (
        f"{wanted.address}: {path} was loaded before without {records}, and is another content now. If it is that "
        f"file, mended, its other records would be loaded twice: load the mended {cut.rejects or 'records'} instead"
    )


def moved_cut(wanted: DesiredImport, path: str) -> Refused:
    """A source whose upload began under a cut that came to light only now."""
    message = f"{path}: its upload began in other parts than it was read in now; plan again"
    return Refused(wanted.address, message)


def rejects_path(wanted: DesiredImport, path: str, sha256: str) -> str:
    """Where the records that are left out of a source are kept, below the manifest's folder; one name a content."""
    name = re.sub(r"[^A-Za-z0-9._@-]", "_", f"{wanted.address}.{path.rpartition('/')[2]}")
    return f".mics-iac/rejects/{name[:150]}.{sha256[:12]}.txt"
