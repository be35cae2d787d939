"""Patterns of keys, matched as `local` matches paths: `/` separates, `*` skips what is hidden, `**` is any depth.

Pure. A store knows no folders: a key is matched part by part.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fnmatch import translate

from mics_iac.core.remote import is_glob

Test = Callable[[str], object]


class Pattern:
    """A key with something of a glob in it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.prefix = re.split(r"[*?\[]", text, maxsplit=1)[0]
        """What every key that matches begins with."""
        parts = text.split("/")
        if parts[-1] == "**":
            parts.append("*")
        # None stands for `**`; two of them in a row are one.
        self._tests: list[Test | None] = []
        for part in parts:
            test = None if part == "**" else _test_of(part)
            if test is not None or self._tests[-1:] != [None]:
                self._tests.append(test)

    @property
    def folder(self) -> str:
        """The prefix without what is behind its last `/`, and without that."""
        return self.prefix.rpartition("/")[0]

    @property
    def is_flat(self) -> bool:
        """Whether all that matches lies in `folder` itself, and any name there might."""
        rest = self.text[len(self.prefix) :]
        return self.prefix.rpartition("/")[2] == "" and "/" not in rest and rest != "**"

    def matches(self, key: str) -> bool:
        """Whether the pattern covers the whole key."""
        states = self._closed({0})
        for part in key.split("/"):
            after: set[int] = set()
            for state in states:
                if state == len(self._tests):
                    continue
                test = self._tests[state]
                if test is None:
                    if not part.startswith("."):
                        after.add(state)
                elif test(part):
                    after.add(state + 1)
            if not after:
                return False
            states = self._closed(after)
        return len(self._tests) in states

    def _closed(self, states: set[int]) -> set[int]:
        """These, and where one is without having read anything more: behind a `**`."""
        return states | {state + 1 for state in states if state < len(self._tests) and self._tests[state] is None}


def _test_of(part: str) -> Test:
    if not is_glob(part):
        return part.__eq__
    match = re.compile(translate(part)).match
    if part.startswith("."):
        return match
    return lambda name: not name.startswith(".") and match(name)
