"""How a message speaks of what the user wrote: quoted safely, and with the nearest thing that would have been right.

Text from outside may hold anything: terminal escapes, line ends, a megabyte. Nothing here knows what the text means.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Final

_SHOWN: Final = 60  # characters; enough to recognise a value, little enough for one line
_GUESSED: Final = 80  # longer words are no slips of the pen, and comparing them is slow
_CHOICES: Final = 2_000  # among more, looking takes longer than anyone waits


def visible(text: str) -> str:
    """The text with every character that does not print, line ends included, as a backslash escape."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else _escape(one) for one in text)


def quoted(text: str) -> str:
    """The text in double quotes, on one line, cut to a sensible length."""
    cut = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
    return f'"{visible(cut)}"'


def listed(words: Iterable[str], *, last: str = "or") -> str:
    """`A, B or C`, made visible, cut after twelve."""
    shown = [visible(word) for word in words]
    if len(shown) > 12:
        return ", ".join(shown[:12]) + f" and {len(shown) - 12} more"
    if len(shown) < 2:
        return "".join(shown)
    return f"{', '.join(shown[:-1])} {last} {shown[-1]}"


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """` Did you mean "x"?` for the choice nearest to the word, or nothing."""
    near = nearest(word, tuple(choices))
    return "" if near is None else f" Did you mean {quoted(near)}?"


class Hints:
    """`did_you_mean` for the first mistakes of a manifest; of a hundred thousand nobody reads the rest, and each costs.

    What a guess costs is told in words compared, and ten for itself; after `comparisons` of them there are no more.
    """

    def __init__(self, *, comparisons: int = 20_000) -> None:
        self._left = comparisons

    def did_you_mean(self, word: str, choices: Collection[str]) -> str:
        """The same as the function; nothing once all guesses are spent."""
        if len(word) > _GUESSED or len(choices) > min(_CHOICES, self._left - 10):
            return ""
        self._left -= len(choices) + 10
        return did_you_mean(word, choices)


@lru_cache(maxsize=512)
def nearest(word: str, choices: tuple[str, ...]) -> str | None:
    """The choice that the word most likely stands for, letters' case aside; None when none is near."""
    if len(word) > _GUESSED or len(choices) > _CHOICES:
        return None
    lowered = {choice.lower(): choice for choice in choices}
    found = difflib.get_close_matches(word.lower(), lowered, n=1, cutoff=0.6)
    return lowered[found[0]] if found else None


def _escape(one: str) -> str:
    code = ord(one)
    if one in "\n\r\t":
        return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}[one]
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
