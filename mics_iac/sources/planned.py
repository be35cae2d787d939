"""The bytes of one upload on their way out: hashed beside whoever sends them, refused when not the planned ones.

What calls may go on until the last byte left; the last, empty read is what tells. Knows no files.
"""

from __future__ import annotations

from mics_iac.core.content import Slice
from mics_iac.errors import SourceFailed
from mics_iac.sources.hashing import Digest, digest_for
from mics_iac.sources.raw import Raw


class PlannedReader:
    """A part whose bytes are `ahead` (a CSV header, or nothing) and then all of `raw`, which is closed with it."""

    def __init__(self, raw: Raw, part: Slice, *, ahead: bytes = b"") -> None:
        self._raw = raw
        self._part = part
        self._ahead = ahead
        self._read = 0
        self._digest = digest_for(part.bytes)

    def read(self, size: int, /) -> bytes:
        """Up to so many of the next bytes; SourceFailed at the end when they differ from the plan."""
        if self._ahead:
            block, self._ahead = self._ahead[:size], self._ahead[size:]
        else:
            block = self._raw.read(size)
        self._read += len(block)
        if self._read > self._part.bytes:
            raise changed(self._part.path, f"it holds more than {self._part.bytes:,} bytes")
        self._digest.update(block)
        if not block:
            check(self._part, sha256=self._digest.hexdigest(), size=self._read)
        return block

    def close(self) -> None:
        """Let go of the file."""
        if isinstance(self._digest, Digest):
            self._digest.close()
        self._raw.close()


def check(part: Slice, *, sha256: str, size: int) -> None:
    """SourceFailed unless this is what was planned to be sent."""
    if size != part.bytes:
        raise changed(part.path, f"it holds {size:,} bytes instead of {part.bytes:,}")
    if sha256 != part.sha256:
        raise changed(part.path, "its bytes are others")


def changed(path: str, how: str) -> SourceFailed:
    """The error for a file that is not the one that was planned."""
    return SourceFailed(f"{path} is not the file that was planned: {how}", remedy="plan again")
