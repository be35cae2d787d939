"""Data files on this machine, below the manifest's folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from mics_iac.core.content import Content, Slice
from mics_iac.core.manifest import SourceSpec
from mics_iac.errors import Problem
from mics_iac.sources.decompress import format_of
from mics_iac.sources.ends import HEADER, header_in
from mics_iac.sources.files import LocalFiles
from mics_iac.sources.finding import find_files
from mics_iac.sources.planned import PlannedReader, changed
from mics_iac.sources.source import Found, Prefix, Reader, Reading, Sifted, Watch
from mics_iac.sources.streams import Streams

# Where parts are spooled, below the manifest's folder.
SPOOL = ".mics-iac/spool"


class LocalSource:
    """Files below `root`, the manifest's folder, or outside it where the source says so.

    Parts that are no slice of a file are spooled in the folder `spool`, or in the usual one.
    """

    def __init__(self, root: Path, *, spool: Path | None = None) -> None:
        self.root = root
        self._files = LocalFiles(root)
        self._streams = Streams(self._files, spool=spool or root / SPOOL)

    def find(self, spec: SourceSpec) -> tuple[list[Found], list[Problem]]:
        """See `Source.find`: a glob without a match, a link out of the folder and what is no file are problems."""
        return find_files(self.root, spec)

    def read(self, found: Found, how: Reading, *, watch: Watch) -> Content:
        """See `Source.read`."""
        return self._streams.read(found, how, watch=watch)

    def prefixes(self, found: Found, lengths: Sequence[int], *, csv: bool, watch: Watch) -> dict[int, Prefix]:
        """See `Source.prefixes`."""
        return self._streams.prefixes(found, lengths, csv=csv, watch=watch)

    def open(self, part: Slice) -> Reader:
        """See `Source.open`: a slice of the file where it is one, with no copy."""
        if format_of(part.path) is None and (reader := self._slice(part)) is not None:
            return reader
        return self._streams.open(part)

    def sift(self, found: Found, how: Reading, into: Callable[[bytes], object]) -> Sifted:
        """See `Source.sift`."""
        return self._streams.sift(found, how, into)

    def close(self) -> None:
        """See `Source.close`."""
        self._streams.close()

    def _slice(self, part: Slice) -> Reader | None:
        """The part out of the file itself; None where its records are not all sent, as its length tells."""
        header = self._header(part) if part.csv and part.start else b""
        end = part.start + part.bytes - len(header)
        raw = self._files.open_raw(part.path, start=part.start, end=end)
        size = raw.size if part.whole else part.end
        if size == end:
            return PlannedReader(raw, part, ahead=header)
        raw.close()
        if part.drop:
            return None
        raise changed(part.path, f"it holds {size - part.start:,} bytes instead of {end - part.start:,}")

    def _header(self, part: Slice) -> bytes:
        raw = self._files.open_raw(part.path)
        try:
            begun = b""
            while not header_in(begun) and (block := raw.read(HEADER)):
                begun += block
            return header_in(begun)
        finally:
            raw.close()
