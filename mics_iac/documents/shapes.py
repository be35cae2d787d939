"""The table: what a record of each document type looks like, field by field.

From mediarithmics-api.md section 4, whose subsection each shape names. Both the fast look at a record and the slow one
are made from this table; what holds between several fields is in `together`. A field may be null or absent unless it
is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from mics_iac.documents import kinds
from mics_iac.documents.kinds import Kind, choice
from mics_iac.documents.rules import Mark


class Extras(Enum):
    """What other keys an object may have; the rest is MICS324."""

    NONE = "none"
    CUSTOM = "keys of your own that do not begin with `$` and are not nearly a known one"
    ANY = "any"


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its key, what it holds, whether an object must have it, and where that is known from.

    `typed` is where its type is known from, where that is not where the field is.
    """

    key: str
    holds: Kind | Shape | Many
    needed: bool = False
    mark: Mark = Mark.DOCUMENTED
    typed: Mark | None = None

    def told(self, code: str) -> str:
        """The rule that a value of it breaks, where one of its kind breaks `code`."""
        if code == "MICS321" and (self.typed or self.mark) is not Mark.DOCUMENTED:
            return "MICS330"
        # An empty text is as good as none.
        return "MICS320" if code == "MICS323" and self.needed else code

    @property
    def codes(self) -> tuple[str, ...]:
        """The rules that a value of it may break by itself."""
        return tuple(map(self.told, self.holds.codes if isinstance(self.holds, Kind) else ("MICS321",)))


@dataclass(frozen=True, slots=True)
class Variant:
    """What one value of the key that tells an object's kind asks for: this field, and of the others only these."""

    needed: str
    beside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """An object: its fields and what else it may hold. `needed` has the keys of the fields that it must have.

    Where the field `tag` tells its kind, `variants` says for each kind which of the other fields it has, and `foreign`
    which it has not.
    """

    section: str
    extras: Extras
    fields: tuple[Field, ...]
    tag: str = ""
    variants: Mapping[str, Variant] = field(default_factory=dict)
    by_key: Mapping[str, Field] = field(init=False)
    needed: tuple[str, ...] = field(init=False)
    foreign: Mapping[str, frozenset[str]] = field(init=False)

    def __post_init__(self) -> None:
        keys = {one.key for one in self.fields} - {self.tag}
        foreign = {kind: frozenset(keys - {one.needed, *one.beside}) for kind, one in self.variants.items()}
        object.__setattr__(self, "foreign", foreign)
        object.__setattr__(self, "by_key", {one.key: one for one in self.fields})
        object.__setattr__(self, "needed", tuple(one.key for one in self.fields if one.needed))


@dataclass(frozen=True, slots=True)
class Many:
    """A list of objects of one shape."""

    of: Shape


def _needed(key: str, holds: Kind | Shape | Many) -> Field:
    return Field(key, holds, needed=True)


def _seen(key: str, holds: Kind | Shape | Many) -> Field:
    """A field that no page describes, but that the vendor's own clients send or read."""
    return Field(key, holds, mark=Mark.SEEN)


def _untyped(key: str, holds: Kind | Shape | Many) -> Field:
    """A field that the pages name without its type, which the vendor's own clients tell."""
    return Field(key, holds, typed=Mark.SEEN)


_ACCOUNT, _EMAIL, _AGENT, _POINT = "USER_ACCOUNT", "USER_EMAIL", "USER_AGENT", "USER_POINT"


def _identifier(section: str, *types: str, mark: str = "") -> Shape:
    """An object that names its kind of identifier; `mark` stands before each of its keys."""
    fields = {
        "user_account_id": kinds.TEXT,
        "compartment_id": kinds.ID,
        "hash": kinds.HASH,
        "email": kinds.TEXT,
        "user_agent_id": kinds.AGENT_ID,
        "user_point_id": kinds.UUID,
    }
    variants = {
        _ACCOUNT: Variant(f"{mark}user_account_id", (f"{mark}compartment_id",)),
        _EMAIL: Variant(f"{mark}hash", (f"{mark}email",)),
        _AGENT: Variant(f"{mark}user_agent_id"),
        _POINT: Variant(f"{mark}user_point_id"),
    }
    return Shape(
        section,
        Extras.NONE,
        (
            _needed(f"{mark}type", choice(*types)),
            *(
                Field(f"{mark}{key}", holds)
                for key, holds in fields.items()
                if key != "user_point_id" or _POINT in types
            ),
        ),
        tag=f"{mark}type",
        variants={kind: variants[kind] for kind in types},
    )


_EVENT = Shape(
    "4.1",
    Extras.CUSTOM,
    (_needed("$event_name", kinds.TEXT), Field("$ts", kinds.MILLIS), Field("$properties", kinds.OBJECT)),
)

# Its other keys, and all of a location's, are text or what the user likes: no rule looks into them.
_ORIGIN = Shape("4.1", Extras.ANY, (_seen("$ts", kinds.MILLIS),))

# Its key is seen, and that a hash is text is documented of all of them.
_HASH = Field("$hash", kinds.HASH, mark=Mark.SEEN, typed=Mark.DOCUMENTED)

ACTIVITY: Final = Shape(
    "4.1",
    Extras.CUSTOM,
    (
        _needed(
            "$type",
            choice(
                *("SITE_VISIT", "APP_VISIT", "DISPLAY_AD", "EMAIL", "TOUCH"),
                *("USER_SCENARIO_START", "USER_SCENARIO_STOP", "USER_SCENARIO_NODE_ENTER", "USER_SCENARIO_NODE_EXIT"),
                *("RECOMMENDER", "USER_PLATFORM", "STOPWATCH", "STAGING_AREA"),
            ),
        ),
        _needed("$session_status", choice("NO_SESSION", "IN_SESSION", "CLOSED_SESSION", "SESSION_SNAPSHOT")),
        _needed("$events", Many(_EVENT)),
        Field("$ts", kinds.MILLIS),
        _seen("$user_identifiers", Many(_identifier("4.1", _ACCOUNT, _EMAIL, _AGENT, mark="$"))),
        Field("$user_account_id", kinds.TEXT),
        Field("$compartment_id", kinds.ID),
        Field("$email_hash", Shape("4.1", Extras.CUSTOM, (_HASH, Field("$email", kinds.TEXT)))),
        Field("$user_agent_id", kinds.AGENT_ID),
        Field("$ttl", kinds.MINUTES),
        Field("$unique_key", kinds.UNIQUE_KEY),
        _untyped("$origin", _ORIGIN),
        Field("$location", kinds.OBJECT),
        _seen("$site_id", kinds.ID),
        _seen("$app_id", kinds.ID),
        _seen("$session_duration", kinds.DURATION),
        _seen("$topics", kinds.TABLES),
        _seen("$error_analyzer_id", kinds.ANY),
    ),
)

_ONE_IDENTIFIER = (
    Field("compartment_id", kinds.ID),
    Field("user_account_id", kinds.TEXT),
    Field("email_hash", kinds.HASH),
    Field("user_agent_id", kinds.AGENT_ID),
)

PROFILE: Final = Shape(
    "4.2",
    Extras.NONE,
    (
        _needed("operation", choice("UPSERT", "DELETE")),
        *_ONE_IDENTIFIER,
        Field(
            "user_profile",
            Shape(
                "4.2",
                Extras.ANY,
                (
                    Field("$user_account_id", kinds.TEXT),
                    Field("$compartment_id", kinds.ID),
                    _untyped("$creation_ts", kinds.MILLIS),
                    _untyped("$last_modified_ts", kinds.MILLIS),
                    _seen("$expiration_ts", kinds.LAST_DAY),
                ),
            ),
        ),
        Field("update_strategy", choice("PARTIAL_UPDATE", "PARTIAL_DELETE", "FORCE_REPLACE")),
        Field("force_replace", kinds.FLAG),
        Field("merge_objects", kinds.FLAG),
    ),
)

CHOICE: Final = Shape(
    "4.3",
    Extras.NONE,
    (
        _needed("operation", choice("UPSERT", "DELETE")),
        *_ONE_IDENTIFIER,
        Field("force_replace", kinds.FLAG),
        _needed(
            "user_choice",
            Shape(
                "4.3",
                Extras.CUSTOM,
                (
                    _needed("$processing_id", kinds.TEXT),
                    _untyped("$choice_ts", kinds.MILLIS),
                    _seen("$choice_acceptance_value", kinds.FLAG),
                    _seen("$choice_source_id", kinds.ANY),
                    _seen("$choice_source_token", kinds.ANY),
                    _seen("$channel_id", kinds.ANY),
                    _seen("$creation_ts", kinds.MILLIS),
                    _seen("$user_point_id", kinds.ANY),
                ),
            ),
        ),
    ),
)

SEGMENT: Final = Shape(
    "4.4",
    Extras.NONE,
    (
        _needed("operation", choice("UPDATE", "DELETE")),
        *_ONE_IDENTIFIER,
        Field("segment_id", kinds.TEXT),
        Field("segment_technical_name", kinds.TEXT),
        Field("expiration_duration", kinds.MINUTES),
        Field("expiration_ts", kinds.EXPIRY),
        Field("data_bag", kinds.JSON_TEXT),
    ),
)

ASSOCIATION: Final = Shape(
    "4.5", Extras.NONE, (_needed("identifiers", Many(_identifier("4.5", _ACCOUNT, _EMAIL, _AGENT))),)
)

# No page describes the line: a JSON object is all that is asked (mediarithmics-api.md 4.6, inferred). So it is with a
# document type that nobody knows.
PLAIN: Final = Shape("4.6", Extras.ANY, ())

IDENTIFIERS_DELETION: Final = _identifier("4.7", _ACCOUNT, _EMAIL, _AGENT)
DEVICE_POINTS_DELETION: Final = _identifier("4.8", _AGENT)
USER_POINTS_DELETION: Final = _identifier("4.9", _ACCOUNT, _EMAIL, _AGENT, _POINT)

SHAPES: Final[Mapping[str, Shape]] = {
    "USER_ACTIVITY": ACTIVITY,
    "USER_PROFILE": PROFILE,
    "USER_CHOICE": CHOICE,
    "USER_SEGMENT": SEGMENT,
    "USER_IDENTIFIERS_ASSOCIATION_DECLARATIONS": ASSOCIATION,
    "USER_IDENTIFIERS_DISSOCIATION_DECLARATIONS": PLAIN,
    "USER_IDENTIFIERS_DELETION": IDENTIFIERS_DELETION,
    "USER_DEVICE_POINTS_DELETION": DEVICE_POINTS_DELETION,
    "USER_DEVICE_POINT_DELETION": DEVICE_POINTS_DELETION,
    "USER_POINTS_DELETION": USER_POINTS_DELETION,
}
