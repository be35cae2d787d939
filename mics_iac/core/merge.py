"""Several files of one manifest -> one tree.

Datamarts are joined by key and moves are put behind one another; anything else that two files declare is a clash, which
names both places. Nothing here knows what a key means beyond that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from mics_iac.core.explain import wrong_kind
from mics_iac.core.wording import quoted
from mics_iac.core.yamltree import Faulty, Node, YamlList, YamlMap, kind_of
from mics_iac.errors import Problem

Joined: TypeAlias = "Callable[[YamlMap, YamlMap, str], None]"
_BY_KEY: Final = ("variables", "environments", "defaults")


def merged(roots: Sequence[YamlMap]) -> tuple[YamlMap, list[Problem]]:
    """One tree of all, and a problem for each thing that two of them declare. One tree alone stays as it is."""
    if len(roots) == 1:
        return roots[0], []
    merging = _Merging()
    for root in roots:
        merging.add(root)
    return merging.root, merging.problems


class _Merging:
    """The tree so far; it shares no mapping that it adds to with any of the files."""

    def __init__(self) -> None:
        self.root = YamlMap()
        self.problems: list[Problem] = []

    def add(self, root: YamlMap) -> None:
        """Take in one file."""
        for key in root:
            if key == "version":
                self._version(root)
            elif key == "moved":
                self._moved(root)
            elif key == "datamarts":
                self._block(root, key, self._datamart)
            elif key in _BY_KEY:
                self._block(root, key, self._clash)
            elif key in self.root:
                self._clash(self.root, root, key)
            else:
                _put(self.root, key, root)

    def _block(self, root: YamlMap, key: str, meet: Joined) -> None:
        """Add a mapping's keys to the block so far; `meet` says what becomes of a key that is there already."""
        block = self._expected(root, key)
        if block is None:
            return
        if key not in self.root:
            self.root[key] = YamlMap()
            self.root.spots[key] = root.spots[key]
        so_far = self.root[key]
        assert isinstance(so_far, YamlMap)
        for name in block:
            if name in so_far:
                meet(so_far, block, name)
            else:
                _put(so_far, name, block)

    def _datamart(self, so_far: YamlMap, block: YamlMap, name: str) -> None:
        left, right = self._expected(so_far, name), self._expected(block, name)
        if left is None or right is None:
            return
        joined = YamlMap(left.items(), spots=dict(left.spots))
        so_far[name] = joined
        for key in right:
            if key not in joined:
                _put(joined, key, right)
            elif key == "imports":
                self._imports(joined, right)
            elif joined[key] != right[key]:
                self._clash(joined, right, key)

    def _imports(self, joined: YamlMap, right: YamlMap) -> None:
        before, more = self._expected(joined, "imports"), self._expected(right, "imports")
        if before is None or more is None:
            return
        imports = YamlMap(before.items(), spots=dict(before.spots))
        joined["imports"] = imports
        for key in more:
            if key in imports:
                self._clash(imports, more, key)
            else:
                _put(imports, key, more)

    def _version(self, root: YamlMap) -> None:
        if "version" not in self.root:
            _put(self.root, "version", root)
        elif self.root["version"] != root["version"]:
            self._clash(self.root, root, "version")

    def _moved(self, root: YamlMap) -> None:
        more = root["moved"]
        if more is None or isinstance(more, Faulty):
            return
        if not isinstance(more, YamlList):
            place = root.value_place("moved")
            self.problems.append(wrong_kind(place, key="moved", wanted="a list", found=kind_of(more)))
            return
        before = self.root.get("moved")
        if isinstance(before, YamlList):
            self.root["moved"] = YamlList([*before, *more], spots=[*before.spots, *more.spots])
        else:
            _put(self.root, "moved", root)

    def _expected(self, parent: YamlMap, key: str) -> YamlMap | None:
        """The mapping under that key, an empty one for nothing; None, and a problem, where it is something else."""
        node = parent[key]
        if node is None:
            return YamlMap()
        if isinstance(node, YamlMap):
            return node
        if not isinstance(node, Faulty):
            place = parent.value_place(key)
            self.problems.append(wrong_kind(place, key=key, wanted="a mapping", found=kind_of(node)))
        return None

    def _clash(self, first: YamlMap, second: YamlMap, key: str) -> None:
        place = second.key_place(key)
        message = f"{quoted(key)} is declared at {first.key_place(key)} already; keep one of the two"
        self.problems.append(Problem(place.file, place.line, place.column, "MICS124", message))


def _put(target: YamlMap, key: str, source: YamlMap) -> None:
    value: Node = source[key]
    target[key] = value
    target.spots[key] = source.spots[key]
