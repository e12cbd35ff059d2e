"""Each student gets a network of their own, and there is a solution for each."""

from __future__ import annotations

from pathlib import Path

import pytest

from playground import exercise, load
from playground.errors import BadArgument
from playground.frontends.grading.handouts import hand_out, read_students

EXERCISE = """
from playground import Host, Lab, Link, Router

def network(exercise, broken):
    h1, r1, www = Host(exercise.name("client")), Router("r1"), Host(exercise.name("server"))
    Link(h1, r1, subnet=exercise.subnet("home"))
    Link(r1, www, subnet=exercise.subnet("servers"))
    if broken:
        node = exercise.choice("fault", [r1, www])
        node.firewall.default("drop")
    return Lab(h1, name="exercise")

def start(exercise):
    return network(exercise, True)

def solution(exercise):
    return network(exercise, False)

def task(exercise):
    return f"Mend the way from {exercise.name('client')}."
"""


def hand_outs(tmp_path: Path, text: str = EXERCISE, students=("anna", "bob")) -> int:
    (tmp_path / "exercise_test.py").write_text(text)
    return hand_out(
        tmp_path / "exercise_test.py", students, tmp_path / "out", tmp_path / "solutions"
    )


def test_each_student_gets_a_network_of_their_own_and_a_solution(tmp_path: Path) -> None:
    assert hand_outs(tmp_path) == 6
    anna, bob = (load(tmp_path / "out" / name / "lab.yaml") for name in ("anna", "bob"))
    assert {node.name for node in anna.nodes} != {node.name for node in bob.nodes}
    solved = load(tmp_path / "solutions" / "anna" / "lab.yaml")
    assert {node.name for node in solved.nodes} == {node.name for node in anna.nodes}
    assert [link.ends[0].addresses for link in solved.links] == [
        link.ends[0].addresses for link in anna.links
    ]
    client = exercise(seed="anna").name("client")
    assert client in anna
    assert (tmp_path / "out/anna/task.md").read_text() == f"Mend the way from {client}."


def test_it_is_the_same_on_every_run(tmp_path: Path) -> None:
    hand_outs(tmp_path)
    before = (tmp_path / "out/anna/lab.yaml").read_text()
    hand_outs(tmp_path)
    assert (tmp_path / "out/anna/lab.yaml").read_text() == before


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = 1", "hands nothing out"),
        ("def start(exercise): ...", "has no solution"),
        ("def start(e): return 3\ndef solution(e): return 3", "returns no Lab: 3"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_an_exercise_that_says_it_wrong_is_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(BadArgument, match=says):
        hand_outs(tmp_path, text)


@pytest.mark.parametrize("text", ["", "a/b", "..", "anna\nanna", "# nobody"])
def test_students_have_names_of_folders(tmp_path: Path, text: str) -> None:
    (tmp_path / "students.txt").write_text(text)
    with pytest.raises(BadArgument):
        read_students(tmp_path / "students.txt")


def test_students_are_read_a_line_each(tmp_path: Path) -> None:
    (tmp_path / "students.txt").write_text("anna  # A\n\nbob b\n")
    assert read_students(tmp_path / "students.txt") == ["anna", "bob b"]
