"""All places that data files may be at, as one source: this machine, and what is behind addresses.

Tells them apart by their paths, and knows no more of any.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mics_iac.core.clock import Clock
from mics_iac.core.content import Content, Slice
from mics_iac.core.manifest import SourceSpec
from mics_iac.core.remote import is_remote
from mics_iac.errors import Problem
from mics_iac.sources.cached import CachedSource
from mics_iac.sources.local import SPOOL, LocalSource
from mics_iac.sources.pooled import PooledSource
from mics_iac.sources.remote import RemoteSource
from mics_iac.sources.source import Found, Prefix, Reader, Reading, Sifted, Source, Watch
from mics_iac.sources.streams import Streams
from mics_iac.sources.web import Way


def open_sources(root: Path, environ: Mapping[str, str], *, clock: Clock, way: Way) -> Source:
    """The files below `root`, the manifest's folder, and those in buckets and at web servers.

    `environ` leads to the credentials of buckets, `way` to web servers. Nobody is called before a file there is looked
    for. What is read is remembered below the root, and big files are read by processes of their own.
    """
    local = PooledSource(LocalSource(root), root=root)
    places = Places(local, RemoteSource(environ, clock=clock, way=way), spool=root / SPOOL)
    return CachedSource(places, root=root, file=root / ".mics-iac" / "checked.json", clock=clock)


class Places:
    """A `Source` of two: `local`, and what is `remote`, whose parts are spooled in a folder."""

    def __init__(self, local: Source, remote: RemoteSource, *, spool: Path) -> None:
        self._local = local
        self._remote = remote
        self._streams = Streams(remote, spool=spool)

    def find(self, spec: SourceSpec) -> tuple[list[Found], list[Problem]]:
        """See `Source.find`; SourceFailed where a place cannot be asked, SourceRefused where it refuses us."""
        return self._remote.find(spec) if is_remote(spec.path) else self._local.find(spec)

    def read(self, found: Found, how: Reading, *, watch: Watch) -> Content:
        """See `Source.read`."""
        return self._of(found.path).read(found, how, watch=watch)

    def prefixes(self, found: Found, lengths: Sequence[int], *, csv: bool, watch: Watch) -> dict[int, Prefix]:
        """See `Source.prefixes`."""
        return self._of(found.path).prefixes(found, lengths, csv=csv, watch=watch)

    def open(self, part: Slice) -> Reader:
        """See `Source.open`."""
        return self._of(part.path).open(part)

    def sift(self, found: Found, how: Reading, into: Callable[[bytes], object]) -> Sifted:
        """See `Source.sift`."""
        return self._of(found.path).sift(found, how, into)

    def close(self) -> None:
        """See `Source.close`."""
        self._local.close()
        self._streams.close()
        self._remote.close()

    def _of(self, path: str) -> Source | Streams:
        return self._streams if is_remote(path) else self._local
