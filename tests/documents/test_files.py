"""What is found of a file as a whole, and how findings are told."""

from __future__ import annotations

import json
import time
import tracemalloc

import pytest

from mics_iac.documents.cutting import LONGEST
from mics_iac.documents.explaining import ENOUGH
from mics_iac.documents.report import SHOWN
from mics_iac.documents.rules import RULES
from tests.documents.lines import GOOD, HASH, TOUCH
from tests.documents.reading import found, of_records, only, report_of, sieved

PROFILE = GOOD["USER_PROFILE"][0]


def deletions(*hashes: str) -> bytes:
    return "".join(f'{{"type":"USER_EMAIL","hash":"{one}"}}\n' for one in hashes).encode()


@pytest.mark.parametrize("text", [b"", b"\n", b" \r\n\n", b"\x0b"])
def test_a_blank_file_holds_no_record(text: bytes) -> None:
    report = report_of("USER_PROFILE", text)
    assert (report.records, report.counts["MICS301"]) == (0, 1)
    assert only(report, "MICS301").line == 0


def test_a_byte_order_mark_is_told_once_and_the_first_line_is_looked_at_without_it() -> None:
    report = report_of("USER_PROFILE", f'\ufeff{PROFILE}\n{{"operation":"DELETE"}}\n'.encode())
    assert found(report) == [(1, 1, "MICS302", ""), (2, 1, "MICS350", "")]


@pytest.mark.parametrize("text", ["[\n{}\n]\n", "[{},{}]", "\n\n [ {}", "[1]\n" + PROFILE])
def test_an_array_is_told_once_and_nothing_of_what_is_in_it(text: str) -> None:
    report = report_of("USER_PROFILE", text.encode())
    assert {code for *_, code, _ in found(report)} - {"MICS312"} == {"MICS304"}
    assert report.counts["MICS304"] == 1
    assert report.records == sum(bool(line.strip()) for line in text.split("\n"))


def test_pretty_printed_json_is_told_once_and_nothing_of_what_is_in_it() -> None:
    text = "\n".join(json.dumps(json.loads(PROFILE), indent=2) for _ in range(100))
    assert found(report_of("USER_PROFILE", text.encode())) == [(1, 1, "MICS305", "")]


def test_a_line_feed_before_it_is_what_ends_a_line() -> None:
    report = report_of("USER_PROFILE", f"{PROFILE}\r\n{PROFILE}\r\n".encode())
    assert (report.lines, report.records, found(report)) == (2, 2, [])


def test_bytes_that_are_not_utf_8_are_told_at_their_character() -> None:
    inside = b'{"operation":"UPSERT","user_account_id":"C","user_profile":{"n":"\xc3\xa9\xe9","x":7}}'
    report = report_of("USER_PROFILE", PROFILE.encode() + b"\n" + inside)
    assert found(report) == [
        (
            2,
            inside.index(b"\xe9"),  # one byte before it belongs to a character of two
            "MICS303",
            "",
        )
    ]


def test_blank_lines_are_no_records() -> None:
    report = report_of("USER_PROFILE", f"\n{PROFILE}\n \t\n{PROFILE}\n\n".encode())
    assert (report.lines, report.records, of_records(report)) == (5, 2, {"MICS312": 3})
    assert [line for line, *_ in found(report)] == [1, 3, 5]


def test_blank_lines_among_others_are_passed_over_wherever_they_stand() -> None:
    lines = [PROFILE, "", '{"operation":"DELETE"}', " ", PROFILE, "\t", '{"operation":"é"']
    text = "".join(f"{line}\n" for line in lines).encode()
    once = report_of("USER_PROFILE", text)
    report = report_of("USER_PROFILE", *[text * 1000] * 3)
    assert of_records(report) == {code: 3000 * number for code, number in of_records(once).items()}
    assert (report.lines, report.records) == (3000 * once.lines, 3000 * once.records)
    assert [f.line for f in report.findings if f.code == "MICS312"][:5] == [2, 4, 6, 9, 11]
    every = frozenset(RULES)
    kept, dropped = sieved("USER_PROFILE", *[text * 1000] * 3, csv=False, drop=every)
    assert kept == f"{PROFILE}\n".encode() * 6000
    assert len(kept) + len(dropped) == 3000 * len(text)


def test_a_file_of_blank_lines_takes_less_than_a_microsecond_for_each() -> None:
    begun = time.process_time()
    assert report_of("USER_PROFILE", *[b"\n" * 250_000] * 4).counts == {"MICS301": 1, "MICS312": 1_000_000}
    assert time.process_time() - begun < 1


def test_few_records_are_warned_of() -> None:
    few, enough = (report_of("USER_PROFILE", f"{PROFILE}\n".encode() * number) for number in (999, 1000))
    assert (few.counts, enough.counts) == ({"MICS380": 1}, {})
    assert "999 records" in only(few, "MICS380").message


def test_the_first_findings_of_each_code_are_kept_and_the_others_counted() -> None:
    lines = ['{"operation":"DELETE"}', '{"operation":"DROP","user_account_id":"C"}'] * 400
    report = report_of("USER_PROFILE", *(f"{line}\n".encode() for line in lines))
    assert report.counts == {"MICS322": 400, "MICS350": 400, "MICS380": 1}
    assert [f.line for f in report.findings if f.code == "MICS322"] == list(range(2, 2 + 2 * SHOWN, 2))
    assert [f.line for f in report.findings if f.code == "MICS350"] == list(range(1, 1 + 2 * SHOWN, 2))
    assert report.count({"MICS322", "MICS380", "MICS999"}) == 401
    assert list(report.findings) == sorted(report.findings)


def test_hashes_of_two_lengths_are_told_with_the_lines_where_they_begin() -> None:
    report = report_of("USER_IDENTIFIERS_DELETION", deletions(HASH, HASH, HASH[:32], HASH[:40], HASH))
    finding = only(report, "MICS381")
    assert (finding.line, report.counts["MICS381"]) == (0, 1)
    assert "64 characters is on line 1" in finding.message
    assert "32 on line 3" in finding.message


def test_hashes_are_compared_wherever_they_stand() -> None:
    listed, alone = GOOD["USER_ACTIVITY"][1:3]
    other = alone.replace(HASH, HASH[:32])
    assert "MICS381" not in report_of("USER_ACTIVITY", f"{listed}\n{alone}".encode()).counts
    assert "MICS381" in report_of("USER_ACTIVITY", f"{listed}\n{other}".encode()).counts


def test_a_hash_on_a_line_with_another_flaw_is_measured_too() -> None:
    text = deletions(HASH) + b'{"type":"USER_EMAIL","hash":"abcdef","more":1}\n'
    assert "line 2" in only(report_of("USER_IDENTIFIERS_DELETION", text), "MICS381").message


def test_records_that_no_page_describes_are_told_to_be_unchecked() -> None:
    report = report_of("USER_IDENTIFIERS_DISSOCIATION_DECLARATIONS", b"{}\n" * 1000)
    assert report.counts == {"MICS382": 1}


def test_a_record_that_is_too_long_is_not_looked_at() -> None:
    long = b'{"operation":"DELETE","x":"' + b"y" * LONGEST + b'"}\n'
    report = report_of("USER_PROFILE", f"{PROFILE}\n".encode(), long[: 1 << 22], long[1 << 22 :], PROFILE.encode())
    assert found(report) == [(2, 1, "MICS309", "")]
    assert (report.records, report.lines) == (3, 3)


def fat(begin: str, value: str, end: str, size: int) -> bytes:
    """One record of so many bytes, filled with a value."""
    return (begin + ",".join([value] * ((size - len(begin)) // (len(value) + 1))) + end).encode()


LINE = f'{{{TOUCH},"$user_account_id":"C","$ttl":-1,"{{}}":['
ROW = "operation,user_account_id,segment_id,expiration_duration\n"
FAT = {
    "cells": lambda size: fat(ROW, "", "\n", size),
    "cells in quotes": lambda size: fat(ROW, '"a"', "\n", size),
    "columns": lambda size: fat("", "é", "\n", size),
    "events": lambda size: fat(LINE.replace("{}", "$events"), "{}", "]}\n", size),
    "objects": lambda size: fat(LINE.replace("{}", "x"), '{"":{}}', "]}\n", size),
    "lists": lambda size: fat(LINE.replace("{}", "x"), "[[]]", "]}\n", size),
    "no JSON": lambda size: fat(LINE.replace("{}", "x"), "{}", "]\n", size),
}


@pytest.mark.parametrize("size", [LONGEST - 1000, 4 * LONGEST])
@pytest.mark.parametrize("kind", FAT)
def test_a_fat_record_takes_little_memory_and_time(kind: str, size: int) -> None:
    data, csv = FAT[kind](size), kind in {"cells", "cells in quotes", "columns"}
    blocks = [data[start : start + (1 << 18)] for start in range(0, len(data), 1 << 18)]
    begun = time.process_time()
    report = report_of("USER_SEGMENT" if csv else "USER_ACTIVITY", *blocks, csv=csv)
    assert time.process_time() - begun < 3
    assert len(report.counts.keys() - {"MICS380"}) >= 1
    tracemalloc.start()
    try:
        report_of("USER_SEGMENT" if csv else "USER_ACTIVITY", *blocks, csv=csv)
        assert tracemalloc.get_traced_memory()[1] < 80_000_000
    finally:
        tracemalloc.stop()


def test_of_a_record_with_very_many_flaws_some_are_told_and_that_there_are_more() -> None:
    few, many = (f'{{{TOUCH},"$user_account_id":"C","$events":[{",".join(["{}"] * n)}]}}' for n in (ENOUGH - 1, 50_000))
    assert "no further" not in str(report_of("USER_ACTIVITY", few.encode()))
    report = report_of("USER_ACTIVITY", many.encode())
    assert report.counts["MICS320"] == ENOUGH
    assert "no further" in report.findings[1].message


def test_the_place_of_a_flaw_far_into_a_fat_record_is_at_least_near() -> None:
    line = f'{{"x":[{",".join(["{}"] * 50_000)}],{TOUCH},"$user_account_id":"C","$events":[{{}}]}}'
    assert found(report_of("USER_ACTIVITY", line.encode())) == [(1, 1, "MICS320", "$events[0].$event_name")]


def test_keys_of_the_users_own_make_no_finding_however_many_there_are() -> None:
    text = "".join(f'{GOOD["USER_ACTIVITY"][0][:-1]},"shop_{number % 7}":"\u00e9"}}\n' for number in range(3000))
    assert report_of("USER_ACTIVITY", text.encode()).counts == {}
    # What was learned is no licence: the same keys with a slip are still told.
    wrong = text + text.splitlines()[-1].replace("$events", "events")
    assert report_of("USER_ACTIVITY", wrong.encode()).counts == {"MICS320": 1, "MICS324": 1}


def test_no_message_holds_a_value_of_a_record() -> None:
    secret = "jane.doe-4711@mail.example"
    lines = [
        f'{{"operation":"{secret}","user_account_id":"{secret}","email_hash":"{secret}","{secret}":1}}',
        f'{{"operation":"DELETE","user_agent_id":"{secret}","user_profile":"{secret}","force_replace":"{secret}"}}',
        f'{{"operation":"{secret}',
        f'"{secret}"',
        f"{{}} {secret}",
    ]
    told = str(report_of("USER_PROFILE", "\n".join(lines).encode()))
    assert "MICS322" in told
    assert "jane" not in told
    assert "4711" not in told
