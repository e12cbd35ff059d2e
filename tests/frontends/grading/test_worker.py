"""One submission is marked, and told line by line."""

from __future__ import annotations

from pathlib import Path

import pytest

from playground.frontends.grading.pool import ChildLimits, run_children
from playground.frontends.grading.submissions import find_submissions
from playground.frontends.grading.worker import MarkJob, mark, passed_over

GOOD = "from playground import *\nh1, h2 = Host('h1'), Host('h2')\nLink(h1, h2)\n"
EXERCISE = '''
import pytest

@pytest.mark.points(3)
def test_reach(lab, points, exercise):
    """They reach each other."""
    assert exercise.seed == "anna"
    with points(1, "one way"):
        lab.check.reaches("h1", "h2", within_s=0)
    with points(1, "by ssh"):
        lab.check.reaches("h1", "h2", port=22, within_s=0)

@pytest.mark.time_limit(0.3)
def test_slow(lab):
    import time
    time.sleep(30)

def test_wrong(lab):
    1 / 0

@pytest.mark.hidden
def test_hidden(lab):
    assert lab["h1"].run("echo 2").stdout == "1"
'''


def marked(tmp_path: Path, text: str, engine: str) -> list[dict]:
    (tmp_path / "class").mkdir()
    (tmp_path / "class" / "anna.py").write_text(text)
    exercise = tmp_path / "exercise_test.py"
    exercise.write_text(EXERCISE)
    [found] = find_submissions(tmp_path / "class")
    job = MarkJob(found, exercise, "grade-test", engine, tmp_path, 60, 512, trusted=True)
    [(_, end)] = run_children([lambda send: mark(job, send)], 1, ChildLimits(120, 0))
    assert end.reason == ""
    return list(end.said)


@pytest.mark.parametrize("kind", ["namespaces", "docker"])
def test_each_check_is_told_with_its_points(tmp_path: Path, kind: str, request) -> None:
    request.getfixturevalue(f"{kind}_engine")
    said = marked(tmp_path, GOOD, kind)
    checks = {
        line["check"]["id"].partition("::")[2]: line["check"] for line in said if "check" in line
    }
    assert {name: (one["state"], one["got"]) for name, one in checks.items()} == {
        "test_reach": ("passed", 2),
        "test_slow": ("failed", 0),
        "test_wrong": ("broken", 0),
        "test_hidden": ("failed", 0),
    }
    first = checks["test_reach"]["tried"][0]
    assert first["text"] == "reaches: h1, h2, within_s=0 (h1 - h2)"
    assert "longer than 0.3 s" in checks["test_slow"]["said"]
    assert checks["test_wrong"]["said"] == "ZeroDivisionError: division by zero"
    assert checks["test_hidden"]["hidden"]
    assert {"cheats": []} in said


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1 / 0", "ZeroDivisionError"),
        (
            GOOD + "lab = Lab(h1)\nh1 = Host('h3', volumes={'/etc': '/x'})\nLink(h2, h3 := h1)\n",
            "path of this machine",
        ),
    ],
    ids=["broken", "reaching"],
)
def test_what_cannot_be_checked_is_told_and_no_lab_is_made(tmp_path: Path, text, says) -> None:
    said = marked(tmp_path, text, "namespaces")
    assert says in said[-1]["refusal"]
    assert str(tmp_path) not in said[-1]["refusal"]


def test_settings_that_marking_passes_over_are_told() -> None:
    said = passed_over(["name", "users", "engine", "reschedule"])
    assert [one.split()[2] for one in said] == ["engine=", "reschedule="]
