"""Marks written into a folder, in every form that somebody takes them on in."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from playground.engines.whole_files import write_whole
from playground.errors import TransferFailed
from playground.frontends.grading.class_page import class_page
from playground.frontends.grading.junit_file import junit_text
from playground.frontends.grading.outcomes import StudentMarks
from playground.frontends.grading.spreadsheets import csv_text, write_xlsx
from playground.frontends.grading.student_page import student_page

CSV, XLSX, JUNIT, PAGE, STUDENTS = "marks.csv", "marks.xlsx", "junit.xml", "index.html", "students"


def write_marks(
    folder: Path,
    title: str,
    outcomes: Sequence[StudentMarks],
    say: Callable[[str], object] = lambda text: None,
) -> None:
    """Write marks.csv, marks.xlsx, junit.xml, index.html and a page for each student.

    ``title`` is what the exercise is called.  Pages of students who are no longer there go.
    Without openpyxl there is no marks.xlsx, and ``say`` is told.  Raises `TransferFailed`.

    """
    pages = {outcome.student: f"{page_name(outcome.student)}.html" for outcome in outcomes}
    try:
        write_whole(folder / CSV, csv_text(outcomes))
        write_whole(folder / JUNIT, junit_text(title, outcomes))
        students = folder / STUDENTS
        students.mkdir(exist_ok=True)
        for old in students.glob("*.html"):
            if old.name not in pages.values():
                old.unlink()
        for outcome in outcomes:
            page = student_page(title, outcome)
            write_whole(students / pages[outcome.student], page)
        links = {student: f"{STUDENTS}/{name}" for student, name in pages.items()}
        write_whole(folder / PAGE, class_page(title, outcomes, links))
        if not write_xlsx(folder / XLSX, title, outcomes):
            say("there is no marks.xlsx, for want of a package: pip install openpyxl")
    except OSError as error:
        raise TransferFailed(
            f"marks cannot be written into {folder}: {error.strerror or error}"
        ) from error


def page_name(student: str) -> str:
    """Return the name of a student's page, without ending: plain letters, and none twice.

    >>> page_name("anna"), page_name("../bob")
    ('anna', 'bob-...')

    """
    # A name that ends as those below do would be somebody else's page.
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", student).strip("-.")[:60]
    if plain == student != "" and not re.search("-[0-9a-f]{8}$", plain):
        return plain
    text = os.fsencode(student) if _is_encodable(student) else repr(student).encode()
    return f"{plain or 'student'}-{hashlib.sha256(text).hexdigest()[:8]}"


def _is_encodable(text: str) -> bool:
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return False
    return True
