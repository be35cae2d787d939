"""YAML text -> a tree of plain values in which every key and value knows its place.

This file alone knows PyYAML. It builds from the parser's events (with libyaml where that is there), so that scalars
stay text, duplicate keys are seen, and an alias bomb is refused before it grows. It must not know what a manifest is:
any mapping of text is right here.

A scalar is `str`, or None where it is empty, `~` or `null` and plain. Mappings and lists carry the places of what they
hold. A value that could not be read is a `Faulty`: it was reported, and nobody reports it again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeAlias

import yaml

from mics_iac.core.manifest import ManifestText, Place
from mics_iac.core.wording import quoted, visible
from mics_iac.core.yamlfault import syntax_fault
from mics_iac.errors import Problem

MAX_BYTES: Final = 64 * 1024 * 1024
MAX_ALIASED: Final = 1_000_000  # values that aliases may add to those written out
MAX_DEPTH: Final = 50  # the manifest itself needs 7; every later walk over the tree may recurse

Node: TypeAlias = "str | YamlMap | YamlList | None"
KeySpot: TypeAlias = tuple[str, int, int, int, int]  # file, line and column of the key, line and column of the value
ItemSpot: TypeAlias = tuple[str, int, int]


class YamlMap(dict[str, Node]):
    """A mapping; `spots` has the place of each key and its value, merged ones' being where they are written."""

    __slots__ = ("height", "size", "spots")

    def __init__(self, entries: Iterable[tuple[str, Node]] = (), *, spots: dict[str, KeySpot] | None = None) -> None:
        super().__init__(entries)
        self.spots: dict[str, KeySpot] = {} if spots is None else spots
        self.size = 1
        self.height = 1

    def key_place(self, key: str) -> Place:
        """Where the key stands."""
        file, line, column, _, _ = self.spots[key]
        return Place(file, line, column)

    def value_place(self, key: str) -> Place:
        """Where the key's value starts."""
        file, _, _, line, column = self.spots[key]
        return Place(file, line, column)


class YamlList(list[Node]):
    """A list; `spots` has the place of each item."""

    __slots__ = ("height", "size", "spots")

    def __init__(self, items: Iterable[Node] = (), *, spots: list[ItemSpot] | None = None) -> None:
        super().__init__(items)
        self.spots: list[ItemSpot] = [] if spots is None else spots
        self.size = 1
        self.height = 1

    def item_place(self, index: int) -> Place:
        """Where the item starts."""
        return Place(*self.spots[index])


class Template(str):
    """A text that holds a `$`, and so may hold references to variables.

    `offset` is how far the text's first character stands behind the value's place; None where that cannot be told
    (several lines, escapes).
    """

    __slots__ = ("offset",)
    offset: int | None


class Faulty(str):
    """Stands for a value that was already reported."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of one file: `root` is None where its syntax stopped the reading."""

    root: YamlMap | None
    problems: tuple[Problem, ...]


_LIBYAML: Final = yaml.__with_libyaml__
_NULL: Final = frozenset(("", "~", "null", "Null", "NULL"))
_CORE: Final = "tag:yaml.org,2002:"
_SCALAR_TAGS: Final = frozenset(("!", *(_CORE + kind for kind in ("str", "int", "float", "bool", "null"))))
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class _Stop(Exception):
    """Reading on makes no sense; the problem is recorded."""


def read_tree(text: ManifestText, *, libyaml: bool = _LIBYAML) -> Reading:
    """Read one document that is a mapping. Never raises for bad input: all that is wrong is in `problems`."""
    if len(text.data) > MAX_BYTES:
        return _refused(text.name, "MICS017", too_large(len(text.data)))
    try:
        characters = text.data.removeprefix(b"\xef\xbb\xbf").decode()
    except UnicodeDecodeError as error:
        return _not_utf8(text, error)
    builder = _Builder(text.name, (yaml.CSafeLoader if libyaml else yaml.SafeLoader), characters)
    root = builder.document()
    return Reading(root, tuple(builder.problems))


def too_large(size: int) -> str:
    """The message for a file of that many bytes, over MAX_BYTES."""
    return f"the file has {size:,} bytes, over the limit of {MAX_BYTES:,}; split it and give the folder with -f"


def _refused(file: str, code: str, message: str, *, line: int = 0, column: int = 0) -> Reading:
    return Reading(None, (Problem(file, line, column, code, message),))


def _not_utf8(text: ManifestText, error: UnicodeDecodeError) -> Reading:
    before = text.data[: error.start]
    line = before.count(b"\n") + 1
    column = len(before[before.rfind(b"\n") + 1 :].decode(errors="replace")) + 1
    message = f"the byte 0x{text.data[error.start]:02x} is not UTF-8; save the file as UTF-8"
    return _refused(text.name, "MICS004", message, line=line, column=column)


class _Builder:
    """One file on its way from events to a tree."""

    def __init__(self, file: str, loader: Any, characters: str) -> None:
        self.problems: list[Problem] = []
        self._file = file
        self._loader = loader
        self._characters = characters
        self._next: Any = None
        self._anchors: dict[str, Node] = {}
        self._open: set[str] = set()
        self._count = 0  # values so far, aliases expanded
        self._aliased = 0  # of these, added by aliases

    def document(self) -> YamlMap | None:
        """The one document of the file, or None where it could not be read to its end."""
        try:
            self._next = self._loader(self._characters).get_event
            return self._only_document()
        except _Stop:
            return None
        except (yaml.YAMLError, ValueError, OverflowError) as error:
            self.problems.append(syntax_fault(error, file=self._file, characters=self._characters))
            return None

    def _only_document(self) -> YamlMap | None:
        self._next()  # the stream's start
        event = self._next()
        if isinstance(event, yaml.StreamEndEvent):
            self._stop("MICS006", "the file holds no value; write `version: 1` and the datamarts")
        first = self._next()
        root = self._node(first, 1)
        self._next()  # the document's end
        event = self._next()
        if not isinstance(event, yaml.StreamEndEvent):
            self._stop("MICS007", "a second document starts here; one file holds one document", event)
        if root is None:
            self._stop("MICS006", "the file holds no value; write `version: 1` and the datamarts")
        if not isinstance(root, YamlMap):
            self._stop("MICS008", f"the top level is {kind_of(root)}; it must be a mapping of keys and values", first)
        return root

    def _node(self, event: Any, depth: int) -> Node:
        self._count += 1
        kind = type(event)
        if kind is yaml.ScalarEvent:
            return self._scalar(event)
        if kind is yaml.AliasEvent:
            return self._alias(event, depth)
        if depth > MAX_DEPTH:
            self._stop("MICS016", f"values are nested more than {MAX_DEPTH} deep; nothing here needs that", event)
        anchor = event.anchor
        if anchor is not None:
            self._open.add(anchor)
        wanted, build = ("map", self._mapping) if kind is yaml.MappingStartEvent else ("seq", self._sequence)
        if event.tag is not None and event.tag not in ("!", _CORE + wanted):
            self._bad_tag(event)
        before = self._count
        node = build(depth)
        node.size += self._count - before
        if anchor is not None:
            self._open.discard(anchor)
            self._anchors[anchor] = node
        return node

    def _scalar(self, event: Any) -> str | None:
        value: str = event.value
        tag = event.tag
        text: str | None = value
        if tag is not None and tag not in _SCALAR_TAGS:
            self._bad_tag(event)
        if (event.implicit[0] or tag == _CORE + "null") and value in _NULL:
            text = None
        elif "$" in value:
            text = _template(event)
        elif not value.isascii() and _SURROGATE.search(value):
            self._tell("MICS005", "half of a surrogate pair is no character; write the character itself", event)
            text = Faulty()
        if event.anchor is not None:
            self._anchors[event.anchor] = text
        return text

    def _alias(self, event: Any, depth: int) -> Node:
        name = event.anchor
        if name in self._open:
            self._tell("MICS014", f"the alias *{visible(name)} stands inside what it names; write the value out", event)
            return Faulty()
        if name not in self._anchors:
            self._tell("MICS013", f"no anchor &{visible(name)} stands before this alias", event)
            return Faulty()
        node = self._anchors[name]
        if isinstance(node, YamlMap | YamlList):
            if depth + node.height > MAX_DEPTH:
                self._stop("MICS016", f"values are nested more than {MAX_DEPTH} deep once aliases are expanded", event)
            self._grow(node.size, event)
        return node

    def _grow(self, size: int, event: Any) -> None:
        self._count += size
        self._aliased += size
        if self._aliased > MAX_ALIASED:
            message = f"the aliases up to here stand for more than {MAX_ALIASED:,} values; write fewer of them"
            self._stop("MICS015", message, event)

    def _sequence(self, depth: int) -> YamlList:
        items = YamlList()
        spots = items.spots
        height = 0
        while type(event := self._next()) is not yaml.SequenceEndEvent:
            mark = event.start_mark
            item = self._node(event, depth + 1)
            items.append(item)
            spots.append((self._file, mark.line + 1, mark.column + 1))
            if isinstance(item, YamlMap | YamlList):
                height = max(height, item.height)
        items.height += height
        return items

    def _mapping(self, depth: int) -> YamlMap:
        entries = YamlMap()
        spots = entries.spots
        merged: tuple[KeySpot, list[YamlMap]] | None = None
        height = 0
        while type(event := self._next()) is not yaml.MappingEndEvent:
            mark = event.start_mark
            key = self._key(event, depth)
            below = self._next()
            value_mark = below.start_mark
            if type(below) is yaml.ScalarEvent:
                self._count += 1
                value: Node = self._scalar(below)
            else:
                value = self._node(below, depth + 1)
                if isinstance(value, YamlMap | YamlList):
                    height = max(height, value.height)
            if key is None:
                continue
            spot = (self._file, mark.line + 1, mark.column + 1, value_mark.line + 1, value_mark.column + 1)
            if key == "<<" and type(event) is yaml.ScalarEvent and event.implicit[0]:
                if merged is not None:
                    self._duplicate(key, merged[0], event)
                else:
                    merged = spot, self._merged(value, below)
            elif key in spots:
                self._duplicate(key, spots[key], event)
            else:
                spots[key] = spot
                entries[key] = value
        entries.height += height
        if merged is not None:
            _merge(entries, merged[1])
        return entries

    def _key(self, event: Any, depth: int) -> str | None:
        """The text of a key, or None where it is no text: reported, and its value is left out."""
        if type(event) is yaml.ScalarEvent and event.implicit[0] and event.anchor is None:
            plain: str = event.value
            if plain.isascii() and plain not in _NULL:
                return plain  # nearly every key there is
        key = self._node(event, depth + 1)
        if isinstance(key, str):
            return None if isinstance(key, Faulty) else str(key)
        self._tell("MICS010", f"a key must be text, and this is {kind_of(key)}; put it in quotes", event)
        return None

    def _duplicate(self, key: str, first: KeySpot, event: Any) -> None:
        place = Place(*first[:3])
        self._tell("MICS009", f"the key {quoted(key)} already stands at {place}; remove one of the two", event)

    def _merged(self, value: Node, event: Any) -> list[YamlMap]:
        """The mappings that a merge key names, strongest first."""
        found = value if isinstance(value, YamlList) else [value]
        maps = [one for one in found if isinstance(one, YamlMap)]
        if any(not isinstance(one, YamlMap | Faulty) for one in found):
            self._tell("MICS012", "`<<` takes a mapping, or a list of mappings, mostly as aliases (`<<: *name`)", event)
        return maps

    def _bad_tag(self, event: Any) -> None:
        tag = event.tag.replace(_CORE, "!!")
        self._tell(
            "MICS011", f"the tag {quoted(tag)} is not allowed here; remove it, every value is read as text", event
        )

    def _tell(self, code: str, message: str, event: Any = None) -> None:
        line, column = (0, 0) if event is None else (event.start_mark.line + 1, event.start_mark.column + 1)
        self.problems.append(Problem(self._file, line, column, code, message))

    def _stop(self, code: str, message: str, event: Any = None) -> NoReturn:
        self._tell(code, message, event)
        raise _Stop


def kind_of(node: object) -> str:
    """What a value is, in the words of a message."""
    match node:
        case None:
            return "empty"
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case _:
            return "a single value"


def _merge(entries: YamlMap, merges: list[YamlMap]) -> None:
    """Add what the merged mappings hold; what stands in the mapping itself, or in an earlier one, is stronger."""
    for merged in merges:
        for key, value in merged.items():
            if key not in entries:
                entries[key] = value
                entries.spots[key] = merged.spots[key]


def _template(event: Any) -> Template:
    """The scalar with the offset of its text, told from the length of its source: quotes add two, escapes add more."""
    template = Template(event.value)
    template.offset = None
    start, end = event.start_mark, event.end_mark
    if start.line == end.line and event.anchor is None and event.tag is None:
        quotes = 0 if event.implicit[0] else 2
        if end.index - start.index == len(event.value) + quotes:
            template.offset = quotes // 2
    return template
