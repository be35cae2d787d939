"""Data files that are not on this machine, whatever holds them: a bucket, or a web server. Told apart by their address.

Finds them, and gives their bytes as they are stored; what is made of these is not known here.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from mics_iac.core.clock import Clock
from mics_iac.core.manifest import SourceSpec
from mics_iac.core.remote import BadRemote, ObjectPath, WebPath, locate, read_remote
from mics_iac.errors import Problem, SourceFailed
from mics_iac.sources.objects import ObjectSource
from mics_iac.sources.raw import Raw
from mics_iac.sources.source import Found
from mics_iac.sources.web import Way, WebSource


class RemoteSource:
    """Files behind addresses, as a `Stored`. Nobody is called before something is found or read. Safe for threads.

    `environ` leads to the credentials, `way` to the web servers; `chance` gives random numbers in [0, 1) for pauses.
    """

    def __init__(
        self, environ: Mapping[str, str], *, clock: Clock, way: Way, chance: Callable[[], float] = random.random
    ) -> None:
        self._objects = ObjectSource(environ, clock=clock, chance=chance)
        self._web = WebSource(environ, clock=clock, way=way, chance=chance)

    def find(self, spec: SourceSpec) -> tuple[list[Found], list[Problem]]:
        """See `Source.find`.

        Raises SourceFailed where a place cannot be asked, SourceRefused where it does not take the credentials.
        """
        match read_remote(spec.path):
            case ObjectPath() as path:
                return self._objects.find(spec, path)
            case WebPath() as path:
                return self._web.find(spec, path)

    def open_raw(self, path: str, *, seal: str | None, start: int = 0, end: int | None = None) -> Raw:
        """See `Stored.open_raw`."""
        try:
            at = locate(path)
        except (BadRemote, ValueError) as error:
            raise SourceFailed(
                "the plan names a file at an address that no file can have", remedy="plan again"
            ) from error
        match at:
            case ObjectPath():
                return self._objects.open_raw(at, seal=seal, start=start, end=end)
            case WebPath():
                return self._web.open_raw(at, seal=seal, start=start, end=end)

    def close(self) -> None:
        """Let idle connections go; may be called again, and the source used after it."""
        self._web.close()
