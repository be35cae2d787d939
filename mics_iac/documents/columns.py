"""The fast look at segments in CSV: whole columns at once, which gives the rows that deserve a closer one.

Every row with a flaw is among them, as a law of the tests holds, and few others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from mics_iac.documents.kinds import AGENT, EARLIEST, LATEST, LONGEST, holds_json
from mics_iac.documents.together import odd_expiry

Column = Sequence[str]
_OPERATIONS: Final = frozenset({"UPDATE", "DELETE"})


def odd_rows(table: Mapping[str, Column], rows: int) -> Iterator[int]:
    """The rows, some of them more than once, that have a flaw in one of the columns or between them."""
    nothing: Column = ("",) * rows

    def column(name: str) -> Column:
        return table.get(name, nothing)

    yield from _unlike(column("operation"), _OPERATIONS)
    yield from _identifiers(
        column("user_account_id"), column("email_hash"), column("user_agent_id"), column("compartment_id")
    )
    targets = zip(column("segment_id"), column("segment_technical_name"), strict=True)
    yield from (row for row, (one, other) in enumerate(targets) if not one and not other)
    durations, dates = column("expiration_duration"), column("expiration_ts")
    yield from _unlike(durations, frozenset(text for text in set(durations) if _minutes(text)))
    if any(dates):
        both = zip(durations, dates, strict=True)
        yield from (row for row, (minutes, date) in enumerate(both) if date and _odd_date(minutes, date))
    yield from (row for row, bag in enumerate(column("data_bag")) if bag and not holds_json(bag))


def _unlike(column: Column, good: frozenset[str]) -> Iterator[int]:
    """The rows whose cell is none of the good ones."""
    if not good.issuperset(column):
        yield from (row for row, text in enumerate(column) if text not in good)


def _identifiers(accounts: Column, emails: Column, agents: Column, compartments: Column) -> Iterator[int]:
    three = zip(accounts, emails, agents, strict=True)
    yield from (row for row, (one, two, other) in enumerate(three) if (not one) + (not two) + (not other) != 2)
    if any(compartments):
        both = zip(accounts, compartments, strict=True)
        yield from (row for row, (account, compartment) in enumerate(both) if compartment and not account)
    if "@" in "".join(emails):
        yield from (row for row, text in enumerate(emails) if "@" in text)
    if any(agents):
        yield from (row for row, text in enumerate(agents) if text and not AGENT.match(text))


def _minutes(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 9 and int(text) <= LONGEST


def _odd_date(minutes: str, date: str) -> bool:
    if not (date.isascii() and date.isdigit() and len(date) < 16):
        return True
    moment = int(date)
    if not (moment == 0 or EARLIEST <= moment <= LATEST):
        return True
    # A duration that is odd by itself makes the row one that is looked at anyway.
    return _minutes(minutes) and odd_expiry(int(minutes), moment)
