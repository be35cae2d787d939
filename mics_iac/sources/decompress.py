"""The content of compressed files, as a stream, in constant memory.

A compressed file is hostile: it may be cut off, damaged, followed by other bytes, or be a bomb that a few kilobytes
blow up to terabytes. What is given out is bounded a block at a time, by a ratio and by a size; anything that is not
whole members of the named format, one after the other, is an error that names the file.

isal and zstandard are known to `members` and here alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from mics_iac.errors import SourceUnfit
from mics_iac.sources.members import Broken, Inflate, bz2_content, gzip_content, xz_content, zstd_content
from mics_iac.sources.raw import Raw


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a compressed file may become: `size` bytes in all, and `ratio` times its own once it is over `free`."""

    ratio: int = 1000
    free: int = 100_000_000
    size: int = 100_000_000_000


BOUNDS: Final = Bounds()


@dataclass(frozen=True, slots=True)
class Format:
    """One way of compression: the end of a file's name, the first bytes of every such file, and what undoes it.

    `telling` are first bytes that no text has by chance.
    """

    suffix: str
    magics: tuple[bytes, ...]
    telling: tuple[bytes, ...]
    inflate: Callable[[Raw], Inflate]


# A zstd file may begin with a frame that is to be skipped: one of sixteen magics.
_ZSTD = (b"\x28\xb5\x2f\xfd", *(bytes([number]) + b"\x2a\x4d\x18" for number in range(0x50, 0x60)))
_BZ2 = tuple(b"BZh%d1AY&SY" % level for level in range(1, 10))
_XZ = (b"\xfd7zXZ\x00",)
FORMATS: Final = (
    Format(".gz", (b"\x1f\x8b",), (b"\x1f\x8b",), gzip_content),
    Format(".zst", _ZSTD, _ZSTD, zstd_content),
    Format(".bz2", (b"BZh",), _BZ2, bz2_content),
    Format(".xz", _XZ, _XZ, xz_content),
)
_HEAD = max(len(magic) for format_ in FORMATS for magic in (*format_.magics, *format_.telling))


def format_of(path: str) -> Format | None:
    """How a file is compressed, as its name says; None: it is not. The query of a URL is no part of its name."""
    name = urlsplit(path).path if path.lower().startswith(("https://", "http://")) else path
    return next((f for f in FORMATS if name.lower().endswith(f.suffix)), None)


def content(raw: Raw, path: str, *, bounds: Bounds = BOUNDS) -> Raw:
    """The content of a file, from its first stored byte on: the same bytes where its name names no compression.

    Takes `raw` over: closing what is given back closes it. Raises SourceUnfit where name and first bytes do not fit,
    which is found out at the first read.
    """
    if (named := format_of(path)) is None:
        return _Plain(raw, path)
    return _Inflated(raw, path, named, bounds)


class _Plain:
    """What is not compressed, as long as it does not look as if it were."""

    def __init__(self, raw: Raw, path: str) -> None:
        self._raw = raw
        self._path = path
        self._looked = False

    def read(self, size: int, /) -> bytes:
        block = self._raw.read(size)
        if not self._looked and block:
            self._looked = True
            while size >= _HEAD > len(block) and (more := self._raw.read(size - len(block))):
                block += more
            for format_ in FORMATS:
                if block.startswith(format_.telling):
                    raise SourceUnfit(
                        self._path,
                        f"holds compressed bytes ({format_.suffix}), and its name does not say so",
                        code="MICS214",
                        remedy=f"give it a name that ends in {format_.suffix}, or decompress it",
                    )
        return block

    def close(self) -> None:
        self._raw.close()


class _Inflated:
    """What was compressed, within the bounds."""

    def __init__(self, raw: Raw, path: str, format_: Format, bounds: Bounds) -> None:
        self._stored = _Begun(raw, path, format_)
        self._path = path
        self._format = format_
        self._bounds = bounds
        self._inflate: Inflate | None = None
        self._given = 0

    def read(self, size: int, /) -> bytes:
        try:
            # Made with the first read: the library that it needs may be missing, which is the file's trouble.
            self._inflate = self._inflate or self._format.inflate(self._stored)
            block = self._inflate.read(size)
        except Broken as broken:
            raise SourceUnfit(self._path, str(broken), code=broken.code, remedy=broken.remedy) from broken
        self._given += len(block)
        self._weigh()
        return block

    def _weigh(self) -> None:
        bounds = self._bounds
        if self._given > bounds.size:
            what = f"becomes more than {bounds.size:,} bytes when it is decompressed"
        elif self._given > bounds.free and self._given > bounds.ratio * self._stored.taken:
            what = f"becomes more than {bounds.ratio:,} times as large when it is decompressed"
        else:
            return
        raise SourceUnfit(
            self._path,
            f"{what}, and is taken for a bomb",
            code="MICS215",
            remedy="decompress it yourself if it is none",
        )

    def close(self) -> None:
        self._stored.close()


class _Begun:
    """Stored bytes that begin with the magic of their format, counted as they are taken."""

    def __init__(self, raw: Raw, path: str, format_: Format) -> None:
        self._raw = raw
        self._path = path
        self._format = format_
        self.taken = 0

    def read(self, size: int, /) -> bytes:
        block = self._raw.read(size)
        if not self.taken:
            while len(block) < _HEAD and (more := self._raw.read(size)):
                block += more
            if not block.startswith(self._format.magics):
                raise SourceUnfit(
                    self._path,
                    f"does not hold what its name says; its first bytes are not those of a {self._format.suffix} file",
                    code="MICS214",
                    remedy=f"correct its name, or compress it as {self._format.suffix}",
                )
        self.taken += len(block)
        return block

    def close(self) -> None:
        self._raw.close()
