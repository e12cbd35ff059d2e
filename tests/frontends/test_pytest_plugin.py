"""A student's network is marked by pytest, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

from playground.engines.seam import Engine
from playground.frontends.pytest_plugin import _seconds

pytest_plugins = ["pytester"]

STUDENT = """
from playground import Host, Link, Router

h1, h2, r1 = Host("h1"), Host("h2"), Router("r1")
Link(h1, r1, subnet="10.1.0.0/24")
Link(r1, h2, subnet="10.2.0.0/24")
"""

EXERCISE = '''
import pytest

@pytest.mark.points(3)
def test_hosts_reach_each_other(lab):
    """The hosts reach each other."""
    assert lab.running
    lab.check.reaches("h1", "h2")

def test_the_router_is_on_the_way(lab):
    lab.check.path("h1", "h2", ["r1"])

@pytest.mark.points(2)
def test_h2_serves_a_page(lab):
    """h2 serves a page on port 80."""
    lab.check.serves("h2", "http", client="h1", within_s=0)
'''


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    pytester.makepyfile(exercise_test=EXERCISE)
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", *arguments)


def test_each_fact_that_holds_is_worth_its_points(
    engine: Engine, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(student=STUDENT)
    result = run(pytester, "--lab", "student.py", "exercise_test.py")
    result.assert_outcomes(passed=2, failed=1)
    shown = result.stdout.str()
    assert "nothing listens there on tcp port 80" in shown
    assert "lab.check.serves" not in shown, "a student reads no traceback"
    result.stdout.fnmatch_lines(
        [
            "*marks of student.py*",
            "+ 3 of 3  The hosts reach each other",
            "+ 1 of 1  test_the_router_is_on_the_way",
            "- 0 of 2  h2 serves a page on port 80",
            "*4 of 6",
        ]
    )


def test_a_test_module_may_name_its_network(engine: Engine, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(student=STUDENT)
    pytester.makepyfile(
        by_file='LAB = "student.py"\ndef test_it(lab): lab.check.reaches("h1", "r1")',
        by_function=STUDENT.replace("\n", "\nfrom playground import Lab\n", 1)
        + "def LAB(): return Lab(h1, quiet=True)\n"
        + 'def test_it(lab): lab.check.reaches("h2", "h1")',
    )
    result = run(pytester, "by_file.py", "by_function.py")
    result.assert_outcomes(passed=2)
    assert "marks of" not in result.stdout.str()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Host(", "*student.py, line 1:*"),
        ("from playground import Host\nHost('a b c')\n1 / 0", "*student.py, line *"),
        ("while True: pass", "*student.py, line 1 still ran after 2 s*"),
        ("", "*student.py makes no lab: write `lab = Lab(...)` in it*"),
        (None, "*there is no file *student.py*"),
    ],
    ids=["syntax", "mistake", "endless", "empty", "none"],
)
def test_what_cannot_become_a_network_is_said(
    pytester: pytest.Pytester, text: str | None, words: str
) -> None:
    if text is not None:
        pytester.makepyfile(student=text)
    result = run(pytester, "--lab", "student.py", "--lab-timeout", "2", "exercise_test.py")
    result.assert_outcomes(errors=3)
    result.stdout.fnmatch_lines([words, "*0 of 6"])
    assert "Traceback" not in result.stdout.str()
    assert "During handling" not in result.stdout.str()


@pytest.mark.parametrize("limit", ["0", "-1", "nan", "inf", "soon"])
def test_a_limit_is_a_number_of_seconds(limit: str) -> None:
    with pytest.raises(ValueError):
        _seconds(limit)


def test_without_a_network_it_says_how_to_give_one(pytester: pytest.Pytester) -> None:
    result = run(pytester, "exercise_test.py")
    result.stdout.fnmatch_lines(["*which network? Write `pytest --lab student.py*"])


def test_wrong_markers_are_told_before_anything_runs(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        ours='import pytest\n@pytest.mark.points("two")\ndef test_it(lab): ...',
        theirs='import pytest\n@pytest.mark.time_limit("x")\ndef test_it(): ...',
    )
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "ours.py")
    result.stderr.fnmatch_lines(["ERROR: the marker of test_it: points('two'): write a number*"])
    # Another plugin may mean something else by it.
    pytester.runpytest_subprocess("-p", "no:cacheprovider", "theirs.py").assert_outcomes(passed=1)


def test_pytest_waits_for_nothing_that_no_test_asks_for() -> None:
    program = "import playground.frontends.pytest_plugin, sys; print(*sys.modules)"
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert not {
        "playground.frontends.cli",
        "click",
        "playground.operations.diagnosis.checks",
    } & set(said.stdout.split())
