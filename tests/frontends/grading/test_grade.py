"""A class is marked; what one submission does costs its own mark only."""

from __future__ import annotations

import csv
import os
import secrets
import shutil
import tempfile
from pathlib import Path

import pytest

from playground.errors import BadArgument
from playground.frontends.grading import grade as grading
from playground.frontends.grading.grade import GradeOptions, grade, outcome_of
from playground.frontends.grading.outcomes import CheckMark, StudentMarks, check_data
from playground.frontends.grading.pool import ChildEnd
from tests.ordinary import ordinary_user

HOSTS = "from playground import *\nh1, h2 = Host('h1'), Host('h2')\n"
EXERCISE = '''
def test_reach(lab):
    """They reach each other."""
    lab.check.reaches("h1", "h2", within_s=0.2)
'''
# What labs of this process are called by.
RUN = f"test{os.getpid()}"
BINARY = os.fsdecode(b"hans\xff\n\x1b[31m")
CLASS = {
    "anna.py": HOSTS + "Link(h1, h2)\n",
    "bob.py": HOSTS + "r = Router('r')\nLink(h1, r)\nLink(h2, r)\nh2.firewall.default('drop')\n",
    "carl.py": "import os, signal\nos.kill(-1, signal.SIGKILL)\nos.kill(os.getppid(), 9)\n",
    "dora.py": 'print(\'{"check": {"got": 100}}\')\nwhile True: pass\n',
    "=emil.py": "1 / 0",
    "gina.py": "from playground import *\nh1 = Host('h1', command='false')\nLink(h1, Host('h2'))\n",
    "fred.py": HOSTS
    + "Link(h1, Host('h3', command='cat /dev/zero > /dev/shm/x; sleep 9'))\nLink(h1, h2)\n",
}


@pytest.fixture(scope="module")
def graded(tmp_path_factory, namespaces_engine):
    top = tmp_path_factory.mktemp("graded")
    (top / "class").mkdir()
    (top / "tmp").mkdir()
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setattr(tempfile, "tempdir", str(top / "tmp"))
    monkeypatch.setattr(secrets, "token_hex", lambda size: RUN)
    for name, text in CLASS.items():
        (top / "class" / name).write_text(text)
    (top / "class" / BINARY).mkdir()
    (top / "class" / BINARY / "lab.py").write_text(CLASS["anna.py"])
    (top / "exercise_test.py").write_text(EXERCISE)
    options = GradeOptions(read_limit_s=3, jobs=3)
    said: list[str] = []
    found = grade(top / "exercise_test.py", top / "class", top / "marks", options, said.append)
    yield top, options, {one.student: one for one in found}, said
    monkeypatch.undo()


def test_each_has_its_own_mark(graded) -> None:
    _, _, found, _ = graded
    assert {name: one.got for name, one in found.items()} == {
        "anna": 1,
        "bob": 0,
        "carl": 0,
        "dora": 0,
        "=emil": 0,
        "fred": 1,
        "gina": 0,
        BINARY: 1,
    }
    assert "firewall" in found["bob"].checks[0].said
    assert "still ran after 3 s" in found["dora"].refusal
    assert "ZeroDivisionError" in found["=emil"].refusal
    assert found["carl"].refusal
    assert "program main of h1" in found["gina"].refusal
    assert found["=emil"].refusal == "=emil.py, line 1: ZeroDivisionError: division by zero"
    assert found["anna"].picture.startswith("<svg")


def test_marks_are_written(graded) -> None:
    top, _, _, _ = graded
    text = (top / "marks" / "marks.csv").read_text()
    rows = list(csv.reader(text.splitlines()))
    assert [row[:2] for row in rows[1:3]] == [["'=emil", "0"], ["anna", "1"]]


def test_only_what_changed_is_marked_anew(graded) -> None:
    top, options, found, _ = graded
    (top / "class" / "bob.py").write_text(CLASS["anna.py"])
    said: list[str] = []
    again = grade(top / "exercise_test.py", top / "class", top / "marks", options, said.append)
    assert said[0] == "7 of 8 submissions need not be marked anew"
    assert {one.student: one.got for one in again}["bob"] == 1
    assert [one for one in again if one.student == "dora"] == [found["dora"]]


def test_nothing_is_left(graded, namespaces_engine) -> None:
    assert not [*(graded[0] / "tmp").iterdir()]
    assert not [one for one in namespaces_engine.labs() if one.name.startswith(f"grade-{RUN}")]


ORDINARY = """
import tempfile
from pathlib import Path
from playground.frontends.grading.grade import GradeOptions, grade
with tempfile.TemporaryDirectory() as folder:
    top = Path(folder)
    (top / "class").mkdir()
    (top / "class" / "anna.py").write_text({submission!r})
    (top / "class" / "bob.py").write_text("open('/proc/1/mem'); 1 / 0")
    (top / "exercise_test.py").write_text({exercise!r})
    for one in grade(top / "exercise_test.py", top / "class", top / "marks", GradeOptions(), print):
        print("mark", one.student, one.got, one.refusal)
"""


def test_a_teacher_need_not_be_root(monkeypatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    with ordinary_user("namespaces") as run:
        said = run(ORDINARY.format(submission=CLASS["anna.py"], exercise=EXERCISE)).stdout
    assert "mark anna 1 \n" in said
    assert "mark bob 0 bob.py, line 1" in said


WRONG = "import pytest\n@pytest.mark.{}\ndef test_it(): ..."


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = 1", "has no checks"),
        ("def (", "cannot be read"),
        ("1 / 0", "ZeroDivisionError"),
        (WRONG.format('points("two")'), r"marker of test_it: points\('two'\): write a number"),
        (WRONG.format('points(float("nan"))'), r"marker of test_it: points\(nan\)"),
        (WRONG.format("points(-3)"), "marker of test_it: points.*of 0 or more"),
        (WRONG.format('time_limit("x")'), "marker of test_it: time_limit.*a number above 0"),
        (WRONG.format("points(many=2)"), r"points takes one thing: write points\(n\)"),
    ],
)
def test_an_exercise_that_is_none_is_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "class").mkdir()
    (tmp_path / "class" / "anna.py").write_text("")
    (tmp_path / "exercise_test.py").write_text(text)
    with pytest.raises(BadArgument, match=says):
        grade(
            tmp_path / "exercise_test.py",
            tmp_path / "class",
            tmp_path / "marks",
            GradeOptions(),
            print,
        )


def test_marks_among_submissions_are_refused(tmp_path: Path) -> None:
    (tmp_path / "exercise_test.py").write_text(EXERCISE)
    with pytest.raises(BadArgument, match="among the submissions"):
        grade(tmp_path / "exercise_test.py", tmp_path, tmp_path / "marks", GradeOptions(), print)


def small_class(tmp_path: Path, *students: str) -> tuple[Path, Path, Path]:
    (tmp_path / "class").mkdir()
    for student in students:
        (tmp_path / "class" / f"{student}.py").write_text(student)
    (tmp_path / "exercise_test.py").write_text(EXERCISE)
    return tmp_path / "exercise_test.py", tmp_path / "class", tmp_path / "marks"


def test_a_run_that_ends_early_keeps_what_it_has_marked(tmp_path: Path, monkeypatch) -> None:
    def ends(jobs, *others):
        yield StudentMarks("anna", seconds=1.5)
        raise KeyboardInterrupt

    places = small_class(tmp_path, "anna", "bob")
    monkeypatch.setattr(grading, "_mark_all", ends)
    with pytest.raises(KeyboardInterrupt):
        grade(*places, GradeOptions(trusted=True), print)
    marked: list[str] = []

    def marks(jobs, *others):
        for job in jobs:
            marked.append(job.student)
            yield StudentMarks(job.student)

    monkeypatch.setattr(grading, "_mark_all", marks)
    found = grade(*places, GradeOptions(trusted=True), print)
    assert marked == ["bob"]
    assert [one.seconds for one in found] == [1.5, 0]


def test_a_folder_that_will_not_go_costs_no_marks(tmp_path: Path, monkeypatch) -> None:
    def fails(place):
        raise RecursionError("too deep")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(shutil, "rmtree", fails)
    said: list[str] = []
    with grading._folder(said.append) as place:
        assert place.is_dir()
    assert said == [f"{place} cannot be removed: too deep; remove it by hand"]


def test_who_earned_points_and_was_not_looked_at_is_told() -> None:
    check = CheckMark("t.py::page", "h1 reads the page", got=1, state="passed")
    line = {"check": check_data(check)}
    late = ChildEnd((line,), "it was not done after 300 s", 300.0)
    assert outcome_of("anna", [], late).cheats == (
        "it could not be looked at for cheating: it ended before",
    )
    assert outcome_of("anna", [], ChildEnd((line, {"cheats": []}), "", 1.0)).cheats == ()
    assert outcome_of("anna", [], ChildEnd((), "", 1.0)).cheats == ()


def test_a_mistake_of_ours_is_no_part_of_the_refusal() -> None:
    found = outcome_of("anna", [], ChildEnd(({"broken": "Traceback in /home/x"},), "", 1.0))
    assert found.refusal == "it could not be marked, which is no mistake of the student's"
    assert found.problem == "Traceback in /home/x"


def fingerprint(tmp_path: Path, **options) -> str:
    apart = (tmp_path / "class", tmp_path / "marks")
    return grading._fingerprint(
        tmp_path / "exercise_test.py", GradeOptions(**options), apart, print
    )


@pytest.mark.parametrize(
    ("name", "matters"),
    [
        ("expected.json", True),
        ("parts/helper.py", True),
        ("class/anna.py", False),
        ("class/anna/lab.py", False),
        ("marks/index.html", False),
        ("others/marks/index.html", False),
        ("__pycache__/exercise_test.pyc", False),
        (".git/HEAD", False),
    ],
)
def test_what_lies_beside_an_exercise_is_part_of_it(
    tmp_path: Path, name: str, matters: bool
) -> None:
    small_class(tmp_path, "bob")
    (tmp_path / "others" / "marks").mkdir(parents=True)
    (tmp_path / "others" / "marks" / "outcomes.json").write_text("{}")
    before = fingerprint(tmp_path)
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("1")
    assert (fingerprint(tmp_path) != before) == matters


def test_marks_of_who_was_trusted_are_not_those_of_who_is_not(tmp_path: Path) -> None:
    small_class(tmp_path)
    assert fingerprint(tmp_path) == fingerprint(tmp_path) != fingerprint(tmp_path, trusted=True)


def test_a_home_folder_beside_an_exercise_has_an_end(tmp_path: Path, monkeypatch, capsys) -> None:
    small_class(tmp_path)
    for number in range(3):
        (tmp_path / f"data{number}").write_text("1")
    monkeypatch.setattr(grading, "_MOST_BESIDE", 2)
    monkeypatch.setattr(grading, "_MOST_BESIDE_BYTES", 0)
    before = fingerprint(tmp_path)
    assert "more than 2 files lie beside the exercise" in capsys.readouterr().out
    (tmp_path / "data0").write_text("22")
    assert fingerprint(tmp_path) != before
