"""Workers that answer twice."""

from __future__ import annotations

import json
import os
import selectors
import time
from collections.abc import Iterator
from typing import Any

import pytest

from playground.agent.line.replies import Replies
from playground.agent.line.two_part_workers import TwoPartWorkers


class Line:
    """The workers of an agent, and what is answered."""

    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self.reader, self.writer = os.pipe()
        self.begun = 0
        self.workers = TwoPartWorkers(self.selector, Replies(self.selector, self.writer))

    def begin(self, request_id: int, function: Any, **arguments: Any) -> None:
        self.begun += 1
        self.workers.begin(request_id, function, arguments)

    def answers(self) -> list[Any]:
        """Wait for the next, and return what has come."""
        os.set_blocking(self.reader, False)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            for key, events in self.selector.select(0.1):
                key.data(key.fd, events)
            try:
                return [json.loads(line) for line in os.read(self.reader, 1 << 16).splitlines()]
            except BlockingIOError:
                continue
        raise AssertionError("no answer came")


@pytest.fixture
def line() -> Iterator[Line]:
    made = Line()
    yield made
    made.workers.kill()
    for _ in range(made.begun):
        os.waitpid(-1, 0)
    while made.selector.get_map():
        for key, events in made.selector.select(1):
            key.data(key.fd, events)
    made.selector.close()
    os.close(made.reader)
    os.close(made.writer)


def echo(told: int, word: str) -> Iterator[Any]:
    yield None
    assert os.read(told, 1)
    yield {"word": word}


def finds_all(told: int) -> Iterator[Any]:
    yield None
    yield {"word": "all"}


def fails(told: int) -> Iterator[Any]:
    raise OSError(19, "no such device")
    yield


def dies(told: int) -> Iterator[Any]:
    yield None
    os._exit(1)


def test_the_second_answer_comes_when_it_is_told_to_end(line: Line) -> None:
    line.begin(7, echo, word="a")
    line.begin(8, echo, word="b")
    answers = {one["id"]: one["result"] for one in line.answers()}
    while len(answers) < 2:
        answers |= {one["id"]: one["result"] for one in line.answers()}
    assert answers == {7: 1, 8: 2}
    line.workers.end(9, 2)
    assert line.answers() == [{"id": 9, "result": {"word": "b"}}]
    line.workers.end(10, 1)
    assert line.answers() == [{"id": 10, "result": {"word": "a"}}]


@pytest.mark.parametrize("begins", [1, 20])
def test_what_one_found_waits_where_it_ends_before_it_is_told(line: Line, begins: int) -> None:
    for request_id in range(begins):
        line.begin(request_id, finds_all)
        while line.selector.get_map():
            for key, events in line.selector.select(20):
                key.data(key.fd, events)
    line.answers()
    line.workers.end(30, begins)
    assert line.answers() == [{"id": 30, "result": {"word": "all"}}]
    with pytest.raises(LookupError, match="no such worker"):
        line.workers.end(31, begins)
    if begins > 1:
        # No more of them wait than an agent has room for.
        with pytest.raises(LookupError, match="no such worker"):
            line.workers.end(32, 1)


def test_what_it_raises_is_the_answer(line: Line) -> None:
    line.begin(7, fails)
    [answer] = line.answers()
    assert (answer["id"], answer["error"]["errno"]) == (7, 19)


def test_one_that_dies_is_answered_for(line: Line) -> None:
    line.begin(7, dies)
    assert line.answers() == [{"id": 7, "result": 1}]
    try:
        line.workers.end(8, 1)
    except LookupError:
        return
    [answer] = line.answers()
    assert "killed before it was done" in answer["error"]["message"]


def test_nobody_ends_what_never_was(line: Line) -> None:
    with pytest.raises(LookupError, match="no such worker"):
        line.workers.end(7, 3)
