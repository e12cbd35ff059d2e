"""One operation in a process of its own, and its reply."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from typing import Any

import pytest

from playground.agent.line.worker import work


def reply_of(function: Callable[..., Any], limit_s: float = 10, **arguments: Any) -> Any:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        work(7, function, arguments, limit_s, writer)
    os.close(writer)
    with open(reader, "rb") as file:
        [line] = file.read().splitlines()
    os.waitpid(child, 0)
    return json.loads(line)


def divide(a: int, b: int) -> float:
    return a / b


def test_what_an_operation_returns_is_its_reply() -> None:
    assert reply_of(divide, a=6, b=2) == {"id": 7, "result": 3.0}


@pytest.mark.parametrize(
    ("arguments", "kind"), [({"a": 1, "b": 0}, "ZeroDivisionError"), ({"a": 1}, "TypeError")]
)
def test_what_an_operation_raises_is_its_reply(arguments: Any, kind: str) -> None:
    reply = reply_of(divide, **arguments)
    assert (reply["id"], reply["error"]["type"]) == (7, kind)


def test_an_operation_that_takes_too_long_is_given_up() -> None:
    reply = reply_of(_sleep, limit_s=0.05)
    assert reply["error"]["type"] == "TimeoutError"
    assert "took too long" in reply["error"]["message"]


def _sleep() -> None:
    time.sleep(10)


def test_an_operation_has_no_descriptor_of_the_agent_but_its_own() -> None:
    strange, other = os.pipe()
    try:
        assert reply_of(_is_open, fd=strange)["result"] is False
    finally:
        os.close(strange)
        os.close(other)


def _is_open(fd: int) -> bool:
    return os.path.exists(f"/proc/self/fd/{fd}")
