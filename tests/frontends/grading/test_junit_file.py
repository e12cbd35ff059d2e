"""Marks as JUnit XML."""

from __future__ import annotations

from xml.etree import ElementTree

from playground.frontends.grading.junit_file import junit_text
from tests.frontends.grading.class_of import CLASS


def test_a_suite_is_a_student_and_a_case_a_check() -> None:
    top = ElementTree.fromstring(junit_text("exercise", CLASS))
    anna, evil = top.findall("testsuite")
    assert (anna.get("name"), anna.get("tests"), anna.get("failures")) == ("anna", "3", "2")
    assert anna.find("testcase").get("name") == "h1 reads the page"
    assert "h4 has no route" in "".join(anna.itertext())
    assert "<script>" in evil.get("name", "")
