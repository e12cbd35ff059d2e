"""Marks as JUnit XML, which systems of continuous integration show.

A suite is a student, a case a check.  Source: the schema of Jenkins' xUnit plugin.

"""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree

from playground.display.safe_text import visible
from playground.frontends.grading.marks import BROKEN, NOT_TRIED
from playground.frontends.grading.outcomes import CheckMark, StudentMarks

# What is no character of XML 1.0 (section 2.2).
_NO_CHARACTER = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_text(title: str, outcomes: Sequence[StudentMarks]) -> str:
    """Return the outcomes as a document of JUnit XML."""
    top = ElementTree.Element("testsuites", name=_text(title))
    for outcome in outcomes:
        top.append(_suite(outcome))
    ElementTree.indent(top)
    return ElementTree.tostring(top, encoding="unicode", xml_declaration=True) + "\n"


def _suite(outcome: StudentMarks) -> ElementTree.Element:
    suite = ElementTree.Element(
        "testsuite",
        name=_text(outcome.student),
        tests=str(len(outcome.checks)),
        failures=str(sum(_kind(check) == "failure" for check in outcome.checks)),
        errors=str(sum(_kind(check) == "error" for check in outcome.checks)),
        skipped="0",
        time=f"{outcome.seconds:.2f}",
    )
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in (("points", outcome.got), ("of", outcome.points)):
        ElementTree.SubElement(properties, "property", name=name, value=f"{value:g}")
    for check in outcome.checks:
        case = ElementTree.SubElement(
            suite, "testcase", classname=_text(outcome.student), name=_text(check.title)
        )
        if kind := _kind(check):
            said = check.said or outcome.refusal or "it is not so"
            lost = [f"{part.title}: {part.said}" for part in check.parts if not part.earned]
            message = f"{check.got:g} of {check.points:g} points: {said.partition(chr(10))[0]}"
            problem = ElementTree.SubElement(case, kind, message=_text(message))
            problem.text = _text("\n".join([said, *lost]))
    if outcome.refusal:
        words = "\n".join([outcome.refusal, *([outcome.problem] if outcome.problem else [])])
        ElementTree.SubElement(suite, "system-err").text = _text(words)
    return suite


def _kind(check: CheckMark) -> str:
    if check.whole:
        return ""
    return "error" if check.state in (BROKEN, NOT_TRIED) else "failure"


def _text(text: str) -> str:
    return _NO_CHARACTER.sub("?", visible(text))
