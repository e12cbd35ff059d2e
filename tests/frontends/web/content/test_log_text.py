"""A log on a page: its end, harmless, and only what is new."""

from __future__ import annotations

import pytest

from playground.frontends.web.content.log_text import LINES, added, cut_log


def test_the_end_of_a_log_is_shown_line_by_line() -> None:
    shown = cut_log("".join(f"line {n}\n" for n in range(5000)))
    assert shown.splitlines()[-1] == "line 4999"
    assert len(shown.splitlines()) <= LINES


def test_control_characters_have_no_effect_and_html_stays_text() -> None:
    assert cut_log("<b>\x1b[2J\r\nnext\n") == "<b>\\x1b[2J\nnext"


def test_one_endless_line_is_cut() -> None:
    assert len(cut_log("x" * 10**7)) < 2000


def test_a_megabyte_of_lines_is_bounded() -> None:
    assert len(cut_log(("y" * 999 + "\n") * 1000)) <= 64_000


@pytest.mark.parametrize(
    ("before", "now", "new"),
    [
        ("", "a\nb", "a\nb"),
        ("a\nb", "a\nb", ""),
        ("a\nb", "a\nb\nc", "c"),
        ("a\nb\nc", "c\nd", "d"),
        ("a\na\nb", "a\nb\na", "a"),
        ("a\nb", "c\nd", None),
        ("a", "", None),
        ("", "", ""),
    ],
    ids=["first", "same", "grown", "cut off", "twice", "another", "emptied", "nothing"],
)
def test_only_new_lines_are_added(before: str, now: str, new: str | None) -> None:
    assert added(before, now) == new
