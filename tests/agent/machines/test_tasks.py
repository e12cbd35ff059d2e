"""Tasks that ask machines, and go on when all have answered."""

from __future__ import annotations

from typing import Any

import pytest

from playground.agent.machines.tasks import RemoteError, Steps, Tasks, raise_first


class Wire:
    """Machines that answer when they are told to."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, dict[str, Any]]] = []
        self.done: list[tuple[Any, Exception | None]] = []
        self.tasks = Tasks(self.send)

    def send(self, machine: int, message: dict[str, Any]) -> None:
        if machine == 13:
            raise ConnectionError("the machine m13 is gone")
        self.sent.append((machine, message))

    def start(self, steps: Steps) -> None:
        self.tasks.start(steps, lambda result, error: self.done.append((result, error)))

    def answer(self, number: int, **said: Any) -> None:
        self.tasks.answered({"id": self.sent[number][1]["id"], **said})


@pytest.fixture
def wire() -> Wire:
    return Wire()


def sum_of(*machines: int) -> Steps:
    answers = yield {machine: ("echo", {"value": machine}) for machine in machines}
    raise_first(answers)
    return sum(answers.values())


def test_a_task_goes_on_when_the_last_has_answered(wire: Wire) -> None:
    wire.start(sum_of(1, 2))
    assert [(m, message["op"]) for m, message in wire.sent] == [(1, "echo"), (2, "echo")]
    wire.answer(1, result=20)
    assert wire.done == []
    wire.answer(0, result=10)
    assert wire.done == [(30, None)]


def test_two_tasks_do_not_mix(wire: Wire) -> None:
    wire.start(sum_of(1))
    wire.start(sum_of(1))
    wire.answer(1, result=2)
    wire.answer(0, result=1)
    assert wire.done == [(2, None), (1, None)]


def test_an_error_names_processes_among_all_machines(wire: Wire) -> None:
    wire.start(sum_of(1))
    wire.answer(0, error={"type": "OSError", "errno": 2, "message": "the node of pid 7"})
    [(_, error)] = wire.done
    assert isinstance(error, RemoteError)
    assert error.error["message"] == f"the node of pid {(1 << 22) + 7}"
    assert error.error["errno"] == 2


def test_a_machine_that_cannot_be_asked_is_an_answer_too(wire: Wire) -> None:
    wire.start(sum_of(1, 13))
    wire.answer(0, result=1)
    assert str(wire.done[0][1]) == "the machine m13 is gone"


def test_what_a_lost_machine_was_asked_is_answered_with_its_loss(wire: Wire) -> None:
    wire.start(sum_of(1, 2))
    wire.start(sum_of(2))
    wire.tasks.lose(2, ConnectionError("m2 is gone"))
    assert [str(error) for _, error in wire.done] == ["m2 is gone"]
    wire.answer(0, result=1)
    assert [str(error) for _, error in wire.done] == ["m2 is gone"] * 2


def test_an_answer_that_nobody_waits_for_is_passed_over(wire: Wire) -> None:
    wire.tasks.answered({"id": 99, "result": None})
    assert wire.done == []


def test_a_task_that_asks_nobody_goes_on_at_once(wire: Wire) -> None:
    wire.start(sum_of())
    assert wire.done == [(0, None)]
