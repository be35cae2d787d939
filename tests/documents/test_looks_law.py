"""A law: the fast look and the slow one are of one mind. Whatever the fast one takes, the slow one finds nothing in."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mics_iac.documents.explaining import explain_text, rules_of
from tests.documents.lines import GOOD, TYPES, texts
from tests.documents.pages import codes_of
from tests.documents.reading import of_records, report_of
from tests.documents.test_records import BROKEN

# What is told of any text, whatever its type.
TEXT = {"MICS303", "MICS306", "MICS307", "MICS308", "MICS311", "MICS312", "MICS313"}


@pytest.mark.parametrize("document_type", sorted(set(TYPES) - {"USER_DEVICE_POINT_DELETION"}))
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_whatever_is_taken_at_once_has_no_flaw_on_a_closer_look(document_type: str, data: st.DataObject) -> None:
    lines = data.draw(st.lists(texts(document_type).filter(bytes.strip), min_size=1, max_size=5))
    # A first line that begins the file as an array would close it.
    looked = Counter(flaw.code for line in lines for flaw in explain_text(line, *rules_of(document_type)).flaws)
    report = report_of(document_type, b"{}\n" + b"\n".join(lines))
    first = Counter(flaw.code for flaw in explain_text(b"{}", *rules_of(document_type)).flaws)
    assert of_records(report) == looked + first
    assert of_records(report).keys() <= codes_of(document_type) | TEXT


BAD = {document_type: [line for kind, line, _ in BROKEN if kind == document_type] for document_type in TYPES}


@pytest.mark.parametrize("document_type", ["USER_ACTIVITY", "USER_PROFILE", "USER_CHOICE", "USER_SEGMENT"])
def test_a_long_run_of_like_records_changes_nothing_for_those_behind_it(document_type: str) -> None:
    like = f"{GOOD[document_type][0]}\n".encode()
    others = "".join(f"{line}\n" for line in [*GOOD[document_type], *BAD[document_type]]).encode()
    alone = report_of(document_type, others)
    behind = report_of(document_type, like * (2_500_000 // len(like)), others, like * 1000, others)
    assert of_records(behind) == {code: 2 * number for code, number in of_records(alone).items()}
    assert of_records(alone)
