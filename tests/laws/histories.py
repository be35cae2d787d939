"""Histories for the laws: any entries in any order, as runs, hands and restored backups may leave them."""

from __future__ import annotations

from hypothesis import strategies as st

from mics_iac.core import journal
from mics_iac.core.ledger import Ledger
from mics_iac.core.settings import Settings
from mics_iac.core.state import State

API = "https://api.example.test"
DATAMARTS = ["1500", "1502"]
DOCUMENT_TYPES = ["USER_ACTIVITY", "USER_PROFILE"]
DIGESTS = [f"{number:064x}" for number in range(3)]

# Few names, so that entries meet; and texts with all that a file's or an import's name may hold.
_TEXTS = st.one_of(
    st.sampled_from(["data/a.ndjson", "data/b.ndjson", ' "checksum": "",', "a\nb", "é\u2028\U0001f600\x00\x7f\\"]),
    st.text(st.characters(codec="utf-8"), max_size=8),
)
ADDRESSES = st.sampled_from(["fr/visits", "fr/crm@2026-01-15", "de/visits"])
_IDS = st.sampled_from([str(number) for number in range(1, 7)])
_ATTEMPTS = st.sampled_from(["t1", "t2", "t3"])
_DIGESTS = st.sampled_from(DIGESTS)
_COUNTS = st.integers(0, 10**12)
_MAYBE = st.none() | _COUNTS
_STATUS = st.sampled_from(["PENDING", "RUNNING", "SUCCEEDED", "FAILED", "SOMETHING_NEW"])
SETTINGS = st.builds(
    Settings,
    st.sampled_from(DATAMARTS),
    _TEXTS,
    st.sampled_from(DOCUMENT_TYPES),
    st.just("APPLICATION_X_NDJSON"),
    st.just("utf-8"),
    st.sampled_from(["LOW", "MEDIUM"]),
)
_PART = {"source": _TEXTS, "part": st.integers(1, 3), "sha256": _DIGESTS, "bytes": _COUNTS, "records": _COUNTS}
_SOME_IDS = st.lists(_IDS, max_size=2).map(tuple)

ENTRY: st.SearchStrategy[journal.Entry] = st.one_of(
    st.builds(journal.CreateBegun, ADDRESSES, SETTINGS, _SOME_IDS),
    st.builds(journal.ImportCreated, ADDRESSES, _IDS, SETTINGS, st.booleans()),
    st.builds(journal.CreateAbandoned, ADDRESSES, _TEXTS),
    st.builds(journal.ImportAdopted, ADDRESSES, _IDS, SETTINGS, st.booleans(), st.booleans()),
    st.builds(journal.ChangeBegun, ADDRESSES, SETTINGS),
    st.builds(journal.ImportChanged, ADDRESSES, SETTINGS),
    st.builds(journal.GuardChanged, ADDRESSES, st.booleans()),
    st.builds(journal.ImportGone, ADDRESSES, _IDS),
    st.builds(journal.ImportMoved, ADDRESSES, ADDRESSES),
    st.builds(journal.ImportForgotten, ADDRESSES),
    st.builds(
        journal.UploadBegun,
        address=ADDRESSES,
        import_id=_IDS,
        attempt=_ATTEMPTS,
        lines=_COUNTS,
        strangers=_SOME_IDS,
        **_PART,
    ),
    st.builds(journal.UploadAccepted, ADDRESSES, _ATTEMPTS, _IDS, _STATUS, _MAYBE),
    st.builds(journal.UploadDoubted, ADDRESSES, _ATTEMPTS, st.booleans(), _TEXTS),
    st.builds(journal.UploadAbandoned, ADDRESSES, _ATTEMPTS, _TEXTS),
    st.builds(journal.UploadRefused, ADDRESSES, _ATTEMPTS, st.integers(400, 499), _TEXTS, st.none() | _TEXTS),
    st.builds(
        journal.ExecutionAdopted,
        address=ADDRESSES,
        import_id=_IDS,
        id=_IDS,
        status=_STATUS,
        creation_date=_MAYBE,
        **_PART,
    ),
    st.builds(journal.StrangerRead, ADDRESSES, _IDS, _IDS, _DIGESTS),
    st.builds(journal.StrangerDismissed, ADDRESSES, _IDS, _IDS, _DIGESTS),
    st.builds(journal.ExecutionSettled, ADDRESSES, _IDS, _STATUS, _MAYBE, _MAYBE, st.none() | _TEXTS),
)


def _sent(begun: journal.UploadBegun, id: str, status: str) -> list[journal.Entry]:  # noqa: A002 (the entry's own word)
    return [begun, journal.UploadAccepted(begun.address, begun.attempt, id, status)]


_BEGUN = st.builds(
    journal.UploadBegun,
    address=ADDRESSES,
    import_id=_IDS,
    attempt=_ATTEMPTS,
    lines=_COUNTS,
    strangers=_SOME_IDS,
    **_PART,
)
# What makes a deep state comes more often than chance alone would put it together.
_STEP = st.one_of(
    ENTRY.map(lambda entry: [entry]),
    st.builds(journal.ImportCreated, ADDRESSES, _IDS, SETTINGS).map(lambda entry: [entry]),
    st.builds(_sent, _BEGUN, _IDS, _STATUS),
    st.builds(journal.ImportMoved, ADDRESSES, ADDRESSES).map(lambda entry: [entry]),
)
HISTORY: st.SearchStrategy[list[journal.Entry]] = st.lists(_STEP, max_size=15).map(
    lambda steps: [entry for step in steps for entry in step]
)


def begun(serial: int = 0) -> journal.RunBegun:
    return journal.RunBegun("run-1", "lineage", serial, API, None, "apply", "ana", 1_800_000_000_000, "0.1.0")


def empty() -> State:
    return State(lineage="lineage", api_url=API)


def fold(*parts: list[journal.Entry], state: State | None = None) -> State:
    """The state that these entries lead to, through a state for each part but the last."""
    state = state if state is not None else empty()
    for part in parts:
        ledger = Ledger(state)
        ledger.extend(part)
        state = ledger.state()
    return state


STATE = st.builds(fold, HISTORY)
