"""Tasks of the switchboard: steps that ask machines, and go on when all have answered."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from playground.agent.machines.numbers import with_global_pids
from playground.agent.protocol import Request

# What a task asks: an operation and its arguments, by machine; and what these answered, a
# result or an exception.
Asked = dict[int, tuple[str, Request]]
Answers = dict[int, Any]
Steps = Generator[Asked, Answers, Any]


class RemoteError(Exception):
    """What an agent answered in place of a result, as the protocol has it."""

    def __init__(self, error: Request) -> None:
        super().__init__(error["message"])
        self.error = error


def raise_first(answers: Answers) -> None:
    """Raise the first exception among answers, if there is one."""
    for answer in answers.values():
        if isinstance(answer, Exception):
            raise answer


class _Task:
    """One piece of work under way, and what it waits for: the number of each question."""

    def __init__(self, steps: Steps, done: Callable[[Any, Exception | None], None]) -> None:
        self.steps = steps
        self.done = done
        self.waiting: set[int] = set()
        self.answers: Answers = {}


class Tasks:
    """All that is under way.  ``send`` sends a message to a machine, or raises why it cannot."""

    def __init__(self, send: Callable[[int, Request], None]) -> None:
        self._send = send
        self._count = 0
        self._asked: dict[int, tuple[_Task, int]] = {}

    def start(self, steps: Steps, done: Callable[[Any, Exception | None], None]) -> None:
        """Begin some work; ``done`` is told its result, or the exception that ended it."""
        self._go_on(_Task(steps, done), None)

    def answered(self, message: Request) -> None:
        """Take the reply of a machine; one that nobody waits for any more is passed over."""
        found = self._asked.pop(message["id"], None)
        if found is None:
            return
        task, where = found
        if "error" in message:
            error = dict(message["error"])
            error["message"] = with_global_pids(str(error["message"]), where)
            task.answers[where] = RemoteError(error)
        else:
            task.answers[where] = message.get("result")
        self._answered(task, message["id"])

    def lose(self, machine: int, error: Exception) -> None:
        """Answer all that a machine was asked with an error: it will not answer any more."""
        for number, (task, where) in list(self._asked.items()):
            if where == machine and number in self._asked:
                del self._asked[number]
                task.answers[where] = error
                self._answered(task, number)

    def _answered(self, task: _Task, number: int) -> None:
        task.waiting.discard(number)
        if not task.waiting:
            self._go_on(task, task.answers)

    def _go_on(self, task: _Task, answers: Answers | None) -> None:
        while True:
            try:
                asked = next(task.steps) if answers is None else task.steps.send(answers)
            except StopIteration as stop:
                task.done(stop.value, None)
                return
            except Exception as error:
                task.done(None, error)
                return
            task.answers, task.waiting = {}, set()
            for where, (op, arguments) in asked.items():
                self._ask(task, where, op, arguments)
            if task.waiting:
                return
            answers = task.answers

    def _ask(self, task: _Task, where: int, op: str, arguments: Request) -> None:
        self._count += 1
        try:
            self._send(where, {"id": self._count, "op": op, "args": arguments})
        except Exception as error:
            task.answers[where] = error
            return
        self._asked[self._count] = (task, where)
        task.waiting.add(self._count)
