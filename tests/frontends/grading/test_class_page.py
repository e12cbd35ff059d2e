"""The teacher's page tells how the class did."""

from __future__ import annotations

from playground.frontends.grading.class_page import bins, class_page
from playground.frontends.grading.write_marks import page_name
from tests.frontends.grading.class_of import CLASS

LINKS = {one.student: f"students/{page_name(one.student)}.html" for one in CLASS}


def test_students_are_counted_by_their_share() -> None:
    assert bins(CLASS) == [0, 0, 0, 0, 0, 1, 0, 0, 0, 1]


def test_what_failed_most_comes_first_also_what_is_hidden() -> None:
    shown = class_page("exercise", CLASS, LINKS)
    places = [shown.index(one) for one in ("Both homes are", "A secret", "h1 reads the page")]
    assert places == sorted(places)
    assert "1 of 1" in shown


def test_strangers_words_are_text() -> None:
    shown = class_page("exercise", CLASS, LINKS)
    assert "<script" not in shown
    assert 'href="students/anna.html"' in shown
