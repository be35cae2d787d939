"""One import of a plan, as lines: what happens to it, and under it what happens to its files.

Pure. `text.py` puts the blocks of a plan together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, TypeVar

import msgspec

from mics_iac.core.diff import field_changes
from mics_iac.core.plan import Action, Adopt, Change, Create, Fetch, Guard, Keep, Move, Skip, Stuck, Upload
from mics_iac.core.settings import Settings
from mics_iac.reporting.figures import counted
from mics_iac.reporting.files import Loading, file_lines, files_of
from mics_iac.reporting.lines import Line, Span, Style, line

_PLAIN: Final = re.compile(r"[A-Za-z0-9_.-]+")
_FIELDS: Final = ("name", "document_type", "mime_type", "encoding", "priority")
_FIELD_COLUMN: Final = 15

_NEW: Final = "new"  # the reason that a creation needs none: the heading says all

_STYLES: Final[dict[str, Style]] = {
    "+": "add",
    "+/-": "add",
    "<=": "adopt",
    "~": "change",
    "^": "upload",
    "!": "destroy",
    "=": "dim",
}

_Kind = TypeVar("_Kind", Create, Adopt, Change, Guard, Move, Keep)


@dataclass(frozen=True, slots=True)
class Block:
    """All actions of one address, by kind."""

    address: str
    create: Create | None
    adopt: Adopt | None
    change: Change | None
    guard: Guard | None
    move: Move | None
    keep: Keep | None
    uploads: tuple[Upload, ...]
    fetches: tuple[Fetch, ...]
    skips: tuple[Skip, ...]
    stuck: tuple[Stuck, ...]

    @classmethod
    def of(cls, address: str, actions: Sequence[Action]) -> Block:
        """Sort the actions of one address by their kind."""
        return cls(
            address,
            create=_first(actions, Create),
            adopt=_first(actions, Adopt),
            change=_first(actions, Change),
            guard=_first(actions, Guard),
            move=_first(actions, Move),
            keep=_first(actions, Keep),
            uploads=tuple(a for a in actions if isinstance(a, Upload)),
            fetches=tuple(a for a in actions if isinstance(a, Fetch)),
            skips=tuple(a for a in actions if isinstance(a, Skip)),
            stuck=tuple(a for a in actions if isinstance(a, Stuck)),
        )

    @property
    def there(self) -> tuple[str, Settings] | None:
        """The import that is there, by id and as it is; None where there is none or nothing is known of it."""
        if self.adopt is not None:
            return self.adopt.id, self.adopt.before
        if self.change is not None:
            return self.change.id, self.change.before
        return None if self.keep is None else (self.keep.id, self.keep.settings)

    @property
    def loadings(self) -> tuple[Loading, ...]:
        """What happens to its files."""
        return (*self.uploads, *self.fetches, *self.stuck, *self.skips)

    @property
    def quiet(self) -> bool:
        """Whether nothing happens here and nothing needs to be said."""
        changes = self.create or self.adopt or self.change or self.guard or self.move
        return not (changes or self.uploads or self.fetches or self.stuck)


def _first(actions: Sequence[Action], kind: type[_Kind]) -> _Kind | None:
    return next((a for a in actions if isinstance(a, kind)), None)


def blocks(actions: Iterable[Action]) -> list[Block]:
    """The actions of a plan by address, in order."""
    by_address = sorted(actions, key=lambda a: a.address)
    return [Block.of(address, tuple(group)) for address, group in groupby(by_address, key=lambda a: a.address)]


def block_lines(block: Block, *, every: bool) -> list[Line]:
    """One block; `every` names each file that is loaded already, and an import that nothing happens to."""
    return [_heading(block), *_settings(block), *file_lines(block.loadings, every=every)]


def quoted_value(text: str) -> str:
    """A value as it is, in quotes where blanks or signs would leave its end in doubt."""
    return text if _PLAIN.fullmatch(text) else f'"{text}"'


def _heading(block: Block) -> Line:
    symbol, words = _what(block)
    id_ = f" ({block.there[0]})" if block.there is not None else ""
    return line(
        "  ",
        Span(f"{symbol:<3}", _STYLES.get(symbol, "plain")),
        Span(block.address, "bold", solid=True),
        f"{id_} {words}",
        hang=7,
    )


def _what(block: Block) -> tuple[str, str]:
    """The symbol of an import's heading, and what happens to it in words."""
    if block.create is not None:
        former = block.create.replaces
        return "+", "will be created" if former is None else f"will be created, replaces {former}"
    if block.adopt is not None:
        return "<=", "will be adopted and changed" if block.change is not None else "will be adopted"
    if block.change is not None:
        return "~", "will be changed in place"
    if block.guard is not None:
        return "~", "will be protected" if block.guard.protect else "will no longer be protected"
    if block.move is not None:
        return "~", "will be renamed here"
    if block.fetches:
        load = f"will load {counted(files_of(block.uploads), 'file')}, and " if block.uploads else "will "
        return "^", f"{load}read {counted(files_of(block.fetches), 'remote file')} first"
    if block.uploads:
        return "^", f"will load {counted(files_of(block.uploads), 'file')}"
    if block.stuck:
        return "!", f"has {counted(files_of(block.stuck), 'file')} that failed before"
    return "=", "is as it should be"


def _settings(block: Block) -> list[Line]:
    rows: list[Line] = []
    if block.move is not None:
        rows.append(_comment(f"renamed from {block.move.source}"))
    if block.create is not None:
        rows += [_field(name, getattr(block.create.after, name)) for name in _FIELDS]
        rows += [_field("protect", "true")] if block.create.protect else []
        rows += [_comment(block.create.reason)] if block.create.reason != _NEW else []
    if block.adopt is not None:
        if block.change is None:
            rows += [_field(name, getattr(block.adopt.before, name)) for name in _FIELDS]
        rows += [_field("protect", "true")] if block.adopt.protect else []
        rows.append(_comment(block.adopt.reason))
    if block.change is not None:
        rows += _changes(block.change.before, block.change.after)
    if block.guard is not None:
        rows.append(_change("protect", str(not block.guard.protect).lower(), str(block.guard.protect).lower()))
    return rows


def _changes(before: Settings, after: Settings) -> list[Line]:
    changes = {c.field: c for c in field_changes(before, after)}
    order = [*(f for f in _FIELDS if f in changes), *(f for f in changes if f not in _FIELDS)]
    hidden = len(msgspec.structs.fields(Settings)) - len(changes)
    return [
        *(_change(f, changes[f].before, changes[f].after) for f in order),
        _comment(f"({hidden} unchanged attribute{'s' if hidden != 1 else ''} hidden)"),
    ]


def _field(name: str, value: str) -> Line:
    return line(f"       {name:<{_FIELD_COLUMN}}", quoted_value(value), hang=7 + _FIELD_COLUMN)


def _change(name: str, before: str, after: str) -> Line:
    return line(
        f"       {name:<{_FIELD_COLUMN}}",
        quoted_value(before),
        Span(" -> ", "change"),
        quoted_value(after),
        hang=7 + _FIELD_COLUMN,
    )


def _comment(text: str) -> Line:
    return line("       ", Span(f"# {text}", "dim"), hang=9)
