"""Marks are written in every form."""

from __future__ import annotations

from pathlib import Path

import pytest

from playground.frontends.grading.write_marks import page_name, write_marks
from tests.frontends.grading.class_of import CLASS


def test_all_files_are_there_and_a_page_for_each_student(tmp_path: Path) -> None:
    (tmp_path / "students").mkdir()
    (tmp_path / "students" / "gone.html").write_text("")
    write_marks(tmp_path, "exercise", CLASS)
    found = {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file()}
    assert found == {
        *("marks.csv", "marks.xlsx", "junit.xml", "index.html", "students/anna.html"),
        f"students/{page_name(CLASS[1].student)}.html",
    }


@pytest.mark.parametrize("student", ["../bob", "a/b", "..", "", "\udcff", "x" * 300, "con\n"])
def test_no_name_leads_out_of_its_folder(student: str) -> None:
    name = page_name(student)
    assert name.isascii()
    assert "/" not in name
    assert name.strip(".")
    assert len(name) < 80


def test_names_that_look_alike_have_pages_of_their_own() -> None:
    assert len({page_name(one) for one in ("a b", "a/b", "a-b", "a\0b")}) == 4
    assert page_name(page_name("a b")) != page_name("a b")
