"""Compressed members, one after the other, made into their content a bounded block at a time.

A file may be several members put together (gzip and bz2), streams (xz) or frames (zstd); each must be whole, and
nothing but padding may follow the last. Knows neither paths nor limits of size. isal and zstandard, which may be
missing, are known here alone.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

from mics_iac.sources.frames import Frames, NotFrames
from mics_iac.sources.raw import Raw

if TYPE_CHECKING:
    from zstandard import ZstdDecompressionReader

# Stored bytes taken at once, and the most that comes out at once: both stay in the processor's cache.
_TAKEN = 64 * 1024
_GIVEN = 64 * 1024
# Beginning a member costs as much as decompressing some kilobytes, and an empty one gives nothing that can be weighed.
# After the first ones, those of a file have so many stored bytes on average at least: who appends a member for every
# record is below it, who blocks as bgzip does far above.
_FREE_MEMBERS = 10_000
_LEAST = 512
# Memory that a file may ask for to be decompressed: what the strongest usual settings of xz (65 MB) and zstd need.
MEMORY = 128 * 1024 * 1024

_GZIP = b"\x1f\x8b"


class Broken(Exception):
    """Stored bytes are not what they must be; the message goes on after the file's name."""

    def __init__(self, what: str, remedy: str = "write it again", *, code: str = "MICS213") -> None:
        super().__init__(what)
        self.remedy = remedy
        self.code = code


class Inflate(Protocol):
    """Gives content until there is no more."""

    def read(self, size: int, /) -> bytes:
        """Up to so many of the next bytes, `b""` when the stored bytes have ended as they must. Raises Broken."""
        ...


def gzip_content(raw: Raw) -> Inflate:
    """The content of a gzip file; isal takes less than half of zlib's time for it."""
    try:
        from isal import igzip_lib  # noqa: PLC0415 - an extra
    except ImportError:
        return _Members(raw, _Kind(_GZIP, _Zlib, (zlib.error, MemoryError), padding=1))
    begin = partial(igzip_lib.IgzipDecompressor, flag=igzip_lib.DECOMP_GZIP)
    error: type[Exception] = igzip_lib.IsalError  # type: ignore[assignment]  # its stub says that it is an instance
    return _Members(raw, _Kind(_GZIP, begin, (error, MemoryError), padding=1))


def bz2_content(raw: Raw) -> Inflate:
    """The content of a bz2 file."""
    return _Members(raw, _Kind(b"BZh", bz2.BZ2Decompressor, (OSError, ValueError, MemoryError), padding=0))


def xz_content(raw: Raw) -> Inflate:
    """The content of an xz file."""
    begin = partial(lzma.LZMADecompressor, lzma.FORMAT_XZ, memlimit=MEMORY)
    return _Members(raw, _Kind(b"\xfd7zXZ\x00", begin, (lzma.LZMAError, MemoryError), padding=4))


def zstd_content(raw: Raw) -> Inflate:
    """The content of a zstd file; Broken where zstandard is not installed."""
    try:
        import zstandard  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise Broken(
            "needs zstandard to be read", "pip install 'mics-iac[fast]', or decompress the file", code="MICS216"
        ) from error
    checked = _WholeFrames(raw)
    # The library refuses a window over this size before it takes memory for it.
    reader = zstandard.ZstdDecompressor(max_window_size=MEMORY).stream_reader(
        checked,  # type: ignore[arg-type]  # it reads, which is all that is asked of it
        read_size=_TAKEN,
        read_across_frames=True,
    )
    return _Zstd(reader, zstandard.ZstdError)


class Member(Protocol):
    """One member under way: what bz2, lzma and isal have in common."""

    @property
    def eof(self) -> bool:
        """Whether its end was reached."""
        ...

    @property
    def needs_input(self) -> bool:
        """Whether it has nothing more to give before it is given more."""
        ...

    @property
    def unused_data(self) -> bytes:
        """What it was given that stands behind its end."""
        ...

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Up to so much of its content."""
        ...


@dataclass(frozen=True, slots=True)
class _Kind:
    """A format of members. `padding`: NUL bytes may stand behind one, in this unit; 0: none may."""

    magic: bytes
    begin: Callable[[], Member]
    errors: tuple[type[Exception], ...]
    padding: int


class _Members:
    """Members of one kind, one after the other."""

    def __init__(self, raw: Raw, kind: _Kind) -> None:
        self._raw = raw
        self._kind = kind
        self._member: Member | None = None
        self._rest = b""  # taken, and not given to a member yet
        self._begun = 0  # members
        self._taken = 0  # stored bytes

    def read(self, size: int, /) -> bytes:
        while self._member is not None or self._next():
            assert self._member is not None
            if self._member.eof:
                self._rest = self._member.unused_data
                self._member = None
            elif block := self._step(self._member, min(size, _GIVEN)):
                return block
        return b""

    def _step(self, member: Member, size: int) -> bytes:
        given = b""
        if member.needs_input:
            given = self._rest or self._take()
            self._rest = b""
            if not given:
                raise _cut_off()
        try:
            return member.decompress(given, size)
        except self._kind.errors as error:
            raise _told(error) from error

    def _next(self) -> bool:
        """Begin the next member, if there is one: behind the first one, and what pads it."""
        padding = 0
        while block := self._rest or self._take():
            self._rest = block.lstrip(b"\0") if self._kind.padding else block
            padding += len(block) - len(self._rest)
            if self._rest:
                break
        if padding and padding % self._kind.padding:
            raise _followed()
        if not self._rest:
            return False
        while len(self._rest) < len(self._kind.magic) and (block := self._take()):
            self._rest += block
        if not self._rest.startswith(self._kind.magic):
            raise _followed()
        self._begun += 1
        if crumbs(self._begun, self._taken):
            raise _crumbled()
        self._member = self._kind.begin()
        return True

    def _take(self) -> bytes:
        block = self._raw.read(_TAKEN)
        self._taken += len(block)
        return block


class _Zlib:
    """A gzip member by the standard library, in the manner of the others."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)
        self._full = False  # it may have more to give without being given more

    @property
    def eof(self) -> bool:
        return self._member.eof

    @property
    def needs_input(self) -> bool:
        return not self._full and not self._member.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._member.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        block = self._member.decompress(self._member.unconsumed_tail + data, max_length)
        self._full = len(block) == max_length
        return block


class _WholeFrames:
    """The stored bytes of a zstd file, which must end where a frame ends."""

    def __init__(self, raw: Raw) -> None:
        self._raw = raw
        self._frames = Frames()
        self._taken = 0

    def read(self, size: int, /) -> bytes:
        block = self._raw.read(size)
        try:
            self._frames.feed(block)
        except NotFrames as error:
            raise _damaged() from error
        self._taken += len(block)
        if crumbs(self._frames.begun, self._taken):
            raise _crumbled()
        if not block and not self._frames.whole:
            raise _cut_off()
        return block


def crumbs(members: int, taken: int) -> bool:
    """Whether so many members are too many for so many stored bytes."""
    return members > _FREE_MEMBERS and members * _LEAST > taken


class _Zstd:
    """The library's reader, with its error translated."""

    def __init__(self, reader: ZstdDecompressionReader, error: type[Exception]) -> None:
        self._reader = reader
        self._error = error

    def read(self, size: int, /) -> bytes:
        try:
            return self._reader.read(size)
        except (self._error, MemoryError) as error:
            raise _told(error) from error


def _cut_off() -> Broken:
    return Broken("is cut off, so that its compressed data has no end", "write it to its end")


def _damaged() -> Broken:
    return Broken("is damaged, so that its compressed data cannot be read")


def _crumbled() -> Broken:
    return Broken(
        f"is taken for a bomb: it is made of more than {_FREE_MEMBERS:,} compressed pieces of less than {_LEAST} bytes",
        "compress its content anew, as one piece",
    )


def _followed() -> Broken:
    return Broken("is damaged, with other bytes behind its compressed data")


def _told(error: Exception) -> Broken:
    """What a library's error means; both that know a limit of memory name it in their text."""
    if isinstance(error, MemoryError) or "memory" in str(error).lower():
        return Broken(
            f"asks for more than {MEMORY // (1024 * 1024)} MiB of memory to be decompressed",
            "compress it with a smaller window or dictionary",
            code="MICS215",
        )
    return _damaged()
