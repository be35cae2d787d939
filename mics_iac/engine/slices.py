"""From a planned part to the bytes that are sent of its source, and to those that are left out."""

from __future__ import annotations

import filecmp
import itertools
import os
import re
from pathlib import Path

from mics_iac.core.content import Slice
from mics_iac.core.inquiry import settings_in
from mics_iac.core.plan import Plan, Policy, Upload
from mics_iac.core.settings import Settings
from mics_iac.core.state import Cut
from mics_iac.core.wording import quoted
from mics_iac.engine.world import World
from mics_iac.errors import SourceFailed, UsageError
from mics_iac.sources.source import Found, Reading, Sifted

_BLOCK = 1024 * 1024
# Where a plan may have records kept: a saved one may come from anywhere.
_REJECTS = re.compile(r"\.mics-iac/rejects/[A-Za-z0-9_@-][A-Za-z0-9._@-]*\.txt")


def slice_of(upload: Upload, settings: Settings, policy: Policy) -> Slice:
    """What is to be read to send a part."""
    start, end = upload.range or (0, upload.bytes)
    return Slice(
        upload.source,
        upload.seal,
        start,
        end,
        upload.sha256,
        upload.bytes,
        csv=_is_csv(settings),
        document_type=settings.document_type if policy.drop else None,
        drop=frozenset(policy.drop),
        whole=upload.range is None,
    )


def read_through(part: Slice, world: World) -> None:
    """Read a part without sending it; SourceFailed where its bytes are not the planned ones."""
    reader = world.source.open(part)
    try:
        while reader.read(_BLOCK):
            world.stop.check()
    finally:
        reader.close()


def keep_rejects(plan: Plan, world: World) -> None:
    """Write the records that are left out of what is to be sent, before any of it is: nothing of them may be lost.

    So does every run that sends something of a source again: it may be on another machine than the run before.

    Each source has a file of its own, readable by this user alone; SourceFailed when one cannot be written.
    """
    settings = settings_in(plan)
    for planned in plan.cuts:
        cut = planned.cut
        if cut.rejects is not None and planned.settled < cut.bytes:
            if not _REJECTS.fullmatch(cut.rejects):
                raise UsageError(
                    f"the plan would keep invalid records in {quoted(cut.rejects)}, which is not in .mics-iac/rejects",
                    remedy="plan again",
                )
            how = Reading(
                settings[planned.address].document_type,
                csv=_is_csv(settings[planned.address]),
                limit=cut.bytes,
                drop=frozenset(plan.policies[planned.address].drop),
                ranges=tuple((piece.start, piece.end) for piece in cut.pieces),
                settled=planned.settled,
            )
            _write(cut, world.workspace.parent / cut.rejects, how, world)


def _write(cut: Cut, target: Path, how: Reading, world: World) -> None:
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        aside.unlink(missing_ok=True)
        # One that comes to be there meanwhile is somebody else's, and may be open to others.
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                sifted = world.source.sift(Found(cut.source, cut.bytes, cut.seal), how, file.write)
                file.flush()
                os.fsync(file.fileno())
            if sifted != Sifted(cut.dropped, cut.sha256):
                raise SourceFailed(f"{cut.source} is not the file that was planned", remedy="plan again")
            _make_room(target, aside)
            aside.replace(target)
        finally:
            aside.unlink(missing_ok=True)
    except OSError as error:
        raise SourceFailed(f"invalid records cannot be kept in {target}: {error.strerror}") from error


def _make_room(target: Path, new: Path) -> None:
    """Keep what an earlier run left out under other rules, under another name: it was not sent then."""
    if not target.exists() or filecmp.cmp(target, new, shallow=False):
        return
    for number in itertools.count(1):
        kept = target.with_name(f"{target.stem}.{number}{target.suffix}")
        try:
            os.link(target, kept, follow_symlinks=False)
        except FileExistsError:
            continue
        return


def _is_csv(settings: Settings) -> bool:
    return settings.mime_type == "TEXT_CSV"
