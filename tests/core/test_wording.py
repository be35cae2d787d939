"""What a message shows of what the user wrote."""

from __future__ import annotations

import pytest

from mics_iac.core.wording import did_you_mean, listed, quoted, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é", "plain é"),
        ("a\tb\r\n", "a\\tb\\r\\n"),
        ("\x1b[31m\x00\x9b", "\\x1b[31m\\x00\\x9b"),
        ("\u202eabc\u2028", "\\u202eabc\\u2028"),
        ("\U000e0001\udce9", "\\U000e0001\\udce9"),
    ],
)
def test_what_does_not_print_is_made_visible(text: str, shown: str) -> None:
    assert visible(text) == shown
    assert shown.isprintable()


def test_long_values_are_cut() -> None:
    assert quoted("x" * 60) == '"' + "x" * 60 + '"'
    assert quoted("x" * 61) == '"' + "x" * 59 + '…"'


@pytest.mark.parametrize(
    ("words", "shown"),
    [([], ""), (["A"], "A"), (["A", "B"], "A or B"), (["A", "B", "C"], "A, B or C"), (["\n"], "\\n")],
)
def test_lists(words: list[str], shown: str) -> None:
    assert listed(words) == shown


def test_long_lists_are_cut() -> None:
    assert listed(map(str, range(100))).endswith(", 11 and 88 more")


@pytest.mark.parametrize(
    ("word", "choices", "hint"),
    [
        ("prority", ["priority", "protect"], ' Did you mean "priority"?'),
        ("PRIORITY", ["priority"], ' Did you mean "priority"?'),
        ("zzz", ["priority"], ""),
        ("x" * 10_000, ["x" * 9_999], ""),
        ("a", [], ""),
        ("name1", [f"name{number}" for number in range(3_000)], ""),
    ],
)
def test_the_nearest_choice(word: str, choices: list[str], hint: str) -> None:
    assert did_you_mean(word, choices) == hint
