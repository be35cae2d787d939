"""A law: the sandbox, which judges by rules written apart, and the checker agree, but for disagreements named here.

Each has its reason in the reference page; whatever else they see differently is a mistake of one of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mics_iac.documents.report import Finding
from mics_iac.documents.rules import RULES
from mics_iac.sandbox.intake import Intake
from mics_iac.sandbox.message import Refused
from mics_iac.sandbox.profile import Profile
from mics_iac.sandbox.store import Spool, Store
from tests.documents.lines import TYPES, texts
from tests.documents.reading import report_of
from tests.documents.tables import tables

# Errors of ours that the sandbox lets pass: each would load wrong data without a word, or is not looked at there.
WE_ALONE: Final[dict[str, Callable[[Finding], bool]]] = {
    "a timestamp in seconds, or no date at all": lambda f: f.code in {"MICS360", "MICS361"},
    "a quote inside a cell that is not quoted: RFC 4180 has none, many readers do": lambda f: (
        f.code in {"MICS374", "MICS375"} or f.message.startswith("quotes do not fit")
    ),
    "a field that the sandbox does not judge": lambda f: f.field in {"$session_duration", "$unique_key"},
    "what a profile holds": lambda f: f.field.startswith("user_profile."),
}
# Warnings of ours where the sandbox rejects the line.
SANDBOX_ALONE: Final[dict[str, Callable[[Finding], bool]]] = {
    "no segment: that one of two optional fields is needed is inferred": lambda f: f.code == "MICS327",
    "an empty text: as good as none to us, and rejected there wherever a text is looked at": lambda f: (
        f.code == "MICS323"
    ),
    "a type that only client code tells": lambda f: f.code == "MICS330",
    "an `$email_hash` that holds nothing, beside another identifier": lambda f: f.code == "MICS356",
    "dissociation: judged as association there, as a JSON object here; both are inferred": lambda f: (
        f.code == "MICS382"
    ),
}


def accepted(store: Store, document_type: str, data: bytes, *, csv: bool = False) -> bool:
    """Whether the sandbox takes a file and applies every line of it."""
    mime_type = "TEXT_CSV" if csv else "APPLICATION_X_NDJSON"
    intake = Intake(Profile(), document_type, mime_type, Spool(store), Spool(store))
    try:
        return intake.read([data]).failure == 0
    except Refused:
        return False


def agree(store: Store, document_type: str, data: bytes, *, csv: bool = False) -> None:
    findings = report_of(document_type, data, csv=csv).findings
    errors = [f for f in findings if RULES[f.code].severity == "error"]
    reasons = WE_ALONE if errors else SANDBOX_ALONE
    explained = [f for f in findings if any(reason(f) for reason in reasons.values())]
    if accepted(store, document_type, data, csv=csv) == (not errors):
        return
    # One disagreement about quotes makes others about what stands behind them.
    assert explained if not errors or csv else {*errors} <= {*explained}, findings


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("sandbox") / "sandbox.db")


# The sandbox reads no whole number of more than 4,300 digits, since Python does not.
def readable(line: bytes) -> bool:
    return b"1" * 4301 not in line


@pytest.mark.parametrize("document_type", sorted(set(TYPES) - {"USER_DEVICE_POINT_DELETION"}))
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_both_judge_a_line_alike(store: Store, document_type: str, data: st.DataObject) -> None:
    agree(store, document_type, data.draw(texts(document_type).filter(readable)))


@settings(max_examples=60, deadline=None)
@given(text=tables())
def test_both_judge_a_table_alike(store: Store, text: bytes) -> None:
    agree(store, "USER_SEGMENT", text, csv=True)
