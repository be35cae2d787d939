"""What a store says of an object's content: enough to know it again, and to know another one from it.

Pure. A seal stands in plans as text (`Found.seal`); it tells contents apart, and says nothing of what they hold. A
version's number is not part of it: of an object that was replaced the former version could still be read, and what was
planned would be sent though it is not what is there any more.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# What a header may say. Anything else is taken for nothing: it could neither be sent back nor be shown.
_ETAG = re.compile(r"[\x21-\x7e]{1,256}")
_DATE = re.compile(r"[A-Za-z0-9, :+-]{1,64}")
_TEXT = re.compile(r"size=([0-9]{1,19}|\?) (?:etag=([\x21-\x7e]{1,256})|modified=([A-Za-z0-9, :+-]{1,64}))")


@dataclass(frozen=True, slots=True)
class Seal:
    """One content of an object, as `str` and `read` have it: `size=5 etag="9dd4"`."""

    size: int | None
    """Bytes as stored; None where the server does not tell."""
    etag: str | None = None
    """As the server writes it, quotes and all; a weak one begins with `W/`."""
    modified: str | None = None
    """When it was last changed, as the server writes it; only where there is no etag."""

    @classmethod
    def of(cls, *, size: int | None, etag: str | None, modified: str | None = None) -> Seal | None:
        """What these headers say, None where they say nothing that tells contents apart.

        A date does so only with a size: it counts seconds.
        """
        if etag is not None and _ETAG.fullmatch(etag):
            return cls(size, etag=etag)
        if size is not None and modified is not None and _DATE.fullmatch(modified):
            return cls(size, modified=modified)
        return None

    @classmethod
    def read(cls, text: str) -> Seal:
        """The seal that was written so; ValueError for any other text."""
        found = _TEXT.fullmatch(text)
        if found is None:
            raise ValueError("not a seal")
        return cls(None if found[1] == "?" else int(found[1]), found[2], found[3])

    def __str__(self) -> str:
        said = f"etag={self.etag}" if self.etag is not None else f"modified={self.modified}"
        return f"size={'?' if self.size is None else self.size} {said}"

    @property
    def is_strong(self) -> bool:
        """Whether a server can be asked for this very content: byte by byte, not only by meaning."""
        return self.etag is not None and not self.etag.startswith("W/")

    def difference(self, other: Seal | None) -> str | None:
        """What shows that this is another content than that one; None where nothing does.

        What one of the two does not say shows nothing.
        """
        if other is None:
            return None
        if self.size is not None and other.size is not None and self.size != other.size:
            return f"it holds {other.size:,} bytes instead of {self.size:,}"
        if self.etag is not None and other.etag is not None:
            return None if self.etag == other.etag else "its etag is another one"
        if self.modified is not None and other.modified is not None and self.modified != other.modified:
            return "it was changed at another time"
        return None
