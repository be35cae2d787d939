"""The seam under every source: a file's bytes as they are stored, whatever they hold and wherever they lie.

What is made of them (decompression, the cut, the hash) stands above it. Knows neither folders nor stores.
"""

from __future__ import annotations

from typing import Final, Protocol

from mics_iac.core.manifest import SourceSpec
from mics_iac.core.wording import quoted
from mics_iac.errors import Problem, SourceFailed, SourceUnfit
from mics_iac.sources.seal import Seal


class Raw(Protocol):
    """The stored bytes of one file, once through. For one thread at a time."""

    def read(self, size: int, /) -> bytes:
        """Up to so many of the next bytes, `b""` at the end.

        Raises SourceFailed where they cannot be read, are fewer or more than there must be, or of another content than
        was asked for.
        """
        ...

    def close(self) -> None:
        """Let go of the file; may be called again."""
        ...


class Stored(Protocol):
    """Where raw bytes come from: a folder, or stores of objects. Safe for threads."""

    def open_raw(self, path: str, *, seal: str | None, start: int = 0, end: int | None = None) -> Raw:
        """The bytes [start, end) of the file (None: to its end) as they are stored.

        `seal` is what the place said of the content when the file was found (`Found.seal`). Raises SourceFailed, here
        or while it is read, where the content is another one now (`not_planned`); with None, any content will do.
        """
        ...


def not_planned(path: str, how: str) -> SourceFailed:
    """The error for an object that is not the one that was planned."""
    return SourceFailed(f"{path} is not the object that was planned: {how}", remedy="plan again")


def gone(path: str) -> SourceFailed:
    """The error for an object that was found, and is not there."""
    return SourceFailed(f"{path} is not there any more", remedy="plan again")


def read_seal(path: str, text: str) -> Seal:
    """The seal that a plan holds; SourceFailed where it is none."""
    try:
        return Seal.read(text)
    except ValueError as error:
        raise SourceFailed(f"what the plan says of {path} cannot be understood", remedy="plan again") from error


# Which ending of a name says that its bytes are encoded so.
_ENCODED: Final = {"gzip": ".gz", "x-gzip": ".gz", "zstd": ".zst", "bzip2": ".bz2", "x-bzip2": ".bz2", "xz": ".xz"}


def encoding_refused(path: str, encoding: str | None) -> SourceUnfit | None:
    """The error for an object that is kept or sent in an encoding which its name does not tell; None for any other.

    Where the name tells it, as `.gz` does, the bytes are what the name says, and there is nothing to be undone.
    """
    kinds = [kind.strip().lower() for kind in (encoding or "").split(",")]
    # What S3's own tools sometimes leave there of how they sent an object.
    kinds = [kind for kind in kinds if kind not in {"", "identity", "aws-chunked"}]
    if not kinds or (len(kinds) == 1 and path.endswith(_ENCODED.get(kinds[0], "/"))):
        return None
    return SourceUnfit(
        path,
        f"comes in an encoding that its name does not tell (Content-Encoding: {quoted(', '.join(kinds))})",
        code="MICS214",
        remedy="store it as it is, or under a name that ends with .gz, without that header",
    )


def wrong(spec: SourceSpec, code: str, message: str) -> Problem:
    """The problem of a source, at its place in the manifest."""
    return Problem(spec.place.file, spec.place.line, spec.place.column, code, message)
