"""Which entries are worth keeping when the place of the state cannot be reached, and which of them still fit later.

Pure. What is kept are outcomes whose intents the state knows; everything else is seen again on the platform. Others may
have had the state in between, and found out the same by looking: what they settled is passed over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mics_iac.core import journal
from mics_iac.core.ledger import Ledger

_Outcome = (
    journal.ImportCreated
    | journal.CreateAbandoned
    | journal.UploadAccepted
    | journal.UploadDoubted
    | journal.UploadAbandoned
    | journal.UploadRefused
    | journal.ExecutionSettled
)


def worth_keeping(entries: Iterable[journal.Entry]) -> list[journal.Entry]:
    """The outcomes among these entries: an intent that was not recorded was not acted on."""
    return [entry for entry in entries if isinstance(entry, _Outcome)]


def still_fitting(ledger: Ledger, entries: Iterable[journal.Entry]) -> Iterator[journal.Entry]:
    """The outcomes of what the ledger holds as open; `ledger` is a copy, into which they are folded one by one."""
    for entry in entries:
        if _fits(ledger, entry):
            ledger.add(entry)
            yield entry


def _fits(ledger: Ledger, entry: journal.Entry) -> bool:
    match entry:
        case journal.ImportCreated():
            # One of another title is a later creation of that address.
            creating = ledger.creating(entry.address)
            return creating is not None and creating.settings.title == entry.settings.title
        case journal.CreateAbandoned():
            return ledger.creating(entry.address) is not None
        case journal.UploadAccepted() | journal.UploadDoubted() | journal.UploadAbandoned() | journal.UploadRefused():
            open_ = (d for one in ledger.doubting() if one.address == entry.address for d in one.doubts)
            return any(doubt.attempt == entry.attempt for doubt in open_)
        case journal.ExecutionSettled():
            return any((one.address, one.execution.id) == (entry.address, entry.id) for one in ledger.unsettled())
        case _:
            return False
