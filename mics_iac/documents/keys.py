"""Keys that are nearly known ones, and keys that may be shown.

A key of a record is somebody's data as soon as it is not a name: one that holds digits in a row, or anything a name
does not hold, is never shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

# Longer ones are taken for data; asking for their neighbours would cost too much besides.
_LONGEST: Final = 48
# Shorter ones have too many neighbours: `hype` is no slip of the pen for `type`.
_SHORTEST: Final = 6
_NAME: Final = re.compile(r"\$?[A-Za-z_](?:[A-Za-z_-]|[0-9]{1,3}(?![0-9])){0,47}")
# What is shown of a key that is not shown.
HIDDEN: Final = "?"


def shown(key: str) -> str:
    """The key, if it is a name; else a stand-in."""
    return key if _NAME.fullmatch(key) else HIDDEN


class Nearby:
    """The known keys of one object, asked for the one that another key may have been meant to be."""

    def __init__(self, known: Iterable[str]) -> None:
        self._plain = {_plain(key): key for key in known}
        self._near: dict[str, str] = {}
        for plain, key in self._plain.items():
            for less in _shorter(plain):
                self._near.setdefault(less, key)
        self._lengths = {len(plain) + more for plain in self._plain for more in (-1, 0, 1)}

    def of(self, key: str) -> str | None:
        """The known key that differs in case, dashes, the `$`, or one letter; None if there is none."""
        if len(key) > _LONGEST:
            return None
        plain = _plain(key)
        if plain in self._plain:
            return self._plain[plain]
        if len(plain) < _SHORTEST or len(plain) not in self._lengths:
            return None
        # One letter too many, one too few, another one, two in the wrong order: each leaves a common shorter word.
        return next((self._near[less] for less in (plain, *_shorter(plain)) if less in self._near), None) or next(
            (self._plain[less] for less in _shorter(plain) if less in self._plain and len(less) >= _SHORTEST), None
        )


def _plain(key: str) -> str:
    return key.removeprefix("$").replace("-", "").replace("_", "").casefold()


def _shorter(word: str) -> Iterator[str]:
    if len(word) >= _SHORTEST:
        for place in range(len(word)):
            yield word[:place] + word[place + 1 :]
