"""What holds between the fields of one record (mediarithmics-api.md section 4), told twice for each document type.

`explain` looks at one record as the object it is and notes every flaw. `survey` looks at many decoded records in as few
steps of the interpreter as can be and gives the places of those that deserve the closer look, which are all that have a
flaw and as few others as can be; and every e-mail hash. A law of the tests holds the two together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mics_iac.documents.kinds import AGENT, EARLIEST, holds_json
from mics_iac.documents.notes import Notes

Line = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Together:
    """The rules between fields of one document type; `codes` are those of their flaws."""

    explain: Callable[[Line, Notes], None]
    survey: Callable[[Sequence[Any]], tuple[list[int], list[str]]]
    codes: tuple[str, ...] = ()


_SEVERAL: Final = "a line has one identifier: write a line for each"
_NONE: Final = "no identifier: give an account, a hashed e-mail or a user agent"
_LONE: Final = "a compartment says nothing without user_account_id: give both, or leave it out"


def _given(line: Line, key: str) -> bool:
    """Whether a field is there: a text that is empty is as good as none, as an empty cell of CSV is."""
    value = line.get(key)
    return value is not None and value != ""


def _agent(text: str | None) -> bool:
    """Whether nothing is wrong with a user agent id, or there is none."""
    return text is None or AGENT.match(text) is not None


# Activities (section 4.1)


def _explain_activity(line: Line, notes: Notes) -> None:
    listed = line.get("$user_identifiers")
    found = 0
    if isinstance(listed, list):
        found = len(listed)
    elif listed is not None:
        found = 1
    email = line.get("$email_hash")
    if isinstance(email, dict):
        hashed, clear = _given(email, "$hash"), _given(email, "$email")
        found += hashed or clear
        if not hashed:
            why = "the e-mail stands there without its hash" if clear else "neither a hash nor an e-mail stands there"
            notes.add("MICS356", ("$email_hash",), f"{why}: add `$hash`" + ("" if clear else ", or leave it out"))
    else:
        found += email is not None
    account = _given(line, "$user_account_id")
    found += account + _given(line, "$user_agent_id")
    if found == 0:
        notes.add("MICS350", (), "no identifier: give an account, a hashed e-mail or a user agent")
    elif found > 1:
        notes.add("MICS352", (), "several identifiers: the platform advises one a line, write a line for each")
    if not account and _given(line, "$compartment_id"):
        notes.add("MICS354", ("$compartment_id",), "a compartment says nothing without `$user_account_id`")


def _odd_activity(one: Any) -> bool:
    """Whether an activity has anything but one well formed identifier."""
    listed, email, agent = one.user_identifiers, one.email_hash, one.user_agent_id
    found = (one.user_account_id is not None) + (email is not None) + (agent is not None)
    if found + (0 if listed is None else len(listed)) != 1:
        return True
    if one.user_account_id is None and one.compartment_id is not None:
        return True
    if listed:
        agent = listed[0].user_agent_id
    return (email is not None and email.hash is None) or (agent is not None and AGENT.match(agent) is None)


def _survey_activities(docs: Sequence[Any]) -> tuple[list[int], list[str]]:
    # Most files name accounts alone: for them this is all that is asked.
    others = [
        (place, one)
        for place, one in enumerate(docs)
        if one.user_account_id is None
        or one.email_hash is not None
        or one.user_agent_id is not None
        or one.user_identifiers is not None
    ]
    if not others:
        return [], []
    hashes = [one.email_hash.hash for _, one in others if one.email_hash is not None]
    for _, one in others:
        if one.user_identifiers is not None:
            hashes.extend([each.hash for each in one.user_identifiers])
    return _odd_ones(others), [text for text in hashes if text is not None]


def _odd_ones(pairs: Sequence[tuple[int, Any]]) -> list[int]:
    """The odd ones of activities that name something else than an account; the usual ones cost no call."""
    return [
        place
        for place, one in pairs
        if (
            one.user_account_id is not None
            or one.compartment_id is not None
            or (
                # One agent of a kind that is known, or one hashed e-mail ...
                one.user_agent_id[:4] not in _USUAL or len(one.user_agent_id) < 5 or one.email_hash is not None
                if one.user_agent_id is not None
                else one.email_hash is None or one.email_hash.hash is None
            )
            if one.user_identifiers is None
            # ... or one in a list, which is no agent.
            else (
                len(one.user_identifiers) != 1
                or one.user_identifiers[0].user_agent_id is not None
                or one.user_account_id is not None
                or one.compartment_id is not None
                or one.email_hash is not None
                or one.user_agent_id is not None
            )
        )
        and _odd_activity(one)
    ]


_USUAL: Final = frozenset({"vec:", "net:", "udp:", "web:", "mob:"})


# Profiles, choices, segments: one identifier each (sections 4.2 to 4.4)


def _explain_one_identifier(line: Line, notes: Notes) -> None:
    account = _given(line, "user_account_id")
    found = account + _given(line, "email_hash") + _given(line, "user_agent_id")
    if found == 0:
        notes.add("MICS350", (), _NONE)
    elif found > 1:
        notes.add("MICS351", (), _SEVERAL)
    if not account and _given(line, "compartment_id"):
        notes.add("MICS354", ("compartment_id",), _LONE)


def _odd_identifier(one: Any) -> bool:
    """Whether a decoded line has anything but one well formed identifier."""
    if one.user_account_id is not None:
        return one.email_hash is not None or one.user_agent_id is not None
    if one.compartment_id is not None or (one.email_hash is None) == (one.user_agent_id is None):
        return True
    return not _agent(one.user_agent_id)


def _lines(odd: Callable[[Sequence[Any]], list[int]]) -> Callable[[Sequence[Any]], tuple[list[int], list[str]]]:
    return lambda docs: (odd(docs), [one.email_hash for one in docs if one.email_hash is not None])


def _explain_profile(line: Line, notes: Notes) -> None:
    _explain_one_identifier(line, notes)
    if line.get("operation") == "UPSERT" and line.get("user_profile") is None:
        notes.add("MICS320", ("user_profile",), "missing: an UPSERT needs it")
    old = [key for key in ("force_replace", "merge_objects") if line.get(key) is not None]
    if old and line.get("update_strategy") is not None:
        notes.add("MICS325", (old[0],), "update_strategy says it already: leave this out, it is the older style")


def _odd_profiles(docs: Sequence[Any]) -> list[int]:
    return [
        place
        for place, one in enumerate(docs)
        if (
            (one.user_account_id is None or one.email_hash is not None or one.user_agent_id is not None)
            and _odd_identifier(one)
        )
        or (one.user_profile is None and one.operation != "DELETE")
        or (one.update_strategy is not None and (one.force_replace is not None or one.merge_objects is not None))
    ]


def _explain_choice(line: Line, notes: Notes) -> None:
    _explain_one_identifier(line, notes)
    if line.get("operation") != "UPSERT":
        return
    if line.get("force_replace") is None:
        notes.add("MICS320", ("force_replace",), "missing: an UPSERT needs it, true or false")
    choice = line.get("user_choice")
    if isinstance(choice, dict):
        if choice.get("$choice_ts") is None:
            notes.add("MICS320", ("user_choice", "$choice_ts"), "missing: an UPSERT needs it, in milliseconds")
        if choice.get("$choice_acceptance_value") is None:
            notes.add("MICS329", ("user_choice",), "`$choice_acceptance_value` is missing: write true or false")


def _odd_choices(docs: Sequence[Any]) -> list[int]:
    return [
        place
        for place, one in enumerate(docs)
        if (
            (one.user_account_id is None or one.email_hash is not None or one.user_agent_id is not None)
            and _odd_identifier(one)
        )
        or (
            one.operation != "DELETE"
            and (
                one.force_replace is None
                or one.user_choice.choice_ts is None
                or one.user_choice.choice_acceptance_value is None
            )
        )
    ]


_NO_EXPIRY: Final = "missing: give the minutes until the user leaves the segment, 0 for never"
_DATE_ALONE: Final = "only this is given, and the platform's page asks for expiration_duration: give that"
_TWO_EXPIRIES: Final = "expiration_duration and this disagree on whether the user ever leaves: give one of them"
_NO_SEGMENT: Final = "no segment: give segment_id or segment_technical_name"


def _explain_segment(line: Line, notes: Notes) -> None:
    _explain_one_identifier(line, notes)
    if not _given(line, "segment_id") and not _given(line, "segment_technical_name"):
        notes.add("MICS327", (), _NO_SEGMENT)
    duration, date = line.get("expiration_duration"), line.get("expiration_ts")
    if duration is None and date is None:
        notes.add("MICS320", ("expiration_duration",), _NO_EXPIRY)
    elif duration is None:
        notes.add("MICS365", ("expiration_ts",), _DATE_ALONE)
    elif date is not None and (duration == 0) != (date == 0):
        notes.add("MICS364", ("expiration_ts",), _TWO_EXPIRIES)


def _odd_segments(docs: Sequence[Any]) -> list[int]:
    return [
        place
        for place, one in enumerate(docs)
        if (
            (one.user_account_id is None or one.email_hash is not None or one.user_agent_id is not None)
            and _odd_identifier(one)
        )
        or (one.segment_id is None and one.segment_technical_name is None)
        or one.expiration_duration is None
        or (one.expiration_ts is not None and odd_expiry(one.expiration_duration, one.expiration_ts))
        or (one.data_bag is not None and not holds_json(one.data_bag))
    ]


def odd_expiry(duration: int, date: int) -> bool:
    """Whether a date of expiry, which is no negative number, is in seconds or disagrees with the duration."""
    return (duration == 0) != (date == 0) or 0 < date < EARLIEST


# Associations (section 4.5)


def _explain_association(line: Line, notes: Notes) -> None:
    listed = line.get("identifiers")
    if not isinstance(listed, list):
        return
    if not listed:
        notes.add("MICS350", ("identifiers",), "the list is empty: give the identifiers of one person")
    elif len(listed) == 1:
        notes.add("MICS358", ("identifiers",), "one identifier is associated with nothing: give two or more")


def _survey_associations(docs: Sequence[Any]) -> tuple[list[int], list[str]]:
    every = [(place, each) for place, one in enumerate(docs) for each in one.identifiers]
    agents = [(place, each.user_agent_id) for place, each in every if each.user_agent_id is not None]
    odd = [place for place, one in enumerate(docs) if len(one.identifiers) < 2]
    odd += [place for place, agent in agents if not AGENT.match(agent)]
    return odd, [each.hash for _, each in every if each.hash is not None]


# Deletions (sections 4.7 to 4.9)


def _explain_identifier_deletion(line: Line, notes: Notes) -> None:
    agent = line.get("user_agent_id")
    if isinstance(agent, str) and agent.startswith("udp:"):
        notes.add(
            "MICS357",
            ("user_agent_id",),
            "a device point is no identifier: USER_DEVICE_POINTS_DELETION deletes device points",
        )


def _odd_identifier_deletions(docs: Sequence[Any]) -> list[int]:
    agents = [(place, one.user_agent_id) for place, one in enumerate(docs) if one.user_agent_id is not None]
    return [place for place, agent in agents if not AGENT.match(agent) or agent.startswith("udp:")]


def _odd_deletions(docs: Sequence[Any]) -> list[int]:
    agents = [(place, one.user_agent_id) for place, one in enumerate(docs) if one.user_agent_id is not None]
    return [place for place, agent in agents if not AGENT.match(agent)]


def _deletions(odd: Callable[[Sequence[Any]], list[int]]) -> Callable[[Sequence[Any]], tuple[list[int], list[str]]]:
    return lambda docs: (odd(docs), [one.hash for one in docs if one.hash is not None])


_ANY_DELETION: Final = Together(lambda _line, _notes: None, _deletions(_odd_deletions))
_ONE: Final = ("MICS350", "MICS351", "MICS354")

TOGETHER: Final[Mapping[str, Together]] = {
    "USER_ACTIVITY": Together(_explain_activity, _survey_activities, ("MICS350", "MICS352", "MICS354", "MICS356")),
    "USER_PROFILE": Together(_explain_profile, _lines(_odd_profiles), ("MICS320", "MICS325", *_ONE)),
    "USER_CHOICE": Together(_explain_choice, _lines(_odd_choices), ("MICS320", "MICS329", *_ONE)),
    "USER_SEGMENT": Together(
        _explain_segment, _lines(_odd_segments), ("MICS320", "MICS327", *_ONE, "MICS364", "MICS365")
    ),
    "USER_IDENTIFIERS_ASSOCIATION_DECLARATIONS": Together(
        _explain_association, _survey_associations, ("MICS350", "MICS358")
    ),
    "USER_IDENTIFIERS_DELETION": Together(
        _explain_identifier_deletion, _deletions(_odd_identifier_deletions), ("MICS357",)
    ),
    "USER_DEVICE_POINTS_DELETION": _ANY_DELETION,
    "USER_DEVICE_POINT_DELETION": _ANY_DELETION,
    "USER_POINTS_DELETION": _ANY_DELETION,
}

PLAIN: Final = Together(lambda _line, _notes: None, lambda _docs: ([], []))
