"""How long, how much and how often: every bound of a call to the platform, as values.

Pure. Knows no HTTP library; the transport keeps these bounds.
"""

from __future__ import annotations

from dataclasses import dataclass

# The most bytes of one JSON answer: a page of 500 imports has about 150,000.
ANSWER_LIMIT = 64_000_000
# The most bytes of an error's text that are read at all.
ERROR_LIMIT = 65_536
# The most bytes of one downloaded file: the platform takes uploads of 100 MB (mediarithmics-api.md 3.7, documented as
# advice), and an error file holds no more lines than its input, perhaps with a reason each.
DOWNLOAD_LIMIT = 500_000_000


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Bounds in seconds, and the lowest rate in bytes a second at which a file may move."""

    connect: float = 10.0
    """One address of the host, its TLS handshake included."""
    stall: float = 60.0
    """The longest silence while sending or receiving."""
    accept: float = 300.0
    """The longest silence between the last byte of an upload and its answer: the platform parses the file then."""
    call: float = 180.0
    """A call from its first byte to the last of its answer, the time that its file needs left out."""
    slowest: float = 20_000.0
    """What a file needs at the most is its length divided by this."""

    def whole(self, length: int = 0) -> float:
        """The most seconds one attempt may last that moves `length` bytes of a file."""
        return self.connect + self.call + (self.accept if length else 0.0) + length / self.slowest


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a call is repeated, and how long one waits in between (seconds)."""

    attempts: int = 5
    base: float = 0.5
    cap: float = 20.0
    longest_asked: float = 60.0
    """What a `Retry-After` may ask for at the most."""
    budget: int = 1000
    """Repeats of all calls of one run together: a platform that is down is not hammered for hours."""


@dataclass(frozen=True, slots=True)
class Limits:
    """All bounds of one transport."""

    timeouts: Timeouts = Timeouts()
    patience: Patience = Patience()
    calls: int = 10
    """Calls without a file at once; fewer by themselves while the platform answers 429 or 5xx."""
    uploads: int = 4
    """Uploads at once, likewise."""

    @property
    def connections(self) -> int:
        """Connections worth keeping: no fewer than may be busy, else some calls pay a TLS handshake each."""
        return self.calls + self.uploads
