"""The page of a student tells what it may."""

from __future__ import annotations

from playground.frontends.grading.student_page import student_page
from tests.frontends.grading.class_of import CLASS


def test_it_tells_points_parts_feedback_and_what_was_tried() -> None:
    shown = student_page("exercise", CLASS[0])
    for words in ("3 <small>of 6", "h4 has no route", "Look at the modem.", "serves", "data:image"):
        assert words in shown


def test_of_hidden_checks_it_tells_the_points_only() -> None:
    shown = student_page("exercise", CLASS[0])
    assert "A hidden check" in shown
    assert "secret" not in shown
    assert "psst" not in shown


def test_names_and_words_of_strangers_are_text_and_nobody_is_accused() -> None:
    shown = student_page("exercise", CLASS[1])
    assert "<script" not in shown
    assert "\x1b" not in shown
    assert "cheat" not in shown
