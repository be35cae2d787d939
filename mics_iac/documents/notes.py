"""What is noted while records are looked at. Places are paths; line and column are found for those that are shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from mics_iac.documents.shapes import Shape

Path = tuple[str | int, ...]
# A byte order mark, in UTF-8.
MARK: Final = b"\xef\xbb\xbf"


class Flaw(NamedTuple):
    """One rule broken by one record. `at` is the path of the value at fault, or how many characters stand before it."""

    code: str
    at: Path | int
    message: str


BLANK: Final = Flaw("MICS312", 0, "the line is blank: leave it out")
MARKED: Final = Flaw("MICS302", 0, "the file begins with a byte order mark: save it without one")


class Notes:
    """The flaws of one record, the lengths of its hashes, and the user's own keys, each with the shape it was in."""

    __slots__ = ("flaws", "hashes", "own")

    def __init__(self) -> None:
        self.flaws: list[Flaw] = []
        self.hashes: list[int] = []
        self.own: list[tuple[Shape, str]] = []

    def add(self, code: str, at: Path | int, message: str) -> None:
        """Note a flaw."""
        self.flaws.append(Flaw(code, at, message))


@dataclass(slots=True)
class Looked:
    """What was seen in one piece of a file, and the flaws of its records in their order."""

    count: int  # of records, those that are none included
    lines: int
    empty: int = 0  # how many of them are no records: blank ones, and the header
    header: int | None = None  # the number of the one that is the header
    flaws: list[tuple[int, Flaw]] = field(default_factory=list)  # each with the number of its record
    blanks: list[int] = field(default_factory=list)  # the numbers of those that are blank lines, which is a flaw too
    hashes: dict[int, int] = field(default_factory=dict)  # lengths not met before, each with the first record of it

    def blank(self, number: int) -> None:
        """Note that one of the records is a blank line."""
        self.empty += 1
        self.blanks.append(number)


def is_utf8(data: bytes) -> bool:
    """Whether these bytes are UTF-8."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def not_utf8(data: bytes, error: UnicodeDecodeError) -> Flaw:
    """The flaw of a record whose bytes are not UTF-8."""
    before = len(data[: error.start].decode())
    return Flaw("MICS303", before, "a byte here is not UTF-8: write the file as UTF-8")
