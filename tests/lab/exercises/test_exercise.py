"""Draws differ from student to student, and are the same for one."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from playground import exercise
from playground.errors import BadArgument


def test_the_same_student_draws_the_same() -> None:
    # As they were when this was written: another version must not change a class's exercise.
    task = exercise(seed="anna")
    assert task.number("port", 8000, 8999) == 8892
    assert task.choice("fault", ["cable", "route", "name"]) == "cable"
    assert task.subnet("home") == "10.198.154.0/24"
    assert task.name("server") == "maple"


def test_students_differ() -> None:
    drawn = {exercise(seed=f"s{number}").subnet("home") for number in range(100)}
    assert len(drawn) > 95


def test_subnets_addresses_and_names_of_one_exercise_are_different() -> None:
    task = exercise(seed="anna")
    subnets = [task.subnet(f"n{number}", within="10.0.0.0/26", prefix=29) for number in range(8)]
    assert len(set(subnets)) == 8
    hosts = [task.address(f"h{number}", "10.0.0.0/29") for number in range(5)]
    assert len(set(hosts)) == 5
    assert all(ip_address(host) in ip_network("10.0.0.0/29") for host in hosts)
    assert "10.0.0.1" not in hosts
    assert len({task.name(f"h{number}") for number in range(40)}) == 40
    assert task.name("h3") == task.name("h3")


@pytest.mark.parametrize(
    "draw",
    [
        lambda task: task.number("n", 3, 2),
        lambda task: task.choice("c", []),
        lambda task: task.choice("c", "abc"),
        lambda task: task.sample("s", [1], 2),
        lambda task: task.subnet("s", within="no"),
        lambda task: task.subnet("s", prefix=4),
        lambda task: task.address("a", "10.0.0.0/31"),
        lambda task: [task.subnet(f"s{n}", within="10.0.0.0/29", prefix=30) for n in range(3)],
        lambda task: [task.name(f"n{n}", ["a"]) for n in range(2)],
        lambda task: exercise(seed=""),
    ],
)
def test_what_cannot_be_drawn_is_a_sentence(draw) -> None:
    with pytest.raises(BadArgument):
        draw(exercise(seed="anna"))
