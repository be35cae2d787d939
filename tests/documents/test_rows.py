"""Segments in CSV: the header, the rows, their quotes, and the place of each finding."""

from __future__ import annotations

import time

import pytest

from tests.documents.lines import HASH
from tests.documents.reading import found, of_records, only, report_of

HEADER = (
    "operation,compartment_id,user_account_id,email_hash,user_agent_id,"
    "segment_id,segment_technical_name,expiration_duration,expiration_ts,data_bag"
)
GOOD = [
    'UPDATE,1001,C42,,,50123,,43200,,"{""score"": 0.8, ""of"": 1}"',
    "DELETE,,,,vec:123456,,vip_customers,0,,",
    f"UPDATE,,,{HASH},,5,,60,1768460400000,",
    '"UPDATE",,"C, 43",,,5,,0,0,"{\n""a"":1}"',
]
SHORT = "operation,user_account_id,segment_id,expiration_duration"


def check(text: str) -> list[tuple[int, int, str, str]]:
    return found(report_of("USER_SEGMENT", text.encode(), csv=True))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_good_rows_have_no_finding(end: str) -> None:
    text = end.join([HEADER, *GOOD, *GOOD])
    report = report_of("USER_SEGMENT", text.encode(), csv=True)
    assert found(report) == []
    assert (report.records, report.lines) == (8, 11)


def test_names_of_columns_are_taken_in_any_case_and_order() -> None:
    assert check("Segment_ID,OPERATION, user_account_id ,EXPIRATION_DURATION,COMPARTMENT_TOKEN\n5,UPDATE,C,0,x") == []


@pytest.mark.parametrize(
    ("row", "findings"),
    [
        ("UPSERT,1,C,,,5,,0,,", [(1, "MICS322", "operation")]),
        (",1,C,,,5,,0,,", [(1, "MICS320", "operation")]),
        ("UPDATE,,,,,5,,0,,", [(1, "MICS350", "")]),
        ("UPDATE,,C,h,,5,,0,,", [(1, "MICS351", "")]),
        ("UPDATE,7,,h,,5,,0,,", [(8, "MICS354", "compartment_id")]),
        ("UPDATE,,,a@b.example,,5,,0,,", [(10, "MICS355", "email_hash")]),
        ("UPDATE,,,,vec,5,,0,,", [(11, "MICS353", "user_agent_id")]),
        ("UPDATE,,C,,,,,0,,", [(1, "MICS327", "")]),
        ("UPDATE,,C,,,5,,,,", [(16, "MICS320", "expiration_duration")]),
        ("UPDATE,,C,,,5,,soon,,", [(16, "MICS321", "expiration_duration")]),
        ("UPDATE,,C,,,5,,-1,,", [(16, "MICS362", "expiration_duration")]),
        ("UPDATE,,C,,,5,,1768460400,,", [(16, "MICS363", "expiration_duration")]),
        ("UPDATE,,C,,,5,,,1768460400000,", [(17, "MICS365", "expiration_ts")]),
        ("UPDATE,,C,,,5,,1,1768460400,", [(18, "MICS360", "expiration_ts")]),
        ("UPDATE,,C,,,5,,1,0,", [(18, "MICS364", "expiration_ts")]),
        ("UPDATE,,C,,,5,,1,2026-01-15,", [(18, "MICS321", "expiration_ts")]),
        ('UPDATE,,"C,é",,,5,,0,,{', [(23, "MICS326", "data_bag")]),
        ("UPDATE,,C,,,5,,0,", [(1, "MICS373", "")]),
        ("UPDATE,,C,,,5,,0,,,", [(1, "MICS373", "")]),
        (" ", [(1, "MICS312", "")]),
        ('UPDATE,,C"D"E,,,5,,0,,', [(9, "MICS374", "")]),
        ('UPDATE,,"C"D,,,5,,0,,', [(9, "MICS374", "")]),
        ("UPDATE,,C\rD,,,5,,0,,", [(9, "MICS374", "")]),
    ],
)
def test_a_broken_row_has_its_findings_and_no_other(row: str, findings: list[tuple[int, str, str]]) -> None:
    text = "\n".join([HEADER, *GOOD, row, *GOOD])
    # The last of the good rows is two lines.
    hashes = [one for one in check(text) if one[2] != "MICS381"]
    assert hashes == [(7, *finding) for finding in findings]


def test_a_row_that_is_not_utf_8_is_told_and_the_others_are_looked_at() -> None:
    text = f"{SHORT}\nUPDATE,C,5,0\n".encode() + b"UPDATE,\xe9,5,0\nUPSERT,C,5,0\n"
    assert found(report_of("USER_SEGMENT", text, csv=True)) == [(3, 8, "MICS303", ""), (4, 1, "MICS322", "operation")]


def test_a_finding_below_a_newline_in_quotes_has_its_own_line_and_column() -> None:
    text = f'{SHORT},data_bag\nUPDATE,"a\nb",5,soon,"x\n\ny"\n'
    assert check(text) == [(3, 4 + 2, "MICS321", "expiration_duration"), (3, 11, "MICS326", "data_bag")]


def test_a_quote_that_is_never_closed_is_one_finding() -> None:
    text = f'{SHORT}\nUPDATE,C,5,0\nUPDATE,"C,5,0\n' + "UPDATE,C,5,0\n" * 5
    report = report_of("USER_SEGMENT", text.encode(), csv=True)
    assert found(report) == [(3, 8, "MICS375", "")]
    assert (report.records, report.lines) == (2, 8)


@pytest.mark.parametrize(
    ("header", "findings"),
    [
        ("UPDATE,C,5,0", [(1, 1, "MICS370", "")]),
        (SHORT.replace(",", ";"), [(1, 1, "MICS370", "")]),
        (SHORT.replace("operation", "what"), [(1, 1, "MICS370", "")]),
        (SHORT.replace("user_account_id", "who"), [(1, 1, "MICS370", "")]),
        (SHORT.replace("expiration_duration", "until"), [(1, 1, "MICS370", "")]),
        (SHORT.replace("segment_id", "OPERATION"), [(1, 27, "MICS372", "")]),
        ("\ufeff" + SHORT, [(1, 1, "MICS302", ""), (2, 1, "MICS322", "operation")]),
        ("\n" + SHORT, [(1, 1, "MICS312", ""), (3, 1, "MICS322", "operation")]),
        (SHORT + ",data-bag", [(1, 58, "MICS371", ""), (2, 1, "MICS373", "")]),
        (SHORT + ",", [(1, 58, "MICS371", ""), (2, 1, "MICS373", "")]),
    ],
)
def test_what_is_wrong_with_a_header(header: str, findings: list[tuple[int, int, str, str]]) -> None:
    assert check(f"{header}\nUPSERT,C,5,0") == findings


def test_a_header_whose_quote_is_never_closed_is_no_header() -> None:
    assert check(f'{SHORT},"x\nUPDATE,C,5,0,y') == [(0, 0, "MICS301", ""), (1, 58, "MICS370", "")]


def test_a_header_alone_holds_no_record() -> None:
    report = report_of("USER_SEGMENT", HEADER.encode(), csv=True)
    assert (report.records, report.lines, only(report, "MICS301").line) == (0, 1, 0)


def test_hashes_of_two_lengths_are_told() -> None:
    text = f"operation,email_hash,segment_id,expiration_duration\nUPDATE,{HASH},5,0\n\nUPDATE,{HASH[:32]},5,0\n"
    assert "32 on line 4" in only(report_of("USER_SEGMENT", text.encode(), csv=True), "MICS381").message


def test_of_an_unknown_type_only_the_table_is_looked_at() -> None:
    report = report_of("SOMETHING_NEW", b'a,b\n1,"2\n3"\n4\n', csv=True)
    assert (report.records, of_records(report)) == (2, {"MICS373": 1})


def test_a_cell_may_be_longer_than_the_standard_library_lets_it_be() -> None:
    bag = '"{""a"":""' + "x" * 200_000 + '""}"'
    assert check(f"{HEADER}\nUPDATE,,C,,,5,,0,,{bag}\nUPSERT,,C,,,5,,0,,{bag}") == [(3, 1, "MICS322", "operation")]


def test_a_row_is_refused_as_soon_as_it_is_too_wide() -> None:
    wide = report_of("USER_SEGMENT", f"{SHORT}\nUPDATE,C,5,0,,,\nUPDATE,C,5\n".encode(), csv=True)
    assert [f.message.split(":")[0] for f in wide.findings if f.code == "MICS373"] == [
        "the row has more cells, the header 4",
        "the row has 3 cells, the header 4",
    ]


def test_a_header_has_no_more_columns_than_a_sheet() -> None:
    assert found(report_of("USER_SEGMENT", SHORT.encode() + b"," * 16_381 + b"\nUPSERT", csv=True))[0][2] == "MICS370"


def test_a_header_of_many_columns_is_read_in_a_time_that_grows_with_it_alone() -> None:
    def seconds(columns: int) -> float:
        row = ",".join(f"c{number}" for number in range(columns)).encode()
        begun = time.process_time()
        report_of("USER_SEGMENT", row, csv=True)
        return time.process_time() - begun

    # Four times as many would take sixteen times as long, were each compared with all before it.
    assert min(seconds(16_000) for _ in range(3)) < 8 * min(seconds(4_000) for _ in range(3))
