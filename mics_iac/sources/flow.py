"""The content of one source as a stream that stands somewhere, and goes on from there when it can.

What is compressed can only be read forwards: who asks for what lies behind it has it opened anew.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from mics_iac.errors import SourceFailed
from mics_iac.sources.decompress import content, format_of
from mics_iac.sources.ends import HEADER, header_in
from mics_iac.sources.raw import Raw, Stored

BLOCK = 256 * 1024


class Flow:
    """One source's content. Take the `lock` for everything else."""

    def __init__(self, stored: Stored, path: str, seal: str | None) -> None:
        self.lock = threading.Lock()
        self._stored = stored
        self._path = path
        self._seal = seal
        self._plain = format_of(path) is None
        self._raw: Raw | None = None
        self._rest = b""
        self._at = 0
        self._header: bytes | None = None

    def header(self) -> bytes:
        """The header of a CSV, with the end of its line; `b""` where there is none that could be repeated."""
        if self._header is None:
            begun = b""
            self._go_to(0)
            while not header_in(begun) and len(begun) <= HEADER and (block := self._next(HEADER)):
                begun += block
            self._header = header_in(begun)
        return self._header

    def copy(self, start: int, end: int | None, into: Callable[[bytes], object]) -> None:
        """Give the content from `start` to `end` (None: its end) away, a block at a time; less where it ends before."""
        self._go_to(start)
        while (end is None or self._at < end) and (block := self._next(BLOCK if end is None else end - self._at)):
            into(block)

    def _go_to(self, start: int) -> None:
        if self._raw is not None and (start < self._at or (self._plain and start != self._at)):
            self.close()
        if self._raw is None:
            self._at = start if self._plain else 0
            raw = self._stored.open_raw(self._path, seal=self._seal, start=self._at)
            self._raw = content(raw, self._path) if self._at == 0 else raw
        while self._at < start and self._next(start - self._at):
            pass

    def _next(self, most: int) -> bytes:
        """The next bytes, up to so many; what was read beyond them is kept."""
        assert self._raw is not None
        block = self._rest or self._raw.read(BLOCK)
        block, self._rest = block[:most], block[most:]
        self._at += len(block)
        return block

    def ended(self) -> bool:
        """Whether nothing is left of it. What fails behind here is the trouble of who reads on."""
        if self._raw is not None and not self._rest:
            try:
                self._rest = self._raw.read(BLOCK)
            except SourceFailed:
                return True
        return not self._rest

    def close(self) -> None:
        """Let go of the file; it is opened again when it is needed."""
        if self._raw is not None:
            self._raw.close()
        self._raw, self._rest, self._at = None, b"", 0
