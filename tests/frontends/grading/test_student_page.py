"""The page of a student tells what it may."""

from __future__ import annotations

from playground.frontends.grading.class_page import class_page
from playground.frontends.grading.junit_file import junit_text
from playground.frontends.grading.outcomes import StudentMarks
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


def test_where_a_mistake_of_ours_lies_is_for_the_teacher_alone() -> None:
    found = StudentMarks("anna", refusal="it could not be marked", problem="in /home/teacher/x.py")
    assert "/home/teacher" not in student_page("exercise", found)
    assert "/home/teacher" in class_page("exercise", [found], {"anna": "anna.html"})
    assert "/home/teacher" in junit_text("exercise", [found])


def test_a_refusal_keeps_the_name_that_it_begins_with() -> None:
    shown = student_page("exercise", StudentMarks("anna", refusal="lab.py, line 3: KeyError"))
    assert ">lab.py, line 3" in shown
    assert ">It ended" in student_page("exercise", StudentMarks("anna", refusal="it ended"))
