"""A law: the fast look and the slow one are of one mind. Whatever the fast one takes, the slow one finds nothing in."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mics_iac.documents.check import Checker
from mics_iac.documents.explaining import explain_text, rules_of
from mics_iac.documents.report import Report
from mics_iac.documents.rules import RULES
from tests.documents.lines import TYPES, texts


def report_of(document_type: str, *blocks: bytes, csv: bool = False) -> Report:
    checker = Checker(document_type, csv=csv)
    for block in blocks:
        checker.feed(block)
    return checker.end()


def of_records(report: Report) -> dict[str, int]:
    """What was counted of the records themselves."""
    return {code: number for code, number in report.counts.items() if RULES[code].scope == "record"}


@pytest.mark.parametrize("document_type", TYPES)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_whatever_is_taken_at_once_has_no_flaw_on_a_closer_look(document_type: str, data: st.DataObject) -> None:
    lines = data.draw(st.lists(texts(document_type).filter(bytes.strip), min_size=1, max_size=5))
    # A first line that begins the file as an array would close it.
    looked = Counter(flaw.code for line in lines for flaw in explain_text(line, *rules_of(document_type)).flaws)
    report = report_of(document_type, b"{}\n" + b"\n".join(lines))
    first = Counter(flaw.code for flaw in explain_text(b"{}", *rules_of(document_type)).flaws)
    assert of_records(report) == looked + first
