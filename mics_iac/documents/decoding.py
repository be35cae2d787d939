"""The fast look: types for msgspec, made from the table of shapes, that take no record with a flaw of a single field.

Keys that a record may have beside the known ones are learned as they are met: a type that took any key could not tell
which are mistakes. Objects that no rule looks into are skipped, which asks whether they are JSON but not whether they
are UTF-8: that is for who decodes to ask.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

import msgspec

from mics_iac.documents.kinds import Kind, Skipped
from mics_iac.documents.shapes import Field, Many, Shape

# One line in, one record out; raises what msgspec raises.
Decode = Callable[[bytes], Any]
# What decoding a line may raise.
REFUSED: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
# Keys of the user's own that are learned for one object, and how often: the rest is looked at slowly.
MOST_KEYS: Final = 256

Learned = Mapping[Shape, frozenset[str]]


def decode_of(shape: Shape, learned: Learned) -> Decode:
    """The function that takes a line of this shape, with the keys that were learned for it and for what it holds."""
    return msgspec.json.Decoder(_type(shape, learned)).decode if learned else _plain(shape)


@cache
def _plain(shape: Shape) -> Decode:
    return msgspec.json.Decoder(_type(shape, {})).decode


def _type(shape: Shape, learned: Learned) -> type[Any]:
    if not shape.fields:
        return Skipped
    names = {field.key.removeprefix("$"): field.key for field in shape.fields}
    own = {f"own_{number}": key for number, key in enumerate(sorted(learned.get(shape, ())))}
    needed = [(field.key.removeprefix("$"), _of(field, learned)) for field in shape.fields if field.needed]
    others = [
        (field.key.removeprefix("$"), _of(field, learned) | None, None) for field in shape.fields if not field.needed
    ]
    return msgspec.defstruct(
        "Record",
        [*needed, *others, *((name, msgspec.Raw, msgspec.Raw()) for name in own)],
        rename={**names, **own},
        forbid_unknown_fields=True,
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
