"""What differs between two settings, field by field. The only module that knows deepdiff."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from mics_iac.core.settings import CHANGEABLE, Settings


class FieldChange(NamedTuple):
    """One field and its two values."""

    field: str
    before: str
    after: str


def field_changes(before: Settings, after: Settings) -> tuple[FieldChange, ...]:
    """Every field that differs, by name; empty for equal settings, which cost a comparison and no import."""
    one, other = _normal(before), _normal(after)
    if one == other:
        return ()
    from deepdiff import DeepDiff  # noqa: PLC0415 (137 ms of start-up that an unchanged plan need not pay)

    tree = DeepDiff(msgspec.structs.asdict(one), msgspec.structs.asdict(other), view="tree")
    names = sorted(str(level.path(output_format="list")[0]) for level in tree["values_changed"])
    return tuple(FieldChange(name, getattr(before, name), getattr(after, name)) for name in names)


def _normal(settings: Settings) -> Settings:
    """The one form of what may be written in several ways: an encoding's name has no case."""
    return msgspec.structs.replace(settings, encoding=settings.encoding.lower())


def changes_in_place(found: Settings, wanted: Settings) -> bool:
    """Whether one import can become the other without being replaced."""
    return all(change.field in CHANGEABLE for change in field_changes(found, wanted))
