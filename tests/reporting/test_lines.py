"""Text on its way to the screen."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mics_iac.reporting.figures import counted, duration, number, size
from mics_iac.reporting.lines import Palette, Span, columns, json_text, line, safe, told, write

PLAIN = Palette(on=False)


@given(st.text())
def test_nothing_unprintable_comes_out(text: str) -> None:
    for one in (safe(text), write([line(text)], palette=PLAIN)[:-1], write([line(text, hang=2)], palette=PLAIN)[:-1]):
        assert one.isprintable()


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126)))
def test_plain_text_is_left_alone(text: str) -> None:
    assert safe(text) == text


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("a\nb\r", "a\\nb\\r"),
        ("\u202egnp", "\\u202egnp"),
        ("a\u200bb\ufeff", "a\\u200bb\\ufeff"),
        ("\u3164\u2800", "\\u3164\\u2800"),
        ("\udc80", "\\udc80"),
        ("\U000e0041", "\\U000e0041"),
        ("café 東京", "café 東京"),
    ],
)
def test_what_is_made_visible(raw: str, shown: str) -> None:
    assert safe(raw) == shown


TEXTS = st.text(st.characters())  # halves of surrogate pairs too
SIZES = st.integers(-(2**63), 2**63)


@given(st.recursive(TEXTS | SIZES | st.none(), lambda c: st.lists(c) | st.dictionaries(TEXTS, c)))
def test_json_means_the_same_and_hides_nothing(value: object) -> None:
    text = json_text(value)
    assert json.loads(text) == value
    assert all(c.isprintable() or c == "\n" for c in text)


def test_a_message_of_several_lines_is_indented_after_the_first() -> None:
    shown = write(told(Span("Error: ", "error"), message="one\nError: two"), palette=PLAIN)
    assert shown == "Error: one\n    Error: two\n"


def test_wrapping_hangs_and_keeps_solid_spans_whole() -> None:
    one = line("  ", Span("a path with blanks.csv", solid=True), "  and some words that follow", hang=4)
    assert write([one], palette=PLAIN, width=24) == "  a path with blanks.csv\n    and some words that\n    follow\n"
    assert write([one], palette=PLAIN) == "  a path with blanks.csv  and some words that follow\n"


def test_wide_characters_take_two_columns() -> None:
    assert columns("東京") == 4
    assert columns("e\u0301") == 1
    assert write([line("東京 東京 東京", hang=0)], palette=PLAIN, width=9) == "東京 東京\n東京\n"


def test_styles_are_closed_on_their_line() -> None:
    shown = write([line(Span("one two", "bold"), hang=0)], palette=Palette(on=True), width=4)
    assert shown == "\x1b[1mone\x1b[0m\n\x1b[1mtwo\x1b[0m\n"


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (1_300_000_000, "1.3 GB"),
        (10**18, "1000.0 PB"),
    ],
)
def test_sizes(count: int, shown: str) -> None:
    assert size(count) == shown


def test_figures() -> None:
    assert number(2_410_332) == "2,410,332"
    assert [counted(n, "earlier batch") for n in (1, 2)] == ["1 earlier batch", "2 earlier batches"]
    assert [counted(n, "record") for n in (0, 1, 1200)] == ["0 records", "1 record", "1,200 records"]
    assert [duration(s) for s in (4.4, 125, 3720)] == ["4 s", "2 min 5 s", "1 h 2 min"]
