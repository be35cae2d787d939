"""Text with styles, and how it becomes characters: with or without colour, wrapped at any width.

Pure. Knows nothing of plans or of the terminal it ends on. Every character that does not print (terminal escapes, line
ends, bidirectional and zero-width marks) is made visible here, in the one place that all text goes through: what comes
from the platform, from the manifest or from file names cannot move the cursor, recolour or reorder what is read.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Final, Literal, NamedTuple, TypeAlias

import msgspec

from mics_iac.core.wording import visible

Style: TypeAlias = Literal["plain", "bold", "dim", "add", "adopt", "change", "destroy", "upload", "warn", "error"]

_ANSI: Final[dict[Style, str]] = {
    "plain": "",
    "bold": "1",
    "dim": "2",
    "add": "32",
    "adopt": "36",
    "change": "33",
    "destroy": "31",
    "upload": "32",
    "warn": "33",
    "error": "1;31",
}

# Characters that count as printable and yet show as nothing: a name made of them would look empty.
_BLANK: Final = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_WORDS: Final = re.compile(" +|[^ ]+")


class Span(NamedTuple):
    """A stretch of one style. A solid one is never broken over two lines: an address or a path stays copyable."""

    text: str
    style: Style = "plain"
    solid: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One line; `hang` is how far its continuation is indented where it is wrapped, None where it never is."""

    spans: tuple[Span, ...] = ()
    hang: int | None = None


@dataclass(frozen=True, slots=True)
class Palette:
    """Styles as terminal codes, or as nothing at all."""

    on: bool

    def paint(self, text: str, style: Style) -> str:
        """The text in this style."""
        code = _ANSI[style]
        return f"\x1b[{code}m{text}\x1b[0m" if self.on and code and text else text


def line(*spans: Span | str, hang: int | None = None) -> Line:
    """A line of spans; bare text is plain."""
    return Line(tuple(s if isinstance(s, Span) else Span(s) for s in spans), hang)


def told(*head: Span | str, message: str) -> list[Line]:
    """A message of ours, which may have several lines: those after the first are indented.

    So text from outside that brings line ends of its own cannot pass for a line of ours.
    """
    first, *others = message.split("\n")
    return [line(*head, first, hang=2), *(line(f"    {other}", hang=6) for other in others)]


def safe(text: str) -> str:
    """The text with everything that would not be seen, or would act on a terminal, made visible."""
    return _BLANK.sub(lambda m: f"\\u{ord(m[0]):04x}", visible(text))


def columns(text: str) -> int:
    """How many columns of a terminal the text takes: wide characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF") for c in text)


def write(lines: Iterable[Line], *, palette: Palette, width: int | None = None) -> str:
    """The characters of these lines, each ended; wrapped at `width` columns where that is given."""
    return "".join(_write_line(one, palette, width) + "\n" for one in lines)


def json_text(value: object) -> str:
    """A JSON document, indented, keys in the order given, ended; what does not print stands as an escape in it."""
    try:
        text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    except UnicodeEncodeError:  # half of a surrogate pair, from a path that is not UTF-8: slower, and it copes
        text = json.dumps(value, ensure_ascii=False, indent=2)
    return printable_json(text) + "\n"


def printable_json(text: str) -> str:
    """The same JSON, with what does not print as escapes in its strings."""
    if text.isascii() and "\x7f" not in text:
        return text
    return "".join(c if c == "\n" or (c.isprintable() and not _BLANK.match(c)) else _escape(c) for c in text)


def _escape(one: str) -> str:
    return json.dumps(one)[1:-1] if one != "\x7f" else "\\u007f"


def _write_line(one: Line, palette: Palette, width: int | None) -> str:
    spans = [Span(safe(s.text), s.style, s.solid) for s in one.spans]
    if width is None or one.hang is None or sum(columns(s.text) for s in spans) <= width:
        return _paint(spans, palette)
    return "\n".join(_paint(row, palette) for row in _wrapped(spans, hang=one.hang, width=width))


def _paint(spans: list[Span], palette: Palette) -> str:
    runs = groupby(spans, key=lambda s: s.style)
    return "".join(palette.paint("".join(s.text for s in run), style) for style, run in runs)


def _wrapped(spans: list[Span], *, hang: int, width: int) -> list[list[Span]]:
    """The spans in rows that fit, broken at blanks; a word that is wider than a row gets one of its own."""
    rows: list[list[Span]] = [[]]
    used, empty, gap = 0, True, Span("")
    for text, style, solid in spans:
        for word in [text] if solid else _WORDS.findall(text):
            if not word.strip(" "):
                gap = Span(gap.text + word, style)
                continue
            if not empty and used + columns(gap.text) + columns(word) > width:
                rows.append([Span(" " * hang)])
                used, gap = hang, Span("")
            rows[-1] += [s for s in (gap, Span(word, style)) if s.text]
            used, empty, gap = used + columns(gap.text) + columns(word), False, Span("")
    return rows
