"""The fast look: types for msgspec, made from the table of shapes, that take no record with a flaw of a single field.

Keys that a record may have beside the known ones are learned as they are met: a type that took any key could not tell
which are mistakes. Objects that no rule looks into are skipped, which asks whether they are JSON but not whether they
are UTF-8: that is for who decodes to ask.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

import msgspec

from mics_iac.documents.kinds import Kind, Skipped
from mics_iac.documents.shapes import Extras, Field, Many, Shape

# One line in, one record out; raises what msgspec raises.
Decode = Callable[[bytes], Any]
# What decoding a line may raise.
REFUSED: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
# Keys of the user's own that are learned for one object, and how often: the rest is looked at slowly.
MOST_KEYS: Final = 256

_ABSENT: Final = msgspec.Raw()

Learned = Mapping[Shape, frozenset[str]]


def decode_of(shape: Shape, learned: Learned, *, without: Collection[str] = ()) -> Decode:
    """The function that takes a line of this shape, with the keys that were learned for it and for what it holds.

    It refuses lines with one of the fields of `without`, even if it is null.
    """
    if not learned and not without:
        return _plain(shape)
    return msgspec.json.Decoder(_type(shape, learned, without)).decode


def unused(shape: Shape, docs: Sequence[Any]) -> list[str]:
    """The fields that none of these decoded records has, but for null."""
    if not shape.fields or shape.variants:
        return []
    optional = [(field.key, field.key.removeprefix("$")) for field in shape.fields if not field.needed]
    return [
        key
        for key, name in optional
        if all(getattr(one, name) is None or getattr(one, name) is _ABSENT for one in docs)
    ]


@functools.cache
def _plain(shape: Shape) -> Decode:
    return msgspec.json.Decoder(_type(shape, {})).decode


def _type(shape: Shape, learned: Learned, without: Collection[str] = ()) -> Any:
    if not shape.fields:
        return Skipped
    kinds = list(shape.variants)
    if len(kinds) < 2:
        return _struct(shape, learned, *kinds, without=without)
    return functools.reduce(operator.or_, [_struct(shape, learned, kind, tagged=True) for kind in kinds])


def _struct(
    shape: Shape,
    learned: Learned,
    kind: str | None = None,
    *,
    tagged: bool = False,
    without: Collection[str] = (),
) -> Any:
    """The type of an object; of one kind, where its tag tells it. That is left to msgspec where there are several."""
    needed: list[tuple[str, Any]] = []
    others: list[tuple[str, Any, Any]] = []
    variant = shape.variants[kind] if kind else None
    for field in shape.fields:
        if field.key in without or (tagged and field.key == shape.tag):
            continue
        name, holds = field.key.removeprefix("$"), _of(field, learned)
        if field.needed or (variant and field.key == variant.needed):
            needed.append((name, holds))
        elif kind and field.key in shape.foreign[kind]:
            others.append((name, None, None))  # null is let pass
        elif holds is msgspec.Raw:
            others.append((name, holds, _ABSENT))  # takes null by itself, and beside `| None` nothing else
        else:
            others.append((name, holds | None, None))
    own = {f"own_{number}": key for number, key in enumerate(sorted(learned.get(shape, ())))}
    return msgspec.defstruct(
        "Record",
        [*needed, *others, *((name, msgspec.Raw, _ABSENT) for name in own)],
        rename={**{field.key.removeprefix("$"): field.key for field in shape.fields}, **own},
        # Who asks a record for a field that it cannot have learns that it has none.
        namespace={key.removeprefix("$"): None for key in without},
        forbid_unknown_fields=shape.extras is not Extras.ANY,
        tag_field=shape.tag if tagged else None,
        tag=kind if tagged else None,
        gc=False,  # a record holds no circle, and looking for one costs a tenth
    )


def _of(field: Field, learned: Learned) -> Any:
    match field.holds:
        case Kind() as kind:
            return kind.type
        case Shape() as shape:
            return _type(shape, learned)
        case Many(shape):
            return list[_type(shape, learned)]  # type: ignore[misc]  # it is made as the program runs
